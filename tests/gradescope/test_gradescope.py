"""The zip for Gradescope, laid out as /autograder is and run by its own `run_autograder`."""

from __future__ import annotations

import datetime as dt
import io
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine.courses import CHECKS, COURSE, MODULE, REFERENCE, dedented, make_course

from grader import bank
from grader.course import Course, load_checks
from grader.platforms import gradescope, gradescope_run
from grader.platforms.gradescope_run import (
    attempts_used,
    due_dates,
    late_lines,
    moment,
    over_limit,
    read_metadata,
    terms_for,
)
from grader.sandbox.jail import Jail
from grader.terms import Dates, Late, Terms

MARKER = "canary-7f3a91c2"
WITH_MARKER = dedented(REFERENCE) + f'\n\ndef word(x):\n    return "{MARKER}"\n'
HIDDEN = (
    CHECKS
    + """
second.check(questions.one, case(x=reals()), function="word", visibility="hidden")
"""
)
RIGHT = dedented(REFERENCE) + "\n\ndef later(x):\n    return x\n"
WRONG = RIGHT.replace("return x * x", "return 2 * x")
VISIBILITIES = {"hidden", "after_due_date", "after_published", "visible"}

Run = Callable[..., dict[str, Any]]


def zip_of(
    folder: Path,
    checks: str = CHECKS,
    reference: str = REFERENCE,
    limits: str = "check_seconds: 15",
    **settings: Any,
) -> bytes:
    """The zip of a tiny course. Its reference has no `later`, unless it is given one."""
    changed = {
        "assignments/sums/checks.py": checks,
        "assignments/sums/module.yaml": MODULE.replace("check_seconds: 0.5", limits),
        "reference/work.py": dedented(reference) + "\n\ndef later(x):\n    return x\n",
    }
    course = make_course(folder, changed)
    chosen = gradescope.Settings(module="sums", **settings)
    return gradescope.archive(course, bank.load(course, "sums"), chosen)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return zip_of(tmp_path_factory.mktemp("course"))


def lay_out(root: Path, archive: bytes, files: dict[str, bytes]) -> Path:
    """The folder /autograder after the image was built and `files` were handed in."""
    for name in ("source", "submission", "results", "engine"):
        (root / name).mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(archive)) as unpacked:
        unpacked.extractall(root / "source")
    (wheel,) = (root / "source").glob("*.whl")
    with zipfile.ZipFile(wheel) as unpacked:
        unpacked.extractall(root / "engine")
    (root / "run_autograder").write_bytes((root / "source" / "run_autograder").read_bytes())
    (root / "run_autograder").chmod(0o755)
    for name, data in files.items():
        (root / "submission" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "submission" / name).write_bytes(data)
    # Stands for the environment that setup.sh makes: this one, with the engine out of the zip.
    python = root / "engine" / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{root}/engine" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    return root


def run(root: Path) -> dict[str, Any]:
    """What run_autograder leaves; it ends with 0 each time."""
    environment = {
        **os.environ,
        "AUTOGRADER_ROOT": str(root),
        "AUTOGRADER_PYTHON": str(root / "engine" / "python"),
    }
    ended = subprocess.run([root / "run_autograder"], cwd=root, env=environment, timeout=120)
    assert ended.returncode == 0
    found = json.loads((root / "results" / "results.json").read_bytes())
    assert not faults(found)
    return dict(found)


def faults(sent: dict[str, Any]) -> list[str]:
    """What Gradescope would not understand."""
    found = [f"{k} is no number" for k in ("score", "execution_time") if not number(sent.get(k, 0))]
    found += [] if "score" in sent else ["there is no score"]
    found += [] if isinstance(sent.get("output", ""), str) else ["output is no text"]
    for test in sent.get("tests", []):
        found += [
            f"{k} is no text" for k in ("name", "number", "output") if type(test[k]) is not str
        ]
        found += [f"{k} is no number" for k in ("score", "max_score") if not number(test.get(k, 0))]
        found += [] if test["visibility"] in VISIBILITIES else ["an unknown visibility"]
        found += [] if test.get("status", "passed") in ("passed", "failed") else ["a status"]
    return found


def number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def outcomes(sent: dict[str, Any]) -> dict[str, str]:
    return {test["name"]: test["extra_data"]["outcome"] for test in sent["tests"]}


# The zip


def test_the_zip_is_what_gradescope_asks_for(built: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(built)) as archive:
        modes = {i.filename: stat.S_IMODE(i.external_attr >> 16) for i in archive.infolist()}
        assert modes["run_autograder"] == modes["setup.sh"] == 0o755
        assert modes["course/packs/sums.pack"] == 0o600
        for name in ("run_autograder", "setup.sh"):
            script = archive.read(name)
            assert script.startswith(b"#!/bin/sh\n")
            assert b"\r" not in script
            subprocess.run(["sh", "-n"], input=script, check=True)
        pinned = archive.read("requirements.txt").decode()
    names = set(re.findall(r"^([a-z-]+)==", pinned, re.M))
    assert {"numpy", "numba", "llvmlite", "msgspec", "hypothesis", "sortedcontainers"} <= names
    assert not names & {"docker", "rich", "jinja2"}


def test_the_same_course_gives_the_same_bytes(built: bytes, tmp_path: Path) -> None:
    assert zip_of(tmp_path) == built
    there = set(tmp_path.iterdir())
    command = [sys.executable, "-P", "-m", "grader", "gradescope", "build", "sums", "-o", "-"]
    assert subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE).stdout == built
    assert set(tmp_path.iterdir()) == there


def test_the_page_says_how_many_checks_are_asked_there(course: Course) -> None:
    page = (course.root / "docs" / "gradescope.md").read_text()
    told = dict(re.findall(r"^\| (\w+) \| (\d+) \| [\d.]+ \| \d+ \|$", page, re.M))
    asked = {
        name: str(sum(not check.at_most_times for check in load_checks(course, name)[0].checks))
        for name in course.settings.modules
    }
    assert told == asked


def test_what_an_editor_leaves_is_no_part_of_the_engine(tmp_path: Path) -> None:
    """Else the bytes are others in each checkout, and what somebody set aside is uploaded."""
    home = Path(gradescope.__file__).parents[1]
    copied = shutil.copytree(home, tmp_path / "grader", ignore=shutil.ignore_patterns("*.pyc"))
    for name in (".DS_Store", "pack.py~", ".pack.py.swp", ".mypy_cache/3.11/pack.json"):
        (copied / name).parent.mkdir(parents=True, exist_ok=True)
        (copied / name).write_bytes(b"x")
    code = "import sys\nfrom grader.platforms.gradescope import engine\nsys.stdout.buffer.write(engine()[1])"
    made = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    assert made.stdout == gradescope.engine()[1]


def test_the_instructor_is_told_what_gradescope_does_with_hidden_checks(tmp_path: Path) -> None:
    reference = WITH_MARKER + "\n\ndef later(x):\n    return x\n"
    course = make_course(
        tmp_path, {"assignments/sums/checks.py": HIDDEN, "reference/work.py": reference}
    )
    told = gradescope.warnings(bank.load(course, "sums"), gradescope.Settings(module="sums"))
    assert "hides the total" in told[0]


# A run


def test_right_work_has_full_marks(built: bytes, tmp_path: Path) -> None:
    sent = run(lay_out(tmp_path / "a", built, {"work.py": RIGHT.encode()}))
    assert set(outcomes(sent).values()) == {"passed"}
    assert sent["score"] == sent["extra_data"]["max_score"] == 40


def test_a_mistake_costs_its_check_and_is_shown(built: bytes, tmp_path: Path) -> None:
    sent = run(lay_out(tmp_path / "a", built, {"work.py": WRONG.encode()}))
    assert [name for name, o in outcomes(sent).items() if o != "passed"] == [
        "square gives the right number"
    ]
    assert sent["score"] == pytest.approx(32)


def test_a_half_finished_module_is_graded(built: bytes, tmp_path: Path) -> None:
    half = RIGHT.replace("return x * x", "raise NotImplementedError")
    sent = run(lay_out(tmp_path / "a", built, {"work.py": half.encode()}))
    assert outcomes(sent)["square gives the right number"] == "unimplemented"


def bomb() -> bytes:
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("work.py", b"#" * (64 << 20))
    return room.getvalue()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "empty"),
        ({"essay.txt": b"On sums"}, "essay.txt"),
        ({"work.zip": bomb()}, "MiB"),
        ({"work.zip": b"PK no zip"}, "graded: work.zip: this is no zip file"),
        ({"work.tar.bz2": b"BZh no tar"}, "graded: work.tar.bz2: this tar file is damaged"),
        ({"a/work.py": b"", "b/work.py": b""}, "2 folders"),
    ],
    ids=["nothing", "something else", "a bomb", "a broken zip", "a broken tar", "two folders"],
)
def test_an_upload_that_cannot_be_graded_says_why(
    built: bytes, tmp_path: Path, files: dict[str, bytes], says: str
) -> None:
    sent = run(lay_out(tmp_path / "a", built, files))
    assert sent["score"] == 0
    assert sent["output"].startswith("This upload cannot be graded")
    assert says in sent["output"]
    assert "--submission" not in sent["output"]


def one_file(kind: str) -> bytes:
    """The right work in an archive."""
    room = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(room, "w") as made:
            made.writestr("work.py", RIGHT)
    else:
        with tarfile.open(fileobj=room, mode=f"w:{kind}") as made_tar:
            entry = tarfile.TarInfo("work.py")
            entry.size = len(RIGHT)
            made_tar.addfile(entry, io.BytesIO(RIGHT.encode()))
    return room.getvalue()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("WORK.ZIP", "zip"), ("work.tar.bz2", "bz2"), ("work.txz", "xz"), ("work.tgz", "gz")],
)
def test_one_archive_alone_is_opened(built: bytes, tmp_path: Path, name: str, kind: str) -> None:
    """Beside what a Mac puts there."""
    root = lay_out(tmp_path / "a", built, {name: one_file(kind), ".DS_Store": b"x"})
    (root / "submission" / "__MACOSX").mkdir()
    (root / "submission" / "__MACOSX" / f"._{name}").write_bytes(b"x")
    assert run(root)["score"] == 40


def test_when_time_is_over_what_is_known_counts(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "course", minutes=0.14)
    endless = RIGHT.replace("return x * x", "while True: pass")
    sent = run(lay_out(tmp_path / "a", archive, {"work.py": endless.encode()}))
    assert sent["output"].startswith("Grading had to end")
    assert outcomes(sent)["double gives the right number"] == "passed"
    assert outcomes(sent)["total adds everything up"] == "timed_out"
    assert sent["score"] == pytest.approx(2)
    assert sent["extra_data"]["complete"] is False


def test_when_time_is_over_before_the_first_check_there_is_no_grade(tmp_path: Path) -> None:
    """No submission takes that long: what it imports has limits of its own."""
    archive = zip_of(tmp_path / "course", minutes=0.001)
    sent = run(lay_out(tmp_path / "a", archive, {"work.py": RIGHT.encode()}))
    assert sent["output"].endswith(gradescope_run.NO_GRADE)
    assert sent["extra_data"] == {"held": True, "complete": False, "attempts": 0}


@pytest.mark.parametrize(
    ("minutes", "graded"), [(1, 30), (1.5, 45), (3, 120), (10, 540), (40, 2340)]
)
def test_a_minute_of_the_time_is_kept_and_never_more_than_half(minutes: float, graded: int) -> None:
    with gradescope_run.ended_after(minutes * 60):
        left, _ = signal.getitimer(signal.ITIMER_REAL)
    assert left == pytest.approx(graded, abs=1)


def test_a_grader_that_does_not_start_leaves_results(built: bytes, tmp_path: Path) -> None:
    root = lay_out(tmp_path / "a", built, {"work.py": RIGHT.encode()})
    (root / "engine" / "python").write_text("#!/bin/sh\nexit 1\n")
    (root / "results" / "results.json").write_text('{"score": 40}')  # an earlier run's
    sent = run(root)
    assert sent["score"] == 0
    assert sent["extra_data"]["held"] is True


def test_a_damaged_pack_is_no_fault_of_the_student(built: bytes, tmp_path: Path) -> None:
    root = lay_out(tmp_path / "a", built, {"work.py": RIGHT.encode()})
    (root / "source/course/packs/sums.pack").write_bytes(b"backcheck pack\n")
    sent = run(root)
    assert "not set up rightly" in sent["output"]
    assert sent["extra_data"]["held"] is True


# Lateness and earlier attempts


def test_a_second_attempt_is_told_what_is_better_and_that_it_is_late(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "course", attempts=2)
    root = lay_out(tmp_path / "a", archive, {"work.py": WRONG.encode()})
    first = run(root)
    metadata: dict[str, Any] = {
        "created_at": "2026-10-02T10:05:00.000000-07:00",
        "assignment": {"due_date": "2026-10-02T08:00:00.000000-07:00", "total_points": "40"},
        "previous_submissions": [{"score": "32.0", "autograder_error": False, "results": first}],
    }
    (root / "submission" / "work.py").write_text(RIGHT)
    (root / "submission_metadata.json").write_text(json.dumps(metadata))
    second = run(root)
    assert (first["extra_data"]["attempts"], second["extra_data"]["attempts"]) == (1, 2)
    assert "2 hours and 5 minutes after the due date" in second["output"]
    assert "1 check better than last time: 1 square" in second["output"]
    assert stat.S_IMODE((root / "submission_metadata.json").stat().st_mode) == 0o600

    (root / "submission" / "work.py").write_text(WRONG)
    metadata["previous_submissions"] = [{"autograder_error": False}, {"results": second}]
    (root / "submission_metadata.json").write_text(json.dumps(metadata))
    third = run(root)
    assert third["score"] == second["score"] == 40
    assert "you have used all" in third["output"]

    metadata["previous_submissions"][1]["results"] = {**second, "extra_data": {"held": True}}
    (root / "submission_metadata.json").write_text(json.dumps(metadata))
    assert run(root)["score"] == pytest.approx(32)  # what was held is no score that could stand


def test_an_upload_without_anything_to_grade_is_no_attempt(tmp_path: Path) -> None:
    """It was the last one allowed, and its 0 stood."""
    archive = zip_of(tmp_path / "course", attempts=1)
    root = lay_out(tmp_path / "a", archive, {"wrok.py": RIGHT.encode()})
    first = run(root)
    metadata = {"previous_submissions": [{"score": 0, "results": first}]}
    (root / "submission_metadata.json").write_text(json.dumps(metadata))
    (root / "submission" / "wrok.py").rename(root / "submission" / "work.py")
    second = run(root)
    assert (first["score"], second["score"]) == (0, 40)
    metadata["previous_submissions"].append({"score": 40, "results": second})
    assert over_limit(metadata, 1) is not None
    assert over_limit(metadata, 2) is None


@pytest.mark.parametrize(("said", "used"), [(0, 0), (1, 1), (3, 2), (-1, 2), ("0", 2), (None, 2)])
def test_what_the_last_results_do_not_say_is_counted(said: object, used: int) -> None:
    listed = [{"results": None}, {"results": {"extra_data": {"attempts": said}}}]
    assert attempts_used({"previous_submissions": listed}) == used
    assert attempts_used({"previous_submissions": [listed[1], listed[0]]}) == 2


@pytest.mark.parametrize(
    "metadata",
    [{}, {"assignment": None}, {"created_at": 3}, {"assignment": {"due_date": "2026-10-02 08:00"}}],
)
def test_metadata_of_another_form_say_nothing(metadata: dict[str, Any]) -> None:
    assert due_dates(metadata) == Dates()
    assert late_lines(dt.datetime(2026, 10, 1, tzinfo=dt.UTC), metadata) == []


@pytest.mark.parametrize(
    "last",
    [
        '{"score": NaN}',
        '{"score": 1e999}',
        '{"score": "nan"}',
        '{"score": 1' + "0" * 400 + "}",
        '{"score": [1]}',
        '{"results": {"score": NaN, "tests": []}}',
        '{"results": {"score": "x", "tests": []}}',
        '{"results": {"score": 1, "tests": [5, null]}}',
        '{"results": {"score": 1, "tests": [{"name": 3}]}}',
    ],
)
def test_earlier_results_that_gradescope_would_not_take_are_not_sent_again(
    last: str, tmp_path: Path
) -> None:
    path = tmp_path / "submission_metadata.json"
    path.write_text(f'{{"previous_submissions": [{{}}, {last}]}}')
    sent = over_limit(read_metadata(path), 2)
    assert sent is not None
    assert json.loads(json.dumps(sent, allow_nan=False))["score"] == 0
    assert not faults(sent)


def test_the_last_attempt_is_the_latest_however_they_are_listed() -> None:
    """Gradescope's documentation does not say in which order they come."""
    at = "2026-10-0{}T10:00:00.000000-07:00".format
    first, last = (
        {"submission_time": at(day), "score": f"{day}.5", "results": {"output": f"day {day}"}}
        for day in (1, 2)
    )
    for listed in ([first, last], [last, first]):
        sent = over_limit({"previous_submissions": listed}, 2)
        assert sent is not None
        assert sent["score"] == 2.5
    undated = [{**last, "submission_time": None}, first]  # nothing is known: they stay as they are
    sent = over_limit({"previous_submissions": undated}, 2)
    assert sent is not None
    assert sent["score"] == 1.5


def test_metadata_that_hold_too_much_are_read_as_none(tmp_path: Path) -> None:
    path = tmp_path / "submission_metadata.json"
    path.write_text("[" * 200_000)
    assert read_metadata(path) == {}


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
def test_a_time_of_no_course_is_no_time(text: str) -> None:
    """Whoever reckons with it would leave what a date can be."""
    assert moment(text) is None
    assert moment("2026-10-02T10:05:00.000000-07:00") is not None


DATES = """
timezone: Europe/Berlin
dates: {sums: {due: 2026-10-01 23:59}}
late: {percent_per_day: 10, tokens: 1}
"""


def terms_of(folder: Path, lines: str) -> Terms | None:
    """The terms that go into the zip of a course with these lines in its grader.yaml."""
    course = make_course(folder, {"grader.yaml": COURSE + lines})
    (folder / "students.yaml").write_text("extensions: {ada: {sums: {days: 2, reason: ill}}}")
    return gradescope.terms_there(course, "sums")


def test_what_lateness_costs_is_computed_from_the_time_of_the_hand_in(tmp_path: Path) -> None:
    terms = terms_of(tmp_path / "dates", DATES)
    assert terms is not None
    archive = zip_of(tmp_path / "course", terms=terms)
    root = lay_out(tmp_path / "a", archive, {"work.py": RIGHT.encode()})
    metadata = {
        "created_at": "2026-10-02T18:00:00.000000-07:00",
        "assignment": {"due_date": "2026-10-09T08:00:00.000000-07:00"},  # the course's own holds
    }
    (root / "submission_metadata.json").write_text(json.dumps(metadata))
    late = run(root)
    assert late["score"] == pytest.approx(32)
    told = "2 days late (1 d 3 h after 2026-10-01 23:59+02:00): 20 % of 40 points: -8"
    assert told in late["output"]
    assert "Late days are not counted here" in late["output"]
    assert "after the due date" not in late["output"]  # it is told once
    metadata["created_at"] = "2026-10-01T21:59:00+00:00"
    (root / "submission_metadata.json").write_text(json.dumps(metadata))
    assert run(root)["score"] == pytest.approx(40)
    (root / "submission_metadata.json").unlink()
    unknown = run(root)
    assert unknown["score"] == pytest.approx(40)
    assert "not known, so nothing is taken" in unknown["output"]


def test_nothing_is_taken_where_the_course_has_no_rules_of_lateness(tmp_path: Path) -> None:
    dates = "dates: {sums: {due: 2026-10-01 23:59}}\n"
    assert terms_of(tmp_path / "none", "") is None
    assert terms_of(tmp_path / "due", dates) is None
    last = "dates: {sums: {due: 2026-10-01 23:59, late_due: 2026-10-02 23:59}}\n"
    assert terms_of(tmp_path / "last", last) is not None
    rules = "late: {percent_per_day: 10}\n"
    assert terms_of(tmp_path / "rules", rules) == Terms(late=Late(percent_per_day=10))


def test_what_is_agreed_with_single_students_is_not_in_the_zip(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "course", terms=terms_of(tmp_path / "dates", DATES))
    with zipfile.ZipFile(io.BytesIO(archive)) as unpacked:
        settings = json.loads(unpacked.read("gradescope.json"))
        assert settings["terms"]["extensions"] == settings["terms"]["adjustments"] == {}
        assert not any(
            b"ada" in unpacked.read(name) for name in ("gradescope.json", "course/grader.yaml")
        )


def test_where_the_course_gives_no_date_gradescope_s_own_holds() -> None:
    metadata = {
        "assignment": {
            "due_date": "2026-10-02T08:00:00.000000-07:00",
            "late_due_date": "2026-10-04T08:00:00.000000-07:00",
        }
    }
    rules = Terms(late=Late(percent_per_day=10))
    found = terms_for(gradescope.Settings(module="sums", terms=rules), metadata)
    assert found is not None
    assert found.late == rules.late
    assert found.dates["sums"] == due_dates(metadata)
    assert found.dates["sums"].late_due == dt.datetime(2026, 10, 4, 15, tzinfo=dt.UTC)
    assert terms_for(gradescope.Settings(module="sums"), metadata) is None


def test_the_instructor_is_told_what_the_terms_do_not_do_there(tmp_path: Path) -> None:
    course = make_course(tmp_path)
    terms = Terms(late=Late(percent_per_day=10, tokens=2))
    settings = gradescope.Settings(module="sums", terms=terms)
    told = "\n".join(gradescope.warnings(bank.load(course, "sums"), settings))
    assert "no date for sums" in told
    assert "late days are not used there" in told
    assert "students.yaml" in told


# What the answers are kept from

SEARCH = """
import gc, pathlib, zlib


def search():
    found = []
    places = [*pathlib.Path(ROOT).rglob("*"), *pathlib.Path("/proc").glob("[0-9]*/environ")]
    for path in places:
        try:
            data = path.read_bytes()
        except OSError:
            continue
        parts = [data]
        for at in range(len(data) if path.suffix == ".pack" else 0):
            if data[at : at + 1] == b"\\x78":
                try:
                    parts.append(zlib.decompress(data[at:]))
                except zlib.error:
                    pass
        found += [str(path) for part in parts if MARKER in part]
        if any(MARKER in part for part in parts):
            return f"found {MARKER.decode()} in {path}"
    for thing in gc.get_objects():
        if isinstance(thing, (list, tuple)) and any(
            isinstance(one, (str, bytes)) and PART in (one if isinstance(one, str) else repr(one))
            for one in thing
        ):
            return f"found {MARKER.decode()} in memory"
    return "found nothing"


def double(x):
    raise ValueError(search())
"""


@pytest.mark.parametrize("sandbox", ["auto", "process"])
def test_code_that_searches_for_the_answers_finds_them_only_where_nothing_keeps_them(
    tmp_path: Path, sandbox: str
) -> None:
    if sandbox == "auto" and not Jail.available()[0]:
        pytest.skip("the jail does not work on this machine")
    archive = zip_of(tmp_path / "course", HIDDEN, WITH_MARKER)
    # The marker in two halves: the submission's own text must not be what is found.
    names = f'MARKER = ("{MARKER[:7]}" + "{MARKER[7:]}").encode()\nPART = MARKER.decode()\n'
    searching = RIGHT.replace("def double(x):\n    return 2.0 * x\n", "")
    root = tmp_path / "a"
    code = f'ROOT = "{root}"\n{names}{SEARCH}\n{searching}'
    lay_out(root, archive, {"work.py": code.encode()})
    settings = root / "source/course/grader.yaml"
    settings.write_text(settings.read_text().replace("sandbox: auto", f"sandbox: {sandbox}"))
    sent = run(root)
    seen = [sent["output"], *(t["output"] for t in sent["tests"] if t["visibility"] == "visible")]
    if sandbox == "process":  # which shows that the search would find them
        assert any(MARKER in text for text in seen)
        assert outcomes(sent)["word gives the right number"] == "held"
    else:
        assert any("found nothing" in text for text in seen)
        assert MARKER not in "".join(seen)


# The leaderboard

TIMED = """
first.check(
    questions.one, case(x=reals()), function="square", title="square is quick", cases=6,
    at_most_times=3.0, after=["square gives the right number"],
)
"""


def test_the_leaderboard_has_the_times_of_right_work(tmp_path: Path) -> None:
    archive = zip_of(tmp_path / "course", checks=CHECKS + TIMED, leaderboard=True)
    right = dedented(REFERENCE)
    slow = right.replace("return x * x", "import time; time.sleep(0.05); return x * x")
    quick = {}
    for name, text in (("right", right), ("slow", slow)):
        board = run(lay_out(tmp_path / name, archive, {"work.py": text.encode()}))["leaderboard"]
        assert [(entry["name"], entry["order"]) for entry in board] == [
            ("All together (ms)", "asc"),
            ("square is quick (ms)", "asc"),
        ]
        quick[name] = board[1]["value"]
    assert 0 < quick["right"] < 50 <= quick["slow"]


def test_wrong_work_and_a_zip_without_it_have_no_leaderboard(tmp_path: Path) -> None:
    right = dedented(REFERENCE)
    # Right when it is first asked and wrong later: what computes nothing is quicker than anybody.
    idle = right.replace(
        "def square(x):",
        "asked = []\n\n\ndef square(x):\n    asked.append(x)\n    if len(asked) > 101:\n        return 0.0\n",
    )
    archive = zip_of(tmp_path / "course", checks=CHECKS + TIMED, leaderboard=True)
    for name, text in (
        ("wrong", right.replace("return x * x", "return x * abs(x)")),
        ("idle", idle),
    ):
        sent = run(lay_out(tmp_path / name, archive, {"work.py": text.encode()}))
        assert "leaderboard" not in sent
    plain = zip_of(tmp_path / "plain course", checks=CHECKS + TIMED)
    sent = run(lay_out(tmp_path / "plain", plain, {"work.py": right.encode()}))
    assert "leaderboard" not in sent
