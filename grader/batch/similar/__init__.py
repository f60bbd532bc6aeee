"""Which hand-ins of a class share code that neither was given: evidence for a person, never a judgement.

Nothing here changes a grade, a gradebook or a report, and no file of a submission is run.
"""
