"""Importing a submission in a worker: one broken file costs what needs it and no more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from grader.box import wire
from grader.box.wire import Raised
from grader.model import Assignment, Limits, Submission, Task
from grader.sandbox.process import ProcessSandbox
from grader.sandbox.session import End, Opened, Session

from .courses import dedented

QUESTIONS = """
def ask(subject, path):
    "What a function returns"
    return subject.call(path)
"""


@pytest.fixture(scope="module")
def box() -> Iterator[ProcessSandbox]:
    box = ProcessSandbox()
    yield box
    box.close()


def session(box: ProcessSandbox, files: dict[str, str], *, seconds: float = 1.0) -> Session:
    """A session for a package `pack`."""
    assignment = Assignment(
        name="m",
        title="M",
        binding="functions",
        expects=("pack",),
        tasks=(Task("1", "T", 1.0),),
        checks=(),
        questions=QUESTIONS,
        limits=Limits(check_seconds=1, import_seconds=seconds, run_seconds=30, memory_mb=256),
    )
    content = {name: dedented(text).encode() for name, text in files.items()}
    return Session(box, assignment, Submission("s", "s", content, "0" * 64))


def asked(open_session: Session, *paths: str) -> list[Any]:
    """What the functions of those names return, each asked by itself."""
    found = []
    for path in paths:
        reply = open_session.ask("ask", {"path": path}, [wire.encode({})], seconds=1)
        found.append(wire.decode(reply.answers[0]) if reply.answers else reply.end)
    return found


def failed(opened: Opened) -> set[str]:
    return set(opened.failures)


GOOD = "def one(): return 1.0"
INIT = "from .a import *\nfrom .b import *\nfrom .c import *\n"


def test_a_package_without_faults_is_imported_as_it_is(box: ProcessSandbox) -> None:
    files = {"pack/__init__.py": INIT, "pack/a.py": GOOD, "pack/b.py": "", "pack/c.py": ""}
    with session(box, files) as opened:
        assert opened.open() == Opened({}, (), End.DONE)
        assert asked(opened, "a.one", "one") == [1.0, 1.0]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("\tx = 1\n  y = 2\n", "IndentationError"),
        ("x = '\x00'\n", "SyntaxError"),
        ("raise ValueError('at import')\n", "ValueError"),
        ("import no_such_library\n", "ModuleNotFoundError"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("assert False\n", "AssertionError"),
        ("import sys; sys.exit(0)\n", "SystemExit"),
        ("exit()\n", "NameError"),
        ("def f(): f()\nf()\n", "RecursionError"),
        ("x = [0] * (1 << 40)\n", "MemoryError"),
        ("x = bytearray(1 << 32)\n", "MemoryError"),
        ("from . import nothing_there\n", "ImportError"),
        ("from .nowhere import x\n", "ModuleNotFoundError"),
        ("# -*- coding: no-such -*-\n", "SyntaxError"),
    ],
)
def test_one_broken_file_costs_itself_alone(box: ProcessSandbox, text: str, kind: str) -> None:
    files = {"pack/__init__.py": INIT, "pack/a.py": GOOD, "pack/b.py": text, "pack/c.py": GOOD}
    with session(box, files) as opened:
        result = opened.open()
        assert result.end is End.DONE
        first, second, lost = asked(opened, "a.one", "c.one", "b.one")
        assert first == second == 1.0
        assert isinstance(lost, Raised)
        if kind == "ImportError":
            # `from . import x` of a name that is not there is worked around: only its use fails.
            assert lost.kind in ("missing", "blocked")
        else:
            assert lost.kind == "blocked"
            assert kind in lost.message
            assert result.failures["pack.b"].type == kind
            where = result.failures["pack.b"].where
            assert all(line.startswith("pack/b.py:") for line in where)
            assert where or "\x00" in text or "coding" in text


def test_a_file_that_is_imported_when_it_is_asked_for_is_told_as_any_other(
    box: ProcessSandbox,
) -> None:
    """A package that imports its files by `__getattr__` raises what they raise; the cause is told, not that."""
    files = {
        "pack/__init__.py": "from .a import one\n\n\n"
        "def __getattr__(name):\n"
        "    if name in ('late', 'broken', 'gone'):\n"
        "        import importlib\n"
        "        return importlib.import_module('.' + name, __name__)\n"
        "    raise AttributeError(name)\n",
        "pack/a.py": GOOD,
        "pack/late.py": GOOD,
        "pack/broken.py": "def one(:\n",
        "pack/needy.py": "from .gone import one\n",
    }
    with session(box, files) as opened:
        assert opened.open().failures == {}
        fine, *lost = asked(opened, "late.one", "broken.one", "gone.one", "needy.one", "other.one")
        assert fine == 1.0
        assert [answer.kind for answer in lost] == ["blocked"] * 4
        broken, gone, needy, other = (answer.message for answer in lost)
        assert broken.startswith(
            "pack/broken.py cannot be imported: SyntaxError at pack/broken.py:1"
        )
        assert gone == "there is no pack/gone.py in the submission"
        assert needy.startswith(
            "pack/needy.py cannot be imported: ModuleNotFoundError at pack/needy"
        )
        assert other == "there is no pack/other.py in the submission"


def test_a_missing_name_costs_only_what_uses_it(box: ProcessSandbox) -> None:
    files = {
        "pack/__init__.py": "from .a import one, prod\nfrom .b import *\n",
        "pack/a.py": GOOD,
        "pack/b.py": "from .a import one, prod\ndef fine(): return one()\ndef product(): return prod([])\n",
    }
    with session(box, files) as opened:
        result = opened.open()
        assert result.failures == {}
        assert any("prod" in note for note in result.notes)
        fine, product, direct = asked(opened, "b.fine", "b.product", "a.prod")
        assert fine == 1.0
        assert (product.kind, direct.kind) == ("missing", "missing")
        assert "prod is not defined" in product.message


def test_a_class_may_inherit_from_a_name_that_is_missing(box: ProcessSandbox) -> None:
    files = {
        "pack/__init__.py": "from .b import *\n",
        "pack/a.py": GOOD,
        "pack/b.py": "from .a import Base\nclass Child(Base):\n    pass\n"
        "def fine(): return 2.0\ndef use(): return Child()\n",
    }
    with session(box, files) as opened:
        assert opened.open().end is End.DONE
        fine, use = asked(opened, "b.fine", "b.use")
        assert fine == 2.0
        assert isinstance(use, Raised)


def test_files_that_import_each_other_in_a_circle_work_as_far_as_python_lets_them(
    box: ProcessSandbox,
) -> None:
    works = {
        "pack/__init__.py": "from . import a, b\n",
        "pack/a.py": "from . import b\ndef one(): return b.two() - 1\n",
        "pack/b.py": "from . import a\ndef two(): return 2.0\n",
    }
    with session(box, works) as opened:
        assert opened.open().failures == {}
        assert asked(opened, "a.one") == [1.0]
    fails = {
        "pack/__init__.py": "from . import a\n",
        "pack/a.py": "from .b import two\ndef one(): return 1.0\n",
        "pack/b.py": "from .a import one\ndef two(): return 2.0\n",
        "pack/c.py": "def three(): return 3.0\n",
    }
    with session(box, fails) as opened:
        result = opened.open()
        assert result.end is End.DONE
        assert asked(opened, "c.three") == [3.0]
        for answer in asked(opened, "a.one", "b.two"):
            assert isinstance(answer, (float, Raised))
        assert result.failures or result.notes


@pytest.mark.parametrize(
    "text", ["raise RuntimeError('no')", "def broken(:", "import sys\nsys.exit(1)", "1/0"]
)
def test_a_package_whose_init_fails_still_gives_its_files(box: ProcessSandbox, text: str) -> None:
    files = {"pack/__init__.py": f"from .a import one\n{text}\n", "pack/a.py": GOOD}
    with session(box, files) as opened:
        result = opened.open()
        assert "pack" in failed(result)
        assert asked(opened, "a.one") == [1.0]


def test_a_package_without_init_gives_its_files(box: ProcessSandbox) -> None:
    with session(box, {"pack/a.py": GOOD}) as opened:
        assert opened.open().failures == {}
        assert asked(opened, "a.one") == [1.0]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("while True: pass\n", {"timeout"}),
        ("try:\n    while True: pass\nexcept Exception: pass\n", {"timeout"}),
        ("while True:\n    try:\n        while True: pass\n    except BaseException: pass\n", {End.TIMED_OUT}),
        ("x = 10 ** 10 ** 9\n", {End.TIMED_OUT, "timeout", "blocked", End.CRASHED}),
        ("import time; time.sleep(1000)\n", {End.IDLE}),
        ("import os; os._exit(0)\n", {End.CRASHED}),
        ("import os; os.abort()\n", {End.CRASHED}),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n", {End.CRASHED}),
        ("import ctypes; ctypes.string_at(0)\n", {End.CRASHED}),
        ("raise KeyboardInterrupt\n", {"blocked"}),
        ("raise BaseException('base')\n", {"blocked"}),
        ("class E(Exception):\n    def __str__(self): raise self\nraise E\n", {"blocked"}),
    ],
)  # fmt: skip
def test_an_import_that_does_not_end_well_is_a_value(
    box: ProcessSandbox, text: str, ends: set[Any]
) -> None:
    files = {"pack/__init__.py": text, "pack/a.py": GOOD}
    with session(box, files, seconds=0.4) as opened:
        result = opened.open()
        if result.end is not End.DONE:
            assert result.end in ends
            assert result.detail
            # The next question gets a fresh worker and the same end, never an exception.
            assert asked(opened, "a.one") == [result.end]
            return
        kinds = {raised.kind for raised in result.failures.values()}
        assert kinds
        (answer,) = asked(opened, "a.one")
        assert answer == 1.0 or answer.kind in {"blocked", *ends}


def test_what_is_printed_or_read_at_import_disturbs_nothing(box: ProcessSandbox) -> None:
    text = """
        import os, sys
        print("x" * 100_000)
        sys.stdout.write("y")
        sys.stderr.write("z")
        sys.__stdout__ and sys.__stdout__.write("w")
        os.write(1, b"noise" * 1000)
        os.write(2, b"noise" * 1000)
        nothing = sys.stdin.read()
        def one(): return 1.0
    """
    with session(box, {"pack/__init__.py": "from .a import *", "pack/a.py": text}) as opened:
        assert opened.open().failures == {}
        assert asked(opened, "a.one") == [1.0]


def test_a_module_main_guard_does_not_run(box: ProcessSandbox) -> None:
    text = f"{GOOD}\nif __name__ == '__main__':\n    raise SystemExit\n"
    with session(box, {"pack/__init__.py": text}) as opened:
        assert opened.open().failures == {}
        assert asked(opened, "one") == [1.0]


def test_a_neighbour_named_like_a_library_takes_nobodys_place(box: ProcessSandbox) -> None:
    files = {
        "pack/__init__.py": "import numpy, math, beside\ndef one(): return float(numpy.ones(3).sum())\n"
        "def other(): return beside.VALUE\n",
        "numpy.py": "raise SystemExit('the wrong numpy')",
        "math.py": "raise SystemExit('the wrong math')",
        "msgspec.py": "raise SystemExit('the wrong msgspec')",
        "grader/__init__.py": "raise SystemExit('the wrong grader')",
        "beside.py": "VALUE = 7.0",
    }
    with session(box, files) as opened:
        assert opened.open().failures == {}
        assert asked(opened, "one", "other") == [3.0, 7.0]


def test_a_submission_that_lacks_the_package_is_blocked_by_name(box: ProcessSandbox) -> None:
    with session(box, {"other.py": GOOD}) as opened:
        result = opened.open()
        assert failed(result) == {"pack"}
        (answer,) = asked(opened, "a.one")
        assert answer.kind == "blocked"


def test_a_module_that_replaces_itself_or_its_machinery_is_no_fault_of_ours(
    box: ProcessSandbox,
) -> None:
    text = """
        import sys, builtins
        sys.modules.clear()
        sys.meta_path.clear()
        sys.path.clear()
        builtins.isinstance = None
        builtins.type = None
    """
    with session(box, {"pack/__init__.py": text}) as opened:
        assert opened.open().end in (End.DONE, End.CRASHED, End.PROTOCOL)


# Libraries that are not installed, and imported without need


STRAY = "a stand-in was given"


@pytest.mark.parametrize(
    "text",
    [
        "import no_plot",
        "import no_plot.pyplot as plt",
        "from no_plot import figure, axes as a",
        "from no_plot.express import *",
        "import turtle",
        "from turtle import forward",
        "import tkinter as tk",
        "import importlib\nplt = importlib.import_module('no_plot')",
        "class Later:\n    import no_plot",
    ],
)
def test_a_library_that_is_imported_and_not_used_costs_nothing(
    text: str, box: ProcessSandbox
) -> None:
    text = text.replace("no_plot", "wandb")
    files = {"pack/__init__.py": INIT, "pack/a.py": GOOD, "pack/b.py": f"{text}\n{GOOD}"}
    with session(box, files | {"pack/c.py": ""}) as opened:
        result = opened.open()
        assert result.failures == {}
        (note,) = result.notes
        assert note.startswith("pack/b.py imports ")
        assert note.endswith(f"which is not installed: {STRAY}")
        assert asked(opened, "b.one") == [1.0]


def test_what_uses_a_library_that_is_not_there_is_told_so_by_name(box: ProcessSandbox) -> None:
    text = (
        "import wandb\nfrom wandb.plot import line\n"
        "def draws(): return wandb.log(1.0)\ndef line_of(): return line([1.0])\n"
        f"def reads(): return wandb.config.rate\n{GOOD}"
    )
    with session(box, {"pack.py": text}) as opened:
        *lost, right = asked(opened, "draws", "line_of", "reads", "one")
        assert right == 1.0
        assert [(raised.kind, raised.message) for raised in lost] == [
            ("missing", "wandb is not installed here"),
            ("missing", "wandb.plot is not installed here"),
            ("missing", "wandb is not installed here"),
        ]


def test_a_decorator_that_only_checks_types_changes_nothing(box: ProcessSandbox) -> None:
    text = """
        from beartype import beartype
        from typeguard import typechecked

        @beartype
        def one() -> float: return 1.0

        @typechecked(always=True)
        def two() -> float: return 2.0
    """
    with session(box, {"pack.py": text}) as opened:
        assert opened.open().failures == {}
        assert asked(opened, "one", "two") == [1.0, 2.0]


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import wandb\nexcept ImportError:\n    wandb = None\n",
        "try:\n    from wandb.plot import line as wandb\nexcept Exception:\n    wandb = None\n",
        "import contextlib\nwandb = None\nwith contextlib.suppress(ImportError):\n    import wandb\n",
        "import importlib.util\nwandb = importlib.util.find_spec('wandb')\n",
    ],
)
def test_who_asks_whether_a_library_is_there_hears_the_truth(
    text: str, box: ProcessSandbox
) -> None:
    with session(
        box, {"pack.py": f"{text}def one(): return 1.0 if wandb is None else 0.0"}
    ) as opened:
        assert opened.open().notes == ()
        assert asked(opened, "one") == [1.0]


def test_a_misspelt_library_is_still_told_as_what_it_is(box: ProcessSandbox) -> None:
    with session(box, {"pack.py": f"import nunpy\n{GOOD}"}) as opened:
        assert "nunpy" in opened.open().failures["pack"].message


def test_other_libraries_are_not_misled(box: ProcessSandbox) -> None:
    """A stand-in is for the submission's own imports: NumPy looks for others to see what it can do."""
    text = "import importlib, json, sys\ndef one():\n    try: exec('import wandb', {})\n    except ImportError: return 1.0\n"
    with session(box, {"pack.py": text}) as opened:
        assert asked(opened, "one") == [1.0]
