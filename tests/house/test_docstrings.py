"""What the source says of itself, and what it must not hold."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "grader").rglob("*.py"))


Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public(body: list[ast.stmt]) -> Iterator[Named]:
    """Public functions and classes at the top of a module (methods are their class' own affair)."""
    for node in body:
        if isinstance(node, Named) and not node.name.startswith("_"):
            yield node


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_module_says_what_it_is_for(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_bytes()))
    assert text
    assert text.splitlines()[0].rstrip()[-1] in ".:,;", (
        "the first line is (the start of) a sentence"
    )


# One-line helpers of a view, a wall or a binding whose name and types say everything.
SMALL = 6


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_public_function_says_what_it_does(path: Path) -> None:
    silent = [
        f"{node.name} ({node.lineno})"
        for node in public(ast.parse(path.read_bytes()).body)
        if not ast.get_docstring(node) and (node.end_lineno or 0) - node.lineno >= SMALL
    ]
    assert not silent


def test_no_file_holds_a_path_of_the_machine_it_was_written_on() -> None:
    machine = [text for text in (str(ROOT), str(Path.home())) if len(text) > 5]
    found = [
        f"{path}: {text}"
        for folder in ("grader", "assignments", "reference", "student_template", "docs", "tests")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".md", ".yaml", ".j2", ".css", ".txt")
        for text in machine
        if text in path.read_text(encoding="utf-8")
    ]
    assert not found
