"""What a batch tells while it runs."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import msgspec
import pytest
from golden.sample_reports import buggy, full_marks, held

from grader.batch import run
from grader.batch.model import HandIn
from grader.cli.batch import Live, marks
from grader.cli.console import columns


def test_the_line_counts_what_is_done_and_how() -> None:
    screen = Live(7)
    told: list[run.Done] = []
    screen.tell = told.append
    ada = HandIn("ada", (), "/in/ada")
    screen.step(0, ada, "3/83 2.1 to_index")
    screen.step(1, None, "")
    whole = msgspec.structs.replace(full_marks(), score=full_marks().max_score)
    for kind, report in (
        (run.NOW, whole),
        (run.NOW, buggy()),
        (run.KNOWN, buggy()),
        (run.HELD, held()),
        (run.NOT_GRADABLE, None),
    ):
        screen.done(run.Done(ada, kind, report))
    assert len(told) == 5
    assert re.fullmatch(
        r"5 of 7 done, 2 with faults, 1 held, 1 known, 1 not gradable: [\d.]+ per minute, about 0 s left",
        screen.line(),
    )
    drawn = str(screen.__rich__())
    assert drawn.splitlines()[:2] == ["ada  3/83 2.1 to_index", "-"]


def test_what_was_known_already_does_not_make_the_rest_look_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    screen = Live(300)
    screen.tell = lambda done: None
    for _ in range(240):
        now += 0.01
        screen.done(run.Done(HandIn("ada", (), "/in"), run.KNOWN, buggy()))
    for _ in range(12):
        now += 2.0
        screen.done(run.Done(HandIn("ada", (), "/in"), run.NOW, buggy()))
    assert "about 2 min left" in screen.line()


def test_folders_in_folders_without_end_do_not_end_a_watch(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1")
    at = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for _ in range(1200):
            os.mkdir("d", dir_fd=at)
            below = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
            os.close(at)
            at = below
        seen = {name for name, _, _ in marks(HandIn("ada", (), str(tmp_path)))}
    finally:
        os.close(at)
        # What Python walks through to clean up would be too deep for it.
        subprocess.run(["rm", "-r", tmp_path / "d"], check=True)
    assert str(tmp_path / "a.py") in seen


def test_a_narrow_terminal_shows_whose_what_and_how_long_yet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "9")
    screen = Live(7)
    screen.tell = lambda done: None
    for job, name in enumerate(["李小龍" * 9, "a-long-name-" * 5, *"cdefgh"]):
        screen.step(job, HandIn(name, (), "/in"), "0/4 1 double gives the right number")
    screen.done(run.Done(HandIn("ada", (), "/in"), run.NOW, buggy()))
    drawn = str(screen.__rich__()).splitlines()
    assert max(map(columns, drawn)) <= 39
    assert len(drawn) == 6
    assert all("  0/4 1 double give" in line for line in drawn[:2])
    assert re.fullmatch(r"1 of 7 done: about \d+ s left", drawn[-1])
