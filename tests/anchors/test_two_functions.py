"""The smallest course: its anchors, right submissions that must pass, and wrong ones that must not."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from anchors.test_anchors import BOXES
from grader import bank, template
from grader.course import Course, load_course
from grader.intake import read_folder
from grader.judge.grade import grade
from grader.model import Outcome, Report, Submission
from grader.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2] / "examples" / "courses" / "two_functions"
TASKS = ("mul_forward", "mul_backward", "exp_forward", "exp_backward")


@pytest.fixture(scope="module")
def small() -> Course:
    return load_course(ROOT)


@pytest.fixture(scope="module")
def ready(small: Course) -> bank.Module:
    return bank.load(small, "two_functions")


@pytest.fixture(scope="module", params=list(BOXES))
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    make, available = BOXES[request.param]
    works, why = available()
    if not works:
        pytest.skip(why)
    made = make()
    try:
        yield made
    finally:
        made.close()


def graded(ready: bank.Module, code: str, sandbox: Sandbox) -> Report:
    files = {"student.py": textwrap.dedent(code).encode()}
    return grade(ready, Submission("s", "s", files, "0" * 64), sandbox, seed=7)


def earned(report: Report) -> dict[str, float]:
    """The tasks that earned anything, with their points."""
    return {task.id: task.score for task in report.tasks if task.score}


def test_the_reference_earns_every_point(ready: bank.Module, sandbox: Sandbox) -> None:
    report = grade(ready, read_folder(ROOT / "reference", ["student"]), sandbox, seed=7)
    assert earned(report) == dict.fromkeys(TASKS, 25)
    assert report.score == 100


def test_the_template_earns_nothing_and_says_that_it_is_not_done(
    ready: bank.Module, sandbox: Sandbox
) -> None:
    report = grade(ready, read_folder(ROOT / "student_template", ["student"]), sandbox, seed=7)
    assert report.score == 0
    assert {v.outcome for v in report.checks} <= {Outcome.UNIMPLEMENTED, Outcome.BLOCKED}


def test_the_template_is_the_reference_without_its_solutions() -> None:
    assert template.check(ROOT / "reference", ROOT / "student_template") == []


MUL = """
class Mul:
    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b
    @staticmethod
    def backward(ctx, d):
        a, b = ctx.saved_values
        return d * b, d * a
"""
EXP = """
import math
class Exp:
    @staticmethod
    def forward(ctx, a):
        out = math.exp(a)
        ctx.save_for_backward(out)
        return out
    @staticmethod
    def backward(ctx, d):
        return d * ctx.saved_values[0]
"""
WHEAT = {
    "plain functions": """
        import math
        class Mul:
            def forward(ctx, a, b):
                ctx.save_for_backward(a, b)
                return a * b
            def backward(ctx, d):
                a, b = ctx.saved_values
                return [d * b, d * a]
        class Exp:
            def forward(ctx, a):
                ctx.save_for_backward(a)
                return math.exp(a)
            def backward(ctx, d):
                (a,) = ctx.saved_values
                return (d * math.exp(a),)
    """,
    "numpy numbers": """
        import numpy as np
        class Mul:
            @staticmethod
            def forward(ctx, a, b):
                a, b = np.float64(a), np.float64(b)
                ctx.save_for_backward(b, a)
                return np.multiply(a, b)
            @staticmethod
            def backward(ctx, d):
                return tuple(np.float64(d) * x for x in ctx.saved_values)
        class Exp:
            @staticmethod
            def forward(ctx, a):
                ctx.save_for_backward(np.exp(a))
                return np.exp(a)
            @staticmethod
            def backward(ctx, d):
                return [d * ctx.saved_values[0]]
    """,
    "a pair saved as one value, and saved_tensors": """
        import math
        class Pair:
            @staticmethod
            def forward(ctx, a, b):
                ctx.save_for_backward((a, b))
                return b * a
            @staticmethod
            def backward(ctx, d):
                ((a, b),) = ctx.saved_tensors
                return b * d, a * d
        class Mul(Pair):
            "Inherits both."
        class Exp:
            @staticmethod
            def forward(ctx, a):
                ctx.a = a
                return math.e ** a
            @staticmethod
            def backward(ctx, d):
                return d * math.e ** ctx.a
    """,
}


@pytest.mark.parametrize("how", WHEAT)
def test_a_right_submission_written_differently_passes(
    how: str, ready: bank.Module, sandbox: Sandbox
) -> None:
    report = graded(ready, WHEAT[how], sandbox)
    assert report.score == 100, [(v.title, v.reason) for v in report.checks if v.reason]


# What takes the place of one method of an honest submission, and is wrong in its task alone.
CHAFF = {
    "mul_forward": {
        "bool": "return bool(a * b)",
        "text": "return str(a * b)",
        "complex": "return complex(a * b)",
        "decimal": "from decimal import Decimal; return Decimal(a * b)",
        "none": "return None",
        "array": "import numpy; return numpy.array([a * b])",
        "array without axes": "import numpy; return numpy.array(a * b)",
        "list": "return [a * b]",
        "integer": "return int(a * b)",
        "single precision": "import struct; return struct.unpack('f', struct.pack('f', a * b))[0]",
        "second call": "Mul.n = getattr(Mul, 'n', 0) + 1; return a * b * (Mul.n == 1)",
    },
    "mul_backward": {
        "no upstream": "a, b = ctx.saved_values; return b, a",
        "swapped": "a, b = ctx.saved_values; return d * a, d * b",
        "one gradient": "a, b = ctx.saved_values; return d * b",
        "three gradients": "a, b = ctx.saved_values; return d * b, d * a, None",
        "third is none": "a, b = ctx.saved_values; return d * b, None",
        "array": "import numpy; a, b = ctx.saved_values; return numpy.array([d * b, d * a])",
        "generator": "return (x * d for x in ctx.saved_values[::-1])",
        "dict": "a, b = ctx.saved_values; return {'a': d * b, 'b': d * a}",
        "difference": "a, b = ctx.saved_values; h = 1e-5; return d * ((a + h) * b - (a - h) * b) / (2 * h), d * a",
    },
    "exp_forward": {
        "bool for one": "ctx.save_for_backward(math.exp(a)); return True if a == 0 else math.exp(a)",
        "numpy bool for one": "import numpy; ctx.save_for_backward(math.exp(a)); return numpy.bool_(True) if a == 0 else math.exp(a)",
        "series": "ctx.save_for_backward(math.exp(a)); return sum(a**n / math.factorial(n) for n in range(30))",
    },
    "exp_backward": {
        "difference": "a = math.log(ctx.saved_values[0]); return d * (math.exp(a + 1e-5) - math.exp(a - 1e-5)) / 2e-5",
        "two gradients": "return d * ctx.saved_values[0], d",
        "tuple": "return d * ctx.saved_values",
    },
}  # fmt: skip
CASES = [(task, how) for task, mistakes in CHAFF.items() for how in mistakes]


def replaced(task: str, body: str) -> str:
    name, _, half = task.partition("_")
    arguments = "ctx, d" if half == "backward" else "ctx, a, b" if name == "mul" else "ctx, a"
    saved = "    ctx.save_for_backward(a, b)\n" if task == "mul_forward" else ""
    return (
        f"{MUL}{EXP}\ndef wrong({arguments}):\n{saved}    {body}\n"
        f"{name.title()}.{half} = staticmethod(wrong)\n"
    )


@pytest.mark.parametrize(("task", "how"), CASES)
def test_a_mistake_costs_its_own_task_and_no_other(
    task: str, how: str, ready: bank.Module, sandbox: Sandbox
) -> None:
    report = graded(ready, replaced(task, CHAFF[task][how]), sandbox)
    assert earned(report) == {other: 25 for other in TASKS if other != task}


def test_what_is_kept_in_the_class_is_caught(ready: bank.Module, sandbox: Sandbox) -> None:
    code = f"""{MUL}{EXP}
def forward(ctx, a):
    Exp.out = math.exp(a)
    return Exp.out
Exp.forward = staticmethod(forward)
Exp.backward = staticmethod(lambda ctx, d: d * Exp.out)
"""
    report = graded(ready, code, sandbox)
    assert earned(report) == dict.fromkeys(TASKS[:3], 25) | {"exp_backward": 15}
    (caught,) = [v for v in report.checks if v.outcome is not Outcome.PASSED]
    assert "not what another call left behind" in caught.title


def test_a_subclass_of_float_is_worth_the_eight_bytes_in_it(
    ready: bank.Module, sandbox: Sandbox
) -> None:
    code = f"""{MUL}{EXP}
class Liar(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return Liar(0.0)
    __rsub__ = __sub__
    def __float__(self): return 1e300
    def __abs__(self): return 0.0
    __hash__ = None
honest = Exp.forward
Exp.forward = staticmethod(lambda ctx, a: Liar(honest(ctx, a)))
Mul.forward = staticmethod(lambda ctx, a, b: (ctx.save_for_backward(a, b), Liar(7.5))[1])
"""
    assert earned(graded(ready, code, sandbox)) == dict.fromkeys(TASKS[1:], 25)
