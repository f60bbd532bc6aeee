"""`grade` from outside: what it prints where, what it writes, and the code it ends with."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import psutil
import pytest
from engine.courses import FILES, REFERENCE, dedented, write

from grader.errors import unknown

from .conftest import Run, as_in_a_terminal

ESC = "\x1b["


def listing(*folders: Path) -> dict[str, float]:
    """Every file below some folders with the time of its last change."""
    return {str(p): p.stat().st_mtime_ns for folder in folders for p in sorted(folder.rglob("*"))}


def no_traceback(ran: subprocess.CompletedProcess[str]) -> bool:
    return "Traceback" not in ran.stdout + ran.stderr


# Exit codes


def test_0_when_everything_passed(grade: Run, right: Path) -> None:
    ran = grade("sums", "--submission", right)
    assert ran.returncode == 0, ran.stderr
    assert "40" in ran.stdout


def test_1_when_something_failed(grade: Run, wrong: Path) -> None:
    ran = grade("run", "sums", "-s", wrong)
    assert ran.returncode == 1
    assert "square gives the right number" in ran.stdout
    assert no_traceback(ran)


def test_this_folder_is_the_submission_when_none_is_named(
    grade: Run, right: Path, course: Path
) -> None:
    ran = grade("sums", "--course", course, "-q", cwd=right)
    assert (ran.returncode, ran.stdout) == (0, "sums 40/40\n")


USAGE = {
    ("modul1",): "",
    ("sum",): "Did you mean 'sums'",
    ("docter",): "Did you mean 'doctor'",
    ("sums", "--only", "3"): "there is no task '3'",
    ("sums", "--onyl", "1"): "--only",
    ("sums", "--sandbox", "cellar"): "cellar",
    ("sums", "--seed", "many"): "many",
    ("sums", "--html", "nowhere/report.html"): "does not exist",
    ("sums", "--json", "nowhere/report.json"): "does not exist",
    ("sums", "--json", "/"): "is a folder",
    ("sums", "--html", ""): "an empty name",
    ("sums", "--submission", ""): "an empty name",
    ("sums", "more"): "more",
    ("render", "nothing.json"): "cannot be read",
    ("replay", "nothing.json", "square"): "cannot be read",
    ("bank", "show", "sums"): "name a check",
    ("bank", "show", "sums", "--check", "nothing like it"): "There are: 1/double gives",
    ("bank", "show", "sums", "--check", "2/totl adds everything up"): "Did you mean '2/total",
    ("gradescope", "build", "sums", "--minutes", "nan"): "'nan' is not in the range 1<=x<=40",
    ("batch", "sums", "x", "--fail-under", "nan"): "'nan' is not in the range 0<=x<=100",
    ("similar", "sums", "x", "--least", "NaN"): "'NaN' is not in the range 0<=x<=100",
    ("bank", "list", "sum"): "Did you mean 'sums'",
    ("list", "sum"): "Did you mean 'sums'",
    ("completion", "cmd"): "cmd",
}


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_2_for_a_wrong_command_line_with_what_to_write_instead(
    grade: Run, right: Path, arguments: tuple[str, ...]
) -> None:
    given = ("-s", right) if arguments[0] == "sums" and "--submission" not in arguments else ()
    ran = grade(*arguments, *given)
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert USAGE[arguments] in ran.stderr
    assert ran.stdout == ""
    assert no_traceback(ran)


def test_2_without_any_course(grade: Run, tmp_path: Path) -> None:
    ran = grade("sums", cwd=tmp_path)
    assert ran.returncode == 2
    assert "no grader.yaml" in ran.stderr
    assert grade("sums", "--course", tmp_path).returncode == 2
    assert grade("list", cwd=tmp_path).returncode == 2


def test_2_for_a_typing_error_in_the_configuration(
    grade: Run, course: Path, right: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "course"
    shutil.copytree(course, broken)
    write(broken, {"grader.yaml": dedented(FILES["grader.yaml"]).replace("seed:", "sead:")})
    ran = grade("sums", "--course", broken, "-s", right)
    assert ran.returncode == 2
    assert "grader.yaml:3: sead" in ran.stderr
    assert "Did you mean 'seed'" in ran.stderr


def zipped(path: Path, entries: dict[str, Any]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            info = zipfile.ZipInfo("x")
            info.filename = name
            info.compress_type = zipfile.ZIP_DEFLATED
            if data is None:
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
                data = b"/etc/passwd"
            archive.writestr(info, data)
    return path


REFUSED: dict[str, tuple[dict[str, Any] | None, str]] = {
    "nothing there": (None, "no such file or folder"),
    "an empty zip": ({}, "there is no work/ or work.py"),
    "another package": ({"other.py": b""}, "only other.py"),
    "a way out": ({"work.py": b"", "../../x.py": b""}, "points outside"),
    "a link": ({"work.py": None}, "symbolic link"),
    "a bomb": ({"work.py": b"#" * (200 << 20)}, "4 MiB"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_3_for_a_submission_that_cannot_be_graded(grade: Run, tmp_path: Path, what: str) -> None:
    entries, said = REFUSED[what]
    path = tmp_path / "work.zip"
    if entries is not None:
        zipped(path, entries)
    ran = grade("sums", "-s", path)
    assert ran.returncode == 3
    assert said in ran.stderr
    assert ran.stdout == ""
    assert no_traceback(ran)


def test_3_for_an_empty_folder(grade: Run, tmp_path: Path) -> None:
    ran = grade("sums", "-s", tmp_path)
    assert ran.returncode == 3
    assert "--submission DIR" in ran.stderr


def test_4_for_a_reference_that_is_broken(
    grade: Run, course: Path, right: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "course"
    shutil.copytree(course, broken)
    write(broken, {"reference/work.py": dedented(REFERENCE).replace("x * x", "x / 0")})
    ran = grade("sums", "--course", broken, "-s", right)
    assert ran.returncode == 4
    assert "1/square gives the right number" in ran.stderr
    assert "ZeroDivisionError" in ran.stderr
    assert no_traceback(ran)
    debug = grade("--debug", "sums", "--course", broken, "-s", right)
    assert "Traceback" in debug.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def double(x:\n", "SyntaxError"),
        ("while True: pass\n", "import"),
        ("import os; os._exit(0)\n", "exit status 0"),
        ("from work import nothing\n", "nothing"),
    ],
)
def test_1_for_a_submission_that_cannot_be_imported(
    grade: Run, tmp_path: Path, text: str, said: str
) -> None:
    ran = grade("sums", "-s", write(tmp_path, {"work.py": text}))
    assert ran.returncode == 1
    assert said in ran.stdout
    assert no_traceback(ran)


def test_names_in_another_alphabet_are_printed_and_written(grade: Run, tmp_path: Path) -> None:
    folder = write(tmp_path / "задание Größe 提出", {"work.py": REFERENCE, "größe.py": ""})
    out = tmp_path / "отчёт.json"
    ran = grade("sums", "-s", folder, "--json", out, PYTHONIOENCODING="utf-8")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(out.read_text(encoding="utf-8"))["submission"] == folder.name


def test_a_terminal_that_knows_only_ascii_stops_nothing(grade: Run, wrong: Path) -> None:
    ran = grade("sums", "-s", wrong, PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONUTF8="0")
    assert ran.returncode == 1
    assert no_traceback(ran)


# Streams


@pytest.fixture(scope="module")
def stored(grade: Run, wrong: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stored report on the wrong submission."""
    path = tmp_path_factory.mktemp("stored") / "report.json"
    assert grade("sums", "-s", wrong, "--json", path).returncode == 1
    return path


def test_json_on_standard_output_is_all_that_is_printed_there(grade: Run, wrong: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    ran = grade("sums", "-s", wrong, "--json", "-")
    assert ran.returncode == 1
    report = json.loads(ran.stdout)
    schema = json.loads(grade("schema").stdout)
    jsonschema.Draft202012Validator(schema).validate(report)
    assert report["schema"] == "backcheck/report/1"
    assert report["score"] == 32.0
    assert {check["outcome"] for check in report["checks"]} == {"passed", "failed"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("sum",), 2), (("sums", "-s", "nowhere"), 3), (("sums", "-s", ".", "--only", "9"), 2), (("sums", "--bad"), 2)],
)  # fmt: skip
def test_errors_are_json_too_where_json_was_asked_for(
    grade: Run, arguments: tuple[str, ...], code: int
) -> None:
    ran = grade(*arguments, "--json", "-")
    assert ran.returncode == code
    error = json.loads(ran.stdout)
    assert error["schema"] == "backcheck/error/1"
    assert error["exit_code"] == code
    assert error["error"]
    assert ran.stderr


def test_what_is_drawn_is_told_on_standard_error_once(
    grade: Run, right: Path, tmp_path: Path
) -> None:
    first, second = (
        grade("sums", "-s", right, "-q", GRADE_CACHE=str(tmp_path / "fresh")) for _ in range(2)
    )
    assert first.stdout == second.stdout == "sums 40/40\n"
    assert first.stderr.count("drawing the cases of sums") == 1
    assert second.stderr == ""


# Colour


def test_nothing_is_coloured_where_it_is_no_terminal(grade: Run, wrong: Path) -> None:
    ran = grade("sums", "-s", wrong)
    assert ESC not in ran.stdout + ran.stderr
    ran = grade("sums", "-s", wrong, NO_COLOR="1")
    assert ESC not in ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("flags", "variables", "coloured"),
    [
        ((), {"FORCE_COLOR": "1"}, True),
        ((), {"FORCE_COLOR": ""}, False),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ((), {"FORCE_COLOR": "1", "NO_COLOR": ""}, True),
        (("--color", "always"), {"NO_COLOR": "1"}, True),
        (("--color", "never"), {"FORCE_COLOR": "1"}, False),
        (("--color", "always"), {"TERM": "dumb"}, True),
        ((), {"TERM": "dumb"}, False),
    ],
)
def test_colour_follows_the_flag_then_no_color_then_force_color(
    grade: Run, stored: Path, flags: tuple[str, ...], variables: dict[str, str], coloured: bool
) -> None:
    ran = grade("render", stored, *flags, **variables)
    assert (ESC in ran.stdout) is coloured
    assert ESC not in ran.stderr


def on_a_terminal(command: list[Any], environment: dict[str, str], cwd: Path) -> str:
    """What a command writes when a terminal is its standard output and error."""
    import pty

    ours, theirs = pty.openpty()
    child = subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=cwd, env=environment)
    os.close(theirs)
    data = b""
    try:
        while piece := os.read(ours, 1 << 16):
            data += piece
    except OSError:
        pass  # the last one to hold the other end has closed it
    finally:
        os.close(ours)
        child.wait(timeout=60)
    return data.decode("utf-8", "replace")


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals")
def test_a_terminal_gets_colour_unless_it_is_dumb_or_no_color_is_set(
    environment: dict[str, str], course: Path, wrong: Path
) -> None:
    command = [sys.executable, "-m", "grader", "sums", "-s", str(wrong)]
    assert ESC in on_a_terminal(command, environment, course)
    dumb = on_a_terminal(command, environment | {"TERM": "dumb"}, course)
    assert ESC not in dumb
    plain = on_a_terminal([*command, "-q"], environment | {"NO_COLOR": "1"}, course)
    assert "\x1b[3" not in plain


# Files


def test_the_named_files_are_written_whole_and_nothing_else_is(
    grade: Run, course: Path, wrong: Path, tmp_path: Path
) -> None:
    grade("sums", "-s", wrong, "-q")
    before = listing(course, wrong)
    out = tmp_path / "out"
    out.mkdir()
    ran = grade(
        "sums", "-s", wrong, "--json", out / "a.json", "--html", out / "b.html",
        "--gradescope", "c.json", cwd=out, GRADE_COURSE=str(course),
    )  # fmt: skip
    assert ran.returncode == 1
    assert listing(course, wrong) == before
    assert sorted(p.name for p in out.iterdir()) == ["a.json", "b.html", "c.json"]
    assert json.loads((out / "a.json").read_text())["score"] == 32.0
    assert (out / "b.html").read_text().rstrip().endswith("</html>")
    assert json.loads((out / "c.json").read_text())["tests"]
    mask = os.umask(0)
    os.umask(mask)
    for path in out.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_an_old_file_is_replaced_by_the_report_or_by_what_kept_it_from_being_made(
    grade: Run, right: Path, tmp_path: Path
) -> None:
    out = tmp_path / "report.json"
    out.write_text("old")
    assert grade("sums", "--onyl", "1", "--json", out).returncode == 2
    assert out.read_text() == "old"
    assert grade("sums", "-s", tmp_path / "nowhere", "--json", out).returncode == 3
    error = json.loads(out.read_text())
    assert (error["schema"], error["exit_code"]) == ("backcheck/error/1", 3)
    assert "no such file" in error["error"]
    assert "report.json" in grade("render", out).stderr
    assert grade("sums", "-s", right, "--json", out).returncode == 0
    assert json.loads(out.read_text())["score"] == 40.0
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_a_folder_that_cannot_be_written_to_is_a_fault_without_a_traceback(
    grade: Run, right: Path, tmp_path: Path
) -> None:
    taken = tmp_path / "report.html"
    taken.mkdir()
    ran = grade("sums", "-s", right, "--html", taken)
    assert ran.returncode in (2, 4)
    assert "report.html" in ran.stderr
    assert no_traceback(ran)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    if os.geteuid() == 0:
        locked = Path("/proc/self")  # where even root cannot make a file
    ran = grade("sums", "-s", right, "--json", locked / "report.json")
    assert ran.returncode in (2, 4)
    assert no_traceback(ran)


def test_the_report_is_shown_and_the_other_files_are_written_when_one_cannot_be(
    grade: Run, right: Path, tmp_path: Path
) -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("needs /dev/full")
    out = tmp_path / "report.json"
    ran = grade("sums", "-s", right, "-q", "--json", out, "--html", "/dev/full")
    assert (ran.returncode, ran.stdout) == (4, "sums 40/40\n")
    assert "/dev/full: cannot be written: No space left" in ran.stderr
    assert json.loads(out.read_text())["score"] == 40.0
    assert Path("/dev/full").is_char_device()


def test_a_pipe_is_written_to_and_a_link_is_followed(
    grade: Run, right: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "real.json")
    assert grade("sums", "-s", right, "-q", "--json", link).returncode == 0
    assert link.is_symlink()
    assert json.loads((tmp_path / "real.json").read_text())["score"] == 40.0
    ran = grade("sums", "-s", right, "-q", "--json", "/dev/stdout")
    assert json.loads(ran.stdout.partition("\n")[2])["score"] == 40.0


def test_any_one_view_can_go_to_standard_output(grade: Run, right: Path, tmp_path: Path) -> None:
    ran = grade("sums", "-s", right, "--html", "-", cwd=tmp_path, GRADE_COURSE="")
    assert ran.returncode == 2  # an empty GRADE_COURSE is none
    ran = grade("sums", "-s", right, "--html", "-")
    assert ran.stdout.startswith("<!doctype html>")
    assert ran.stdout.endswith("</html>\n")
    assert json.loads(grade("sums", "-s", right, "--gradescope", "-").stdout)["score"] == 40
    both = grade("sums", "-s", right, "--html", "-", "--junit", "-")
    assert both.returncode == 2
    assert "only one of --html and --junit can go to standard output" in both.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_change_no_exit_code(
    environment: dict[str, str], course: Path, wrong: Path, closed: str
) -> None:
    command = f'"$0" -m grader sums -s "$1" {closed}'
    ran = subprocess.run(
        ["sh", "-c", command, sys.executable, str(wrong)], cwd=course, env=environment, check=False
    )
    assert ran.returncode == 1


def test_a_full_disk_behind_standard_output_is_told(
    environment: dict[str, str], course: Path, right: Path
) -> None:
    if not Path("/dev/full").is_char_device():
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [sys.executable, "-m", "grader", "sums", "-s", str(right)],
            cwd=course, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert ran.returncode == 4
    assert ran.stderr == "grade: standard output cannot be written: No space left on device\n"


def test_a_reader_that_goes_away_changes_no_exit_code(
    environment: dict[str, str], course: Path, wrong: Path
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "grader", "sums", "-s", str(wrong), "-v"],
        cwd=course, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    said = child.stderr.read().decode()
    child.stderr.close()
    child.wait(timeout=60)
    assert "Traceback" not in said
    assert child.returncode == 1


# Interruption


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_130_when_interrupted_and_no_process_is_left(
    environment: dict[str, str], course: Path, tmp_path: Path, number: signal.Signals
) -> None:
    flag = tmp_path / "running"
    text = f"open({str(flag)!r}, 'w').close()\nimport time\ntime.sleep(60)\n"
    folder = write(tmp_path / "s", {"work.py": text})
    child = subprocess.Popen(
        [sys.executable, "-m", "grader", "sums", "-s", str(folder), "--json", str(tmp_path / "r.json")],
        cwd=course, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=as_in_a_terminal,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not flag.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    family = psutil.Process(child.pid).children(recursive=True)
    assert family
    child.send_signal(number)
    _, said = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive
    assert not (tmp_path / "r.json").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_130_while_cases_are_drawn_and_no_process_is_left(
    environment: dict[str, str], course: Path, right: Path, tmp_path: Path
) -> None:
    slow = tmp_path / "course"
    shutil.copytree(course, slow)
    text = dedented(FILES["assignments/sums/checks.py"]).replace(
        'case(x=reals()), function="square"',
        'case(x=reals().map(lambda x: __import__("time").sleep(0.5) or x)), function="square"',
    )
    write(slow, {"assignments/sums/checks.py": text})
    child = subprocess.Popen(
        [sys.executable, "-m", "grader", "sums", "-s", str(right), "--course", str(slow)],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=as_in_a_terminal,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while len(psutil.Process(child.pid).children(recursive=True)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.5)
    family = psutil.Process(child.pid).children(recursive=True)
    assert family
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=30)
    assert child.returncode == 130
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_130_also_when_python_loses_the_interruption(
    environment: dict[str, str], course: Path, right: Path, tmp_path: Path
) -> None:
    # What is raised in a callback of the garbage collector is printed and forgotten; Hypothesis has such
    # a callback, so Ctrl-C often meets it while cases are drawn.
    slow = tmp_path / "course"
    shutil.copytree(course, slow)
    lossy = (
        "import gc, time\n"
        "gc.callbacks.append(lambda phase, info: time.sleep(0.02))\n"
        "def slow(x):\n    time.sleep(0.01)\n    gc.collect()\n    return x\n"
    )
    text = dedented(FILES["assignments/sums/checks.py"]).replace("reals()", "reals().map(slow)")
    write(slow, {"assignments/sums/checks.py": lossy + text})
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    child = subprocess.Popen(
        [sys.executable, "-m", "grader", "sums", "-s", str(right), "--course", str(slow)],
        env=environment | {"TMPDIR": str(scratch)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True, preexec_fn=as_in_a_terminal,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not list(scratch.glob("backcheck-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    family = psutil.Process(child.pid).children(recursive=True)
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=40)
    assert child.returncode == 130
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive
    assert not list(scratch.iterdir())


# The other commands


def test_help_and_version(grade: Run) -> None:
    ran = grade("--version")
    assert (ran.returncode, ran.stdout.split()[0]) == (0, "grade,")
    ran = grade("--help")
    assert ran.returncode == 0
    for name in ("run", "list", "bank", "doctor", "render", "replay", "template", "schema"):
        assert name in ran.stdout
    assert "--submission" in grade("run", "-h").stdout
    assert grade().returncode == 2


def test_list_names_modules_tasks_and_checks_with_their_points(grade: Run) -> None:
    ran = grade("list")
    assert ran.returncode == 0
    assert "sums" in ran.stdout
    assert "40 points" in ran.stdout
    ran = grade("list", "sums")
    assert "8.00  square gives the right number" in ran.stdout


def test_doctor_says_what_works(grade: Run, tmp_path: Path) -> None:
    ran = grade("doctor")
    assert ran.returncode == 0, ran.stdout
    assert "sandbox: process" in ran.stdout
    assert "sums" in ran.stdout
    found = json.loads(grade("doctor", "--json").stdout)
    assert {"what", "fine", "detail"} <= set(found[0])
    # Without a course it still says what the machine can do.
    assert grade("doctor", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("view", ["terminal", "html", "json", "gradescope", "markdown", "junit"])
def test_render_makes_every_view_of_a_stored_report(
    grade: Run, stored: Path, tmp_path: Path, view: str
) -> None:
    printed = grade("render", stored, "--as", view, cwd=tmp_path)
    assert printed.returncode == 0, printed.stderr
    assert "square gives the right number" in printed.stdout
    out = tmp_path / "view"
    written = grade("render", stored, "--as", view, "-o", out, cwd=tmp_path)
    assert (written.returncode, written.stdout) == (0, "")
    assert out.read_text(encoding="utf-8").strip()
    assert [p.name for p in tmp_path.iterdir()] == ["view"]


@pytest.mark.parametrize(
    ("repository", "workspace", "file"),
    [
        ("", "", "hand in/week 2/work.py"),
        ("hand in", "", "week 2/work.py"),
        ("hand in", ".", "week 2/work.py"),
        (None, ".", "hand in/week 2/work.py"),
        (None, "", "week 2/work.py"),
        (None, "elsewhere", "work.py"),
    ],
)
def test_an_annotation_is_placed_from_the_root_of_the_repository(
    grade: Run, tmp_path: Path, repository: str | None, workspace: str, file: str
) -> None:
    """Of a submission two folders down: what was named, and where the file was found in it."""
    text = dedented(REFERENCE).replace("return x * x", "raise ValueError")
    write(tmp_path, {"hand in/week 2/work.py": text})
    if repository is not None:
        (tmp_path / repository / ".git").mkdir()
    there = {"GITHUB_WORKSPACE": str(tmp_path / workspace)} if workspace else {}
    stored = tmp_path / "report.json"
    grade("sums", "-s", tmp_path / "hand in", "-q", "--json", stored)
    told = grade("render", stored, "--as", "annotations", **there).stdout
    assert re.match(rf"::error file={file},line=\d+,title=square", told), told


def test_render_gives_the_json_back_unchanged(grade: Run, stored: Path) -> None:
    assert json.loads(grade("render", stored, "--as", "json").stdout) == json.loads(
        stored.read_text()
    )


def test_a_report_that_windows_printed_into_a_file_is_read(
    grade: Run, stored: Path, tmp_path: Path
) -> None:
    text = stored.read_text(encoding="utf-8")
    for codec in ("utf-16", "utf-8-sig"):
        (tmp_path / "report.json").write_text(text, encoding=codec)
        again = grade("render", tmp_path / "report.json", "--as", "json")
        assert json.loads(again.stdout) == json.loads(text)


def test_render_refuses_what_is_no_report_and_names_the_nearest_view(
    grade: Run, stored: Path, tmp_path: Path
) -> None:
    ran = grade("render", stored, "--as", "htlm")
    assert ran.returncode == 2
    assert "Did you mean 'html'" in ran.stderr
    bad = tmp_path / "bad.json"
    for text in ("", "[]", '{"schema": "backcheck/report/9"}'):
        bad.write_text(text)
        ran = grade("render", bad)
        assert ran.returncode == 2
        assert no_traceback(ran)
    ran = grade("render", stored, "-o", tmp_path / "no" / "where")
    assert ran.returncode in (2, 4)
    assert no_traceback(ran)
    assert "fault of the grader" not in ran.stderr


def test_replay_asks_one_check_again(grade: Run, stored: Path, wrong: Path, right: Path) -> None:
    ran = grade("replay", stored, "square")
    assert ran.returncode == 1
    assert "square gives the right number" in ran.stdout
    assert "double gives" not in ran.stdout
    ran = grade("replay", stored, "square", "-s", right)
    assert ran.returncode == 0
    assert "the submission has changed" in ran.stderr
    ran = grade("replay", stored, "no such check")
    assert ran.returncode == 2


def test_the_seed_of_the_command_line_is_the_one_of_the_report_and_of_its_replay(
    grade: Run, wrong: Path, tmp_path: Path
) -> None:
    out = tmp_path / "seeded.json"
    assert grade("sums", "-s", wrong, "--seed", "77", "--json", out).returncode == 1
    assert json.loads(out.read_text())["provenance"]["seed"] == 77
    ran = grade("replay", out, "square")
    assert ran.returncode == 1
    assert "note:" not in ran.stderr


def test_only_grades_the_named_task(grade: Run, wrong: Path) -> None:
    ran = grade("sums", "-s", wrong, "--only", "2", "-q")
    assert (ran.returncode, ran.stdout) == (0, "sums 30/30\n")
    report = json.loads(grade("sums", "-s", wrong, "--only", "2", "--json", "-").stdout)
    assert report["notes"] == ["only task 2 was graded"]


def test_bank_builds_lists_shows_and_checks(grade: Run) -> None:
    ran = grade("bank", "build", "sums")
    assert ran.returncode == 0
    assert "4 checks, 401 cases" in ran.stdout
    ran = grade("bank", "list", "sums")
    assert len(ran.stdout.splitlines()) == 4
    ran = grade("bank", "show", "sums", "--check", "double")
    assert "x: 0.5  ->  1.0" in ran.stdout
    assert len(ran.stdout.splitlines()) == 102
    ran = grade("bank", "check", "sums")
    assert ran.returncode == 0
    assert "4 of 4 banks are the same" in ran.stdout


def test_of_many_checks_those_are_named_that_are_like_what_was_meant() -> None:
    known = [f"{task}/{verb} works" for task in range(9) for verb in ("add", "to_index", "permute")]
    assert unknown("check", "to indx", [*known, *known]).count("to_index") == 3
    told = unknown("check", "permte", [f"{k} {n}" for n in range(3) for k in known])
    assert told.startswith(
        "there is no check 'permte'. Of the 81, these are like it: '0/permute works 0', "
    )
    assert "add" not in told
    told = unknown("check", "zzzz", [*known, *known])
    assert told == "there is no check 'zzzz', and none of the 54 is like it"


def test_template_is_checked_and_written(grade: Run, tmp_path: Path) -> None:
    root = write(tmp_path / "course", FILES)
    solved = dedented(REFERENCE).replace(
        "    return 2.0 * x",
        '    """Twice x."""\n    # begin solution 1\n    return 2.0 * x\n    # end solution',
    )
    write(root, {"reference/work.py": solved})
    ran = grade("template", "--check", "--course", root)
    assert ran.returncode == 1
    assert "work.py is missing" in ran.stdout
    assert not (root / "student_template").exists()
    assert grade("template", "--course", root).returncode == 0
    assert "NotImplementedError" in (root / "student_template/work.py").read_text()
    assert grade("template", "--check", "--course", root).returncode == 0
    write(root, {"reference/work.py": solved.replace("# end solution", "# end solutoin")})
    ran = grade("template", "--check", "--course", root)
    assert ran.returncode == 2
    assert "work.py" in ran.stderr


def test_a_template_that_cannot_be_written_is_told(grade: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = grade("template", "-o", tmp_path / "file" / "below")
    assert ran.returncode == 4
    assert "cannot be written" in ran.stderr
    assert "fault of the grader" not in ran.stderr


def test_doctor_ends_with_4_for_a_course_that_is_named_or_here_and_cannot_be_loaded(
    grade: Run, tmp_path: Path
) -> None:
    assert grade("doctor", "--course", tmp_path).returncode == 4
    assert grade("doctor", cwd=tmp_path).returncode == 0  # there is none, and none was named
    (tmp_path / "grader.yaml").write_text("curse: x\n")
    ran = grade("doctor", cwd=tmp_path)
    assert ran.returncode == 4
    assert "curse" in ran.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_gives_a_script(grade: Run, shell: str) -> None:
    ran = grade("completion", shell)
    assert ran.returncode == 0, ran.stderr
    assert "_GRADE_COMPLETE" in ran.stdout


@pytest.mark.parametrize(
    ("line", "word", "completed"),
    [
        ("grade su", 1, ["sums"]),
        ("grade do", 1, ["doctor"]),
        ("grade run su", 2, ["sums"]),
        ("grade sums --only ", 3, ["1", "2"]),
    ],
)
def test_modules_commands_and_tasks_are_completed(
    grade: Run, line: str, word: int, completed: list[str]
) -> None:
    ran = grade(_GRADE_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(word))
    assert [item.partition(",")[2] for item in ran.stdout.split()] == completed


def test_the_banks_of_two_commands_at_once_do_no_harm(
    environment: dict[str, str], course: Path, right: Path, tmp_path: Path
) -> None:
    fresh = environment | {"GRADE_CACHE": str(tmp_path)}
    command = [sys.executable, "-m", "grader", "sums", "-s", str(right), "-q"]
    both = [
        subprocess.Popen(command, cwd=course, env=fresh, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [child.communicate(timeout=120)[0] for child in both] == ["sums 40/40\n"] * 2
    assert len(list(tmp_path.iterdir())) == 1
