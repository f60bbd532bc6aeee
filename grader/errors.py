"""Every error of ours, in one family: each one says what went wrong, where, and what to do next.

A student's mistake is never one of these; it is a value in the report. Exit codes follow the table
that `docs/design.md` gives ("Exit codes").
"""

from __future__ import annotations


class GraderError(Exception):
    """The root. `exit_code` is what the command ends with when nobody handles the error."""

    exit_code = 4


class UsageError(GraderError):
    """The command line or a configuration file is wrong; the message names file, line and key."""

    exit_code = 2


class BrokenCheck(UsageError):
    """A check that cannot be graded with: no question, nothing returned, no case drawn."""


class OutputFault(GraderError):
    """An output cannot be written, such as on a full disk. The report stands, and so do the other outputs."""


class NotGradable(GraderError):
    """The submission cannot be taken in at all (no such directory, a link in a zip, a bomb).

    what: without the advice, which is for who hands it in.
    """

    exit_code = 3

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(f"{what}. {advice}" if advice else what)
        self.what = what
        self.advice = advice


class SandboxLost(GraderError):
    """The box went away for a reason that is ours, so that what was asked of it is HELD."""


class ReferenceFault(GraderError):
    """The answer key itself raised, timed out or answered with something that cannot be compared."""
