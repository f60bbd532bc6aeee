"""Right values by other means: what is flagged, with which evidence, and what a course deducts for it."""

from __future__ import annotations

import base64
import gc
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from grader import bank
from grader.course import Course
from grader.errors import UsageError
from grader.judge.reading import Finding, read
from grader.model import Flag, Outcome, Report
from grader.parsing import LONGEST, MOST_PARTS, hard

from .courses import Graded, grade_files, make_course

MODULE = """
title: Two functions
expects: [student]
limits: {check_seconds: 2, import_seconds: 5, run_seconds: 60}
{policy}
tasks:
  - {id: mul_forward, title: Mul.forward, points: 25}
  - {id: mul_backward, title: Mul.backward, points: 25}
  - {id: exp_forward, title: Exp.forward, points: 25}
  - {id: exp_backward, title: Exp.backward, points: 25}
"""

QUESTIONS = """
def two_forward(subject, function, x, y):
    "{function}.forward"
    return subject.forward(function, x, y)


def two_backward(subject, function, x, y, upstream):
    "{function}.backward"
    return subject.vjp(function, x, y, upstream=upstream)


def one_forward(subject, function, x):
    "{function}.forward"
    return subject.forward(function, x)


def one_backward(subject, function, x, upstream):
    "{function}.backward"
    return subject.vjp(function, x, upstream=upstream)
"""

# The tolerance lets differences pass: then only a flag can tell.
CHECKS = """
import questions
from grader.checks import Tolerance, case, reals, task, upstreams

wide = Tolerance(relative=1e-4, absolute=1e-4)
two, one = case(x=reals(), y=reals()), case(x=reals(-2, 2))
two_up = case(x=reals(), y=reals(), upstream=upstreams())
one_up = case(x=reals(-2, 2), upstream=upstreams())
task("mul_forward").check(questions.two_forward, two, function="Mul", tolerance=wide)
task("mul_backward").check(questions.two_backward, two_up, function="Mul", tolerance=wide)
task("exp_forward").check(questions.one_forward, one, function="Exp", tolerance=wide)
task("exp_backward").check(questions.one_backward, one_up, function="Exp", tolerance=wide)
"""

RIGHT = '''
import math


def central_difference(f, *vals, arg=0, epsilon=1e-6):
    """Given by the course, and no fault where it stands."""
    up, down = list(vals), list(vals)
    up[arg] += epsilon
    down[arg] -= epsilon
    return (f(*up) - f(*down)) / (2 * epsilon)


def derivative_check(function, *vals):
    assert abs(central_difference(function, *vals) - 1.0) < 1e-2


class Mul:
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx, d):
        a, b = ctx.saved_values
        return d * b, d * a


class Exp:
    @staticmethod
    def forward(ctx, a):
        out = math.exp(a)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, d):
        (out,) = ctx.saved_values
        return d * out
'''

FORWARD = "mul_forward/Mul.forward"
MUL = "mul_backward/Mul.backward"
EXP = "exp_backward/Exp.backward"
EXPECTED = "expected 'flag', 'allow' or a share of the points above 0 and up to 1"
HERE = Path(__file__).parent


def course_files(policy: str = "") -> dict[str, str]:
    return {
        "grader.yaml": "course: Two\nmodules: [two]\nseed: 3\nisolation: {sandbox: process}\n",
        "assignments/two/module.yaml": MODULE.replace("{policy}", policy),
        "assignments/two/questions.py": QUESTIONS,
        "assignments/two/checks.py": CHECKS,
        "reference/student.py": RIGHT,
    }


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The course with the policy that it has without saying anything."""
    return make_course(tmp_path_factory.mktemp("two"), course_files())


def student(old: str = "", new: str = "", top: str = "") -> str:
    """The right submission with one part written differently, and lines put in front."""
    text = textwrap.dedent(RIGHT).lstrip("\n")
    if old:
        assert old in text
        text = text.replace(
            old, textwrap.indent(textwrap.dedent(new).strip("\n"), " " * 8).lstrip()
        )
    return textwrap.dedent(top).lstrip("\n") + text


def graded(course: Course, folder: Path, text: str, **files: str | bytes) -> Graded:
    return grade_files(course, folder, {"student.py": text, **files}, module="two", shrink=True)


def kinds(report: Report) -> list[str]:
    return [flag.kind for flag in report.flags]


def flag_of(report: Report, kind: str) -> Flag:
    (found,) = [flag for flag in report.flags if flag.kind == kind]
    return found


EXP_BACKWARD = "(out,) = ctx.saved_values\n        return d * out"
SAVES_OUT = "out = math.exp(a)\n        ctx.save_for_backward(out)\n        return out"

DIFFERENCES = {
    "central": """
        x = math.log(ctx.saved_values[0])
        h = 1e-6
        return d * (Exp.forward(Ctx(), x + h) - Exp.forward(Ctx(), x - h)) / (2 * h)
        """,
    "one-sided": """
        x = math.log(ctx.saved_values[0])
        h = 1e-7
        return d * (Exp.forward(Ctx(), x + h) - ctx.saved_values[0]) / h
        """,
    "of the library's function": """
        x, h = math.log(ctx.saved_values[0]), 1e-6
        above = math.exp(x + h)
        below = math.exp(x - h)
        slope = (above - below) / (2.0 * h)
        return d * slope
        """,
    "multiplied by a rate": """
        x = math.log(ctx.saved_values[0])
        return d * (math.exp(x + 1e-6) - math.exp(x - 1e-6)) * 5e5
        """,
    "through the course's helper": """
        x = math.log(ctx.saved_values[0])
        return d * central_difference(math.exp, x)
        """,
    "through a helper of a helper": """
        x = math.log(ctx.saved_values[0])
        return d * slope_at(lambda t: math.exp(t), x)
        """,
}
HELPERS = """
class Ctx:
    def save_for_backward(self, *values):
        self.saved_values = values


def slope_at(f, x):
    return nested(f, x)


def nested(f, x):
    def shifted(by):
        return f(x + by)
    return (shifted(1e-6) - shifted(-1e-6)) / 2e-6


"""


@pytest.mark.parametrize("name", DIFFERENCES)
def test_differences_in_a_backward_are_flagged_with_the_line(
    name: str, two: Course, tmp_path: Path
) -> None:
    found = graded(two, tmp_path, student(EXP_BACKWARD, DIFFERENCES[name], HELPERS))
    assert found.outcomes == dict.fromkeys(["Mul.forward", "Mul.backward", "Exp.forward", "Exp.backward"], "passed")  # fmt: skip
    assert kinds(found.report) == ["differences"]
    flag = found.report.flags[0]
    assert flag.checks == (EXP,)
    assert flag.deducted == {}
    assert found.report.score == 100.0
    assert any(line.startswith("student.py:") and "Exp.backward" in line for line in flag.evidence)


COMPLEX = {
    "a complex literal": """
        x = math.log(ctx.saved_values[0])
        return d * cmath.exp(x + 1e-20j).imag / 1e-20
        """,
    "complex(...)": """
        x = math.log(ctx.saved_values[0])
        return d * imaginary(cmath.exp(complex(x, 1e-20))) / 1e-20
        """,
}


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_steps_in_a_backward_are_flagged(name: str, two: Course, tmp_path: Path) -> None:
    top = "import cmath\n\n\ndef imaginary(z):\n    return z.imag\n\n\n"
    found = graded(two, tmp_path, student(EXP_BACKWARD, COMPLEX[name], top))
    assert kinds(found.report) == ["complex_step"]
    assert flag_of(found.report, "complex_step").checks == (EXP,)


# What reading cannot see: the same by names that are made at run time.
HIDDEN_STEP = """
    x = math.log(ctx.saved_values[0])
    f = getattr(Exp, "for" + "ward")
    values = [f(Ctx(), x + sign * 1e-6) for sign in (1, -1)]
    return d * sum(v * s for v, s in zip(values, (5e5, -5e5)))
    """
HIDDEN_COMPLEX = """
    x = math.log(ctx.saved_values[0])
    z = getattr(Exp, "for" + "ward")(Ctx(), numpy.csingle(x).astype("D") + small)
    return d * float(abs(z) * numpy.angle(z) / 1e-8)
    """


def test_a_forward_that_a_backward_calls_next_to_its_input_is_seen(
    two: Course, tmp_path: Path
) -> None:
    found = graded(two, tmp_path, student(EXP_BACKWARD, HIDDEN_STEP, HELPERS))
    (flag,) = found.report.flags
    assert (flag.kind, flag.checks) == ("differences", (EXP,))
    assert flag.evidence == (
        "Exp.backward calls Exp.forward next to its input, 10 times in 5 cases",
    )


def test_a_forward_that_a_backward_calls_with_a_complex_number_is_seen(
    two: Course, tmp_path: Path
) -> None:
    top = (
        HELPERS
        + "import numpy\n\nsmall = numpy.exp(numpy.array(0.5 * numpy.pi) * numpy.lib.scimath.sqrt(-1)) * 1e-8\n"
    )
    text = student(EXP_BACKWARD, HIDDEN_COMPLEX, top).replace("math.exp(a)", "numpy.exp(a)")
    found = graded(two, tmp_path, text)
    (flag,) = found.report.flags
    assert (flag.kind, flag.checks) == ("complex_step", (EXP,))
    assert flag.evidence == (
        "Exp.backward calls Exp.forward with a complex number, 5 times in 5 cases",
    )


def test_what_only_a_watch_has_seen_costs_no_point(tmp_path: Path) -> None:
    course = make_course(tmp_path / "course", course_files("policy: {differences: 1.0}"))
    found = graded(course, tmp_path / "work", student(EXP_BACKWARD, HIDDEN_STEP, HELPERS))
    assert kinds(found.report) == ["differences"]
    assert found.report.flags[0].deducted == {}
    assert found.report.score == 100.0


FOREIGN = {
    "in a try": (
        "try:\n    import torch\nexcept ImportError:\n    torch = None\n",
        "student.py:2 import torch",
    ),
    "a part of it": (
        "try:\n    from jax.numpy import exp as torch\nexcept ImportError:\n    torch = None\n",
        "student.py:2 from jax.numpy import torch",
    ),
    "by importlib": (
        "import importlib\ntry:\n    torch = importlib.import_module('torch')\n"
        "except ImportError:\n    torch = None\n",
        "student.py:3 importlib.import_module('torch')",
    ),
    "by importlib, in pieces": (
        "from importlib import import_module as load\nname = 'to' + 'rch'\ntry:\n    torch = load(name)\n"
        "except ImportError:\n    torch = None\n",
        "student.py:4 importlib.import_module('torch')",
    ),
    "by __import__": (
        "try:\n    torch = __import__(''.join(['aut', 'ograd']))\nexcept ImportError:\n    torch = None\n",
        "student.py:2 __import__('autograd')",
    ),
    "by exec": (
        "torch = None\ntry:\n    exec('import torch')\nexcept ImportError:\n    pass\n",
        "student.py:3 exec of a text that imports torch",
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_library_that_differentiates_is_flagged_with_its_line(
    name: str, two: Course, tmp_path: Path
) -> None:
    top, line = FOREIGN[name]
    body = "if torch is not None:\n    d = d + 0.0\n(out,) = ctx.saved_values\nreturn d * out"
    found = graded(two, tmp_path, student(EXP_BACKWARD, body, top))
    flag = flag_of(found.report, "foreign_autodiff")
    assert line in flag.evidence
    assert flag.checks == (() if name == "by exec" else (EXP,))
    assert found.report.score == 100.0


def test_a_library_that_is_there_while_the_code_runs_is_seen(two: Course, tmp_path: Path) -> None:
    # `ad` stands for a library: reading sees only that some text is run.
    top = """
        import base64, sys, types
        exec(base64.b64decode("c3lzLm1vZHVsZXNbImphIiArICJ4Il0gPSB0eXBlcy5Nb2R1bGVUeXBlKCJqYXgiKQ=="))
        """
    found = graded(two, tmp_path, student(top=top))
    assert kinds(found.report) == ["foreign_autodiff", "hidden_code"]
    assert found.report.flags[0].evidence == ("jax was loaded while the code ran",)
    assert "student.py:2 exec of a text that is made at run time" in found.report.flags[1].evidence
    assert "harmless" in found.report.flags[1].sentence


def test_an_own_file_of_that_name_is_no_library(two: Course, tmp_path: Path) -> None:
    found = graded(two, tmp_path, student(top="import ad\n"), **{"ad.py": "twice = 2.0\n"})
    assert found.report.flags == ()


def test_an_import_for_types_alone_is_no_use(two: Course, tmp_path: Path) -> None:
    top = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import torch\n"
    assert graded(two, tmp_path, student(top=top)).report.flags == ()


# Tables


def entries(course: Course, key: str) -> dict[tuple[float, ...], Any]:
    """The cases of a check with the reference's answers: what a student would have to come by."""
    from grader.box import wire

    cases = bank.load(course, "two").banks[key]
    found = {}
    for case, answer in zip(cases.cases, cases.answers, strict=True):
        inputs = wire.decode(case)
        found[tuple(inputs.values())] = wire.decode(answer)
    return found


def looked_up(course: Course, form: str) -> dict[str, str | bytes]:
    """A submission whose Mul.backward looks its answers up."""
    table = {k: tuple(v) for k, v in entries(course, MUL).items()}
    files: dict[str, str | bytes] = {}
    if form == "dict":
        top, find = f"TABLE = {table!r}\n", "TABLE.get((a, b, d), (0.0, 0.0))"
    elif form == "rounded dict":
        rounded = {tuple(round(x, 6) for x in k): v for k, v in table.items()}
        top = f"TABLE = {rounded!r}\n"
        find = "TABLE.get((round(a, 6), round(b, 6), round(d, 6)), (0.0, 0.0))"
    elif form == "ifs":
        rows = [f"    if a == {a!r} and b == {b!r} and d == {d!r}:\n        return {v!r}" for (a, b, d), v in table.items()]  # fmt: skip
        top = "def find(a, b, d):\n" + "\n".join(rows) + "\n    return 0.0, 0.0\n\n\n"
        find = "find(a, b, d)"
    elif form == "array":
        rows = [[*k, *v] for k, v in table.items()]
        top = f"import numpy as np\n\nTABLE = np.array({rows!r})\n"
        top += "def find(a, b, d):\n    near = np.abs(TABLE[:, :3] - np.array([a, b, d])).sum(axis=1)\n"
        top += "    return tuple(TABLE[near.argmin(), 3:].tolist())\n"
        find = "find(a, b, d)"
    elif form == "text":
        text = ";".join(",".join(map(repr, [*k, *v])) for k, v in table.items())
        top = f"DATA = {text!r}\nTABLE = {{}}\nfor row in DATA.split(';'):\n"
        top += "    p = [float(x) for x in row.split(',')]\n    TABLE[round(p[0], 3), round(p[1], 3), round(p[2], 3)] = (p[3], p[4])\n"
        find = "TABLE.get((round(a, 3), round(b, 3), round(d, 3)), (0.0, 0.0))"
    else:
        import pickle

        files["student/answers.pkl"] = pickle.dumps(table)
        top = "import pathlib, pickle\n\n"
        top += "with open(pathlib.Path(__file__).with_name('answers.pkl'), 'rb') as file:\n"
        top += "    TABLE = pickle.load(file)\n"
        find = "TABLE.get((a, b, d), (0.0, 0.0))"
    text = student("return d * b, d * a", f"return {find}", top)
    # Beside a package its data come along.
    files["student/__init__.py" if files else "student.py"] = text
    return files


@pytest.mark.parametrize("form", ["dict", "rounded dict", "ifs", "array", "text", "pickle"])
def test_a_table_of_answers_is_flagged_by_fresh_cases(
    form: str, two: Course, tmp_path: Path
) -> None:
    found = grade_files(two, tmp_path, looked_up(two, form), module="two", shrink=True)
    assert found["Mul.backward"].outcome is Outcome.PASSED
    flag = flag_of(found.report, "lookup_table")
    assert flag.checks == (MUL,)
    assert any("of 16 fresh cases are answered wrong" in line for line in flag.evidence)
    assert any(line.startswith("student") for line in flag.evidence)


def test_a_table_that_reading_cannot_see_shows_in_cases_that_have_moved(
    two: Course, tmp_path: Path
) -> None:
    # Cases are told from others by what their inputs have in common: they lie on a grid of 1/4096.
    find = "(d * b, d * a) if (a * 4096) % 1 == 0 else (0.0, 0.0)"
    found = graded(two, tmp_path, student("return d * b, d * a", f"return {find}"))
    # Fresh cases lie on the same grid, and it is right there: moved cases alone flag nobody.
    assert found.report.flags == ()
    # One number, whose bits say which cases are known: reading takes no offence at it.
    bits = sum({1 << hash_of(repr(k)) for k in entries(two, MUL)})
    top = f"import zlib\nSEEN = {bits:#x}\n"
    body = """
        known = SEEN >> (zlib.crc32(repr((a, b, d)).encode()) % 16384) & 1
        return (d * b, d * a) if known else (1.0, 1.0)
        """
    text = student("return d * b, d * a", body, top)
    assert read({"student.py": text.encode()}, ["student"]) == []
    found = graded(two, tmp_path / "hashed", text)
    assert flag_of(found.report, "lookup_table").checks == (MUL,)


def hash_of(text: str) -> int:
    import zlib

    return zlib.crc32(text.encode()) % 16384


def test_a_table_that_fresh_cases_agree_with_is_no_fault(two: Course, tmp_path: Path) -> None:
    # A large table, and right everywhere.
    powers = {float(k): 2.0**k for k in range(64)}
    top = f"POWERS = {powers!r}\n"
    text = student("return a * b", "return a * POWERS[1.0] * b * 0.5", top)
    assert graded(two, tmp_path, text).report.flags == ()


# What a course deducts


def test_a_course_may_deduct_a_share_of_the_points_of_the_checks_concerned(
    tmp_path: Path,
) -> None:
    course = make_course(tmp_path / "course", course_files("policy: {differences: 0.5}"))
    text = student(EXP_BACKWARD, DIFFERENCES["central"], HELPERS)
    report = graded(course, tmp_path / "work", text).report
    assert report.flags[0].deducted == {EXP: 12.5}
    assert report.score == 87.5
    assert [t.score for t in report.tasks] == [25.0] * 4
    assert all(v.outcome is Outcome.PASSED for v in report.checks)


def test_flags_together_take_no_more_than_a_check_has_earned(tmp_path: Path) -> None:
    course = make_course(
        tmp_path / "course", course_files("policy: {differences: 1, foreign_autodiff: 0.75}")
    )
    text = student(
        EXP_BACKWARD, "torch = None\n" + textwrap.dedent(DIFFERENCES["central"]), HELPERS
    )
    text = "try:\n    import torch\nexcept ImportError:\n    pass\n" + text.replace(
        "torch = None", "use = 'torch' in globals() and torch"
    )
    report = graded(course, tmp_path / "work", text).report
    assert {flag.kind: flag.deducted for flag in report.flags} == {
        "foreign_autodiff": {EXP: 18.75},
        "differences": {EXP: 6.25},
    }
    assert report.score == 75.0


def test_a_course_may_allow_what_others_flag(tmp_path: Path) -> None:
    course = make_course(tmp_path / "course", course_files("policy: {differences: allow}"))
    text = student(EXP_BACKWARD, DIFFERENCES["central"], HELPERS)
    assert graded(course, tmp_path / "work", text).report.flags == ()


def test_a_check_that_failed_is_not_concerned(tmp_path: Path) -> None:
    course = make_course(tmp_path / "course", course_files("policy: {differences: 1.0}"))
    text = student(EXP_BACKWARD, DIFFERENCES["central"], HELPERS).replace("/ (2 * h)", "/ h")
    report = graded(course, tmp_path / "work", text).report
    (flag,) = report.flags
    assert (flag.checks, flag.deducted) == ((), {})
    assert report.score == 75.0


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            "policy: {lookup_tabel: flag}",
            ":4: policy.lookup_tabel: there is no key 'lookup_tabel'. Did you mean 'lookup_table'?",
        ),
        ("policy: {differences: 1.5}", f":4: policy.differences: {EXPECTED}, not 1.5"),
        ("policy: {differences: 0}", "not 0"),
        ("policy: {differences: .nan}", "not nan"),
        (
            "policy:\n  differences: 1\n  complex_step: flagg",
            f":6: policy.complex_step: {EXPECTED}, not 'flagg'",
        ),
        (
            "policy: {differences: true}",
            ":4: policy.differences: expected a number or text, not true or false",
        ),
        ("policy: strict", ":4: policy: expected keys with values, not text"),
    ],
)
def test_a_wrong_policy_is_refused_by_file_line_and_key(
    policy: str, message: str, tmp_path: Path
) -> None:
    course = make_course(tmp_path, course_files(policy))
    with pytest.raises(UsageError) as refused:
        bank.load(course, "two")
    assert "module.yaml:" in str(refused.value)
    assert message in str(refused.value)


# Right work


def test_a_right_submission_with_the_courses_own_differences_is_not_flagged(
    two: Course, tmp_path: Path
) -> None:
    assert graded(two, tmp_path, student()).report.flags == ()


RIGHT_WAYS = {
    "its own forward again": "return d * Exp.forward(Ctx(), math.log(ctx.saved_values[0]))",
    "a hyperbolic function": "x = math.log(ctx.saved_values[0])\n"
    "return d * ((math.exp(x) - math.exp(-x)) / 2 + (math.exp(x) + math.exp(-x)) / 2)",
    "a quotient of sums": "out = ctx.saved_values[0]\nh = 2.0\nreturn d * (out + h - h) / 1.0",
}


@pytest.mark.parametrize("name", RIGHT_WAYS)
def test_a_right_way_that_looks_alike_is_not_flagged(
    name: str, two: Course, tmp_path: Path
) -> None:
    found = graded(two, tmp_path, student(EXP_BACKWARD, RIGHT_WAYS[name], HELPERS))
    assert found["Exp.backward"].outcome is Outcome.PASSED
    assert found.report.flags == ()


ROOT = HERE.parent.parent
GIVEN = sorted(
    [ROOT / "reference", ROOT / "student_template", *(ROOT / "examples").iterdir()]
    + [p for p in (ROOT / "tests" / "wheat").iterdir() if any(p.rglob("*.py")) and p.is_dir()]
)


@pytest.mark.parametrize("folder", GIVEN, ids=lambda p: p.name)
def test_nothing_certain_is_read_in_what_the_course_holds_itself(folder: Path) -> None:
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*.py")
        if "__pycache__" not in path.parts
    }
    assert read(files, ["minitorch", "warmup"]) == []


# Hostile files: reading goes on, and says what it could not read


@pytest.mark.parametrize(
    "text",
    ["(" * 5000, "-" * 200_000 + "1", "x = " + "a." * 50_000 + "b", "x = " + "1 + " * 50_000 + "1",
     "x = " + "[" * 150 + "]" * 150, "\x00", "\xff", "def f(:", "x = " + "f(" * 90 + ")" * 90,
     "x = a" + ".b" * 2800 + "\n", "import a" + ".a" * 60_000, "x = f'" + "{a}" * 150_000 + "'",
     "# coding: punycode\n" + "a" * 100 + "-" + "b" * 500_000, "\r# coding: idna\ra.xn--a",
     "a0 = 'x' * 9\n" + "".join(f"a{n + 1} = a{n} + a{n}\n" for n in range(40)) + "exec(a40)\n",
     "x = 1\n" * 100_000, "if x:\n" + " " * 3 + "y\n", "# -*- coding: utf-7 -*-\n", "x = " + "9" * 5000],
    ids=lambda text: text[:12].strip(),
)  # fmt: skip
def test_no_text_upsets_the_reader(text: str) -> None:
    files = {"student.py": text.encode("latin-1"), "other.py": b"import torch\n"}
    found = read(files, ["student", "other"])
    assert Finding("foreign_autodiff", "other.py:1", "import torch") in found
    assert {f.kind for f in found} <= {"foreign_autodiff", "hidden_code", "lookup_table"}


def test_files_that_are_made_to_be_hard_to_read_cost_a_few_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from grader.judge import reading

    monkeypatch.setattr(reading, "SECONDS", 0.5)
    body = " ".join(f"f{n}_back;" for n in range(300))
    text = "\n".join(f"def f{n}_back(): {body}" for n in range(300))
    text += "\nimport torch\n" * 500
    began = time.process_time()
    found = read({f"student/m{n}.py": text.encode() for n in range(20)}, ["student"])
    assert time.process_time() - began < 5.0
    assert any("hard to read" in f.what or "too many" in f.what for f in found)


def test_how_long_reading_takes_does_not_grow_with_a_square(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from grader.judge import reading

    monkeypatch.setattr(reading, "SECONDS", 0.5)
    names = " ".join(f"n{n};" for n in range(20_000))
    stars = "".join(f"from .m{n} import *\n" for n in range(200))
    hard = {
        "chains": {"student/a.py": "\n".join(["x = a" + ".b" * 900] * 200)},
        "products": {
            "student/a.py": "def backward(a):\n" + " a = b\n" * 8000 + " (f(a) - f(a)) / a\n" * 8000
        },
        "stars": {f"student/m{n}.py": "x = 1" for n in range(200)}
        | {"student/a.py": f"{stars}def backward(): {names}"},
        "texts": {
            "student/a.py": "a0 = 'xxxxxxxxx'\n"
            + "".join(f"a{n + 1} = ''.join([a{n}, a{n}, a{n}])\n" for n in range(15))
            + "exec(a15)\n" * 100
        },
    }
    for name, files in hard.items():
        began = time.process_time()
        read({path: text.encode() for path, text in files.items()}, ["student"])
        assert time.process_time() - began < 4.0, name


@pytest.mark.parametrize(
    "divisor",
    ["1e-6", "0x" + "f" * 5000, "(1e-6" + " + 0.0" * 900 + ")"],
    ids=["short", "of many digits", "of many parts"],
)
def test_what_python_cannot_write_down_hides_no_difference(divisor: str) -> None:
    text = f"def backward(f, x):\n    return (f(x + {divisor}) - f(x)) / {divisor}\n"
    text += "def other_backward(f, x):\n    return (f(x + 1e-6) - f(x)) / 1e-6\n"
    found = read({"student.py": text.encode()}, ["student"])
    assert ("differences", "student.py:4") in {(f.kind, f.where) for f in found}


def test_a_text_that_stands_for_a_comment_is_no_table() -> None:
    quotes = '"' * 3
    text = f"x = 1\n{quotes}{'old code ' * 500}{quotes}\n"
    assert read({"student.py": text.encode()}, ["student"]) == []


def test_a_file_that_is_too_long_to_be_read_is_said_to_be() -> None:
    found = read({"student.py": b"#" * (LONGEST + 1)}, ["student"])
    assert [(f.kind, f.what) for f in found] == [
        ("hidden_code", "the file is 512 KiB long, too long to be read")
    ]


def test_what_is_read_takes_no_gigabyte() -> None:
    gc.freeze()  # or the time that reading may take goes into what other tests have left
    each = "a\n" * (MOST_PARTS - 1)
    found = read({f"student/m{n}.py": each.encode() for n in range(8)}, ["student"])
    assert sum("one of too many" in f.what for f in found) == 6
    found = read({"student.py": b"a\n" * (MOST_PARTS + 1)}, ["student"])
    assert [f.what for f in found] == ["the file is made of very many parts, too many to be read"]
    gc.unfreeze()


@pytest.mark.parametrize(
    "line",
    [
        "from grader.box.bindings import minitorch_fast",
        "import grader.box.worker as w",
        "import greenlet",
        "import gc",
        "from numba.core import event",
        "from sys import _getframe, modules; import sys; sys._getframe(1)",
        "import sys; sys.modules['grader.box.imports']",
        "import inspect; inspect.stack()",
        "def f(m): return m.__closure__[0].cell_contents",
        "def f(frame): return frame.f_back.f_locals",
    ],
)
def test_code_that_reaches_for_what_runs_it_is_seen(line: str) -> None:
    for files in (
        {"student.py": line.encode()},
        {"student.py": b"x = 1", "tests/test_student.py": line.encode()},
    ):
        assert {f.kind for f in read(files, ["student"], ["tests"])} == {"hidden_code"}
    assert read({"student.py": b"x = 1", "tests/test_student.py": line.encode()}, ["student"]) == []


@pytest.mark.parametrize(
    "line",
    ["__import__('helper')", "import importlib as i\nx = i.import_module('hel' + 'per')"],
)
def test_a_neighbour_that_is_imported_by_a_call_is_read(line: str) -> None:
    files = {"student.py": line.encode(), "helper.py": b"import torch, gc\n"}
    assert {(f.kind, f.where) for f in read(files, ["student"])} == {
        ("foreign_autodiff", "helper.py:1"),
        ("hidden_code", "helper.py:1"),
    }


def test_what_homework_needs_does_not_reach_too_far() -> None:
    source = (
        b"import inspect, sys\nfrom numba.core.errors import NumbaWarning\nfrom numba.core import types\n"
        b"from numba import cuda\nsys.setrecursionlimit(5000)\ninspect.signature(print)\n"
    )
    assert read({"student.py": source}, ["student"]) == []
    # What stands in tests computes nothing that is graded.
    assert read({"student.py": b"", "tests/a.py": b"import torch"}, ["student"], ["tests"]) == []


@pytest.mark.parametrize(
    "first",
    [
        b"# coding: utf-7\n",
        b"#!/x\n# -*- Coding: utf-7 -*- coding: utf_7\n",
        b"# vim: fileencoding=utf-7\r",
        b"# coding: utf-7\n# coding: utf-8\n",
    ],
)
def test_an_encoding_hides_nothing_that_takes_gigabytes_to_read(first: bytes) -> None:
    """A name of ninety thousand parts in half a megabyte, of which no part is to be seen."""
    hidden = base64.b64encode((".a" * 90_000).encode("utf-16-be")).rstrip(b"=")
    assert (
        hard(first + b"import a+" + hidden + b"-\n")
        == "made of a name of very many parts, too hard"
    )
    assert not hard(first + b"import a+" + hidden[:800] + b"-\n")
    assert not hard("# coding: latin-1\nname = 'é'\n".encode("latin-1"))
    assert not hard(b"# coding: punycode\n" + b"a = 1\n" * 30_000)  # nobody waits for it here
