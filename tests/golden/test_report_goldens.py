"""Each view of each telling report is exactly what it was when somebody last looked at it.

`pytest tests/golden --snapshot-update` writes them anew; read the diff before keeping it.
"""

from __future__ import annotations

import pytest
from sample_reports import REPORTS
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from grader.report import VIEWS, terminal


class TextFile(SingleFileSnapshotExtension):
    """One readable file per snapshot."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def golden(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(TextFile)


@pytest.mark.parametrize("name", REPORTS)
def test_terminal(name: str, golden: SnapshotAssertion) -> None:
    """A student's terminal of 80 columns, without colour."""
    assert golden == terminal.render(REPORTS[name](), 80)


def test_terminal_wide_coloured_verbose(golden: SnapshotAssertion) -> None:
    """A TA's terminal of 120 columns."""
    shown = terminal.render(REPORTS["buggy"](), 120, colour=True, verbose=True)
    assert golden == shown.replace("\x1b", "␛")


@pytest.mark.parametrize("view", ["html", "json", "gradescope", "markdown", "junit"])
def test_view(view: str, golden: SnapshotAssertion) -> None:
    """The other views, of the report in which every outcome occurs but HELD."""
    assert golden == VIEWS[view](REPORTS["buggy"]())


@pytest.mark.parametrize("view", ["html", "gradescope", "markdown", "junit"])
def test_flags(view: str, golden: SnapshotAssertion) -> None:
    """What a TA reads of means that a course may not want, and what a student does."""
    assert golden == VIEWS[view](REPORTS["flagged"]())


def test_held_report_for_github(golden: SnapshotAssertion) -> None:
    """The summary page of a job whose report has no score yet."""
    assert golden == VIEWS["markdown"](REPORTS["held"]())
