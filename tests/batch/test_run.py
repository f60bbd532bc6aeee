"""A batch deals with every submission, whatever one of them does, and whenever it is killed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from cli.conftest import as_in_a_terminal
from drawn import PROJECT
from engine.courses import COURSE, FILES, REFERENCE, dedented, make_course, write
from hostile.attacks import ATTACKS

from batch.test_sources_git import commit, repository
from grader import bank
from grader.batch import job, run, sources
from grader.batch.book import Book
from grader.batch.exports import EXPORTS, Wanted
from grader.batch.grades import grades
from grader.batch.model import HandIn, Row
from grader.cli.batch import LOOK_SECONDS
from grader.course import Course
from grader.terms import Terms

RIGHT = (PROJECT / "reference" / "warmup.py").read_text()
WRONG = RIGHT.replace("d * math.cos(x)", "-d * math.cos(x)")
FORGED = next(a for a in ATTACKS if a.name == "a forged reply to the import")
SUBMISSIONS = {
    "ada": RIGHT,
    "Lovelace, Ada": RIGHT,
    'emmy "\n" noether': WRONG,
    os.fsdecode(b"no text \xff\xfe"): RIGHT,
    "\u202eypocsrever": RIGHT + "\n# from right to left\n",
    "leaves": "import os\nos._exit(0)\n",
    "hostile": RIGHT + FORGED.files["student.py"],
}
SAME_CONTENT = {"ada", "lovelace-ada"}


@pytest.fixture(scope="module")
def ready(course: Course) -> bank.Module:
    """The module that is graded, with its banks drawn."""
    return bank.load(course, "warmup")


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory: pytest.TempPathFactory, ready: bank.Module) -> Path:
    """Six submissions in folders, a zip that is none, and an empty folder."""
    folder = tmp_path_factory.mktemp("class")
    for name, text in SUBMISSIONS.items():
        (folder / name).mkdir()
        (folder / name / "warmup.py").write_text(text)
    (folder / "torn.zip").write_bytes(b"PK\x03\x04 and no more")
    (folder / "empty").mkdir()
    return folder


def command(handed_in: Path, out: Path, *more: str) -> list[str]:
    line = [sys.executable, "-m", "grader", "batch", "warmup", str(handed_in), "--out", str(out)]
    return [*line, "--course", str(PROJECT), "--jobs", "2", *more]


def graded(handed_in: Path, out: Path, *more: str, **options: Any) -> Any:
    return subprocess.run(
        command(handed_in, out, *more), capture_output=True, text=True, timeout=240, **options
    )


def started(handed_in: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(handed_in, out, *more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=as_in_a_terminal,
    )


def rows(out: Path) -> list[Row]:
    """The gradebook without what differs from run to run: times, and which user a box was given."""
    with Book(out / "gradebook.sqlite") as book:
        return [comparable(row) for row in book.rows("warmup")]


def exported(out: Path) -> dict[str, bytes]:
    """Every export of the gradebook, to the byte; JUnit's alone says when each was graded,
    and how long it took."""
    with Book(out / "gradebook.sqlite") as book:
        found = grades(book.rows("warmup"))
    texts = {name: form(found, Wanted("warmup")) for name, form in EXPORTS.items()}
    texts["junit"] = re.sub(r' time(stamp)?="[^"]*"', "", texts["junit"])
    return {name: text.encode() for name, text in texts.items()}


def comparable(row: Row) -> Row:
    report = row.report
    if report is None:
        return row
    replace = msgspec.structs.replace
    walls = tuple(replace(wall, detail="") for wall in report.provenance.walls)
    provenance = replace(report.provenance, graded_at="", walls=walls)
    checks = tuple(replace(verdict, seconds=0.0) for verdict in report.checks)
    return replace(row, report=replace(report, seconds=0.0, provenance=provenance, checks=checks))


@pytest.fixture(scope="module")
def undisturbed(handed_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch that nothing happened to."""
    out = tmp_path_factory.mktemp("undisturbed")
    ran = graded(handed_in, out, "--json")
    assert ran.returncode == 0, ran.stderr
    (out / "summary.json").write_text(ran.stdout)
    return out


def score(row: Row) -> float | None:
    return None if row.report is None else row.report.score


def test_one_file_has_the_name_of_its_author(
    course: Course, ready: bank.Module, tmp_path: Path
) -> None:
    for name in ("ada.py", "Emmy.PY"):
        (tmp_path / name).write_text(RIGHT)
        taken, said = job.take_in(course, ready, tmp_path / name, None)
        assert taken is not None, said
        assert list(taken.files) == ["warmup.py"]
        assert taken.notes == ("its one file was graded as warmup.py",)
    package = msgspec.structs.replace(ready.assignment, binding="minitorch")
    ready = msgspec.structs.replace(ready, assignment=package)
    taken, said = job.take_in(course, ready, tmp_path / "ada.py", None)
    assert (taken, said.kind) == (None, "refused")


def test_every_submission_is_dealt_with(undisturbed: Path) -> None:
    found = {row.hand_in.id: row for row in rows(undisturbed)}
    assert len(found) == len(SUBMISSIONS) + 2
    assert score(found["ada"]) == score(found["lovelace-ada"]) == 100
    assert score(found["emmy-noether"]) not in (None, 0, 100)
    assert score(found["leaves"]) == 0
    assert "no zip file" in found["torn"].problem
    assert "empty" in found["empty"].problem


def test_what_was_being_written_when_a_batch_was_killed_is_swept_up(
    handed_in: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """But not what another batch may be writing now, nor what is somebody's own."""
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    reports = out / "reports" / "warmup"
    left = [
        out / ".index.html-ab_3defg",
        reports / ".ada.json-12345678",
        reports / ".ä.html-zzzzzzzz",
    ]
    kept = [out / ".notes.html", reports / ".ada.json-abcdefgh", reports / ".ada.txt-12345678"]
    for path in (*left, *kept):
        path.write_text("half")
        if path.name != ".ada.json-abcdefgh":
            os.utime(path, (1, 1))
    ran = graded(handed_in, out)
    assert ran.returncode == 0, ran.stderr
    assert [path.exists() for path in (*left, *kept)] == [False] * 3 + [True] * 3


def test_what_is_alike_is_graded_once(undisturbed: Path) -> None:
    told = json.loads((undisturbed / "summary.json").read_text())
    assert (told["total"], told["graded"], told["known"]) == (9, 5, 2)
    assert [one["id"] for one in told["not_gradable"]] == ["empty", "torn"]
    assert told["held"] == []


def test_each_graded_hand_in_has_its_own_report(undisturbed: Path) -> None:
    names = {path.name for path in (undisturbed / "reports" / "warmup").iterdir()}
    ids = {row.hand_in.id for row in rows(undisturbed) if row.report is not None}
    assert names == {f"{name}.{ending}" for name in ids for ending in ("json", "html")}
    page = (undisturbed / "index.html").read_text()
    for name in SAME_CONTENT:
        assert f'<a href="reports/warmup/{name}.html"' in page
        report = json.loads((undisturbed / "reports" / "warmup" / f"{name}.json").read_text())
        assert report["submission"] == name
        assert "standing" not in report or report["standing"] is None


def test_the_same_command_again_grades_nothing(handed_in: Path, undisturbed: Path) -> None:
    before = rows(undisturbed)
    told = json.loads(graded(handed_in, undisturbed, "--resume", "--json").stdout)
    assert "per minute" not in (undisturbed / "index.html").read_text()
    assert (told["graded"], told["known"]) == (0, 7)
    assert rows(undisturbed) == before


def test_force_grades_again_and_fail_under_is_told(handed_in: Path, undisturbed: Path) -> None:
    ran = graded(handed_in, undisturbed, "--force", "--json", "--fail-under", "50")
    assert ran.returncode == 1
    assert "5 submissions graded in" in (undisturbed / "index.html").read_text()
    told = json.loads(ran.stdout)
    assert (told["graded"], told["known"]) == (5, 2)


@pytest.mark.parametrize("place", [".", "ada"])
def test_results_do_not_lie_among_the_hand_ins_as_one(handed_in: Path, place: str) -> None:
    before = sorted(handed_in.rglob("*"))
    ran = graded(handed_in, handed_in / place)
    assert ran.returncode == 2
    assert "Name a folder of its own" in ran.stderr
    assert sorted(handed_in.rglob("*")) == before


def test_results_of_a_batch_that_was_ended_at_once_are_gone_on_with(tmp_path: Path) -> None:
    write(tmp_path, {"ada/warmup.py": RIGHT, "out/sources/canvas/x": ""})
    ran = graded(tmp_path, tmp_path / "out", "--dry-run")
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "1 of 1 would be graded")


def test_a_plan_writes_nothing(handed_in: Path, undisturbed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ran = graded(handed_in, out, "--dry-run")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("5 of 9 would be graded")
    assert not out.exists()
    assert graded(handed_in, undisturbed, "--dry-run").stdout.startswith("0 of 9")
    detected = graded(handed_in, out, "--detect")
    assert detected.stdout.startswith("folder: 9 submissions")
    assert "\u202e" not in detected.stdout


def test_what_is_detected_and_planned_can_be_had_as_json(
    handed_in: Path, undisturbed: Path, tmp_path: Path
) -> None:
    seen = json.loads(graded(handed_in, tmp_path / "out", "--detect", "--json").stdout)
    assert (seen["schema"], seen["kind"]) == ("backcheck/class/1", "folder")
    assert len(seen["hand_ins"]) == len(SUBMISSIONS) + 2
    plan = json.loads(graded(handed_in, undisturbed, "--dry-run", "--json").stdout)
    assert plan["schema"] == "backcheck/plan/1"
    told = {one["hand_in"]: one for one in plan["hand_ins"]}
    assert told["ada"]["plan"] == "known already"
    assert told["torn"]["plan"] == "cannot be graded"
    assert "no zip file" in told["torn"]["problem"]


def test_resume_demands_a_gradebook(handed_in: Path, tmp_path: Path) -> None:
    ran = graded(handed_in, tmp_path / "out", "--resume")
    assert ran.returncode == 2
    assert "--resume: there is no" in ran.stderr
    assert not (tmp_path / "out").exists()


def test_what_turns_out_to_be_no_work_while_it_is_graded_is_told_of_all_that_are_alike(
    tmp_path: Path,
) -> None:
    module = dedented(FILES["assignments/sums/module.yaml"]).replace("[work]", "[minitorch]")
    changed = {
        "assignments/sums/module.yaml": module + "binding: minitorch_modules\n",
        "reference/minitorch/__init__.py": REFERENCE,
    }
    root = make_course(tmp_path / "course", changed).root
    cell = {"cell_type": "code", "source": "a = 1", "metadata": {}, "outputs": []}
    made = json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]})
    write(tmp_path / "class", {f"{who}/hw.ipynb": made for who in ("ada", "emmy", "grace")})
    line = [sys.executable, "-m", "grader", "batch", "sums", str(tmp_path / "class")]
    line += ["--out", str(tmp_path / "out"), "--course", str(root), "--jobs", "2"]
    environment = {**os.environ, "GRADE_CACHE": str(tmp_path / "banks")}
    ran = subprocess.run(line, capture_output=True, text=True, env=environment, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert "not gradable   3" in ran.stdout
    assert ran.stdout.count("hw.ipynb: Sums expects the folder minitorch/ with its files") == 3


def test_the_terms_of_the_course_are_applied(tmp_path: Path) -> None:
    root = make_course(
        tmp_path / "course",
        {
            "grader.yaml": COURSE + "late: {percent_per_day: 10}\n",
            "students.yaml": 'adjustments: {ada: {sums: [{points: -3, reason: "a fee"}]}}\n'
            "extensions: {adda: {sums: {due: 2026-10-01 12:00}}}\n",
        },
    ).root
    write(tmp_path / "class", {"ada/work.py": REFERENCE})
    out = tmp_path / "out"
    line = [sys.executable, "-m", "grader", "batch", "sums", str(tmp_path / "class")]
    line += ["--out", str(out), "--course", str(root), "--json"]
    environment = {**os.environ, "GRADE_CACHE": str(tmp_path / "banks")}
    ran = subprocess.run(line, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    report = json.loads((out / "reports" / "sums" / "ada.json").read_text())
    assert (report["score"], report["standing"]["score"]) == (40, 37)
    assert "a fee" in (out / "reports" / "sums" / "ada.html").read_text()
    assert "nobody here has the id adda" in ran.stderr
    assert "not in this source" not in ran.stderr
    ran = subprocess.run(line[:-1], capture_output=True, text=True, env=environment)
    assert "40 / 40, before the terms" in ran.stdout
    (tmp_path / "class" / "ada").rename(tmp_path / "class" / "emmy")
    ran = subprocess.run(line, capture_output=True, text=True, env=environment)
    assert "not in this source, and kept as graded before: ada" in ran.stderr


def test_what_is_held_says_why(tmp_path: Path) -> None:
    checks = FILES["assignments/sums/checks.py"].replace(
        'function="double"', 'function="double", visibility="hidden"'
    )
    root = make_course(tmp_path / "course", {"assignments/sums/checks.py": checks}).root
    write(tmp_path / "class", {"ada/work.py": REFERENCE})
    line = [sys.executable, "-m", "grader", "batch", "sums", str(tmp_path / "class")]
    line += ["--out", str(tmp_path / "out"), "--course", str(root)]
    environment = {**os.environ, "GRADE_CACHE": str(tmp_path / "banks")}
    ran = subprocess.run(line, capture_output=True, text=True, env=environment)
    assert ran.returncode == 4
    assert (
        "held: ada: 1/double gives the right number: its cases are hidden, and the sandbox process would show them"
        in ran.stdout
    )


def test_what_was_graded_in_a_weaker_box_than_the_course_requires_is_not_known(
    tmp_path: Path,
) -> None:
    root = make_course(tmp_path / "course").root
    write(tmp_path / "class", {"ada/work.py": REFERENCE})
    line = [sys.executable, "-m", "grader", "batch", "sums", str(tmp_path / "class")]
    line += ["--out", str(tmp_path / "out"), "--course", str(root)]
    environment = {**os.environ, "GRADE_CACHE": str(tmp_path / "banks")}
    ran = subprocess.run(line, capture_output=True, text=True, env=environment)
    assert ran.returncode == 0, ran.stderr
    stricter = COURSE.replace("sandbox: process", "sandbox: process, require: files")
    (root / "grader.yaml").write_text(dedented(stricter))
    plan = subprocess.run([*line, "--dry-run"], capture_output=True, text=True, env=environment)
    assert "1 of 1 would be graded" in plan.stdout
    ran = subprocess.run(line, capture_output=True, text=True, env=environment)
    assert (ran.returncode, "asks for 'files'" in ran.stderr) == (2, True)


def test_an_error_takes_the_place_of_a_summary_as_json(handed_in: Path, tmp_path: Path) -> None:
    for wrong in (["--resume"], ["--jobs", "many"]):
        ran = graded(handed_in, tmp_path / "out", *wrong, "--json")
        assert ran.returncode == 2
        told = json.loads(ran.stdout)
        assert (told["schema"], told["exit_code"]) == ("backcheck/error/1", 2)
        assert told["error"] in ran.stderr


def test_a_mistaken_command_line_makes_no_folder(handed_in: Path, tmp_path: Path) -> None:
    line = command(handed_in, tmp_path / "out")
    for wrong in ("warmpu", "module9"):
        mistaken = [wrong if word == "warmup" else word for word in line]
        ran = subprocess.run(mistaken, capture_output=True, text=True)
        assert ran.returncode == 2
        assert "Did you mean" in ran.stderr or "module9" in ran.stderr
    assert graded(tmp_path / "gone", tmp_path / "out").returncode == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "moment",
    [*range(3), *(pytest.param(k, marks=pytest.mark.thorough) for k in range(3, 53))],
)
def test_a_batch_that_was_killed_goes_on(
    moment: int, handed_in: Path, undisturbed: Path, tmp_path: Path
) -> None:
    wait = random.Random(moment).uniform(0.5, 4.0)
    batch = started(handed_in, tmp_path)
    time.sleep(wait)
    below = psutil.Process(batch.pid).children(recursive=True) if batch.poll() is None else []
    batch.kill()
    batch.communicate()
    _, left = psutil.wait_procs(below, timeout=20)
    assert not left
    assert graded(handed_in, tmp_path).returncode == 0
    assert rows(tmp_path) == rows(undisturbed)
    assert exported(tmp_path) == exported(undisturbed)


def test_two_batches_on_one_gradebook(handed_in: Path, undisturbed: Path, tmp_path: Path) -> None:
    both = [started(handed_in, tmp_path) for _ in range(2)]
    for batch in both:
        _, said = batch.communicate(timeout=240)
        assert batch.returncode == 0, said
    assert rows(tmp_path) == rows(undisturbed)


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.thorough)]
)
def test_an_interrupted_batch_tells_how_to_go_on(
    number: int, handed_in: Path, undisturbed: Path, tmp_path: Path
) -> None:
    batch = started(handed_in, tmp_path)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("reports/*/*.html")) and time.monotonic() < deadline:
        time.sleep(0.02)
    below = psutil.Process(batch.pid).children(recursive=True)
    batch.send_signal(number)
    _, said = batch.communicate(timeout=60)
    assert batch.returncode == 130, said
    assert f"grade batch warmup {handed_in} --out {tmp_path}" in said
    assert "--resume" in said
    assert "Traceback" not in said
    assert not psutil.wait_procs(below, timeout=20)[1]
    assert graded(handed_in, tmp_path, "--resume").returncode == 0
    assert rows(tmp_path) == rows(undisturbed)


def test_what_comes_while_a_source_is_watched_is_graded(tmp_path: Path) -> None:
    source = tmp_path / "class"
    (source / "ada").mkdir(parents=True)
    (source / "ada" / "warmup.py").write_text(RIGHT)
    batch = started(source, tmp_path / "out", "--watch")
    late = threading.Timer(90, batch.kill)
    late.start()
    try:
        lines = iter(batch.stdout or [])
        assert any(line.endswith("index.html\n") for line in lines)
        (source / "emmy").mkdir()
        (source / "emmy" / "warmup.py").write_text(WRONG)
        line = next(lines, "")
        assert line.startswith("emmy: ")
        assert line.endswith("/100\n")
    finally:
        batch.send_signal(signal.SIGINT)
        _, said = batch.communicate(timeout=60)
        late.cancel()
    assert batch.returncode == 130
    assert "2 of 2 are done" in said
    assert [row.hand_in.id for row in rows(tmp_path / "out")] == ["ada", "emmy"]


def test_what_the_terms_would_not_count_had_the_source_shown_more_is_told(tmp_path: Path) -> None:
    """A commit after the last date, and an attempt after those that may count."""
    given = (
        "dates: {sums: {due: 2026-10-01 23:59, late_due: 2026-10-03 23:59}}\nattempts: {limit: 2}\n"
    )
    agreed = "extensions: {emmy: {sums: {days: 5, reason: ill}}}\n"
    files = {"grader.yaml": COURSE + given, "students.yaml": agreed}
    root = make_course(tmp_path / "course", files).root
    emmy = repository(tmp_path / "git" / "emmy", "x")
    commit(emmy, REFERENCE, 6, "work.py")
    ada = repository(tmp_path / "git" / "ada", "x")
    commit(ada, REFERENCE, 2, "work.py")
    commit(ada, f"{REFERENCE}# once more\n", 8, "work.py")
    times = "".join(f"  - :created_at: 2026-09-0{day} 12:00:00 Z\n" for day in (1, 2))
    about = f"one:\n  :submitters: [{{':name': Ada}}]\n  :created_at: 2026-09-03 12:00:00 Z\n  :history:\n{times}"
    export = {"one/work.py": REFERENCE, "submission_metadata.yml": about}
    write(tmp_path / "gradescope", export)

    def told(source: str, *more: str) -> str:
        line = command(tmp_path / source, tmp_path / f"out-{source}", "--course", str(root), *more)
        line[line.index("warmup")] = "sums"
        environment = {**os.environ, "GRADE_CACHE": str(tmp_path / "banks")}
        ran = subprocess.run(line, capture_output=True, text=True, env=environment)
        assert ran.returncode == 0, ran.stderr
        return ran.stderr

    deadline = "--deadline 2026-10-03T23:59+00:00"
    assert f"the last commit is after the last date of ada: {deadline} grades" in told("git")
    said = told("git", *deadline.split())
    assert "last date" not in said
    assert "leaves out what an extension allows: emmy (until 2026-10-08T23:59+00:00)" in said
    (tmp_path / "git.txt").write_text(f"file://{emmy}\n")
    alone = told("git.txt", "--deadline", "2026-10-08T23:59+00:00")
    assert "extension" not in alone
    report = tmp_path / "out-git.txt" / "reports" / "sums" / "emmy.json"
    assert json.loads(report.read_text())["standing"]["score"] == 40
    assert "only the first 2 attempts may count" in told("gradescope")
    write(tmp_path / "gradescope", {"submission_metadata.yml": about.replace(times, "")})
    assert "attempts" not in told("gradescope")


def test_that_somebody_of_the_same_name_takes_a_place_in_the_gradebook_is_told(
    tmp_path: Path,
) -> None:
    """Two sections are two downloads. Whoever comes again, or is called otherwise at the same place, is told nothing."""
    for section, number in (("a", 111), ("b", 222), ("c", 222)):
        write(tmp_path / section, {f"lovelaceada_{number}_5_warmup.py": RIGHT})
    said = [graded(tmp_path / section, tmp_path / "out").stderr for section in "abc"]
    assert [
        "note: lovelaceada: in the gradebook this is 111, and here 222, " in one for one in said
    ] == [
        False,
        True,
        False,
    ]
    (tmp_path / "roster.csv").write_text("id,name\n7,Ada Lovelace\n")
    ran = graded(tmp_path / "c", tmp_path / "out", "--roster", str(tmp_path / "roster.csv"))
    assert "in the gradebook" not in ran.stderr


def test_a_roster_that_comes_later_makes_no_other_people(tmp_path: Path) -> None:
    """Where they lie elsewhere too, as on another machine; of many it is told in two lines."""
    names = [f"ada{k}" for k in range(8)]
    for place in ("here", "there"):
        for name in names:
            write(tmp_path / place / name, {"warmup.py": RIGHT})
    graded(tmp_path / "here", tmp_path / "out")
    lines = ["id,name,github", *(f"{k},Somebody {k},{name}" for k, name in enumerate(names))]
    (tmp_path / "roster.csv").write_text("\n".join(lines))
    ran = graded(tmp_path / "there", tmp_path / "out", "--roster", str(tmp_path / "roster.csv"))
    assert "in the gradebook" not in ran.stderr
    ran = graded(tmp_path / "here", tmp_path / "out")
    assert [line for line in ran.stderr.splitlines() if "note: " in line] == [
        "note: ada0: in the gradebook this is 0, and here ada0, who takes that place. If these are two people, give "
        "each source an --out of its own",
        "note: the same is so of ada1, ada2, ada3, ada4, ada5 and 2 more",
    ]


def test_what_lands_while_a_source_is_watched_is_a_line_of_json_where_that_is_asked_for(
    tmp_path: Path,
) -> None:
    root = make_course(
        tmp_path / "course",
        {
            "grader.yaml": COURSE + "late: {percent_per_day: 10}\n",
            "students.yaml": "adjustments: {emmy: {sums: [{points: -3, reason: a fee}]}}\n",
        },
    ).root
    source = tmp_path / "class"
    write(source, {"ada/work.py": REFERENCE})
    line = command(source, tmp_path / "out", "--watch", "--json", "--course", str(root))
    line[line.index("warmup")] = "sums"
    batch = subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "GRADE_CACHE": str(tmp_path / "banks")},
    )
    late = threading.Timer(90, batch.kill)
    late.start()
    try:
        lines = iter(batch.stdout or [])
        first = json.loads(next(lines))
        write(source, {"emmy/work.py": REFERENCE})
        (source / "kurt").mkdir()
        landed = [json.loads(next(lines)) for _ in range(2)]
    finally:
        batch.send_signal(signal.SIGINT)
        batch.communicate(timeout=60)
        late.cancel()
    assert (first["schema"], first["total"]) == ("backcheck/batch/1", 1)
    emmy, kurt = sorted(landed, key=lambda one: str(one["hand_in"]))
    assert {one["schema"] for one in landed} == {"backcheck/landed/1"}
    assert (emmy["hand_in"], emmy["score"], emmy["counts"]) == ("emmy", 40, 37)
    assert (kurt["kind"], kurt["score"]) == ("not gradable", None)
    assert "empty" in kurt["problem"]


@pytest.mark.thorough
def test_what_changes_before_the_watch_begins_is_graded_and_what_goes_away_stays_as_it_was(
    tmp_path: Path,
) -> None:
    source = tmp_path / "class"
    slow = f"{RIGHT}\nimport time\ntime.sleep(2)\n"
    for name, text in (("ada", RIGHT), ("emmy", slow)):
        (source / name).mkdir(parents=True)
        (source / name / "warmup.py").write_text(text)
    batch = started(source, tmp_path / "out", "--watch", "--jobs", "1")
    late = threading.Timer(120, batch.kill)
    late.start()
    try:
        report = tmp_path / "out" / "reports" / "warmup" / "ada.html"
        while not report.exists() and batch.poll() is None:
            time.sleep(0.02)
        (source / "ada" / "warmup.py").write_text(WRONG)
        assert not (tmp_path / "out" / "reports" / "warmup" / "emmy.html").exists()
        lines = iter(batch.stdout or [])
        assert any(line.endswith("index.html\n") for line in lines)
        told = next(lines, "")
        assert told.startswith("ada: ")
        assert not told.startswith("ada: 100")
        source.rename(tmp_path / "away")
        time.sleep(3 * LOOK_SECONDS)
        (tmp_path / "away").rename(source)
        (source / "kurt").mkdir()
        (source / "kurt" / "warmup.py").write_text(RIGHT)
        assert next(lines, "") == "kurt: 100/100\n"
    finally:
        batch.send_signal(signal.SIGINT)
        batch.communicate(timeout=60)
        late.cancel()
    found = {row.hand_in.id: score(row) for row in rows(tmp_path / "out")}
    assert found["emmy"] == found["kurt"] == 100
    assert found["ada"] not in (None, 100)


def test_a_full_disk_is_told(handed_in: Path, tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    ran = graded(handed_in, tmp_path, preexec_fn=small_files)
    assert ran.returncode == 4
    assert "cannot be written" in ran.stderr
    assert "run the command again" in ran.stderr
    assert "Traceback" not in ran.stderr


class Meddler:
    """Watches a batch, and does something to the job that grades one of the submissions."""

    def __init__(self, victim: str, meddle: Callable[[psutil.Process], None], times: int) -> None:
        self.victim = victim
        self.meddle = meddle
        self.times = times
        self.hurt: set[int] = set()

    def step(self, job: int, hand_in: HandIn | None, text: str) -> None:
        if hand_in is None or hand_in.id != self.victim or text in ("", "taken in"):
            return
        for child in psutil.Process().children():
            if child.pid in self.hurt or len(self.hurt) == self.times:
                continue
            with contextlib.suppress(psutil.Error):  # one that is just ending
                if "spawn_main" in " ".join(child.cmdline()):
                    self.hurt.add(child.pid)
                    self.meddle(child)

    def done(self, done: run.Done) -> None:
        pass


def meddled(
    course: Course,
    ready: bank.Module,
    handed_in: Path,
    out: Path,
    *,
    meddle: Callable[[psutil.Process], None],
    times: int,
    patience: float = 120.0,
) -> dict[str, run.Done]:
    """A batch of one job, which something is done to as often as it has `ada` in hand."""
    (out / "class.txt").write_text("\n".join(str(handed_in / n) for n in ("ada", "leaves")))
    hand_ins = sources.read(out / "class.txt").hand_ins
    options = run.Options(jobs=1, patience=patience)
    with Book(out / "gradebook.sqlite") as book:
        reports = run.Reports(out / "reports", Terms(), [])
        watcher = Meddler("ada", meddle, times)
        dealt = run.run(course, ready, hand_ins, book, reports, options, watcher)
    return {done.hand_in.id: done for done in dealt}


def test_a_job_that_dies_once_costs_nothing(
    course: Course, ready: bank.Module, handed_in: Path, tmp_path: Path
) -> None:
    found = meddled(course, ready, handed_in, tmp_path, meddle=psutil.Process.kill, times=1)
    assert {name: done.kind for name, done in found.items()} == {
        "ada": run.NOW,
        "leaves": run.NOW,
    }
    assert list(found) == ["leaves", "ada"]  # what is tried again comes last


def test_a_job_that_dies_twice_costs_that_submission_alone(
    course: Course, ready: bank.Module, handed_in: Path, tmp_path: Path
) -> None:
    found = meddled(course, ready, handed_in, tmp_path, meddle=psutil.Process.kill, times=2)
    assert found["ada"].kind == run.HELD
    assert "by signal 9, twice" in found["ada"].problem
    assert found["leaves"].kind == run.NOW
    assert [row.problem for row in rows(tmp_path) if row.hand_in.id == "ada"] == [
        found["ada"].problem
    ]


@pytest.mark.thorough
def test_a_job_that_hangs_is_ended(
    course: Course, ready: bank.Module, handed_in: Path, tmp_path: Path
) -> None:
    found = meddled(
        course,
        ready,
        handed_in,
        tmp_path,
        meddle=psutil.Process.suspend,
        times=2,
        patience=8.0,
    )
    assert found["ada"].kind == run.HELD
    assert "did not end within 8 s" in found["ada"].problem
    assert found["leaves"].kind == run.NOW


class Together:
    """Watches how many submissions are in hand at once."""

    def __init__(self) -> None:
        self.now: set[int] = set()
        self.most = 0

    def step(self, job: int, hand_in: HandIn | None, text: str) -> None:
        (self.now.add if hand_in is not None else self.now.discard)(job)
        self.most = max(self.most, len(self.now))

    def done(self, done: run.Done) -> None:
        pass


@pytest.mark.parametrize(("memory_mb", "most"), [(512, 2), (10_000_000, 1)])
def test_where_memory_is_short_one_is_graded_at_a_time(
    memory_mb: int,
    most: int,
    course: Course,
    ready: bank.Module,
    handed_in: Path,
    tmp_path: Path,
) -> None:
    replace = msgspec.structs.replace
    limits = replace(ready.assignment.limits, memory_mb=memory_mb)
    greedy = replace(ready, assignment=replace(ready.assignment, limits=limits))
    hand_ins = [h for h in sources.read(handed_in).hand_ins if not h.problem]
    watcher = Together()
    with Book(tmp_path / "gradebook.sqlite") as book:
        reports = run.Reports(tmp_path / "reports", Terms(), [])
        options = run.Options(jobs=2, patience=120.0, sandbox="process")
        dealt = run.run(course, greedy, hand_ins, book, reports, options, watcher)
    assert len(dealt) == len(hand_ins)
    assert watcher.most == most
    assert run.jobs_for(limits) <= (1 if most == 1 else 1000)
    assert run.jobs_for(limits, 7) == 7
