"""A student's own tests as a submission: each way to have none, a broken one or one that says nothing has its
own outcome, and what a test leaves behind costs no other.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from grader.bank import Module
from grader.box.bindings import pytest_stand_in, student_tests
from grader.box.faults import Missing
from grader.box.imports import Package
from grader.judge.grading import Grading
from grader.model import Outcome, Submission, Verdict
from grader.sandbox import Sandbox

from .courses import dedented

PASSES = "0.2/test_symmetric passes on right operators"
NOTICES = "0.2/test_symmetric notices a mul that is not symmetric"
FILE = "tests/test_operators.py"
GIVEN = """
    import pytest
    from hypothesis import given

    import minitorch
    from minitorch import operators
    from minitorch.operators import mul

    from .strategies import assert_close, small_floats
"""
GOOD = """
    @pytest.mark.task0_2
    @given(small_floats, small_floats)
    def test_symmetric(a: float, b: float) -> None:
        assert_close(mul(a, b), mul(b, a))
"""


@pytest.fixture(scope="module")
def ready(banks) -> Module:
    """The two checks of one test; a test may take a second."""
    module = banks.module("module0", [PASSES, NOTICES], seed=1, cases=40)
    checks = tuple(msgspec.structs.replace(c, seconds=1.0) for c in module.assignment.checks)
    few = msgspec.structs.replace(module.assignment, checks=checks)
    return msgspec.structs.replace(module, assignment=few)


def asked(
    ready: Module, reference: Submission, box: Sandbox, files: dict[str, str]
) -> list[Verdict]:
    """The two verdicts on the reference with these tests in place of all of its own."""
    kept = {n: data for n, data in reference.files.items() if not n.startswith("tests/")}
    new = {name: dedented(text).encode() for name, text in files.items()}
    changed = msgspec.structs.replace(reference, files=kept | new)
    verdicts = Grading(ready, changed, box).run()
    return [verdicts[PASSES], verdicts[NOTICES]]


def with_test(body: str, reference: Submission, path: str = FILE) -> dict[str, str]:
    """The files of a tests folder with one test in it."""
    strategies = reference.files["tests/strategies.py"].decode()
    return {
        "tests/__init__.py": "",
        "tests/strategies.py": strategies,
        path: dedented(GIVEN) + dedented(body),
    }


WRITTEN = {
    "as the template has it": GOOD,
    "with an import inside": """
        def test_symmetric():
            from minitorch import operators as ops
            assert ops.mul(2.0, 3.5) == ops.mul(3.5, 2.0) and ops.mul(7, 0.5) == ops.mul(0.5, 7)
    """,
    "by the package": """
        @given(small_floats, small_floats)
        def test_symmetric(a, b):
            assert minitorch.operators.mul(a, b) == minitorch.operators.mul(b, a)
    """,
    "with a helper and a table": """
        def same(x, y):
            if not operators.eq(mul(x, y), mul(y, x)):
                raise Exception("they differ")

        @pytest.mark.parametrize(["x", "y"], [(1.5, 2.0), pytest.param(-3.0, 4.0, id="mixed")])
        def test_symmetric(x, y):
            same(x, y)
    """,
    "with pytest's approx and raises": """
        def test_symmetric():
            with pytest.raises(TypeError):
                mul(None, None)
            assert mul(2.0, 3.5) == pytest.approx(mul(3.5, 2.0))
    """,
    "in a class, with numbers of its own": """
        class TestMul:
            def setup_method(self):
                self.numbers = [0.5, -2.0, 3.0]

            def test_symmetric(self):
                for a in self.numbers:
                    for b in self.numbers:
                        self.same(mul(a, b), mul(b, a))

            def same(self, x, y):
                assert x == y
    """,
    "in a class that inherits it, with a table and Hypothesis": """
        class Laws:
            @pytest.mark.parametrize("a", [0.5, -2.0])
            @given(b=small_floats)
            def test_symmetric(self, a, b):
                assert mul(a, b) == mul(b, a)

        class TestMul(Laws): ...
    """,
    "for unittest": """
        import unittest

        class Mul(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                cls.a = 0.5

            def setUp(self):
                self.b = -2.0

            def test_symmetric(self):
                with self.subTest(a=self.a):
                    self.assertEqual(mul(self.a, self.b), mul(self.b, self.a))
    """,
    "with fixtures": """
        @pytest.fixture
        def numbers():
            return [0.5, -2.0, 3.0]

        @pytest.fixture()
        def pairs(numbers):
            yield [(a, b) for a in numbers for b in numbers]

        def test_symmetric(pairs):
            for a, b in pairs:
                assert mul(a, b) == mul(b, a)
    """,
    "as another name for a function": """
        @given(small_floats, small_floats)
        def check(a, b):
            assert mul(a, b) == mul(b, a), (a, b)
        test_symmetric = check
    """,
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_good_test_passes_and_notices_however_it_is_written(
    how: str, ready: Module, reference: Submission, box: Sandbox
) -> None:
    passes, notices = asked(ready, reference, box, with_test(WRITTEN[how], reference))
    assert (passes.outcome, passes.reason) == (Outcome.PASSED, "")
    assert (notices.outcome, notices.reason) == (Outcome.PASSED, "")


@pytest.mark.parametrize(
    "path", ["tests/test_laws.py", "tests/operators/test_them.py", "tests/operators_test.py"]
)
def test_a_renamed_file_is_found(
    path: str, ready: Module, reference: Submission, box: Sandbox
) -> None:
    test = GOOD.replace("assert_close(mul(a, b), mul(b, a))", "assert mul(a, b) == mul(b, a)")
    given = GIVEN.replace(".strategies", "tests.strategies")
    files = with_test("", reference) | {path: dedented(given) + dedented(test)}
    assert [v.outcome for v in asked(ready, reference, box, files)] == [Outcome.PASSED] * 2


BROKEN = {
    "not written yet": (
        "@given(small_floats)\ndef test_symmetric(a):\n    raise NotImplementedError('Task 0.2')\n",
        Outcome.UNIMPLEMENTED,
        "Task 0.2",
    ),
    "no such test": (
        "def test_of_something_else(): ...\n",
        Outcome.UNIMPLEMENTED,
        "does not define test_symmetric",
    ),
    "only inside of a function": (
        "def outer():\n    def test_symmetric(): ...\n",
        Outcome.UNIMPLEMENTED,
        "test_symmetric is not defined",
    ),
    "a method that fails": (
        "class TestMul:\n    def test_symmetric(self):\n        assert mul(1.0, 2.0) == 3.0\n",
        Outcome.RAISED,
        "AssertionError",
    ),
    "a fixture that is not there": (
        "def test_symmetric(pairs):\n    assert mul(*pairs) == 1.0\n",
        Outcome.RAISED,
        "nothing gives test_symmetric its argument 'pairs'",
    ),
    "no function": ("test_symmetric = 3\n", Outcome.UNIMPLEMENTED, "is no function"),
    "no Python": (
        dedented(GOOD) + "\ndef (\n",
        Outcome.BLOCKED,
        "SyntaxError at tests/test_operators.py",
    ),
    "an import that fails": (
        "from minitorch.nowhere import x\n" + dedented(GOOD),
        Outcome.BLOCKED,
        "minitorch.nowhere",
    ),
    "always fails": (
        "@given(small_floats)\ndef test_symmetric(a):\n    assert mul(a, 1.0) == a + 1.0\n",
        Outcome.RAISED,
        "test_symmetric(a=0.0)",
    ),
    "always raises": (
        "@given(small_floats)\ndef test_symmetric(a):\n    return mul(a)\n",
        Outcome.RAISED,
        "TypeError",
    ),
    "never ends": (
        "@given(small_floats)\ndef test_symmetric(a):\n    while True: mul(a, a)\n",
        Outcome.TIMED_OUT,
        "processor time",
    ),
    "leaves by exit": ("def test_symmetric():\n    exit(0)\n", Outcome.RAISED, ""),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_test_has_its_own_outcome_and_is_not_tried_on_wrong_operators(
    how: str, ready: Module, reference: Submission, box: Sandbox
) -> None:
    body, outcome, said = BROKEN[how]
    passes, notices = asked(ready, reference, box, with_test(body, reference))
    assert passes.outcome is outcome
    assert said in passes.reason
    assert notices.outcome is Outcome.BLOCKED


@pytest.mark.parametrize("holder", ["", "class TestMul:\n    "])
def test_a_fixture_gives_a_value_for_each_of_its_params(
    holder: str, ready: Module, reference: Submission, box: Sandbox
) -> None:
    """That mul is not symmetric shows for the second one alone."""
    body = f"""
@pytest.fixture(params=[0.0, 2.5])
def a(request):
    return request.param

{holder}def test_symmetric({"self, " if holder else ""}a):
        assert mul(a, 3.0 * a) == mul(3.0 * a, a)
"""
    found = asked(ready, reference, box, with_test(body, reference))
    assert [v.outcome for v in found] == [Outcome.PASSED] * 2


def test_a_fixture_may_stand_in_conftest(
    ready: Module, reference: Submission, box: Sandbox
) -> None:
    body = "def test_symmetric(pair):\n    assert mul(*pair) == mul(*pair[::-1])\n"
    fixture = "import pytest\n\n@pytest.fixture\ndef pair():\n    return 0.5, 3.0\n"
    files = with_test(body, reference) | {"tests/conftest.py": fixture}
    assert [v.outcome for v in asked(ready, reference, box, files)] == [Outcome.PASSED] * 2
    broken = with_test(GOOD, reference) | {"tests/conftest.py": "import nowhere\ndef (\n"}
    assert [v.outcome for v in asked(ready, reference, box, broken)] == [Outcome.PASSED] * 2


def test_what_stands_around_a_method_is_called_for_every_run() -> None:
    calls: list[str] = []

    class Around:
        def setup_method(self, method):
            calls.append(f"before {method.__name__}")

        def test_it(self):
            calls.append("test")
            raise ZeroDivisionError

        def teardown_method(self):
            calls.append("after")

    module = types.ModuleType("somewhere")
    module.Around = Around  # type: ignore[attr-defined]
    assert student_tests.holder_of(module, "test_it") is Around
    test = student_tests.Test("test_it", Around.test_it, module, Around)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            test()
    assert calls == ["before test_it", "test", "after"] * 2
    assert student_tests.holder_of(module, "test_other") is None
    module.test_it = lambda: None  # type: ignore[attr-defined]
    assert student_tests.holder_of(module, "test_it") is None


SEES = {
    "a fixture that every test of its class has": """
        class TestIt:
            @pytest.fixture(autouse=True)
            def numbers(self):
                self.a = 1

            def test_it(self):
                seen.append(self.a)
        """,
    "a fixture by another name, that is used and not asked for": """
        @pytest.fixture(name="ready")
        def made_ready():
            seen.append(1)

        @pytest.mark.usefixtures("ready")
        def test_it(): ...
        """,
    "marks of its file and of its class": """
        pytestmark = pytest.mark.slow

        @pytest.fixture
        def ready():
            seen.append(1)

        class TestIt:
            pytestmark = [pytest.mark.usefixtures("ready"), pytest.mark.task0_2]

            def test_it(self): ...
        """,
    "what a fixture does afterwards": """
        @pytest.fixture
        def one():
            yield 0
            seen.append(1)

        def test_it(one):
            assert one not in seen
        """,
    "a table that is an iterator": """
        @pytest.mark.parametrize("a, b", zip([1, 2], [3, 4]))
        def test_it(a, b):
            seen.append(a)
        """,
    "a table by the names of its parts": """
        @pytest.mark.parametrize(argnames=("a",), argvalues=[pytest.param(1), (2,)], ids=str)
        def test_it(a):
            seen.append(a)
        """,
    "a table for a fixture": """
        @pytest.fixture
        def half(request):
            return request.param / 2

        @pytest.mark.parametrize("half", [2, 4], indirect=True)
        def test_it(half):
            seen.append(half)
        """,
    "what stands around the functions of a file": """
        def setup_module(module):
            module.first = 1

        def setup_function():
            globals()["a"] = first

        def test_it():
            seen.append(a)
        """,
    "a row that is skipped": """
        @pytest.mark.parametrize("a", [0, 1])
        def test_it(a):
            a or pytest.skip("nothing to try")
            seen.append(a)
        """,
    "a class method with Hypothesis": """
        from hypothesis import given, strategies

        class TestIt:
            @classmethod
            @given(strategies.just(1))
            def test_it(cls, a):
                seen.append(a)
        """,
}


@pytest.mark.parametrize("what", SEES)
def test_a_test_sees_what_pytest_would_give_it_every_time_it_is_run(
    what: str, tmp_path, monkeypatch
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / FILE).write_text("import pytest\n\nseen = []\n" + dedented(SEES[what]))
    monkeypatch.setitem(sys.modules, "pytest", pytest_stand_in.pytest())
    monkeypatch.setattr(student_tests, "prepare", lambda: None)
    for name in ("tests", "tests.test_operators"):
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
    tests = student_tests.Tests(Package(str(tmp_path), ["pack"]), "pack.operators")
    for _ in range(2):
        tests.run("test_it", {})
        seen = sys.modules["tests.test_operators"].seen
        assert seen[0] == 1
        seen.clear()


def test_a_failing_test_is_shown_with_its_line_and_the_numbers_that_were_found(
    ready: Module, reference: Submission, box: Sandbox
) -> None:
    body = "@given(small_floats)\ndef test_symmetric(a):\n    assert mul(a, 1.0) == a + 1.0\n"
    passes, _ = asked(ready, reference, box, with_test(body, reference))
    assert passes.counterexample is not None
    assert passes.counterexample.where[0].startswith("tests/test_operators.py:")
    assert passes.counterexample.where[0].endswith(" in test_symmetric")


def test_without_the_file_or_its_folder_it_says_what_is_missing(
    ready: Module, reference: Submission, box: Sandbox
) -> None:
    for files in ({}, {"tests/test_module.py": "def test_train(): ...\n"}):
        verdicts = asked(ready, reference, box, files)
        assert [v.outcome for v in verdicts] == [Outcome.BLOCKED] * 2
        assert {v.reason for v in verdicts} == {
            "there is no tests/test_operators.py in the submission"
        }


def test_a_test_that_asserts_nothing_passes_everywhere_and_notices_nothing(
    ready: Module, reference: Submission, box: Sandbox
) -> None:
    body = "@given(small_floats)\ndef test_symmetric(a):\n    mul(a, a)\n"
    passes, notices = asked(ready, reference, box, with_test(body, reference))
    assert passes.outcome is Outcome.PASSED
    assert notices.outcome is Outcome.FAILED
    assert notices.counterexample is not None
    assert "lambda x, y:" in notices.counterexample.inputs["operators"]
    assert "none of these" in notices.counterexample.observed


def test_tests_are_run_on_right_operators_and_not_on_the_student_s_own(
    ready: Module, reference: Submission, box: Sandbox
) -> None:
    path = "minitorch/operators.py"
    text = reference.files[path].decode()
    wrong = text.replace("    return x * y\n", "    return x - y\n")
    assert wrong != text
    files = with_test(GOOD, reference) | {path: wrong}
    assert [v.outcome for v in asked(ready, reference, box, files)] == [Outcome.PASSED] * 2


def test_a_package_that_cannot_be_imported_does_not_stop_its_tests(
    ready: Module, reference: Submission, box: Sandbox
) -> None:
    files = with_test(GOOD, reference) | {
        "minitorch/__init__.py": "from .module import *\nthis is no Python\n",
        "minitorch/operators.py": "def (\n",
    }
    assert [v.outcome for v in asked(ready, reference, box, files)] == [Outcome.PASSED] * 2


FORGED = """
    from grader.box.bindings import minitorch_modules
    minitorch_modules.Modules.notices = lambda self, *args, **options: True
"""


def test_who_answers_that_every_operator_is_wrong_is_wrong_about_the_right_ones(
    ready: Module, reference: Submission, box: Sandbox
) -> None:
    path = "minitorch/operators.py"
    text = reference.files[path].decode() + dedented(FORGED)
    files = with_test("def test_symmetric(): ...\n", reference) | {path: text}
    assert [v.outcome for v in asked(ready, reference, box, files)] == [
        Outcome.PASSED,
        Outcome.FAILED,
    ]


# What stands in for pytest


def given_by_marks(test) -> list[pytest_stand_in.Given]:
    return list(pytest_stand_in.given_by_marks(pytest_stand_in.marks_of(test)))


def test_marks_decorate_with_and_without_arguments() -> None:
    stand_in = pytest_stand_in.pytest()

    @stand_in.mark.slow
    @stand_in.mark.parametrize("x", [1, 2])
    @stand_in.mark.parametrize("y, z", [(3, 4), (5, 6)])
    @stand_in.mark.skipif(False, reason="never")
    def test(x, y, z): ...

    found = [given.arguments for given in given_by_marks(test)]
    assert len(found) == 4
    assert {"x": 2, "y": 5, "z": 6} in found
    assert [given.arguments for given in given_by_marks(lambda: None)] == [{}]


def test_marks_of_the_real_pytest_are_read_as_well() -> None:
    @pytest.mark.parametrize("x", [1, 2])
    def test(x): ...

    assert [given.arguments for given in given_by_marks(test)] == [{"x": 1}, {"x": 2}]


@pytest.mark.parametrize(
    ("wanted", "near", "far"),
    [
        (1.0, 1.0 + 1e-8, 1.001),
        ([1.0, 2.0], (1.0, 2.0), [1.0, 2.1]),
        ([1.0], [1.0], [1.0, 1.0]),
        ({"a": 0.5}, {"a": 0.5 + 1e-9}, {"b": 0.5}),
        (np.array([1.0, 2.0]), np.array([1.0, 2.0]), np.array([1.0, 2.1])),
    ],
)
def test_approx_agrees_with_that_of_pytest(wanted, near, far) -> None:
    for approx in (pytest_stand_in.pytest().approx, pytest.approx):
        assert near == approx(wanted)
        assert far != approx(wanted)
    assert pytest_stand_in.pytest().approx(1.0, abs=0.5) == 1.4
    assert pytest_stand_in.pytest().approx(100.0, rel=0.1) != 111.0


def test_raises_wants_the_exception_that_it_names() -> None:
    raises = pytest_stand_in.pytest().raises
    with raises(ValueError, match="odd") as caught:
        raise ValueError("an odd number")
    assert caught.type is ValueError
    with pytest.raises(AssertionError, match="not raised"), raises(ValueError):
        pass
    with pytest.raises(AssertionError, match="is not in"), raises(ValueError, match="even"):
        raise ValueError("odd")
    assert raises(ZeroDivisionError, lambda a, b: a / b, 1.0, b=0.0).type is ZeroDivisionError
    with pytest.raises(AssertionError, match="not raised"):
        raises(ValueError, abs, 1.0)
    with pytest.raises(KeyError), raises(ValueError):
        raise KeyError("another one")


def test_what_else_there_is_in_pytest_raises_only_when_it_is_used() -> None:
    stand_in = pytest_stand_in.pytest()
    unknown = stand_in.deprecated_call
    with pytest.raises(Missing, match="deprecated_call is not defined"):
        unknown()


# Operators in the place of others


@pytest.fixture
def package() -> Iterator[types.ModuleType]:
    """A package with operators, one of which it exports."""
    whole, own = types.ModuleType("pack"), types.ModuleType("pack.operators")
    own.prod, own.helper = (lambda ls: 7.0), (lambda: "theirs")  # type: ignore[attr-defined]
    whole.operators, whole.prod, whole.sum = own, own.prod, sum  # type: ignore[attr-defined]
    sys.modules |= {"pack": whole, "pack.operators": own}
    yield whole
    for name in ("pack", "pack.operators"):
        sys.modules.pop(name, None)


def test_operators_stand_where_the_package_has_its_own_and_give_way_again(package) -> None:
    before = dict(vars(package))
    stand = student_tests.Operators(types.SimpleNamespace(root="/nowhere"), "pack.operators")
    stand.use({"prod": lambda ls: 1.0, "sum": lambda ls: 2.0})
    with stand.standing():
        from pack import operators

        assert sys.modules["pack.operators"] is operators is package.operators
        assert (operators.prod([]), package.prod([]), operators.sum([])) == (1.0, 1.0, 2.0)
        assert package.sum is sum, "what the package has of elsewhere stays"
        assert operators.helper() == "theirs"
        kept = operators.prod
        stand.use({"prod": lambda ls: 3.0})
        assert kept([]) == 3.0
        assert stand.called == ["prod"]
    assert vars(package) == before
    assert sys.modules["pack.operators"] is before["operators"]
