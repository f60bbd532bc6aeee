"""Chooses a box by trying what works on this machine, strongest first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from grader.errors import SandboxLost, UsageError
from grader.model import Limits
from grader.sandbox import LEVELS, Sandbox, level

if TYPE_CHECKING:
    from grader.course import Isolation


def quiet(text: str) -> None:
    """For whoever wants to hear nothing."""


def choose(
    name: str,
    preload: Sequence[str] = (),
    isolation: Isolation | None = None,
    limits: Limits | None = None,
    say: Callable[[str], None] = quiet,
    spares: int = 0,
) -> Sandbox:
    """The sandbox of that name, at the level that the course requires at least.

    `auto` is the strongest that works here: the jail where it is `contained`, else Docker where an engine
    answers, else the jail with what walls it has, else a plain process. Where the jail is contained it keeps
    what a container keeps, and a worker is there in milliseconds.

    preload: modules that every worker finds imported; limits: of the workers that will be wanted; say: is
    told what takes long; spares: workers kept ready ahead. Raises UsageError for a box that does not work here or is below the level required.
    """
    from grader.course import Isolation

    settings = isolation or Isolation()
    box = _box(name, preload, settings, limits, say, spares)
    if settings.require == LEVELS[0]:
        return box
    try:
        reached = level(box.walls(limits))
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


def _box(
    name: str,
    preload: Sequence[str],
    isolation: Isolation,
    limits: Limits | None,
    say: Callable[[str], None],
    spares: int,
) -> Sandbox:
    from grader.sandbox.process import ProcessSandbox

    if name == "process":
        return ProcessSandbox()
    if name == "docker":
        return _docker(preload, isolation, say, spares)
    works, reason = jail_available()
    jail: Sandbox | None = None
    if works:
        from grader.sandbox.jail import Jail

        jail = Jail(preload=tuple(preload), spares=spares)
        if name == "jail" or _contained(jail, limits):
            return jail
    if name == "jail":
        raise UsageError(
            f"the jail does not work here: {reason}. Try --sandbox docker or process, or see `grade doctor`"
        )
    if docker_available()[0]:
        if jail is not None:
            jail.close()
        return _docker(preload, isolation, say, spares)
    return jail or ProcessSandbox()


def _contained(jail: Sandbox, limits: Limits | None) -> bool:
    try:
        return level(jail.walls(limits)) == "contained"
    except SandboxLost:
        return False


def _docker(
    preload: Sequence[str], isolation: Isolation, say: Callable[[str], None], spares: int
) -> Sandbox:
    from grader.sandbox.docker import DockerSandbox

    settings = isolation.docker
    return DockerSandbox(
        preload=preload,
        image=settings.image,
        per=settings.per,
        cpus=settings.cpus,
        packages=settings.packages,
        spares=spares,
        say=say,
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
