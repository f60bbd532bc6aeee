"""A folder of the scratch is whole where it is there, whoever wanted it and whoever was ended."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grader.batch.scratch import filled, swept
from grader.errors import OutputFault


def test_a_folder_is_filled_once_and_what_was_said_stays(tmp_path: Path) -> None:
    calls = []

    def fill(folder: Path) -> dict[str, str]:
        calls.append(folder)
        (folder / "a.py").write_text("x")
        return {"b.py": "it is a link"}

    target = tmp_path / "deep" / "t"
    assert filled(target, fill) == filled(target, fill) == {"b.py": "it is a link"}
    assert len(calls) == 1
    assert (target / "a.py").read_text() == "x"
    assert sorted(p.name for p in target.parent.iterdir()) == ["t", "t.json"]


def test_what_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    def fill(folder: Path) -> dict[str, str]:
        (folder / "half.py").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        filled(tmp_path / "t", fill)
    assert list(tmp_path.iterdir()) == []


def test_two_that_want_the_same_folder_both_have_it(tmp_path: Path) -> None:
    """The slower one finds the folder of the faster one and is content."""

    def faster(folder: Path) -> dict[str, str]:
        (folder / "a.py").write_text("first")
        return {}

    def fill(folder: Path) -> dict[str, str]:
        filled(tmp_path / "t", faster)
        (folder / "a.py").write_text("second")
        return {}

    assert filled(tmp_path / "t", fill) == {}
    assert (tmp_path / "t" / "a.py").read_text() == "first"


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("")
    with pytest.raises(OutputFault, match="t: cannot be made"):
        filled(tmp_path / "t", lambda folder: {})


def test_what_somebody_left_who_was_killed_is_swept_up_and_no_other(tmp_path: Path) -> None:
    code = """if True:
        import os, pathlib, signal, sys
        from grader.batch.scratch import filled
        def fill(folder):
            (folder / "half.py").write_text("x")
            os.kill(os.getpid(), signal.SIGKILL)
        filled(pathlib.Path(sys.argv[1]), fill)
    """
    places = [tmp_path / "whole", *(tmp_path / p / "ada" / "t" for p in ("git", "canvas"))]
    for target in places:
        assert subprocess.run([sys.executable, "-c", code, str(target)]).returncode < 0
        assert list(target.parent.glob(".filling-*"))
    students = tmp_path / "class-0123456789" / ".filling-notes"
    students.mkdir(parents=True)

    def fill(folder: Path) -> dict[str, str]:
        swept(tmp_path)
        (folder / "a.py").write_text("x")
        return {}

    filled(tmp_path / "t", fill)
    assert (tmp_path / "t" / "a.py").is_file()
    assert students.is_dir()
    for target in places:
        assert not list(target.parent.glob(".filling-*"))
