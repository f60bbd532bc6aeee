"""A tiny course with its banks drawn once, and the command run as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine.courses import REFERENCE, dedented, make_course, write

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of every command: banks apart from the user's, nothing that colours."""
    left_out = ("NO_COLOR", "FORCE_COLOR", "TERM", "COLUMNS", "GITHUB_ACTIONS")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GRADE_") and k not in left_out}
    return kept | {"GRADE_CACHE": str(tmp_path_factory.mktemp("banks")), "TERM": "xterm-256color"}


@pytest.fixture(scope="session")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = make_course(tmp_path_factory.mktemp("course")).root
    template = dedented(REFERENCE).replace("return 2.0 * x", "raise NotImplementedError")
    write(root, {"student_template/work.py": template})
    return root


@pytest.fixture(scope="session")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A submission that earns every point."""
    return write(tmp_path_factory.mktemp("right"), {"work.py": REFERENCE})


@pytest.fixture(scope="session")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A submission with one fault."""
    text = dedented(REFERENCE).replace("return x * x", "return x * abs(x)")
    return write(tmp_path_factory.mktemp("wrong"), {"work.py": text})


@pytest.fixture(scope="session")
def grade(environment: dict[str, str], course: Path) -> Run:
    """Runs `grade ...` in the course's folder, or in `cwd`."""

    def run(*arguments: Any, cwd: Path | None = None, **more: str) -> Any:
        return subprocess.run(
            [sys.executable, "-m", "grader", *map(str, arguments)],
            cwd=cwd or course,
            env=environment | more,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            stdin=subprocess.DEVNULL,
        )

    return run


def as_in_a_terminal() -> None:
    """For a child: lets Ctrl-C through, which a shell keeps from what it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
