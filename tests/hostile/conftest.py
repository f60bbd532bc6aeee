"""The boxes under attack, and the house around them: a course, a neighbour, a home, each with a canary."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from drawn import PROJECT, Banks

from grader import bank
from grader.course import load_course
from grader.sandbox import Sandbox, session
from grader.sandbox.choose import docker_available
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.jail import Jail
from grader.sandbox.process import ProcessSandbox

# A new kind of box joins by one line: how it is made, whether it works here, and why not.
BOXES: dict[str, tuple[Callable[[], Sandbox], Callable[[], tuple[bool, str]]]] = {
    "jail": (Jail, Jail.available),
    "process": (ProcessSandbox, lambda: (True, "")),
    "docker": (DockerSandbox, docker_available),
}
LIMITS = "{check_seconds: 0.4, import_seconds: 0.8, run_seconds: 30, wall_factor: 4, output_mb: 4}"
IDLE_SECONDS, GRACE_SECONDS = 0.8, 0.3
CASES = 12
MODULES = ("module0", "module1", "module2")

# The checks of MiniTorch that are asked.
MODULE0 = (
    "0.1/mul of two numbers",
    "0.2/test_transitive passes on right operators",
    "0.2/test_symmetric passes on right operators",
    "0.2/test_symmetric notices a mul that is not symmetric",
    "0.3/sum of a list",
)
MODULE1 = (
    "1.2/Exp.forward computes the value",
    "1.2/Mul.forward computes the value",
    "1.2/Scalar * Scalar",
    "1.2/Scalar.exp()",
    "1.2/Scalar < Scalar",
    "1.4/Exp.backward is the upstream gradient times the derivative",
    "1.4/Mul.backward gives one derivative for each input, in order",
    "1.4/Exp remembers the inputs of each call apart",
    "1.4/backward adds up the contributions of every path through a graph",
    "1.4/backward visits each operation once, however often its value is used",
)
MODULE2 = (
    "2.1/index_to_position is the sum of index times stride",
    "2.2/shape_broadcast gives the shape that both shapes stretch to",
    "2.2/broadcast_index finds the index in the smaller shape",
    "2.3/tensor_map reads every layout of its input",
    "2.3/tensor.exp()",
    "2.3/tensor * tensor",
    "2.3/tensor.sum(dim)",
    "2.4/Exp.backward is the upstream gradient times the derivative, entry by entry",
    "2.4/Mul.backward gives one gradient for each input, in order",
    "2.4/The gradients of tensor * tensor: summed over broadcast axes",
    "2.4/The gradient of tensor.sum(dim)",
)


class House(NamedTuple):
    """What an attacker would like to reach.

    boxes: the folder in which sandboxes keep what they need, and leave nothing. modules: what is graded.
    """

    root: Path
    boxes: Path
    modules: dict[str, bank.Module]

    @property
    def canary(self) -> str:
        return "CANARY-"


def planted(folder: Path, word: str) -> None:
    """Puts a canary into every Python file of a folder."""
    for path in folder.rglob("*.py"):
        path.write_text(f"{path.read_text()}\n\nKEPT_APART = 'CANARY-{word}'\n")


def minitorch(root: Path) -> None:
    """The course of this repository with a canary in its answer key, and small limits."""
    for name in ("assignments", "reference"):
        shutil.copytree(PROJECT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    planted(root / "reference", "course")
    # A student's test runs a hundred times: on a busy machine that takes what a value never does.
    wide = LIMITS.replace("check_seconds: 0.4", "check_seconds: 1.2")
    limits = "\n".join(f"  {name}: {wide if name == 'module0' else LIMITS}" for name in MODULES)
    (root / "grader.yaml").write_text(
        f"course: MiniTorch\nmodules: [{', '.join(MODULES)}]\nseed: 3\ncases: {CASES}\nlimits:\n{limits}\n"
    )


def two_functions(root: Path) -> None:
    """The smallest course with a canary in its answer key, and small limits."""
    shutil.copytree(PROJECT / "examples" / "courses" / "two_functions", root)
    planted(root / "reference", "course")
    (root / "grader.yaml").write_text(
        f"course: Two functions\nmodules: [two_functions]\nseed: 3\ncases: 30\nlimits:\n  two_functions: {LIMITS}\n"
    )


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    root = tmp_path_factory.mktemp("house")
    two_functions(root / "course")
    minitorch(root / "minitorch")
    drawn = Banks(load_course(root / "minitorch"))
    with drawn.closing:
        modules = {
            "module0": drawn.module("module0", MODULE0),
            "module1": drawn.module("module1", MODULE1),
            "module2": drawn.module("module2", MODULE2),
            "two_functions": Banks(load_course(root / "course")).module("two_functions"),
        }
    for name, file in {"neighbour": "student.py", "home": "notes.txt"}.items():
        (root / name).mkdir()
        (root / name / file).write_text(f"KEPT_APART = 'CANARY-{name}'\n")
    boxes = root / "boxes"
    boxes.mkdir()
    # Another user walks to its scratch; nobody needs to see what else lies there.
    for folder in (boxes, *boxes.parents):
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(root / "home"))
        patch.setenv("GRADE_SECRET", "CANARY-environment")
        patch.setattr(tempfile, "tempdir", str(boxes))
        patch.setattr(session, "IDLE_SECONDS", IDLE_SECONDS)
        patch.setattr(session, "GRACE_SECONDS", GRACE_SECONDS)
        yield House(root, boxes, modules)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In a default run the jail is attacked by all; the process without walls by every eighth, a container by every
    fourth: what is done with a reply, a limit or a file is done by the same code in every box."""
    for name, every in (("process", 8), ("docker", 4)):
        asked = [item for item in items if item.name.startswith(f"test_nothing_is_gained[{name}-")]
        for number, item in enumerate(asked):
            if number % every:
                item.add_marker(pytest.mark.thorough)


@pytest.fixture(scope="module", params=list(BOXES))
def box(request: pytest.FixtureRequest, house: House) -> Iterator[Sandbox]:
    """One sandbox for all attacks: whatever one of them does to it, the others meet."""
    make, available = BOXES[request.param]
    works, why = available()
    if not works:
        pytest.skip(why)
    sandbox = make()
    sandbox.walls()
    yield sandbox
    sandbox.close()


@pytest.fixture(scope="module")
def at_rest(box: Sandbox) -> frozenset[int]:
    """The processes of a box that serves nobody."""
    return children()


def children() -> frozenset[int]:
    """What this process has started and what that has started, without what waits to be reaped."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        try:
            if child.status() != psutil.STATUS_ZOMBIE:
                found.add(child.pid)
        except psutil.NoSuchProcess:
            pass
    return frozenset(found)
