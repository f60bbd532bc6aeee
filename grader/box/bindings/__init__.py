"""Bindings: one vocabulary for questions over the many shapes that student code comes in.

A binding is a module with `bind(package) -> subject`. A subject's methods take and return plain data
(floats, lists, numpy arrays), find the student's names when they are asked for (so that a missing one
costs only what needs it), and never compare anything.
"""
