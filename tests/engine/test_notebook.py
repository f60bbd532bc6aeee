"""A notebook that is handed in: what becomes of its cells, and that it is graded as its module would be."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
import textwrap
import time
import warnings
import zipfile
from pathlib import Path
from typing import Any

import nbformat
import pytest
from drawn import Banks

from grader.box.notebook import left_out
from grader.course import load_course
from grader.errors import NotGradable
from grader.intake import read_submission
from grader.judge.grade import grade
from grader.judge.grading import Grading
from grader.model import Outcome, Submission
from grader.notebook import python, to_module
from grader.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
WARMUP = (ROOT / "reference" / "warmup.py").read_text()


def notebook(*cells: str, outputs: Any = ()) -> bytes:
    """A notebook with a heading and those code cells, as Jupyter writes it."""
    made = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"language": "python", "name": "python3", "display_name": "Python 3"}
        }
    )
    made.cells = [
        nbformat.v4.new_markdown_cell("# Homework"),
        *map(nbformat.v4.new_code_cell, cells),
    ]
    made.cells[-1].outputs = [nbformat.from_dict(output) for output in outputs]
    return nbformat.writes(made).encode()


def cells_of(source: str) -> list[str]:
    """A module cut before each definition at its top level, as a notebook would hold it."""
    found: list[list[str]] = [[]]
    for line in source.splitlines():
        if line.startswith(("class ", "def ", "@")) and not (
            found[-1] and found[-1][-1].startswith("@")
        ):
            found.append([])
        found[-1].append(line)
    return ["\n".join(lines).strip("\n") for lines in found]


def taken(folder: Path, data: bytes, name: str = "hw1.ipynb", *expects: str) -> Submission:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return read_submission(folder, expects or ("work",))


def source_of(data: bytes, name: str = "hw1.ipynb") -> str:
    return to_module(name, data)[0].decode()


# What becomes of cells


def test_no_cell_takes_long_to_read() -> None:
    cells = {
        "it has too many lines for the shell": "!ls\n" * 20_000,
        "line 1 is no Python": " " * 500_000 + ")",
        "KiB long": "a = 1\n" * 100_000,
        "full of braces": "x = f'" + "{a}" * 100_000 + "'",
        "a name of very many parts": "import a" + ".a" * 50_000,
    }
    for said, text in cells.items():
        began = time.process_time()
        lines, _, why = python(text)
        assert time.process_time() - began < 8.0, said
        assert said in why
        assert set(lines) == {"#"}
    began = time.process_time()
    source, notes = to_module("hw1.ipynb", notebook(*["!ls\n" * 600] * 40, "a = 1"))
    assert time.process_time() - began < 8.0
    assert source.endswith(b"a = 1\n")
    assert any("too many lines" in note for note in notes)


def test_more_code_than_a_file_may_hold_is_not_read(tmp_path: Path) -> None:
    began = time.process_time()
    with pytest.raises(NotGradable, match="more than 4 MiB of code"):
        taken(tmp_path / "a", notebook(*["a = 1\n" * 10_000] * 100))
    assert time.process_time() - began < 8.0


def test_cells_come_in_order_and_keep_their_lines() -> None:
    made = source_of(notebook("a = 1\nb = 2", "c = a + b"))
    assert made.splitlines() == [
        "# Made of the code cells of hw1.ipynb",
        "# %% code cell 1",
        "a = 1",
        "b = 2",
        "# %% code cell 2",
        "c = a + b",
    ]


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("!pip install numpy\nx = 1", ["pass", "x = 1"]),
        ("%matplotlib inline\nx = 1", ["pass", "x = 1"]),
        ("?len\nlen?\nx = 1", ["pass", "pass", "x = 1"]),
        ("files = !ls\nx = 1", ["pass", "x = 1"]),
        ("names['a'] = !ls\nx = 1", ["pass", "x = 1"]),
        ("  # timing\n  %%time\n  x = 1", ["# timing", "#", "x = 1"]),
        ("took = %timeit -o len('a')\nx = 1", ["pass", "x = 1"]),
        ("if True:\n    !ls\n    x = 1", ["if True:", "    pass", "    x = 1"]),
        ("!ls \\\n  -l\nx = 1", ["pass", "#", "x = 1"]),
        ("%%time\nx = 1", ["#", "x = 1"]),
        ("# timing\n%%time\nx = 1", ["# timing", "#", "x = 1"]),
        ("pip install numpy", ["pass"]),
        ("# once\nconda install -y numpy\n", ["# once", "pass"]),
    ],
)
def test_lines_for_the_shell_and_the_notebook_leave_a_line_behind(
    cell: str, kept: list[str]
) -> None:
    lines, ipython, why = python(cell)
    assert (lines, why) == (kept, "")
    assert ipython >= 1


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("    def f():\n        return 1\n\n    x = 1", "def f():\n    return 1\n\nx = 1"),
        ("\n# a\n\tx = 1\ny = 2", "\n# a\nx = 1\ny = 2"),
        (">>> def f():\n...     ...\n...\n>>> x = 1\n1", "def f():\n    ...\n\nx = 1\n1"),
        ("In [12]: if x:\n    ...:     x = 1\n    ...:", "if x:\n    x = 1\n"),
        ("...\n... + 1 if x else 2", "...\n... + 1 if x else 2"),
        ("  # a\ndef f():\n  x = 1", "  # a\ndef f():\n  x = 1"),
    ],
)
def test_a_cell_is_taken_without_its_margin_and_prompts_as_jupyter_takes_it(
    cell: str, kept: str
) -> None:
    assert python(cell) == (kept.split("\n"), 0, "")


@pytest.mark.parametrize("text", ['s = """\n%d percent\n!\n"""', "x = (5\n% 3)", "y = 'a?'"])
def test_python_that_looks_like_a_command_stays_as_it_is(text: str) -> None:
    assert python(text) == (text.split("\n"), 0, "")


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("%%bash\nls", "it begins with %%bash"),
        ("def f(:\n    pass", "line 1 is no Python"),
        ("x = 1\nprint 'a'", "line 2 is no Python"),
        ("pip install numpy\nx = 1", "line 1 is no Python"),  # nor is it a command beside Python
        ("class A", "line 1 is no Python"),
        ("a\0b", "it holds a null byte"),
    ],
)
def test_a_cell_that_is_no_python_is_left_out_and_named(cell: str, why: str) -> None:
    source, notes = to_module("hw1.ipynb", notebook("a = 1", cell, "b = 2"))
    assert "a = 1" in source.decode()
    assert "b = 2" in source.decode()
    assert any("code cell 2 was left out" in note and why in note for note in notes)


def test_what_older_formats_hold_is_read_as_well() -> None:
    new = nbformat.reads(notebook("a = 1", "b = 2").decode(), as_version=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old = nbformat.convert(new, 3)
        assert source_of(nbformat.v3.writes_json(old).encode()) == source_of(
            notebook("a = 1", "b = 2")
        )


def test_outputs_are_skipped_whatever_they_hold() -> None:
    picture = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/png": "A" * (8 << 20)},
    }
    assert "a = 1" in source_of(notebook("a = 1", outputs=[picture]))
    deep = notebook("a = 1").replace(
        b'"metadata": {', b'"x": ' + b"[" * 20000 + b"]" * 20000 + b', "metadata": {', 1
    )
    with pytest.raises(NotGradable, match="damaged"):
        to_module("hw1.ipynb", deep)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "this is no notebook"),
        (b"{}", "this is no notebook"),
        (b'{"nbformat": 4, "cells": 3}', "this is no notebook"),
        (notebook("a = 1")[:-20], "this is no notebook"),
        (b'{"nbformat": 4, "cells": []}', "there is no code cell"),
        (notebook("x <- 1").replace(b'"language": "python"', b'"language": "R"'), "written in 'R'"),
    ],
)
def test_what_is_no_notebook_in_python_is_refused(data: bytes, why: str, tmp_path: Path) -> None:
    with pytest.raises(NotGradable, match=why):
        taken(tmp_path / "a", data)


@pytest.mark.parametrize(
    "changed",
    [
        lambda d: b"\xef\xbb\xbf" + d,
        lambda d: d.replace(b'"language": "python"', b'"language": "Python"'),
        lambda d: d.replace(b'"language": "python"', b'"language": null'),
        lambda d: json.dumps(json.loads(d) | {"metadata": None}).encode(),
        lambda d: d.replace(b'"cells": [', b'"cells": [{"cell_type": "raw", "source": null}, '),
        lambda d: d.replace(b'"cells": [', b'"cells": [null, {"cell_type": 3}, {"source": {}}, '),
        lambda d: d.replace(b'"nbformat": 4', b'"nbformat": 4.0'),
        lambda d: d.replace(b'"language": "python"', b'"language": {"name": "python"}'),
        lambda d: d.replace(b'"language": "python"', b'"language": "python3"'),
        lambda d: d.replace(b'"kernelspec": {', b'"kernelspec": 3, "other": {'),
        lambda d: json.dumps(json.loads(d) | {"metadata": ["x"]}).encode(),
        lambda d: json.dumps(json.loads(d) | {"worksheets": [None, {"cells": None}]}).encode(),
    ],
)
def test_a_notebook_in_python_is_read_whatever_program_wrote_it(changed) -> None:
    data = notebook("a = 1")
    assert changed(data) != data
    assert source_of(changed(data)) == source_of(data)


def test_an_output_that_holds_no_number_costs_nothing() -> None:
    """Python writes NaN for it, also where it writes JSON."""
    cell = """a = 'NaN, \\"Infinity'\nb = [-Infinity, NaN]"""
    shown = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"application/json": {"x": [float("nan"), float("-inf"), float("inf")]}},
    }
    data = notebook(cell, outputs=[shown])
    assert data.count(b"NaN") == 3
    assert source_of(data) == source_of(notebook(cell))


@pytest.mark.parametrize(
    ("part", "around"),
    [
        (b"{},", b'{"nbformat": 4, "cells": [%s]}'),
        (b"{},", b'{"nbformat": 4, "worksheets": [%s]}'),
        (b'"a",', b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [%s]}]}'),
        (b'"" ', b'{"nbformat": NaN, "cells": [%s]}'),
    ],
    ids=["cells", "sheets", "lines", "texts"],
)
def test_a_notebook_of_very_many_small_parts_does_not_fill_the_memory(
    part: bytes, around: bytes
) -> None:
    many = part * ((60 << 20) // len(part))
    for data in (many, many[: 3_900_000 * len(part)]):
        code = (
            "import sys\n"
            "from grader.errors import NotGradable\n"
            "from grader.notebook import to_module\n"
            "data = sys.stdin.buffer.read()\n"
            "try: to_module('a.ipynb', data)\n"
            "except NotGradable: pass\n"
            # What getrusage tells counts what the process was before it was this program.
            "lines = open('/proc/self/status').read().splitlines()\n"
            "print(*[int(line.split()[1]) >> 10 for line in lines if line.startswith('VmHWM')])\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", code], input=around % data[:-1], capture_output=True, timeout=60
        )
        assert not ran.stderr
        assert int(ran.stdout) < 500


# Which notebook


def test_the_notebook_named_as_the_assignment_asks_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.ipynb").write_bytes(notebook("b = 2"))
    found = taken(tmp_path / "a", notebook("a = 1"), "work.ipynb")
    assert b"a = 1" in found.files["work.py"]


def test_of_several_notebooks_none_is_guessed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.ipynb").write_bytes(notebook("b = 2"))
    with pytest.raises(NotGradable, match=r"hw1\.ipynb, notes\.ipynb.*work\.ipynb"):
        taken(tmp_path / "a", notebook("a = 1"))


@pytest.mark.parametrize("name", ["work.ipynb", "hw1.ipynb"])
@pytest.mark.parametrize("module", ["work.py", "work/__init__.py"])
def test_a_module_goes_before_a_notebook_and_says_so(
    tmp_path: Path, name: str, module: str
) -> None:
    """Who works in a notebook beside the template's file learns why nothing of it counts."""
    (tmp_path / "a" / module).parent.mkdir(parents=True)
    (tmp_path / "a" / module).write_text("a = 1\n")
    (tmp_path / "a" / ".hidden.ipynb").write_bytes(notebook("b = 2"))
    zipped = shutil.make_archive(str(tmp_path / "b"), "zip", tmp_path / "a")
    with zipfile.ZipFile(zipped, "a") as archive:
        archive.writestr(name, notebook("b = 2"))
    there = module.removesuffix("__init__.py")
    told = [f"{name} was not read, because {there} is there"]
    for found in (
        taken(tmp_path / "a", notebook("b = 2"), name),
        read_submission(Path(zipped), ["work"]),
    ):
        assert found.files[module] == b"a = 1\n"
        notes = [note for note in found.notes if "not read" in note]
        assert notes == (told if name == "work.ipynb" or there == "work.py" else [])


def test_a_folder_a_file_a_zip_and_a_tar_give_the_same(tmp_path: Path) -> None:
    data = notebook("import helper", "a = 1")
    folder = tmp_path / "in"
    (folder / "hw").mkdir(parents=True)
    (folder / "hw" / "helper.py").write_text("x = 1\n")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "hw1.ipynb").write_bytes(notebook("old = 1"))
    (folder / "hw" / "hw1.ipynb").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.add(folder, ".")
    whole = [read_submission(tmp_path / name, ["work"]) for name in ("in", "a.zip", "a.tar.gz")]
    assert all(found.files.keys() == {"work.py", "helper.py"} for found in whole)
    assert len({found.digest for found in whole}) == 1
    alone = read_submission(folder / "hw" / "hw1.ipynb", ["work"])
    assert alone.files == {"work.py": whole[0].files["work.py"]}


@pytest.mark.parametrize("kind", ["file", "folder", "zip", "tar"])
def test_a_file_that_passes_itself_off_as_made_of_a_notebook_is_refused(
    tmp_path: Path, kind: str
) -> None:
    """What is read of such a file is trusted: it is the grader's own."""
    work = tmp_path / "in"
    work.mkdir()
    (work / "work.py").write_text("# Made of the code cells of x\n# %% code cell 1")
    handed = {"file": work / "work.py", "folder": work}.get(kind)
    if handed is None:
        handed = Path(shutil.make_archive(str(tmp_path / "a"), kind, work))
    with pytest.raises(NotGradable, match="says that it was made of a notebook"):
        read_submission(handed, ["work"])


def test_a_mark_of_a_cell_at_the_very_end_begins_no_cell_that_is_left_out() -> None:
    assert left_out(b"# Made of the code cells of x\n# %% code cell 1") == []


def test_an_archive_of_notebooks_does_not_unpack_for_ever(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        info = tarfile.TarInfo("hw1.ipynb")
        info.size = 70 << 20
        tar.addfile(info, io.BytesIO(b" " * info.size))
    with pytest.raises(NotGradable, match="Clear its outputs"):
        read_submission(tmp_path / "a.tar", ["work"])


# How it is graded


@pytest.fixture(scope="module")
def banks() -> Any:
    made = Banks(load_course(ROOT))
    with made.closing:
        yield made


def outcomes(banks: Banks, submission: Submission, box: Sandbox) -> dict[str, Outcome]:
    module = banks.module("warmup", seed=7, cases=20)
    return {key: verdict.outcome for key, verdict in Grading(module, submission, box).run().items()}


def test_right_work_in_a_notebook_passes_every_check(
    banks: Banks, box: Sandbox, tmp_path: Path
) -> None:
    cells = [
        "%matplotlib inline\n!pip install numpy",
        "from IPython.display import display",
        *cells_of(WARMUP),
        "derivative(lambda x: x * x)(undefined)",
        "display(Square.forward(Context(), 1.0))",
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])",
        "raise SystemExit",
        "after = 1",
    ]
    found = outcomes(banks, taken(tmp_path / "a", notebook(*cells), "hw.ipynb", "warmup"), box)
    assert set(found.values()) == {Outcome.PASSED}


def test_a_mistake_in_a_notebook_is_found_where_the_module_shows_it(
    banks: Banks, box: Sandbox, tmp_path: Path
) -> None:
    wrong = WARMUP.replace("return d * 2.0 * x", "return d * x")
    assert wrong != WARMUP
    as_module = tmp_path / "b"
    as_module.mkdir()
    (as_module / "warmup.py").write_text(wrong)
    plain = outcomes(banks, read_submission(as_module, ["warmup"]), box)
    cells = taken(tmp_path / "a", notebook(*cells_of(wrong)), "hw.ipynb", "warmup")
    assert outcomes(banks, cells, box) == plain
    assert Outcome.FAILED in plain.values()


def test_a_cell_that_fails_costs_what_it_would_have_defined(
    banks: Banks, box: Sandbox, tmp_path: Path
) -> None:
    cells = cells_of(WARMUP)
    at = next(i for i, cell in enumerate(cells) if cell.startswith("class Square"))
    cells[at] = "undefined\n" + cells[at].replace("class Square(", "class Square(undefined_base, ")
    cells.append("\nimport wandb")
    taken_in = taken(tmp_path / "a", notebook(*cells), "hw.ipynb", "warmup")
    report = grade(banks.module("warmup", seed=7, cases=20), taken_in, box, seed=7)
    lost = [v for v in report.checks if v.outcome is not Outcome.PASSED]
    assert lost
    assert all("Square" in v.title for v in lost)
    place = f"hw.ipynb code cell {at + 1}, line 2"
    assert all("Square is not defined" in v.reason and place in v.reason for v in lost)
    last = f"hw.ipynb code cell {len(cells)}, line 2"
    assert f"{last} imports wandb, which is not installed: a stand-in was given" in report.notes
    assert any(place in note for note in report.notes)


def test_what_is_defined_under_main_is_there_as_in_jupyter(
    banks: Banks, box: Sandbox, tmp_path: Path
) -> None:
    """What else stands there, such as training, was kept from being imported."""
    cells = cells_of(WARMUP)
    at = next(i for i, cell in enumerate(cells) if cell.startswith("class Square"))
    assert "2.0 * x" in cells[at]
    guarded = "TWO = 2.0\n" + cells[at].replace("2.0 * x", "TWO * x") + "\nwhile True:\n    pass"
    cells[at] = "if __name__ == '__main__':\n" + textwrap.indent(guarded, "    ")
    cells[0] += "\nif " + "~" * 900 + "1: pass"  # a condition that Python's own tools cannot walk
    taken_in = taken(tmp_path / "a", notebook(*cells), "hw.ipynb", "warmup")
    report = grade(banks.module("warmup", seed=7, cases=20), taken_in, box, seed=7)
    assert {v.outcome for v in report.checks} == {Outcome.PASSED}
    assert report.notes == (f"{len(cells)} code cells of hw.ipynb were graded",)


def test_a_cell_that_is_no_python_is_named_where_its_work_is_missing(
    banks: Banks, box: Sandbox, tmp_path: Path
) -> None:
    cells = cells_of(WARMUP)
    at = next(i for i, cell in enumerate(cells) if cell.startswith("class Square"))
    cells[at] += "\n\nEPSILON = 1e-6\n    oops"
    cells += ["%%html\n<b>", "x = (", "print 'a'"]
    lines = len(cells[at].splitlines())
    taken_in = taken(tmp_path / "a", notebook(*cells), "hw.ipynb", "warmup")
    report = grade(banks.module("warmup", seed=7, cases=20), taken_in, box, seed=7)
    lost = [v for v in report.checks if v.outcome is not Outcome.PASSED]
    assert lost
    assert {v.reason for v in lost} == {
        f"warmup.Square is not defined, because hw.ipynb code cell {at + 1} was left out: "
        f"line {lines} is no Python (unexpected indent)"
    }
    assert report.hints == (
        f"Start at hw.ipynb code cell {at + 1}: line {lines} is no Python (unexpected indent). Until it is mended, "
        "Square and EPSILON are not defined by it.",
        f"Start at hw.ipynb code cell {len(cells) - 1}: line 1 is no Python ('(' was never closed). Until it is "
        "mended, x is not defined by it.",
        f"Start at hw.ipynb code cell {len(cells)}: line 1 is no Python (Missing parentheses in call to 'print'. "
        "Did you mean print(...)?). Until it is mended, it is left out.",
    )


def test_a_cell_for_another_program_is_named_where_its_work_is_missing(
    banks: Banks, box: Sandbox, tmp_path: Path
) -> None:
    cells = ["%%writefile warmup.py\n" + WARMUP]
    taken_in = taken(tmp_path / "a", notebook(*cells), "hw.ipynb", "warmup")
    report = grade(banks.module("warmup", seed=7, cases=20), taken_in, box, seed=7)
    assert report.hints == ()
    assert all(
        v.reason.endswith("hw.ipynb code cell 1 was left out: it begins with %%writefile")
        for v in report.checks
    )


def test_a_notebook_in_the_place_of_a_package_is_graded_where_it_has_something_of_it(
    banks: Banks, box: Sandbox, tmp_path: Path
) -> None:
    module = banks.module("module0", seed=7, cases=3)
    few = [check.key for check in module.assignment.checks if "mul" in check.title.lower()][:2]
    none = taken(
        tmp_path / "a", notebook("def mul(x, y):\n    return x * y"), "h.ipynb", "minitorch"
    )
    with pytest.raises(
        NotGradable, match=r"h\.ipynb: .*expects the folder minitorch/ with its files"
    ):
        grade(module, none, box, seed=7, keys=few)
    some = taken(
        tmp_path / "b",
        notebook("class operators:\n    mul = staticmethod(lambda x, y: x * y)"),
        "h.ipynb",
        "minitorch",
    )
    report = grade(module, some, box, seed=7, keys=few)
    assert Outcome.PASSED in {verdict.outcome for verdict in report.checks}
    # One file is all that is expected there, however little of it is done.
    little = taken(tmp_path / "c", notebook("a = 1"), "h.ipynb", "warmup")
    assert grade(banks.module("warmup", seed=7, cases=3), little, box, seed=7).score == 0


def test_an_exception_is_placed_in_its_cell(banks: Banks, box: Sandbox, tmp_path: Path) -> None:
    cells = cells_of(WARMUP.replace("return d * 2.0 * x", "raise ValueError('here')"))
    at = next(i for i, cell in enumerate(cells) if "raise ValueError('here')" in cell)
    line = cells[at].splitlines().index("        raise ValueError('here')") + 1
    taken_in = taken(tmp_path / "a", notebook(*cells), "hw.ipynb", "warmup")
    report = grade(banks.module("warmup", seed=7, cases=20), taken_in, box, seed=7)
    raised = next(v for v in report.checks if v.outcome is Outcome.RAISED)
    assert raised.counterexample is not None
    assert raised.counterexample.where[0] == f"hw.ipynb code cell {at + 1}, line {line} in backward"
    # There is no warmup.py to import from.
    lines = raised.counterexample.snippet.splitlines()
    assert lines[0] == "# in a new cell of the notebook, after all others"
    assert "from grader.box.bindings.plain import Context" in lines
    assert not any("warmup" in line for line in lines)


def test_a_cell_that_never_ends_costs_only_itself(
    banks: Banks, box: Sandbox, tmp_path: Path
) -> None:
    cells = cells_of(WARMUP)
    cells.insert(2, "while True:\n    pass")
    taken_in = taken(tmp_path / "a", notebook(*cells), "hw.ipynb", "warmup")
    module = banks.module("warmup", seed=7, cases=20)
    report = grade(module, taken_in, box, seed=7)
    assert any("TimeLimit at hw.ipynb code cell 3" in note for note in report.notes), report.notes
    wrong = [v.title for v in report.checks if v.outcome is not Outcome.PASSED]
    assert not wrong


def test_a_cell_that_pauses_costs_nothing(banks: Banks, box: Sandbox, tmp_path: Path) -> None:
    pauses = "import time\nfor _ in range(3):\n    time.sleep(20)"
    taken_in = taken(tmp_path / "a", notebook(pauses, *cells_of(WARMUP)), "hw.ipynb", "warmup")
    began = time.monotonic()
    report = grade(banks.module("warmup", seed=7, cases=20), taken_in, box, seed=7)
    assert {v.outcome for v in report.checks} == {Outcome.PASSED}
    assert time.monotonic() - began < 50


def test_what_is_flagged_is_placed_in_its_cell(banks: Banks, box: Sandbox, tmp_path: Path) -> None:
    cells = ["import torch", *cells_of(WARMUP)]
    taken_in = taken(tmp_path / "a", notebook(*cells), "hw.ipynb", "warmup")
    report = grade(banks.module("warmup", seed=7, cases=20), taken_in, box, seed=7)
    evidence = [line for flag in report.flags for line in flag.evidence]
    assert any(line.startswith("hw.ipynb code cell 1, line 1: import") for line in evidence), (
        evidence
    )


def test_a_notebook_says_what_of_it_was_graded(tmp_path: Path) -> None:
    found = taken(tmp_path / "a", notebook("!ls", "%%html\n<b>", "a = 1"))
    assert found.notes == (
        "2 code cells of hw1.ipynb were graded",
        "hw1.ipynb: 1 line for the shell or the notebook left out (code cell 1)",
        "hw1.ipynb: code cell 2 was left out: it begins with %%html",
    )
    assert json.loads(notebook("a"))["nbformat"] == 4
