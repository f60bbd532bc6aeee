"""All that is ever inside the box: wire codec, worker loop, bindings, and the walls put up around them.

Nothing here knows an expected answer, a tolerance or a score, and nothing here imports the rest of
`grader`; only the standard library, numpy and msgspec.
"""
