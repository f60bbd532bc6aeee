"""What works on this machine: each thing that a grading may need, tried rather than looked up."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from grader.errors import GraderError


class Finding(NamedTuple):
    """One thing that was tried. needed: nothing can be graded without it; advice: what to do about it."""

    what: str
    fine: bool
    detail: str
    advice: str = ""
    needed: bool = False


def examine(course_dir: Path | None = None) -> list[Finding]:
    """Everything, in the order in which it matters."""
    return [*_python(), *_sandboxes(), *_course(course_dir)]


def _python() -> list[Finding]:
    found = [Finding("Python", sys.version_info >= (3, 11), platform.python_version(), needed=True)]
    for name, needed, why in (
        ("numpy", True, ""),
        ("hypothesis", True, ""),
        (
            "numba",
            False,
            "only courses with compiled kernels need it: pip install 'backcheck[numba]'",
        ),
    ):
        try:
            found.append(Finding(name, True, metadata.version(name), needed=needed))
        except metadata.PackageNotFoundError:
            found.append(
                Finding(name, False, "not installed", why or "run: pip install backcheck", needed)
            )
    return found


def _sandboxes() -> list[Finding]:
    from grader.model import Limits
    from grader.sandbox.choose import jail_available
    from grader.sandbox.process import ProcessSandbox

    found = []
    available, reason = jail_available()
    if available:
        from grader.sandbox.jail import Jail

        box = Jail()
        try:
            walls = box.walls()
            found.append(
                Finding(
                    "sandbox: jail", True, f"{sum(w.up for w in walls)} of {len(walls)} walls up"
                )
            )
            found += [Finding(f"  {wall.name}", wall.up, wall.detail) for wall in walls]
        except GraderError as error:
            found.append(Finding("sandbox: jail", False, str(error)))
        finally:
            box.close()
    else:
        found.append(
            Finding(
                "sandbox: jail",
                False,
                reason,
                "on Linux as root, or with user namespaces or landlock",
            )
        )
    found += _docker()
    process = ProcessSandbox()
    try:
        started = process.start(Limits())
        started.kill()
        found.append(
            Finding(
                "sandbox: process",
                True,
                "works, for practice: it protects nobody from the code",
                needed=True,
            )
        )
    except GraderError as error:
        found.append(Finding("sandbox: process", False, str(error), needed=True))
    finally:
        process.close()
    return found


def _docker() -> list[Finding]:
    """The engine, our image in it, and the walls of a container where there is one already."""
    from grader.sandbox.choose import docker_available

    answers, detail = docker_available()
    if not answers:
        advice = (
            "optional: install Docker or Podman, start it, and let this user speak to its socket"
        )
        return [Finding("sandbox: docker", False, detail, advice)]
    from grader.sandbox import docker, image

    client = docker.connect()
    try:
        name = image.tag(image.wanted(["numpy"]))
        held = name in {stored for stored, _, _ in image.stored(client)}
    finally:
        client.close()
    if not held:
        advice = "made at first use, or now: grade image build"
        return [Finding("sandbox: docker", True, f"{detail}, without our image {name}", advice)]
    box = docker.DockerSandbox(preload=("numpy",))
    try:
        walls = box.walls()
        title = f"{detail}; {sum(w.up for w in walls)} of {len(walls)} walls up"
        return [
            Finding("sandbox: docker", True, title),
            *(Finding(f"  {wall.name}", wall.up, wall.detail) for wall in walls),
        ]
    except GraderError as error:
        return [Finding("sandbox: docker", False, str(error))]
    finally:
        box.close()


def _course(course_dir: Path | None) -> list[Finding]:
    from grader import bank, pack
    from grader.course import find_course, load_module

    try:
        course = find_course(Path.cwd(), course_dir)
    except GraderError as error:
        # That there is none here is no fault of the machine; one that is named or broken is.
        here = Path.cwd()
        wanted = course_dir or any((p / "grader.yaml").is_file() for p in (here, *here.parents))
        return [Finding("course", False, str(error), needed=bool(wanted))]
    found = [Finding("course", True, f"{course.settings.course} in {course.root}")]
    for name in course.settings.modules:
        try:
            load_module(course, name)
            if course.pack(name) is not None:
                header = pack.read(course.root / "packs" / f"{name}{pack.SUFFIX}").header
                found.append(Finding(f"  {name}", True, f"a pack for the {header.audience}"))
                continue
            stored = bank.bank_path(name, bank.module_digest(course, name)).is_file()
            found.append(
                Finding(
                    f"  {name}",
                    True,
                    "cases drawn" if stored else "cases will be drawn at first use",
                )
            )
        except GraderError as error:
            found.append(Finding(f"  {name}", False, str(error), needed=True))
    return found
