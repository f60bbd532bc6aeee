"""The exceptions that mean something to the worker: each becomes a `Raised` of its own kind."""

from __future__ import annotations


class TimeLimit(BaseException):
    """The processor time of a check or an import is used up.

    Not an Exception, so that `except Exception` in the student's code does not swallow it.
    """


class Missing(Exception):
    """A name that the assignment asks for, or that another file imports, is not there."""


class Blocked(Exception):
    """What a question needs cannot be imported."""


class InputMutated(Exception):
    """The student's code changed an input in place; the message names the input."""
