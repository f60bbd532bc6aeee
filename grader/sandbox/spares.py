"""Workers that are kept ready ahead, behind their walls, so that a submission does not wait for one.

A spare has read nothing and belongs to nobody yet. It is taken once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from grader.model import Limits


class Spare(Protocol):
    """What is asked of a spare worker."""

    def runs(self) -> bool:
        """Whether it has not ended."""

    def kill(self) -> None:
        """Ends it."""


S = TypeVar("S", bound=Spare)


class Spares(Generic[S]):
    """Up to `count` workers, each with the limits that it was made for. The sandbox's lock guards it."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.ready: list[tuple[Limits, S]] = []

    def take(self, limits: Limits) -> S | None:
        """A spare with these limits that still runs; None when there is none."""
        for at, (its_limits, process) in enumerate(self.ready):
            if its_limits == limits:
                del self.ready[at]
                if process.runs():
                    return process
                process.kill()
                return None
        return None

    def keep(self, limits: Limits, process: S) -> None:
        """Takes in a worker that nobody has used."""
        self.ready.append((limits, process))

    def fill(self, limits: Limits, request: Callable[[Limits], S]) -> None:
        """Asks for as many as are missing, without waiting for them. Raises what `request` raises."""
        while len(self.ready) < self.count:
            self.ready.append((limits, request(limits)))

    def clear(self) -> None:
        """Forgets all of them; whoever holds the sandbox's processes ends them."""
        self.ready.clear()
