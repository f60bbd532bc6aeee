"""What a student clones works by itself: `grade`, `pytest` and `grade start`, with no course beside it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from grader import bank
from grader.course import Course, load_course
from grader.errors import UsageError
from grader.platforms import gradescope, student

from .courses import CHECKS, MODULE, REFERENCE, dedented, make_course, write

MARKED = dedented(REFERENCE).replace(
    "    return x * x\n", "    # begin solution 1\n    return x * x\n    # end solution\n"
).replace("def square(x):\n", 'def square(x):\n    """Square a number."""\n')  # fmt: skip
SECOND = {
    "grader.yaml": "course: Tiny\nmodules: [sums, more]\nseed: 5\ncases: 20\nisolation: {sandbox: process}\n",
    "assignments/more/module.yaml": """
        title: More
        expects: [work]
        earlier: [work.py]
        tasks:
          - {id: "3", title: More, points: 10}
    """,
    "assignments/more/questions.py": """
        def one(subject, x):
            "double gives the right number"
            return subject.call("double", x)
    """,
    "assignments/more/checks.py": """
        import questions
        from grader.checks import case, reals, task

        task("3").check(questions.one, case(x=reals()))
    """,
    "reference/work.py": MARKED,
    "assignments/sums/handout.md": "# Sums\n",
}


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return make_course(tmp_path_factory.mktemp("course"), SECOND)


@pytest.fixture
def clone(course: Course, tmp_path: Path) -> Path:
    """A student's repository for the first module."""
    files = student.files(course, bank.load(course, "sums"))
    folder = write(tmp_path / "clone", files)
    # Which box it runs in is no matter here, and this one starts everywhere.
    with (folder / "grader.yaml").open("a") as file:
        file.write("isolation: {sandbox: process}\n")
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False
    )


def test_it_holds_what_a_student_needs_and_no_solution(clone: Path) -> None:
    found = {path.relative_to(clone).as_posix() for path in clone.rglob("*") if path.is_file()}
    assert found == {
        ".github/workflows/grade.yml",
        ".gitignore",
        "HANDOUT.md",
        "README.md",
        "grader.yaml",
        "packs/sums.pack",
        "pytest.ini",
        "work.py",
    }
    assert "NotImplementedError" in (clone / "work.py").read_text()
    assert all(b"return x * x" not in (clone / name).read_bytes() for name in found)
    assert load_course(clone).settings.modules == ("sums",)
    assert (clone / "README.md").read_text().endswith("a zip file or this repository.\n")
    steps = yaml.safe_load((clone / ".github/workflows/grade.yml").read_text())["jobs"]["grade"]
    assert any("grade sums --json report.json" in step.get("run", "") for step in steps["steps"])


def test_points_that_are_not_asked_are_told_apart_from_extra_credit(tmp_path: Path) -> None:
    """A report names the others alone: `worth 8 of 10 points`."""
    checks = CHECKS.replace("weight=4,", "weight=4, visibility='hidden',")
    for extra, told in (
        (False, "worth 32 more points."),
        (True, "worth 8 more points, and 24 of extra credit."),
    ):
        hidden = checks.replace(
            'function="total"', 'function="total", weight=8, visibility="hidden"'
        )
        module = MODULE.replace("points: 30,", f"points: 30, extra: {str(extra).lower()},")
        files = {
            **SECOND,
            "assignments/sums/checks.py": hidden,
            "assignments/sums/module.yaml": module,
        }
        made = make_course(tmp_path / str(extra), files)
        readme = student.files(made, bank.load(made, "sums"))["README.md"].decode()
        assert f"repository. Checks that are not asked here are {told}\n" in readme


def test_what_is_installed_is_the_instructors_choice(course: Course, tmp_path: Path) -> None:
    wheel = "backcheck @ https://course.example/a b/backcheck-0.1.0-py3-none-any.whl"
    made = student.files(course, bank.load(course, "sums"), wheel)
    jobs = yaml.safe_load(made[".github/workflows/grade.yml"])["jobs"]
    (line,) = [step["run"] for step in jobs["grade"]["steps"] if "pip" in step.get("run", "")]
    assert shlex.split(line) == ["pip", "install", wheel]
    assert f"    {line.strip()}\n".encode() in made["README.md"]


def test_grade_works_in_it_and_points_rise_with_the_work(clone: Path) -> None:
    before = run(clone, "-m", "grader", "sums", "-q")
    assert (before.returncode, before.stderr) == (1, "")
    assert before.stdout == "sums 32/40\n"
    stored = json.loads(run(clone, "-m", "grader", "sums", "--json", "-").stdout)
    assert stored["provenance"]["seed"] == 5  # of which the pack's cases were drawn
    (clone / "work.py").write_text(MARKED)
    assert run(clone, "-m", "grader", "sums", "-q").stdout == "sums 40/40\n"


def test_grade_works_in_the_folder_of_the_code_too(clone: Path) -> None:
    """An editor's terminal opens there."""
    folder = clone / "work" / "parts"
    write(clone, {"work/__init__.py": MARKED, "work/parts/__init__.py": ""})
    (clone / "work.py").unlink()
    for place, score in ((clone, "40/40"), (clone / "work", "40/40"), (folder, "40/40")):
        ran = run(place, "-P", "-m", "grader", "sums", "-q")
        assert ran.stdout == f"sums {score}\n", ran.stderr
    assert run(clone / "packs", "-P", "-m", "grader", "sums", "-q").returncode == 3
    # What is a submission itself is graded.
    write(folder, {"work.py": MARKED.replace("x * x", "x")})
    assert run(folder, "-P", "-m", "grader", "sums", "-q").stdout == "sums 32/40\n"


def test_a_notebook_in_it_is_graded_and_what_is_missing_in_it_is_named(clone: Path) -> None:
    source = (clone / "work.py").read_text()
    (clone / "work.py").unlink()
    empty = run(clone, "-m", "grader", "sums", "-q")
    assert (empty.returncode, empty.stdout) == (3, "")
    assert "there is no work/ or work.py in it" in empty.stderr
    run(clone, "-m", "grader", "sums", "--json", "report.json")
    told = run(clone, "-m", "grader", "render", "report.json", "--as", "annotations")
    assert (told.returncode, told.stdout.count("\n")) == (2, 1)
    assert told.stdout.startswith("::error title=Not graded::report.json: ")
    assert "there is no work/ or work.py in it" in told.stdout
    cells = [{"cell_type": "code", "source": source, "outputs": [], "metadata": {}}]
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    (clone / "work.ipynb").write_text(json.dumps(notebook))
    graded = run(clone, "-m", "grader", "sums", "-q")
    assert (graded.returncode, graded.stdout) == (1, "sums 32/40\n"), graded.stderr


def test_every_check_is_a_test_with_its_task_as_marker(clone: Path) -> None:
    plugin = ("-p", "no:cacheprovider")  # ours is known to pytest by being installed
    # What other plugins (pytest-randomly) look for in a test is a Python module or nothing.
    other = """
        def pytest_collection_modifyitems(items):
            assert not any(isinstance(getattr(item, "module", None), str) for item in items)
    """
    write(clone, {"conftest.py": other})
    ran = run(clone, "-m", "pytest", "--strict-markers", *plugin, "-m", "task1", "-rA")
    assert ran.returncode == 1
    assert "1 failed, 1 passed, 2 deselected" in ran.stdout
    assert "sums task 1: square gives the right number" in ran.stdout
    assert "not implemented yet" in ran.stdout
    assert "hint" in ran.stdout
    (clone / "work.py").write_text(MARKED)
    assert run(clone, "-m", "pytest", *plugin).returncode == 0


def test_pytest_asks_the_checks_from_a_folder_of_the_repository_too(clone: Path) -> None:
    write(clone, {"tests/test_mine.py": "def test_mine(): pass\n", "pkg/a.py": ""})
    plugin = ("-m", "pytest", "-p", "no:cacheprovider")
    for folder, chosen, told in (
        ("pkg", (), "1 failed, 3 passed"),
        ("tests", ("-n", "2"), "1 failed, 4 passed"),
        ("tests", ("-m", "task1"), "1 failed, 1 passed, 3 deselected"),
        ("tests", ("test_mine.py",), "1 passed"),
        ("tests", ("--no-checks",), "1 passed"),
    ):
        ran = run(clone / folder, *plugin, *chosen)
        assert re.search(rf"^=* ?{told} in", ran.stdout, re.M), (folder, chosen, ran.stdout)
    # Where the tests lie is said there, and so are those that are meant.
    write(clone, {"pytest.ini": "[pytest]\npythonpath = .\ntestpaths = tests\n"})
    assert "1 passed in" in run(clone / "tests", *plugin).stdout


def test_several_processes_of_pytest_tell_what_one_does(clone: Path) -> None:
    told = []
    for more in ((), ("-n", "2", "--dist", "worksteal")):
        ran = run(clone, "-m", "pytest", "-p", "no:cacheprovider", "-rA", *more)
        lines = (line.partition(" - ")[0] for line in ran.stdout.splitlines())
        told.append(sorted(line for line in lines if line.startswith(("PASSED", "FAILED"))))
        assert ran.returncode == 1
        assert ran.stderr == ""
    assert told[0] == told[1]
    assert len(told[0]) == 4


def test_several_processes_of_pytest_grade_a_module_once(clone: Path) -> None:
    """One by one would take the start of a worker for each check. Other tests are shared out beside them."""
    mine = "import pytest\n@pytest.mark.parametrize('n', range(8))\ndef test_mine(n): pass\n"
    write(clone, {"test_mine.py": mine})
    note = """
        import os, pathlib
        from grader.platforms import pytest_plugin

        graded = pytest_plugin.Checks.graded

        def noted(self, module, keys):
            with (pathlib.Path(__file__).parent / "graded").open("a") as file:
                file.write(f"{module} {len(keys)}\\n")
            return graded(self, module, keys)

        pytest_plugin.Checks.graded = noted
    """
    write(clone, {"conftest.py": note})
    ran = run(clone, "-m", "pytest", "-p", "no:cacheprovider", "-n", "2")
    assert "1 failed, 11 passed" in ran.stdout
    assert (clone / "graded").read_text() == "sums 4\n"


@pytest.mark.parametrize(
    ("chosen", "ran"),
    [
        ("sums::1::double gives the right number", "1 passed"),
        ("sums::1", "1 failed, 1 passed"),
        ("sums", "1 failed, 3 passed"),
    ],
)
def test_what_pytest_prints_of_a_check_can_be_given_to_it(
    clone: Path, chosen: str, ran: str
) -> None:
    """As an editor does that runs one test."""
    found = run(clone, "-m", "pytest", "-p", "no:cacheprovider", "-rA", f"grader.yaml::{chosen}")
    assert ran in found.stdout
    assert "PASSED grader.yaml::sums::1::double gives the right number" in found.stdout


def test_a_student_s_own_tests_find_the_code_and_know_the_markers(clone: Path) -> None:
    mine = """
        import pytest
        import work

        @pytest.mark.task1
        def test_mine():
            assert work.double(1.0) == 2.0
    """
    write(clone, {"tests/test_mine.py": mine, "tests/conftest.py": "import work\n"})
    pytest_ = Path(sys.executable).with_name("pytest")
    for folder in (clone, clone / "tests"):
        ran = subprocess.run(
            [pytest_, "--strict-markers", "-p", "no:cacheprovider", "-rA", "-m", "task1"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert re.search(r"^PASSED .*test_mine\.py::test_mine$", ran.stdout, re.M)


def test_a_module_that_is_not_there_is_no_choice(clone: Path) -> None:
    ran = run(clone, "-m", "pytest", "-p", "no:cacheprovider", "--check-module", "sumz")
    assert ran.returncode == pytest.ExitCode.USAGE_ERROR
    assert "there is no module 'sumz'. Did you mean 'sums'?" in ran.stderr


def test_what_takes_the_reference_is_skipped_and_promised_to_nobody(tmp_path: Path) -> None:
    quick = """
        import questions
        from grader.checks import case, reals, task

        first, second = task("1"), task("2")
        first.check(questions.one, case(x=reals()), function="double")
        second.check(questions.one, case(x=reals()), function="square", at_most_times=9)
    """
    course = make_course(tmp_path / "course", SECOND | {"assignments/sums/checks.py": quick})
    files = student.files(course, bank.load(course, "sums"))
    readme = files["README.md"].decode()
    assert "| 1 | Small functions | 10 |" in readme
    assert "Larger functions" not in readme
    assert "pytest -m task1`" in readme
    assert readme.endswith(
        "or this repository. Checks that are not asked here are worth 30 more points.\n"
    )
    folder = write(tmp_path / "clone", files)
    ran = run(folder, "-m", "pytest", "-p", "no:cacheprovider", "-rs")
    assert (ran.returncode, "1 passed, 1 skipped" in ran.stdout) == (0, True)
    assert "not asked here: it takes the reference, to be timed beside" in ran.stdout
    (folder / "work.py").write_text(MARKED)
    alone = run(folder, "-m", "grader", "sums", "--only", "2", "--sandbox", "process")
    assert (alone.returncode, alone.stdout) == (2, "")
    assert alone.stderr == (
        "grade: --only 2: no check of that task is left; not asked here: 2 square gives the right number. "
        "That takes the reference, to be timed beside\n"
    )
    rest = run(folder, "-m", "grader", "sums", "--only", "1", "--sandbox", "process")
    assert (rest.returncode, "10 / 10" in rest.stdout.splitlines()[0]) == (0, True)
    assert "these are the public checks, worth 10 of 40 points" in rest.stdout


def test_a_pack_takes_no_seed(clone: Path) -> None:
    refused = run(clone, "-m", "grader", "sums", "--seed", "3")
    assert refused.returncode == 2
    assert "--seed: a pack holds its cases already" in refused.stderr


def test_a_check_is_asked_again_of_a_pack(clone: Path) -> None:
    run(clone, "-m", "grader", "sums", "-q", "--json", "report.json")
    again = run(clone, "-m", "grader", "replay", "report.json", "square")
    assert (again.returncode, again.stderr) == (1, "")
    assert "not implemented yet" in again.stdout


def test_earlier_files_come_along_and_what_was_here_is_kept(course: Course, tmp_path: Path) -> None:
    folder = write(tmp_path / "more", student.files(course, bank.load(course, "more")))
    mine = write(tmp_path / "sums", {"work.py": "def double(x):\n    return x + x\n"})
    given = (folder / "work.py").read_text()
    tried = run(folder, "-m", "grader", "start", "more", "--from", str(mine), "--dry-run")
    assert tried.stdout == "work.py: would be copied\n"
    assert (folder / "work.py").read_text() == given
    done = run(folder, "-m", "grader", "start", "more", "--from", str(mine))
    assert done.stdout == "work.py: copied, the old one is kept as work.py.before\n"
    assert (folder / "work.py").read_text() == (mine / "work.py").read_text()
    assert (folder / "work.py.before").read_text() == given
    again = run(folder, "-m", "grader", "start", "more", "--from", str(mine))
    assert again.stdout == "work.py: the same\n"
    assert (folder / "work.py.before").read_text() == given
    for number, text in ((2, "# mended here\n"), (3, "# mended once more\n")):
        (folder / "work.py").write_text(text)
        done = run(folder, "-m", "grader", "start", "more", "--from", str(mine))
        assert done.stdout == f"work.py: copied, the old one is kept as work.py.before{number}\n"
        assert (folder / f"work.py.before{number}").read_text() == text
    assert (folder / "work.py.before").read_text() == given
    (folder / "work.py").write_text(given)
    run(folder, "-m", "grader", "start", "more", "--from", str(mine))
    assert len(list(folder.glob("*.before*"))) == 3
    refused = run(folder, "-m", "grader", "start", "more", "--from", str(mine / "work.py"))
    assert "this is no folder. Unpack it first" in refused.stderr


@pytest.mark.parametrize(
    ("there", "said"),
    [
        ({"work.py/notes.txt": ""}, "work.py: this is no file. Move it away, for work.py is"),
        ({"parts": ""}, "parts: this is no folder. Move it away, for parts/one.py is to be put"),
        ({"work.py": Path("../sums/out.py")}, "work.py: a link leads out of this folder"),
        ({"work.py": Path("../not_there.py")}, "work.py: a link leads out of this folder"),
        ({"parts": Path("..")}, "parts/one.py: a link leads out of this folder"),
    ],
    ids=["a folder", "a file for a folder", "a link", "a link to nothing", "a link to a folder"],
)
def test_what_stands_in_the_way_is_told_before_anything_is_copied(
    there: dict[str, str | Path], said: str, course: Course, tmp_path: Path
) -> None:
    folder = write(tmp_path / "more", student.files(course, bank.load(course, "more")))
    mine = {
        "work.py": "import parts.one, aside\n",
        "parts/one.py": "",
        "aside.py": "",
        "out.py": "",
    }
    write(tmp_path / "sums", mine)
    for name, text in there.items():
        (folder / name.split("/")[0]).unlink(missing_ok=True)
        if isinstance(text, Path):
            (folder / name).symlink_to(text)
        else:
            write(folder, {name: text})
    before = sorted(tmp_path.rglob("*"))
    refused = run(folder, "-m", "grader", "start", "more", "--from", "../sums")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert said in refused.stderr
    assert "Nothing was copied" in refused.stderr
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "sums/out.py").read_text() == ""


def test_what_earlier_files_import_of_the_student_s_own_comes_along(
    course: Course, tmp_path: Path
) -> None:
    folder = write(tmp_path / "more", student.files(course, bank.load(course, "more")))
    first = "from halves import half\nimport absent.nowhere\nfrom . import given\n" + MARKED
    mine = write(
        tmp_path / "sums",
        {
            "work.py": first,
            "halves.py": "import thirds\nimport work, parts.fifths\ndef half(x): return x / 2\n",
            "thirds.py": "def third(x:\n",
            "parts/__init__.py": "from .sixths import *\n",
            "parts/fifths.py": "from .. import top\nimport sevenths\n",
            "parts/sixths.py": "",
            "sevenths.py": "",
            "top.py": "",
            "given.py": "# of another template\n",
            "unused.py": "# tried something\n",
        },
    )
    (folder / "given.py").write_text("# of the template\n")
    not_taken = "{}: not taken: another one is here already\n"
    start = ("-m", "grader", "start", "more", "--from", str(mine))
    done = run(folder, *start)
    assert done.stdout == (
        "work.py: copied, the old one is kept as work.py.before\n"
        "halves.py: copied\n"
        "parts/__init__.py: copied\n"
        "parts/fifths.py: copied\n"
        "parts/sixths.py: copied\n"
        "sevenths.py: copied\n"
        "thirds.py: copied\n"
        "top.py: copied\n" + not_taken.format("given.py")
    )
    assert (folder / "halves.py").read_bytes() == (mine / "halves.py").read_bytes()
    assert (folder / "given.py").read_text() == "# of the template\n"
    (mine / "thirds.py").write_text("# mended\n")
    told = "".join(not_taken.format(name) for name in ("given.py", "thirds.py"))
    assert run(folder, *start).stdout == f"work.py: the same\n{told}"


def test_a_file_that_is_not_done_takes_the_place_of_none_that_is(
    course: Course, tmp_path: Path
) -> None:
    """The folder of a module further back holds the later files as they were handed out."""
    files = student.files(course, bank.load(course, "more"))
    folder, template = write(tmp_path / "more", files), files["work.py"].decode()
    start = ("-m", "grader", "start", "more", "--from", "../sums")
    mine = write(tmp_path / "sums", {"work.py": "# mine\n" + template}) / "work.py"
    done = run(folder, *start).stdout  # nothing is done here either
    assert done == "work.py: copied, the old one is kept as work.py.before\n"
    (folder / "work.py").write_text(MARKED)
    for more in (["--dry-run"], []):
        refused = run(folder, *start, *more)
        told = "work.py: not taken: Task 1 is still to do in it, and done here\n"
        assert (refused.returncode, refused.stdout) == (0, told)
    assert (folder / "work.py").read_text() == MARKED
    more = '\n\ndef half(x):\n    raise NotImplementedError("Task 4: Halve.")\n'
    mine.write_text(template + more)
    told = "work.py: not taken: Task 1 and Task 4 are still to do in it, and done here\n"
    assert run(folder, *start).stdout == told
    mine.write_text(MARKED + "# mended\n")
    assert run(folder, *start).stdout.startswith("work.py: copied")


def test_of_two_that_read_alike_one_may_be_done() -> None:
    to_do = b'    raise NotImplementedError("Task 2.3: Multiply.")\n'
    assert student.lost(to_do + to_do, to_do) == ["Task 2.3"]
    assert student.lost(to_do, to_do + to_do) == []
    long = b'    raise NotImplementedError(\n        "Task 2.3: Multiply."\n    )\n'
    assert student.lost(long, b"") == ["Task 2.3"]
    assert student.lost(b'raise NotImplementedError("no CUDA here")', b"") == []


def test_a_pack_has_no_files_of_the_reference_to_take(course: Course, tmp_path: Path) -> None:
    folder = write(tmp_path / "more", student.files(course, bank.load(course, "more")))
    with (folder / "grader.yaml").open("a") as file:
        file.write("isolation: {sandbox: process}\nearlier: reference\n")
    stored = json.loads(run(folder, "-m", "grader", "more", "--json", "-").stdout)
    assert stored["provenance"]["earlier"] == "student"
    told = "the files of earlier modules are the submission's own: a pack holds no others"
    assert told in stored["notes"]
    (told,) = gradescope.warnings(
        bank.load(course, "more"), gradescope.Settings(module="more"), "reference"
    )
    assert told.startswith("files of earlier modules are the student's own there")


def test_a_folder_without_earlier_files_is_told(course: Course, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none of the earlier files is there, such as work\.py"):
        student.carried(course, "more", tmp_path)


def test_a_link_is_not_followed(course: Course, tmp_path: Path) -> None:
    (tmp_path / "work.py").symlink_to(course.root / "reference" / "work.py")
    with pytest.raises(UsageError, match="this is a link"):
        student.carried(course, "more", tmp_path)


def test_every_command_knows_a_pack(clone: Path) -> None:
    listed = run(clone, "-m", "grader", "list", "sums").stdout
    assert "square gives the right number" in listed
    built = run(clone, "-m", "grader", "bank", "build").stdout
    assert built.rstrip().endswith(f"cases in {clone.resolve() / 'packs' / 'sums.pack'}")
    checked = run(clone, "-m", "grader", "bank", "check")
    assert (checked.returncode, checked.stdout.startswith("sums: a pack, ")) == (0, True)
    assert "a pack for the student" in run(clone, "-m", "grader", "doctor").stdout


@pytest.mark.parametrize("data", [b"junk", None])
def test_a_pack_that_is_broken_is_told_by_pytest_too(clone: Path, data: bytes | None) -> None:
    """A header that cannot be read, and a content that was cut."""
    path = clone / "packs" / "sums.pack"
    path.write_bytes(data or path.read_bytes()[:-9])
    ran = run(clone, "-m", "pytest", "-p", "no:cacheprovider")
    assert ran.returncode == 2
    assert "INTERNALERROR" not in ran.stdout + ran.stderr
    assert "packs/sums.pack" in ran.stdout
