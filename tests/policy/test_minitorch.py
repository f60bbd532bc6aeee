"""Means that a course may not want, in Functions of MiniTorch, where objects are richer than numbers."""

from __future__ import annotations

import textwrap

import msgspec
import pytest

from grader.judge.grade import grade
from grader.model import Flag, Outcome, Report, Submission

SCALARS = "minitorch/scalar_functions.py"
TENSORS = "minitorch/tensor_functions.py"
EXP_OF_SCALARS = "1.4/Exp.backward is the upstream gradient times the derivative"
MUL_OF_SCALARS = "1.4/Mul.backward gives one derivative for each input, in order"
EXP_OF_TENSORS = "2.4/Exp.backward is the upstream gradient times the derivative, entry by entry"
MUL_OF_TENSORS = "2.4/Mul.backward gives one gradient for each input, in order"

# The lines of the reference that a submission writes otherwise.
LINES = {
    EXP_OF_SCALARS: "        (result,) = ctx.saved_values\n        return operators.mul(d_output, result)\n",
    MUL_OF_SCALARS: "        a, b = ctx.saved_values\n        return operators.mul(d_output, b), operators.mul(d_output, a)\n",
    EXP_OF_TENSORS: "        (result,) = ctx.saved_values\n        return grad_output.f.mul_zip(grad_output, result)\n",
    MUL_OF_TENSORS: "        a, b = ctx.saved_values\n        return grad_output.f.mul_zip(grad_output, b), grad_output.f.mul_zip(grad_output, a)\n",
}  # fmt: skip


def written(reference: Submission, key: str, body: str, top: str = "") -> Submission:
    """The reference with one backward written differently, and lines at the end of its file."""
    name = SCALARS if key.startswith("1") else TENSORS
    text = reference.files[name].decode()
    assert text.count(LINES[key]) == 1
    new = textwrap.indent(textwrap.dedent(body).strip("\n") + "\n", " " * 8)
    text = text.replace(LINES[key], new) + textwrap.dedent(top)
    return msgspec.structs.replace(reference, files=reference.files | {name: text.encode()})


def graded(banks, box, submission: Submission, key: str) -> Report:
    module = banks.module("module1" if key.startswith("1") else "module2", [key])
    return grade(module, submission, box, seed=1)


def flag_of(report: Report, kind: str) -> Flag:
    (found,) = [flag for flag in report.flags if flag.kind == kind]
    return found


def test_the_reference_itself_is_not_flagged(banks, box, reference: Submission) -> None:
    for key in LINES:
        report = graded(banks, box, reference, key)
        assert report.checks[0].outcome is Outcome.PASSED
        assert report.flags == ()


def test_central_differences_of_a_scalar_function(banks, box, reference: Submission) -> None:
    """A tight tolerance fails them where they are not exact, and the flag says why."""
    body = """
        import math
        from .autodiff import central_difference
        (result,) = ctx.saved_values
        return d_output * central_difference(operators.exp, math.log(result))
        """
    report = graded(banks, box, written(reference, EXP_OF_SCALARS, body), EXP_OF_SCALARS)
    assert report.checks[0].outcome is Outcome.FAILED
    flag = flag_of(report, "differences")
    assert flag.checks == ()
    (line,) = flag.evidence
    assert line.startswith("minitorch/autodiff.py:")
    assert line.endswith("in central_difference, which Exp.backward can reach")


def test_differences_that_are_exact(banks, box, reference: Submission) -> None:
    """Of a product they are, with a step that is a power of two: only the means tell."""
    body = """
        a, b = ctx.saved_values
        h = 2.0**-12
        by_a = (Mul.forward(Context(), a + h, b) - Mul.forward(Context(), a - h, b)) / (2 * h)
        by_b = (Mul.forward(Context(), a, b + h) - Mul.forward(Context(), a, b - h)) / (2 * h)
        return d_output * by_a, d_output * by_b
        """
    report = graded(banks, box, written(reference, MUL_OF_SCALARS, body), MUL_OF_SCALARS)
    assert report.checks[0].outcome is Outcome.PASSED
    flag = flag_of(report, "differences")
    assert flag.checks == (MUL_OF_SCALARS,)
    assert [line.startswith(SCALARS) for line in flag.evidence] == [True, True, False]
    assert (
        flag.evidence[2] == "Mul.backward calls Mul.forward next to its input, 20 times in 5 cases"
    )


def test_differences_of_tensors_are_seen_in_their_storage(
    banks, box, reference: Submission
) -> None:
    body = """
        a, b = ctx.saved_values
        ask = getattr(Mul, "for" + "ward")
        h = 2.0**-12
        step = zeros(a.shape, a.backend) + h
        slope = (ask(Context(), a + step, b) + -ask(Context(), a, b)) * (1 / h)
        return grad_output.f.mul_zip(grad_output, slope), grad_output.f.mul_zip(grad_output, a)
        """
    submission = written(reference, MUL_OF_TENSORS, body)
    report = graded(banks, box, submission, MUL_OF_TENSORS)
    assert report.checks[0].outcome is Outcome.PASSED
    flag = flag_of(report, "differences")
    assert flag.checks == (MUL_OF_TENSORS,)
    assert "Mul.backward calls Mul.forward next to its input" in flag.evidence[-1]


def test_complex_steps_are_exact_and_flagged(banks, box, reference: Submission) -> None:
    scalars = """
        import cmath
        import math
        (result,) = ctx.saved_values
        return d_output * cmath.exp(math.log(result) + 1e-30j).imag / 1e-30
        """
    tensors = """
        (result,) = ctx.saved_values
        slope = result.f.id_map(result)
        flat = slope._tensor._storage
        for place in range(len(flat)):
            flat[place] = slope_of(flat[place])
        return grad_output.f.mul_zip(grad_output, slope)
        """
    top = """

        def slope_of(value):
            import cmath
            import math
            return cmath.exp(complex(math.log(value), 1e-30)).imag / 1e-30
        """
    for key, body in ((EXP_OF_SCALARS, scalars), (EXP_OF_TENSORS, tensors)):
        report = graded(banks, box, written(reference, key, body, top), key)
        assert report.checks[0].outcome is Outcome.PASSED, report.checks[0].reason
        assert [flag.kind for flag in report.flags] == ["complex_step"]
        assert report.flags[0].checks == (key,)


def test_a_library_is_looked_for_in_the_files_of_the_package_alone(
    banks, box, reference: Submission
) -> None:
    """A script beside the package may compare with torch; what the package itself imports is flagged."""
    beside = reference.files | {
        "project/run_torch.py": b"import torch\n",
        "tests/x.py": b"import jax\n",
    }
    submission = msgspec.structs.replace(reference, files=beside)
    assert graded(banks, box, submission, EXP_OF_SCALARS).flags == ()
    top = "\ntry:\n    import torch\nexcept ImportError:\n    torch = None\n"
    body = "(result,) = ctx.saved_values\nreturn d_output * result if torch is None else d_output * result"
    submission = written(reference, EXP_OF_SCALARS, body, top)
    flag = flag_of(graded(banks, box, submission, EXP_OF_SCALARS), "foreign_autodiff")
    assert flag.checks == (EXP_OF_SCALARS,)
    assert flag.evidence[0].endswith("import torch")


def test_an_end_during_the_watch_costs_nothing_but_what_it_would_have_shown(
    banks, box, reference: Submission
) -> None:
    """Code that ends its worker, or forges what the watch says, keeps its score and gains nothing."""
    body = """
        import os, sys
        if sys.getprofile() is not None:
            os._exit(0)
        (result,) = ctx.saved_values
        return operators.mul(d_output, result)
        """
    report = graded(banks, box, written(reference, EXP_OF_SCALARS, body), EXP_OF_SCALARS)
    assert report.score == report.max_score
    assert report.flags == ()


FORGED = """
    from grader.box.watch import Watch

    def told(self):
        name = "<b>\\x1b[2J\\ud800" * 20
        return {
            "ran": [[name, 10**30]] * 900,
            "pairs": [[name, name, 10**30, -5]] + [["a", str(n), 1, 1] for n in range(900)],
        }

    Watch.told = told
    """


def test_forged_counts_are_capped_cleaned_and_take_no_point(
    banks, box, reference: Submission
) -> None:
    submission = written(reference, EXP_OF_SCALARS, LINES[EXP_OF_SCALARS], FORGED)
    module = banks.module("module1", [EXP_OF_SCALARS])
    strict = msgspec.structs.replace(module.assignment.policy, differences=1.0, complex_step=1.0)
    module = msgspec.structs.replace(
        module, assignment=msgspec.structs.replace(module.assignment, policy=strict)
    )
    report = grade(module, submission, box, seed=1)
    assert report.score == report.max_score
    kinds = [flag.kind for flag in report.flags]
    assert kinds == [
        "differences",
        "complex_step",
        "hidden_code",
    ]  # it reaches for the grader's own
    for flag in report.flags[:2]:
        assert len(flag.evidence) <= 13
        assert all(len(line) < 400 and line.isprintable() for line in flag.evidence)
        assert flag.points == 0


@pytest.mark.parametrize(
    "told",
    ["None", "{}", "{'ran': 3, 'pairs': []}", "{'ran': [[1]], 'pairs': []}",
     "{'ran': [], 'pairs': [['a', 'b', 'c', 'd']]}", "{'ran': [['a', float('inf')]], 'pairs': []}"],
)  # fmt: skip
def test_a_reply_that_is_none_has_shown_nothing(
    told: str, banks, box, reference: Submission
) -> None:
    top = f"\nfrom grader.box.watch import Watch\nWatch.told = lambda self: {told}\n"
    submission = written(reference, EXP_OF_SCALARS, LINES[EXP_OF_SCALARS], top)
    report = graded(banks, box, submission, EXP_OF_SCALARS)
    assert report.score == report.max_score
    assert [flag.kind for flag in report.flags] == [
        "hidden_code"
    ]  # it reaches for the grader's own
