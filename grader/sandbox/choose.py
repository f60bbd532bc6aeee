"""Chooses a box by trying what works on this machine, strongest first."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from grader.errors import UsageError
from grader.sandbox import Sandbox


def choose(name: str, preload: Sequence[str] = ()) -> Sandbox:
    """The sandbox of that name; `auto` is the strongest that works here.

    preload: modules that every worker finds imported. Raises UsageError for a box that does not work here.
    """
    from grader.sandbox.process import ProcessSandbox

    if name == "process":
        return ProcessSandbox()
    works, reason = jail_available()
    if works:
        from grader.sandbox.jail import Jail

        return Jail(preload=tuple(preload))
    if name == "jail":
        raise UsageError(
            f"the jail does not work here: {reason}. Try --sandbox process, or see `grade doctor`"
        )
    return ProcessSandbox()


def jail_available() -> tuple[bool, str]:
    """Whether the jail works on this machine, and if not, why."""
    if sys.platform != "linux":
        return False, "it needs Linux"
    from grader.sandbox.jail import Jail

    return Jail.available()
