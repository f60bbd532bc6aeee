"""Students' repositories: the right branch and commit are graded, and nothing of a repository is run."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from drawn import PROJECT

from grader.batch import git as of_git
from grader.batch import sources
from grader.batch.model import Class
from grader.errors import UsageError

pytestmark = pytest.mark.skipif(
    subprocess.run(["git", "--version"], capture_output=True).returncode != 0, reason="no git here"
)


def git(folder: Path, *words: str, day: int = 1) -> str:
    when = f"2026-10-{day:02}T12:00:00+00:00"
    whom = {"NAME": "Ada Lovelace", "EMAIL": "ada@example.org", "DATE": when}
    told = {
        f"GIT_{who}_{key}": text for who in ("AUTHOR", "COMMITTER") for key, text in whom.items()
    }
    told |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    ran = subprocess.run(
        ["git", "-C", str(folder), *words],
        env=dict(os.environ) | told,
        check=True,
        capture_output=True,
        text=True,
    )
    return ran.stdout


def commit(folder: Path, text: str, day: int, name: str = "warmup.py") -> None:
    (folder / name).write_text(text)
    git(folder, "add", "-A", day=day)
    git(folder, "commit", "-q", "-m", "work", day=day)


def repository(folder: Path, *texts: str) -> Path:
    """One commit for each text, on the first days of October 2026."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for day, text in enumerate(texts, 1):
        commit(folder, text, day)
    return folder


def test_the_last_commit_before_the_deadline_is_handed_in(tmp_path: Path) -> None:
    repository(tmp_path / "in" / "ada", "given", "mine", "too late", "later still")
    found = sources.read(
        tmp_path / "in", scratch=tmp_path / "scratch", deadline="2026-10-02T23:59:00+00:00"
    )
    assert found.kind == "git"
    (hand_in,) = found.hand_ins
    assert (Path(hand_in.path) / "warmup.py").read_text() == "mine"
    assert hand_in.received == "2026-10-02T12:00:00+00:00"
    assert any("2 commits after the deadline" in note for note in hand_in.notes)
    (latest,) = sources.read(tmp_path / "in", scratch=tmp_path / "scratch").hand_ins
    assert (Path(latest.path) / "warmup.py").read_text() == "later still"


def test_a_branch_is_graded_where_main_is_as_it_was_handed_out(tmp_path: Path) -> None:
    folder = repository(tmp_path / "in" / "ada", "given")
    git(folder, "branch", "feedback")
    for day, name in ((3, "old"), (5, "solution")):
        git(folder, "checkout", "-q", "-b", name, "main")
        commit(folder, name, day)
    git(folder, "checkout", "-q", "main")
    repository(tmp_path / "in" / "emmy", "given", "mine")
    git(tmp_path / "in" / "emmy", "checkout", "-q", "-b", "try")
    commit(tmp_path / "in" / "emmy", "a try", 9)
    git(tmp_path / "in" / "emmy", "checkout", "-q", "main")
    kurt = repository(tmp_path / "in" / "kurt", "a draft")
    git(kurt, "branch", "-m", "draft")
    git(kurt, "checkout", "-q", "--orphan", "main")
    commit(kurt, "all in one commit", 4)
    found = sources.read(tmp_path / "in", scratch=tmp_path / "scratch")
    ada, emmy, third = found.hand_ins
    assert (Path(third.path) / "warmup.py").read_text() == "all in one commit"
    assert (Path(ada.path) / "warmup.py").read_text() == "solution"
    assert (Path(emmy.path) / "warmup.py").read_text() == "mine"
    assert [line for line in found.warnings if "branch solution, not main" in line]
    assert len(found.warnings) == 1


def test_branches_are_looked_at_as_they_were_at_the_deadline(tmp_path: Path) -> None:
    """What is pushed after the deadline makes no other branch, or none, the one that was handed in."""
    for name, later in (("ada", "main"), ("emmy", "another")):
        folder = repository(tmp_path / "in" / name, "given")
        git(folder, "checkout", "-q", "-b", "solution")
        commit(folder, "in time", 3)
        commit(folder, "later still", 7)
        git(folder, "checkout", "-q", "-B", later, "main")
        commit(folder, "too late", 8)
        git(folder, "checkout", "-q", "main")
    kurt = repository(tmp_path / "in" / "kurt", "given")
    git(kurt, "branch", "feedback")
    git(kurt, "checkout", "-q", "--orphan", "other")
    commit(kurt, "too late", 8)
    git(kurt, "branch", "-D", "main")
    found = sources.read(
        tmp_path / "in", scratch=tmp_path / "scratch", deadline="2026-10-05T00:00:00+00:00"
    )
    *others, late = found.hand_ins
    for hand_in in others:
        assert (Path(hand_in.path) / "warmup.py").read_text() == "in time"
        assert hand_in.received == "2026-10-03T12:00:00+00:00"
        assert any("branch solution, not main" in note for note in hand_in.notes)
        assert "1 commit after the deadline is left out" in hand_in.notes
    assert (Path(late.path) / "warmup.py").read_text() == "too late"
    assert any("no commit is from before the deadline" in note for note in late.notes)


def test_what_a_classroom_adds_to_main_is_no_work(tmp_path: Path) -> None:
    """A badge in the README, and a file that keeps a folder: the code of main is as it was handed out."""
    folder = repository(tmp_path / "in" / "ada", "given")
    (folder / ".github").mkdir()
    (folder / ".github" / ".keep").touch()
    commit(folder, "due", 2, "README.md")
    git(folder, "checkout", "-q", "-b", "solution")
    commit(folder, "mine", 3)
    git(folder, "checkout", "-q", "main")
    emmy = repository(tmp_path / "in" / "emmy", "given")
    git(emmy, "checkout", "-q", "-b", "notes")
    commit(emmy, "what I think", 3, "NOTES.md")
    git(emmy, "checkout", "-q", "main")
    found = sources.read(tmp_path / "in", scratch=tmp_path / "scratch")
    ada, second = found.hand_ins
    assert (Path(ada.path) / "warmup.py").read_text() == "mine"
    assert not (Path(second.path) / "NOTES.md").exists()
    assert len(found.warnings) == 1
    assert "branch solution, not main" in found.warnings[0]


def test_nothing_of_a_repository_is_run_or_obeyed(tmp_path: Path) -> None:
    folder = repository(tmp_path / "in" / "ada", "given", "mine")
    touched = tmp_path / "touched"
    (folder / ".gitattributes").write_text("*.py filter=evil export-ignore\n")
    (folder / "link").symlink_to("/etc/passwd")
    commit(folder, "mine", 3, "more.py")
    script = f"#!/bin/sh\ntouch {touched}\n"
    for name in ("post-checkout", "reference-transaction", "post-index-change"):
        hook = folder / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(script)
        hook.chmod(0o755)
    program = tmp_path / "program"
    program.write_text(script)
    program.chmod(0o755)
    for key in ("core.fsmonitor", "filter.evil.smudge", "core.pager", "core.sshCommand"):
        git(folder, "config", key, str(program))
    git(folder, "config", "remote.origin.promisor", "true")
    git(folder, "config", "remote.origin.url", f"ext::{program}")
    touched.unlink(missing_ok=True)
    (hand_in,) = sources.read(tmp_path / "in", scratch=tmp_path / "scratch").hand_ins
    assert not hand_in.problem
    assert not touched.exists()
    assert sorted(p.name for p in Path(hand_in.path).iterdir()) == [
        ".gitattributes",
        "more.py",
        "warmup.py",
    ]
    assert any("link" in note for note in hand_in.notes)


def test_a_git_that_points_elsewhere_is_no_repository(tmp_path: Path) -> None:
    elsewhere = repository(tmp_path / "other", "a secret")
    for name in ("emmy", "kurt"):
        repository(tmp_path / "in" / name, "given")
    (tmp_path / "in" / "ada").mkdir()
    (tmp_path / "in" / "ada" / ".git").write_text(f"gitdir: {elsewhere / '.git'}\n")
    found = sources.read(tmp_path / "in", scratch=tmp_path / "scratch")
    assert [h.id for h in found.hand_ins if not h.problem] == ["emmy", "kurt"]
    assert "no git repository" in found.hand_ins[0].problem


OUT_OF_IT = {
    "another's objects": lambda own, other: (own / "objects/info/alternates").write_text(
        f"{other}/objects\n"
    ),
    "a common folder": lambda own, other: (own / "commondir").write_text(f"{other}\n"),
    "a link to another's objects": lambda own, other: (own / "objects" / "zz").symlink_to(
        other / "objects"
    ),
    "a pipe that nobody writes": lambda own, other: os.mkfifo(own / "packed-refs"),
}


@pytest.mark.parametrize("way", OUT_OF_IT)
@pytest.mark.parametrize("listed", [False, True], ids=["in a folder", "by its address"])
def test_a_repository_that_leads_out_of_itself_is_not_read(
    tmp_path: Path, way: str, listed: bool
) -> None:
    other = repository(tmp_path / "in" / "emmy", "hers") / ".git"
    own = repository(tmp_path / "in" / "ada", "given") / ".git"
    (own / "refs" / "heads" / "main").write_text((other / "refs" / "heads" / "main").read_text())
    OUT_OF_IT[way](own, other)
    source = tmp_path / "in"
    if listed:
        (source := tmp_path / "class.txt").write_text(
            f"file://{tmp_path}/in/ada\nfile://{tmp_path}/in/emmy\n"
        )
    ada, emmy = sources.read(source, scratch=tmp_path / "scratch").hand_ins
    assert "Clone it anew" in ada.problem
    assert not emmy.problem


def test_clones_are_graded_as_they_lie_where_nothing_may_be_written(tmp_path: Path) -> None:
    repository(tmp_path / "in" / "ada", "mine")
    found = sources.read(tmp_path / "in")
    assert (found.kind, found.hand_ins[0].path) == ("folder", str(tmp_path / "in" / "ada"))


def test_an_empty_or_broken_repository_is_one_problem(tmp_path: Path) -> None:
    repository(tmp_path / "in" / "empty")
    broken = repository(tmp_path / "in" / "broken", "given")
    for path in (broken / ".git" / "objects").rglob("*"):
        if path.is_file():
            path.unlink()
    repository(tmp_path / "in" / "ada", "mine")
    ada, broke, empty = sources.read(tmp_path / "in", scratch=tmp_path / "scratch").hand_ins
    assert not ada.problem
    assert "cannot read" in broke.problem
    assert "no commit" in empty.problem


def test_a_list_of_addresses_is_cloned(tmp_path: Path) -> None:
    one = repository(tmp_path / "a" / "hw-ada", "given", "mine")
    repository(tmp_path / "hw-emmy", "hers")
    (tmp_path / "class.txt").write_text(
        f"# ours\nfile://{one}\nhw-emmy  # beside this file\nfile://{tmp_path}/gone\n"
    )
    found = sources.read(tmp_path / "class.txt", scratch=tmp_path / "scratch")
    assert found.kind == "git"
    gone, ada, emmy = found.hand_ins
    assert (Path(ada.path) / "warmup.py").read_text() == "mine"
    assert (Path(emmy.path) / "warmup.py").read_text() == "hers"
    assert "could not be cloned" in gone.problem
    assert "does not appear to be a git repository" in gone.problem
    again = sources.read(tmp_path / "class.txt", scratch=tmp_path / "scratch")
    assert again == found


def test_what_is_no_repository_among_clones_is_told_and_not_lost(tmp_path: Path) -> None:
    for name in ("emmy", "kurt"):
        repository(tmp_path / "in" / name, "given")
    (tmp_path / "in" / "ada").mkdir()
    (tmp_path / "in" / "ada" / "warmup.py").write_text("mine")
    (tmp_path / "in" / "hedy.zip").write_bytes(b"PK")
    (tmp_path / "in" / "README.txt").write_text("the class")
    found = sources.read(tmp_path / "in", scratch=tmp_path / "scratch")
    problems = {h.id: h.problem for h in found.hand_ins}
    told = "this is no git repository"
    assert problems == {"ada": told, "emmy": "", "hedy": told, "kurt": ""}


def test_a_time_in_no_calendar_is_one_note(tmp_path: Path) -> None:
    folder = repository(tmp_path / "in" / "ada", "given", "mine")
    raw = git(folder, "cat-file", "commit", "main")
    words = [re.sub(r"> \d+ ", "> 99999999999999 ", line) for line in raw.splitlines()]
    (tmp_path / "commit").write_text("\n".join(words) + "\n")
    made = git(folder, "hash-object", "-t", "commit", "-w", str(tmp_path / "commit")).strip()
    git(folder, "update-ref", "refs/heads/main", made)
    (hand_in,) = sources.read(tmp_path / "in", scratch=tmp_path / "scratch").hand_ins
    assert (hand_in.received, hand_in.problem) == ("", "")
    assert any("99999999999999" in note for note in hand_in.notes)


def test_the_end_of_a_shallow_clone_is_not_taken_for_what_was_handed_out(tmp_path: Path) -> None:
    whole = repository(tmp_path / "ada", "given", "mine")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{whole}", str(tmp_path / "in" / "ada"))
    git(tmp_path / "in" / "ada", "checkout", "-q", "-b", "try")
    commit(tmp_path / "in" / "ada", "a try", 9)
    git(tmp_path / "in" / "ada", "checkout", "-q", "main")
    found = sources.read(tmp_path / "in", scratch=tmp_path / "scratch")
    (hand_in,) = found.hand_ins
    assert (Path(hand_in.path) / "warmup.py").read_text() == "mine"
    assert any("shallow" in line and "try" in line for line in found.warnings)


def test_work_that_was_not_pushed_counts_and_what_was_pushed_over_it_does(tmp_path: Path) -> None:
    given = repository(tmp_path / "given", "given")
    for name in ("ada", "emmy"):
        git(tmp_path, "clone", "-q", f"file://{given}", str(tmp_path / "in" / name))
        commit(tmp_path / "in" / name, f"of {name}", 3)
    # Emmy's branch was pushed by force from elsewhere and fetched here.
    git(given, "commit", "-q", "--amend", "-m", "other", day=4)
    commit(given, "forced", 5)
    git(tmp_path / "in" / "emmy", "fetch", "-q")
    ada, emmy = sources.read(tmp_path / "in", scratch=tmp_path / "scratch").hand_ins
    assert (Path(ada.path) / "warmup.py").read_text() == "of ada"
    assert (Path(emmy.path) / "warmup.py").read_text() == "forced"


def test_repositories_of_one_name_are_told_apart_by_their_owners(tmp_path: Path) -> None:
    for name in ("ada", "emmy"):
        repository(tmp_path / name / "work", name)
    lines = [f"file://{tmp_path}/{name}/work" for name in ("ada", "emmy")]
    for order in (lines, lines[::-1], [*lines[1:], "n" * 300, *lines[:1]]):
        (tmp_path / "class.txt").write_text("\r\n".join(order), encoding="utf-8-sig")
        found = sources.read(tmp_path / "class.txt", scratch=tmp_path / "scratch")
        kept = {h.id: h for h in found.hand_ins if not h.problem}
        assert sorted(kept) == ["work-ada", "work-emmy"]
        for name in ("ada", "emmy"):
            path = Path(kept[f"work-{name}"].path)
            assert (path / "warmup.py").read_text() == name


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_ends_the_batch_waits_for_no_server(tmp_path: Path, number: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # which never answers
        (tmp_path / "class.txt").write_text(f"http://127.0.0.1:{server.getsockname()[1]}/ada.git\n")
        line = [sys.executable, "-m", "grader", "batch", "warmup", str(tmp_path / "class.txt")]
        batch = subprocess.Popen([*line, "--out", str(tmp_path / "out"), "--course", str(PROJECT)])
        server.settimeout(60)
        connected, _ = server.accept()
        with connected:
            batch.send_signal(number)
            assert batch.wait(20) == 130
    assert not list((tmp_path / "out" / "sources" / "clones").iterdir())


def test_a_list_may_be_utf_16_and_an_empty_one_is_told(tmp_path: Path) -> None:
    repository(tmp_path / "hw-ada", "mine")
    path = tmp_path / "class.txt"
    for lines in ("hw-ada\r\n", f"file://{tmp_path}/hw-ada\r\n"):
        path.write_text(lines, encoding="utf-16")
        (hand_in,) = sources.read(path, scratch=tmp_path / "scratch").hand_ins
        assert (hand_in.id, hand_in.problem) == ("hw-ada", "")
    path.write_text("# nobody yet\n")
    found = sources.read(path)
    assert (found.hand_ins, "lists no submission" in found.warnings[0]) == ((), True)


def test_a_link_in_a_class_is_no_hand_in(tmp_path: Path) -> None:
    repository(tmp_path / "elsewhere", "a secret")
    repository(tmp_path / "in" / "ada", "mine")
    (tmp_path / "in" / "emmy").symlink_to(tmp_path / "elsewhere")
    for scratch in (tmp_path / "scratch", None):
        found = sources.read(tmp_path / "in", scratch=scratch)
        problems = {h.id: h.problem for h in found.hand_ins}
        assert ("link" in problems["emmy"], problems["ada"]) == (True, "")
    (tmp_path / "class.txt").write_text("in/emmy\n")
    (listed,) = sources.read(tmp_path / "class.txt").hand_ins
    assert not listed.problem


def test_an_address_that_does_not_answer_any_more_costs_nobody_what_was_graded(
    tmp_path: Path,
) -> None:
    address = f"file://{repository(tmp_path / 'ada', 'mine')}"
    (tmp_path / "class.txt").write_text(address)
    (before,) = sources.read(tmp_path / "class.txt", scratch=tmp_path / "scratch").hand_ins
    (tmp_path / "ada").rename(tmp_path / "away")
    found = sources.read(tmp_path / "class.txt", scratch=tmp_path / "scratch")
    (after,) = found.hand_ins
    assert (after.path, after.problem) == (before.path, "")
    assert any("cloned before" in line for line in found.warnings)
    # Another address of that name is another repository.
    (tmp_path / "class.txt").write_text(f"file://{tmp_path}/other/ada")
    (other,) = sources.read(tmp_path / "class.txt", scratch=tmp_path / "scratch").hand_ins
    assert "could not be cloned" in other.problem


@pytest.mark.skipif(os.name == "nt", reason="nothing is locked there")
def test_a_clone_stays_in_its_place_while_another_batch_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"file://{repository(tmp_path / 'ada', 'mine')}"
    (tmp_path / "class.txt").write_text(address)
    place = tmp_path / "scratch" / "clones" / "ada"
    read, told = of_git._class, []
    other = threading.Thread(target=lambda: told.append(of_git._clone(address, place, set())))

    def read_while_another_clones(*about: Any) -> Class:
        before = place.stat().st_ino
        other.start()
        other.join(0.5)
        assert (place.stat().st_ino, told) == (before, [])
        return read(*about)

    monkeypatch.setattr(of_git, "_class", read_while_another_clones)
    (hand_in,) = sources.read(tmp_path / "class.txt", scratch=tmp_path / "scratch").hand_ins
    other.join()
    assert (hand_in.problem, told) == ("", [""])


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="only root has others' files")
def test_a_repository_of_another_user_is_cloned_by_its_address(tmp_path: Path) -> None:
    folder = repository(tmp_path / "ada", "mine")
    (tmp_path / "hook").write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\nexec git pack-objects\n")
    (tmp_path / "hook").chmod(0o755)
    git(folder, "config", "uploadpack.packObjectsHook", str(tmp_path / "hook"))
    for place in (folder, *folder.rglob("*")):
        os.chown(place, 12345, 12345)
    (tmp_path / "class.txt").write_text(f"file://{folder}\n")
    (hand_in,) = sources.read(tmp_path / "class.txt", scratch=tmp_path / "scratch").hand_ins
    assert hand_in.problem == ""
    assert (Path(hand_in.path) / "warmup.py").read_text() == "mine"
    assert not (tmp_path / "ran").exists()


class Heard:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.noted: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def note(self, text: str) -> None:
        self.noted.append(text)


def test_an_address_that_hangs_is_told_and_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_git, "CLONE_SECONDS", 3.0)
    monkeypatch.setattr(of_git, "SLOW_SECONDS", 1.0)
    heard = Heard()
    with socket.create_server(("127.0.0.1", 0)) as server:  # which never answers
        at = f"127.0.0.1:{server.getsockname()[1]}/ada.git"
        (tmp_path / "class.txt").write_text(f"http://ada:a-secret@{at}\nkurt\n")
        found = sources.read(tmp_path / "class.txt", scratch=tmp_path / "scratch", progress=heard)
    assert "could not be cloned in 0.05 min" in found.hand_ins[0].problem
    assert heard.noted == [
        "cloning 1 address, 4 at once, 0.05 min each at most",
        f"http://{at} is not cloned after 1 s; it is given up after 0.05 min",
    ]
    port = at.split(":")[1]
    assert f"cloned 0 of 1; 2 s of 3: {port}" in heard.said


def test_that_git_is_missing_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "class.txt").write_text("https://example.org/ada.git\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git is not installed here"):
        sources.read(tmp_path / "class.txt", scratch=tmp_path / "scratch")


def test_what_a_batch_left_that_was_killed_while_it_cloned_is_swept_up(tmp_path: Path) -> None:
    clones = tmp_path / "out" / "sources" / "clones"
    with socket.create_server(("127.0.0.1", 0)) as server:  # which never answers
        (tmp_path / "class.txt").write_text(f"http://127.0.0.1:{server.getsockname()[1]}/ada.git\n")
        line = [sys.executable, "-m", "grader", "batch", "warmup", str(tmp_path / "class.txt")]
        batch = subprocess.Popen(
            [*line, "--out", str(tmp_path / "out"), "--course", str(PROJECT)],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert batch.stderr is not None
        assert batch.stderr.readline() == "cloning 1 address, 4 at once, 10 min each at most ...\n"
        server.settimeout(60)
        connected, _ = server.accept()
        with connected:
            batch.kill()
            batch.wait()
            assert list(clones.iterdir())
            # The clone is gone as well: it waits for no server for whom nobody waits.
            connected.settimeout(20)
            while connected.recv(4096):
                pass
    (tmp_path / "class.txt").write_text(f"file://{repository(tmp_path / 'emmy', 'mine')}\n")
    sources.read(tmp_path / "class.txt", scratch=tmp_path / "out" / "sources")
    assert [place.name for place in clones.iterdir()] == ["emmy"]
