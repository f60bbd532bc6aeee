"""Chooses a box by trying what works on this machine, strongest first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from grader.errors import SandboxLost, UsageError
from grader.model import Limits
from grader.sandbox import LEVELS, Sandbox, level

if TYPE_CHECKING:
    from grader.course import Isolation


def quiet(text: str) -> None:
    """For whoever wants to hear nothing."""


class Wanted(NamedTuple):
    """What a box is wanted for.

    preload: modules that every worker finds imported; limits: of its workers; secrets: files that no worker
    may be able to open; say: is told what takes long; spares: workers kept ready ahead.
    """

    preload: Sequence[str] = ()
    limits: Limits | None = None
    secrets: Sequence[str] = ()
    say: Callable[[str], None] = quiet
    spares: int = 0


def choose(name: str, isolation: Isolation | None = None, wanted: Wanted | None = None) -> Sandbox:
    """The sandbox of that name, at the level that the course requires at least.

    `auto` is the strongest that works here: the jail where it is `contained`, else Docker where an engine
    answers, else the jail with what walls it has, else a plain process. Where the jail is contained it keeps
    what a container keeps, and a worker is there in milliseconds.

    Raises UsageError for a box that does not work here or is below the level required.
    """
    from grader.course import Isolation

    settings = isolation or Isolation()
    wanted = wanted or Wanted()
    box = _box(name, settings, wanted)
    if settings.require == LEVELS[0]:
        return box
    try:
        reached = level(box.walls(wanted.limits))
    except BaseException:
        box.close()
        raise
    if LEVELS.index(reached) < LEVELS.index(settings.require):
        down = ", ".join(wall.name for wall in box.walls() if not wall.up)
        box.close()
        raise UsageError(
            f"isolation.require in grader.yaml asks for {settings.require!r}, and the sandbox {box.name} "
            f"reaches {reached!r} here (not up: {down}). Run `grade doctor` to see what this machine offers"
        )
    return box


def _box(name: str, isolation: Isolation, wanted: Wanted) -> Sandbox:
    from grader.sandbox.process import ProcessSandbox

    if name == "process":
        return ProcessSandbox()
    if name == "docker":
        return _docker(isolation, wanted)
    works, reason = jail_available()
    weaker: Sandbox | None = None
    if works:
        jail = _jail(wanted)
        if name == "jail":
            return jail
        try:
            reached = level(jail.walls(wanted.limits))
        except SandboxLost:
            jail.close()
        else:
            if reached == "contained":
                return jail
            weaker = jail
    if name == "jail":
        raise UsageError(
            f"the jail does not work here: {reason}. Try --sandbox docker or process, or see `grade doctor`"
        )
    if docker_available()[0]:
        if weaker is not None:
            weaker.close()
        return _docker(isolation, wanted)
    return weaker or ProcessSandbox()


def _jail(wanted: Wanted) -> Sandbox:
    from grader.sandbox.jail import Jail

    return Jail(preload=wanted.preload, spares=wanted.spares, secrets=wanted.secrets)


def _docker(isolation: Isolation, wanted: Wanted) -> Sandbox:
    from grader.sandbox.docker import DockerSandbox

    settings = isolation.docker
    return DockerSandbox(
        preload=wanted.preload,
        image=settings.image,
        per=settings.per,
        cpus=settings.cpus,
        packages=settings.packages,
        spares=wanted.spares,
        say=wanted.say,
    )


def jail_available() -> tuple[bool, str]:
    """Whether the jail works on this machine, and if not, why."""
    if sys.platform != "linux":
        return False, "it needs Linux"
    from grader.sandbox.jail import Jail

    return Jail.available()


def docker_available() -> tuple[bool, str]:
    """Whether a container engine answers, and which one, or why none does."""
    import importlib.util

    if importlib.util.find_spec("docker") is None:
        return False, "the Python package docker is not installed: pip install docker"
    from grader.sandbox.docker import DockerSandbox

    return DockerSandbox.available()
