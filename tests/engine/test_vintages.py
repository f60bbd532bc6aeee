"""MiniTorch of 2020 and 2021 is recognised by several marks, told so, and charged for nothing else."""

from __future__ import annotations

import msgspec
import pytest

from grader.box.bindings.vintages import refusal
from grader.judge.grade import grade
from grader.model import Outcome, Report, Submission
from grader.sandbox.process import ProcessSandbox

from .courses import dedented, write

AUTODIFF = """
    class Variable:
        "The base of Scalar and Tensor in these years."

    class FunctionBase:
        "The base of every Function."
        @classmethod
        def chain_rule(cls, ctx, inputs, d_output): ...
"""
SCALAR = """
    from .autodiff import FunctionBase, Variable

    class Scalar(Variable):
        def __init__(self, value, name=None): self.data = value

    class ScalarFunction(FunctionBase): ...

    class Mul(ScalarFunction): ...
"""
TENSOR_FUNCTIONS = """
    from .autodiff import FunctionBase

    class Function(FunctionBase): ...

    def make_tensor_backend(tensor_ops, is_cuda=False):
        class Backend:
            class Mul(Function): ...
        return Backend
"""
OPERATORS = "def add(x, y): return x + y\n"
BEFORE = {
    "minitorch/__init__.py": "from .autodiff import *\nfrom .scalar import *\n",
    "minitorch/operators.py": OPERATORS,
    "minitorch/autodiff.py": AUTODIFF,
    "minitorch/scalar.py": SCALAR,
}
TENSORS = BEFORE | {"minitorch/tensor_functions.py": TENSOR_FUNCTIONS}
FIRST = BEFORE | {
    "minitorch/autodiff.py": AUTODIFF
    + """
    class VariableWithDeriv: ...

    def backpropagate(final_variable_with_deriv): ...
"""
}


def submission(files: dict[str, str]) -> Submission:
    content = {name: dedented(text).encode() for name, text in files.items()}
    return Submission("s", "s", content, "0" * 64)


def graded(banks, module: str, key: str, sent: Submission, **options) -> Report:
    """The report on one check, of a few cases."""
    box = ProcessSandbox()
    try:
        return grade(banks.module(module, [key], seed=2, cases=40), sent, box, seed=2, **options)
    finally:
        box.close()


@pytest.mark.parametrize("files", [BEFORE, TENSORS, FIRST], ids=["2021", "2021 tensors", "2020"])
def test_old_files_are_recognised_and_their_marks_named(files: dict[str, str], tmp_path) -> None:
    write(tmp_path, files)
    said = refusal(str(tmp_path / "minitorch"))
    assert "MiniTorch of 2020 or 2021" in said
    assert "minitorch/autodiff.py defines FunctionBase" in said
    assert "modules 1 to 4 of these years cannot be graded" in said


@pytest.mark.parametrize(
    "kept", [("autodiff.py",), ("scalar.py",), ("tensor_functions.py",), ("operators.py",)]
)
def test_a_mark_or_two_are_not_enough(kept: tuple[str, ...], tmp_path) -> None:
    write(tmp_path, {n: t for n, t in TENSORS.items() if n.endswith((*kept, "__init__.py"))})
    assert refusal(str(tmp_path / "minitorch")) == ""


def test_names_of_old_in_a_package_of_today_are_somebody_s_own(
    reference: Submission, tmp_path
) -> None:
    """All the marks there are, added to the answer key."""
    more = {"minitorch/autodiff.py": dedented(AUTODIFF).replace("Variable:", "Variable():")}
    more["minitorch/scalar.py"] = "class ScalarFunction(FunctionBase): ...\n"
    texts = {n: data.decode() for n, data in reference.files.items() if n.startswith("minitorch")}
    write(tmp_path, {name: text + "\n" + more.get(name, "") for name, text in texts.items()})
    assert refusal(str(tmp_path / "minitorch")) == ""


def test_the_answer_key_and_a_folder_without_files_are_not_refused(course, tmp_path) -> None:
    assert refusal(str(course.reference / "minitorch")) == ""
    assert refusal(str(tmp_path)) == ""


KEYS = {
    "module1": "1.2/Mul.forward computes the value",
    "module2": "2.2/shape_broadcast gives the shape that both shapes stretch to",
}


@pytest.mark.parametrize("module", KEYS)
def test_its_checks_are_blocked_with_the_reason_and_the_report_has_one_hint(
    module: str, banks, reference: Submission
) -> None:
    earlier = {"minitorch/operators.py": reference.files["minitorch/operators.py"]}
    report = graded(banks, module, KEYS[module], submission(TENSORS), earlier=earlier)
    (verdict,) = report.checks
    assert verdict.outcome is Outcome.BLOCKED
    assert "MiniTorch of 2020 or 2021" in verdict.reason
    (hint,) = report.hints
    assert hint == f"{verdict.reason[:1].upper()}{verdict.reason[1:]}."


def test_module_0_of_these_years_is_graded(banks) -> None:
    report = graded(banks, "module0", "0.1/add of two numbers", submission(TENSORS))
    assert [v.outcome for v in report.checks] == [Outcome.PASSED]
    assert report.hints == ()


def test_a_stand_in_is_no_library_that_differentiates(banks, reference: Submission) -> None:
    """What reading finds stays a flag; that it was loaded is not said of what is not there."""
    path = "minitorch/operators.py"
    text = (
        reference.files[path].decode().replace("import math\n", "import math\nimport torchvision\n")
    )
    changed = msgspec.structs.replace(reference, files=reference.files | {path: text.encode()})
    report = graded(banks, "module0", "0.1/add of two numbers", changed)
    assert [v.outcome for v in report.checks] == [Outcome.PASSED]
    assert any("imports torchvision, which is not installed" in note for note in report.notes)
    (flag,) = report.flags
    assert flag.kind == "foreign_autodiff"
    assert [line for line in flag.evidence if "was loaded" in line] == []
