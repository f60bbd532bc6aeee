"""The workflows in examples/ci are YAML, and each command in them is one that `grade` understands."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from grader.cli import cli

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "ci"
WORKFLOWS = sorted(FOLDER.glob("*.yml"))


def lines(value: Any) -> Iterator[str]:
    """The lines of every text in a document, wherever it stands."""
    if isinstance(value, str):
        yield from value.splitlines()
    elif isinstance(value, dict):
        for part in value.values():
            yield from lines(part)
    elif isinstance(value, list):
        for part in value:
            yield from lines(part)


def commands(path: Path) -> list[list[str]]:
    """The command lines of `grade` in a workflow, without the word itself."""
    words = [line.split() for line in lines(yaml.safe_load(path.read_text()))]
    return [shlex.split(" ".join(line))[1:] for line in words if line[1:] and line[0] == "grade"]


def parse(arguments: list[str]) -> None:
    """Parses a command line as `grade` does. Raises click.UsageError for one that is wrong."""
    top = click.Context(cli, info_name="grade")
    name, command, rest = cli.resolve_command(top, arguments)
    assert command is not None
    command.make_context(name, list(rest), parent=top)


def test_there_is_one_for_each_platform_and_each_side() -> None:
    names = {
        f"{platform}-{side}.yml"
        for platform in ("github", "gitlab")
        for side in ("course", "student")
    }
    assert names == {path.name for path in WORKFLOWS}
    readme = (FOLDER / "README.md").read_text()
    assert all(name in readme for name in names)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_each_command_in_a_workflow_is_understood(path: Path) -> None:
    found = commands(path)
    assert any("warmup" in arguments for arguments in found)
    for arguments in found:
        parse(arguments)


def test_a_wrong_option_is_not_understood() -> None:
    with pytest.raises(click.UsageError):
        parse(["warmup", "--as-junit", "report.xml"])
