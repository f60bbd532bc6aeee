"""Reports written by hand, as the engine would write them, for every view to be tried on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from grader.model import (
    Counterexample,
    Flag,
    Mismatch,
    Outcome,
    Provenance,
    Report,
    TaskScore,
    Verdict,
    Visibility,
    Wall,
)

TASKS = {
    "2.1": ("Tensor data: indexing", 10.0),
    "2.2": ("Tensor broadcasting", 10.0),
    "2.3": ("Tensor operations", 14.0),
    "2.4": ("Gradients and autograd", 16.0),
}

# (task, title, weight)
CHECKS = [
    ("2.1", "index_to_position follows the strides", 2),
    ("2.1", "index_to_position of a scalar is 0", 1),
    ("2.1", "to_index reaches every position once", 3),
    ("2.1", "to_index agrees with the shape's order", 1),
    ("2.1", "permute reorders shape and strides together", 2),
    ("2.1", "permute does not copy the storage", 1),
    ("2.2", "shape_broadcast of equal shapes is that shape", 1),
    ("2.2", "shape_broadcast stretches axes of length 1", 2),
    ("2.2", "shape_broadcast adds leading axes", 2),
    ("2.2", "shape_broadcast refuses what cannot be stretched", 2),
    ("2.2", "broadcast_index drops the leading axes", 1),
    ("2.2", "broadcast_index reads index 0 on a stretched axis", 2),
    ("2.3", "tensor_map applies the function everywhere", 2),
    ("2.3", "tensor_map broadcasts its input to the output's shape", 2),
    ("2.3", "tensor_map reads a permuted tensor", 1),
    ("2.3", "tensor_zip applies the function to both", 2),
    ("2.3", "tensor_zip broadcasts both inputs", 2),
    ("2.3", "tensor_reduce folds one axis", 2),
    ("2.3", "tensor_reduce starts from the given value", 1),
    ("2.3", "Mul multiplies", 1),
    ("2.3", "Sigmoid stays finite far from 0", 1),
    ("2.3", "ReLU keeps what is positive", 1),
    ("2.3", "Log and Exp undo each other", 1),
    ("2.3", "LT and EQ give 0 or 1", 1),
    ("2.3", "IsClose compares within its tolerance", 1),
    ("2.3", "Permute reorders the axes", 1),
    ("2.4", "Neg sends the gradient back negated", 1),
    ("2.4", "Add sums its gradients over broadcast axes", 2),
    ("2.4", "Mul sums its gradients over broadcast axes", 4),
    ("2.4", "Sigmoid sends back y (1 - y) upstream", 2),
    ("2.4", "ReLU stops the gradient of what is negative", 1),
    ("2.4", "Log sends back upstream / x", 1),
    ("2.4", "Sum sends the upstream to every summand", 2),
    ("2.4", "Permute sends the gradient back in the old order", 1),
    ("2.4", "a tensor used twice gets both gradients", 2),
]

DOCKER = Provenance(
    sandbox="docker",
    protects=True,
    walls=(
        Wall("network", True, "none"),
        Wall("file system", True, "read-only, 16 MiB of scratch"),
        Wall("user", True, "65534, no capabilities"),
        Wall("system calls", True, "seccomp, 61 refused"),
        Wall("memory", True, "512 MiB"),
        Wall("processes", True, "32"),
        Wall("landlock", False, "the kernel has none"),
    ),
    seed=20260917,
    banks={
        f"{task}/{title}": f"sha256:{number:02x}{'9b1f0c7a' * 4}"
        for number, (task, title, _) in enumerate(CHECKS)
    },
    assignment_digest="sha256:5c0f2d1e77aa4b09c3d8e6f1a2b3c4d5",
    submission_digest="sha256:e19a60b2f4c84d7db7a1907f35c2d811",
    versions={"python": "3.11.9", "numpy": "2.4.6", "backcheck": "0.1.0", "hypothesis": "6.170.15"},
    graded_at="2026-09-17T14:03:22Z",
    course="Machine Learning Engineering, autumn 2026",
)


def module2(
    found: Mapping[str, dict[str, object]],
    *,
    otherwise: dict[str, object] | None = None,
    submission: str = "ada",
    origin: str = "submissions/ada.zip",
    notes: tuple[str, ...] = (),
    hints: tuple[str, ...] = (),
    complete: bool = True,
    provenance: Provenance = DOCKER,
) -> Report:
    """A report of Module 2: what was `found` by title, and for the other checks `otherwise`."""
    weights: dict[str, float] = {}
    for task, _, weight in CHECKS:
        weights[task] = weights.get(task, 0.0) + weight
    verdicts = []
    for number, (task, title, weight) in enumerate(CHECKS):
        best = TASKS[task][1] * weight / weights[task]
        fields: dict[str, object] = {"outcome": Outcome.PASSED, **(otherwise or {})}
        fields.update(found.get(title, {}))
        outcome = fields["outcome"]
        ran = outcome in (Outcome.PASSED, Outcome.FAILED, Outcome.FLAKY)
        score = None if outcome is Outcome.HELD else best if outcome is Outcome.PASSED else 0.0
        verdicts.append(
            Verdict(
                **{
                    "task": task,
                    "title": title,
                    "weight": float(weight),
                    "score": score,
                    "max_score": best,
                    "seconds": 0.004 + 0.0013 * number,
                    "cases": 40,
                    "cases_run": 40 if ran else 1 if outcome is not Outcome.BLOCKED else 0,
                    **fields,
                }  # type: ignore[arg-type]
            )
        )
    tasks = tuple(
        TaskScore(task, title, total([v.score for v in verdicts if v.task == task]), best)
        for task, (title, best) in TASKS.items()
    )
    return Report(
        submission=submission,
        origin=origin,
        module="module2",
        title="Module 2: Tensors",
        score=total([v.score for v in verdicts]),
        max_score=sum(best for _, best in TASKS.values()),
        tasks=tasks,
        checks=tuple(verdicts),
        notes=notes,
        hints=hints,
        seconds=1.42,
        complete=complete,
        provenance=provenance,
    )


def total(scores: list[float | None]) -> float | None:
    """The sum; None while a score is."""
    known = [score for score in scores if score is not None]
    return sum(known) if len(known) == len(scores) else None


def full_marks() -> Report:
    """Everything passed."""
    return module2({})


def buggy() -> Report:
    """A nearly finished module with one failure of every kind."""
    return module2(
        {
            "to_index reaches every position once": {
                "outcome": Outcome.TIMED_OUT,
                "reason": "It did not answer within 5 s on this case.",
                "hint": "Does the loop over the ordinal end when an axis has length 1?",
                "counterexample": Counterexample(
                    inputs={"ordinal": "0", "shape": "(1,)"},
                    mismatch=Mismatch("", "raised", "an answer", "no answer within 5 s"),
                    shrunk=False,
                    expected="[0]",
                    observed="no answer within 5 s",
                    where=("minitorch/tensor_data.py:71 in to_index",),
                    snippet=(
                        "from minitorch.tensor_data import to_index\n"
                        "out = [0]\n"
                        "to_index(0, (1,), out)  # must end, with out == [0]"
                    ),
                ),
            },
            "shape_broadcast refuses what cannot be stretched": {
                "outcome": Outcome.FAILED,
                "reason": "It answered where an IndexingError is right.",
                "counterexample": Counterexample(
                    inputs={"shape1": "(2,)", "shape2": "(3,)"},
                    mismatch=Mismatch("", "raised", "raises IndexingError", "(3,)"),
                    shrunk=True,
                    diagnosis="It takes the longer of two axes without asking that the other is 1.",
                    where=(),
                    snippet=(
                        "from minitorch.tensor_data import shape_broadcast\n"
                        "shape_broadcast((2,), (3,))  # should raise IndexingError"
                    ),
                ),
            },
            "tensor_map broadcasts its input to the output's shape": {
                "outcome": Outcome.RAISED,
                "reason": "IndexError: index 2 is out of bounds for axis 0 with size 2",
                "hint": "Use broadcast_index before index_to_position.",
                "ran_on": "numba's CUDA simulator",
                "remark": "Each cell of a is read once, and no shared memory is used.",
                "counterexample": Counterexample(
                    inputs={
                        "fn": "neg",
                        "out": "zeros(3, 2)",
                        "a": "tensor([[1.0, 2.0]])",
                    },
                    mismatch=Mismatch("", "raised", "an answer", "IndexError"),
                    shrunk=True,
                    expected="[[-1.0, -2.0], [-1.0, -2.0], [-1.0, -2.0]]",
                    observed="IndexError: index 2 is out of bounds for axis 0 with size 2",
                    where=(
                        "minitorch/tensor_ops.py:214 in _map",
                        "minitorch/tensor_ops.py:36 in ret",
                    ),
                    snippet=(
                        "import minitorch\n"
                        "a = minitorch.tensor([[1.0, 2.0]])\n"
                        "out = minitorch.zeros((3, 2))\n"
                        "minitorch.SimpleOps.map(lambda x: -x)(a, out)"
                    ),
                ),
            },
            "tensor_zip applies the function to both": {
                "ran_on": "this processor, compiled by numba",
                "remark": "numba made the loop of line 240 parallel; the one of line 252 it left as it is.",
            },
            "tensor_reduce starts from the given value": {
                "outcome": Outcome.CRASHED,
                "reason": "Python died with signal 11 (segmentation fault) on this case.",
                "counterexample": Counterexample(
                    inputs={"start": "1.0", "a": "tensor([[2.0]])", "dim": "0"},
                    mismatch=Mismatch("", "raised", "an answer", "the process died"),
                    shrunk=False,
                    expected="[[2.0]]",
                    observed="the process died",
                    where=("minitorch/tensor_ops.py:301 in _reduce",),
                ),
            },
            "LT and EQ give 0 or 1": {
                "outcome": Outcome.FLAKY,
                "reason": "The same input gave 1.0 once and 0.0 the next time.",
                "hint": "Does a forward depend on something that an earlier call left behind?",
                "counterexample": Counterexample(
                    inputs={"a": "tensor([1.0])", "b": "tensor([1.0])"},
                    mismatch=Mismatch("[0]", "value", "1.0", "0.0"),
                    shrunk=False,
                    expected="[1.0]",
                    observed="[0.0]",
                ),
            },
            "Mul sums its gradients over broadcast axes": {
                "outcome": Outcome.FAILED,
                "reason": "The gradient of b has another shape than b.",
                "hint": "Every gradient has the shape of its input: sum over what was stretched.",
                "counterexample": Counterexample(
                    inputs={
                        "a": "tensor([[1.0, 2.0], [3.0, 4.0]])",
                        "b": "tensor([5.0, 6.0])",
                        "upstream": "tensor([[1.0, 1.0], [1.0, 1.0]])",
                    },
                    mismatch=Mismatch("gradients[1]", "shape", "(2,)", "(2, 2)"),
                    shrunk=True,
                    diagnosis="The gradient of a broadcast input was not summed over the axes that "
                    "broadcasting added.",
                    expected="[[[5.0, 6.0], [5.0, 6.0]], [4.0, 6.0]]",
                    observed="[[[5.0, 6.0], [5.0, 6.0]], [[1.0, 2.0], [3.0, 4.0]]]",
                    where=("minitorch/tensor_functions.py:129 in backward",),
                    snippet=(
                        "import minitorch\n"
                        "a = minitorch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)\n"
                        "b = minitorch.tensor([5.0, 6.0], requires_grad=True)\n"
                        "(a * b).sum().backward()\n"
                        "print(b.grad)  # should be [4.0, 6.0]"
                    ),
                ),
            },
            "a tensor used twice gets both gradients": {
                "outcome": Outcome.FAILED,
                "visibility": Visibility.AFTER_DUE_DATE,
                "reason": "The gradient of x is wrong.",
                "counterexample": Counterexample(
                    inputs={
                        "program": "[('mul', 0, 0), ('add', 1, 0)]",
                        "x": "tensor([3.0])",
                    },
                    mismatch=Mismatch("gradients[0][0]", "value", "7.0", "1.0"),
                    shrunk=True,
                    diagnosis="The last gradient to arrive replaced the earlier ones.",
                    expected="[7.0]",
                    observed="[1.0]",
                    snippet=(
                        "import minitorch\n"
                        "x = minitorch.tensor([3.0], requires_grad=True)\n"
                        "(x * x + x).sum().backward()\n"
                        "print(x.grad)  # should be [7.0]"
                    ),
                ),
            },
            "Sigmoid sends back y (1 - y) upstream": {
                "outcome": Outcome.UNIMPLEMENTED,
                "reason": "Sigmoid.backward raises NotImplementedError.",
                "counterexample": _todo("minitorch/tensor_functions.py:148 in backward"),
            },
            "Log sends back upstream / x": {
                "outcome": Outcome.UNIMPLEMENTED,
                "reason": "Log.backward raises NotImplementedError.",
                "counterexample": _todo("minitorch/tensor_functions.py:182 in backward"),
            },
            "Permute sends the gradient back in the old order": {
                "outcome": Outcome.BLOCKED,
                "reason": "“Permute reorders the axes” has to pass first.",
            },
        },
        hints=("Begin with Task 2.1: broadcasting and every operation after it rest on to_index.",),
        notes=("2 files that the course does not expect were left out: notes.txt, test.py",),
    )


def _todo(where: str) -> Counterexample:
    return Counterexample(
        inputs={},
        mismatch=Mismatch("", "raised", "an answer", "NotImplementedError"),
        shrunk=False,
        where=(where,),
    )


def blank() -> Report:
    """The template as it is handed out: nothing to grade yet."""
    places = {
        "2.1": "minitorch/tensor_data.py:44 in index_to_position",
        "2.2": "minitorch/tensor_data.py:88 in broadcast_index",
        "2.3": "minitorch/tensor_ops.py:205 in _map",
    }
    return module2(
        {
            title: (
                {
                    "outcome": Outcome.UNIMPLEMENTED,
                    "reason": "It raises NotImplementedError.",
                    "counterexample": _todo(places[task]),
                }
                if task in places
                else {"outcome": Outcome.BLOCKED, "reason": "Task 2.3 has to come first."}
            )
            for task, title, _ in CHECKS
        },
        hints=("Begin with Task 2.1, in minitorch/tensor_data.py.",),
    )


def held() -> Report:
    """Two checks were lost through our fault: there is no score."""
    return module2(
        {
            "tensor_zip broadcasts both inputs": {
                "outcome": Outcome.HELD,
                "reason": "The sandbox went away twice while this was asked.",
            },
            "tensor_reduce folds one axis": {
                "outcome": Outcome.HELD,
                "reason": "The sandbox went away twice while this was asked.",
            },
        },
        complete=False,
    )


def import_failure() -> Report:
    """The package does not import, so that nothing could be asked; and the box protects nobody."""
    return module2(
        {},
        otherwise={
            "outcome": Outcome.BLOCKED,
            "reason": "minitorch/tensor_functions.py cannot be imported: SyntaxError: expected ':' "
            "(minitorch/tensor_functions.py:97)",
        },
        hints=("Run python -c 'import minitorch' in your directory and mend what it says first.",),
        provenance=msgspec.structs.replace(
            DOCKER,
            sandbox="process",
            protects=False,
            walls=(
                Wall("network", False),
                Wall("file system", False),
                Wall("memory", True, "512 MiB"),
            ),
        ),
    )


def flagged() -> Report:
    """Everything passed, two things by means that the course does not want: one costs points."""
    mul, log = (
        "2.4/Mul sums its gradients over broadcast axes",
        "2.4/Log sends back upstream / x",
    )
    report = module2({"Permute reorders the axes": {"visibility": Visibility.HIDDEN}})
    return msgspec.structs.replace(
        report,
        score=48.0,
        flags=(
            Flag(
                "foreign_autodiff",
                "It uses a library that can differentiate by itself.",
                ("minitorch/tensor_functions.py:12 import torch",),
                ("2.3/Permute reorders the axes",),
            ),
            Flag(
                "differences",
                "A backward seems to find its derivative by differences of values.",
                (
                    "minitorch/tensor_functions.py:140 (f(x + h) - f(x - h)) / (2 * h) in Mul.backward",
                    "minitorch/tensor_functions.py:171 central(...) in Log.backward",
                    "Log.backward calls Log.forward next to its input, 10 times in 5 cases",
                    "Mul.backward calls Mul.forward next to its input, 20 times in 5 cases",
                ),
                (mul, log),
                {mul: 1.5, log: 0.5},
            ),
            Flag(
                "hidden_code",
                "It runs code that reading cannot see. This may be harmless.",
                ("a.py:1 exec of a text",),
            ),
        ),
    )


SCRIPT = "<script>document.title='owned';fetch('http://127.0.0.1:9/x')</script>"
IMAGE = "<img src=http://127.0.0.1:9/p.png onerror=\"document.title='owned'\">"
RIGHT_TO_LEFT = "\u202egnp.exe\u202c"


def hostile() -> Report:
    """A student who writes for the grader's views rather than for the course."""
    report = module2(
        {
            "index_to_position of a scalar is 0": {
                "outcome": Outcome.RAISED,
                "reason": f"ValueError: {SCRIPT} {IMAGE} [red]all passed[/red] [link=http://x]",
                "hint": "</details></main><h1>50 / 50</h1> {{ 7 * 7 }} {% raw %}",
                "counterexample": Counterexample(
                    inputs={
                        "index": "'\x1b[2J\x1b[31mred\x07\x00'",
                        f"na{SCRIPT}me": "]]> --> &lt; &amp;",
                    },
                    mismatch=Mismatch(
                        f"['{SCRIPT}']", "[bold]kind[/bold]", "0", f"'{RIGHT_TO_LEFT}'"
                    ),
                    shrunk=True,
                    diagnosis="|x|y| ``` ```` ~~~ **bold** [a](http://x) @everyone #1 \ud800 \ufffe\u2028",
                    expected="0",
                    observed="x" * 10_000,
                    where=(
                        "作业/张量.py:3 in 正向",
                        "задание/тензор.py:9 in вперёд",
                        f"مهمة/{RIGHT_TO_LEFT}.py:1 in [red]f[/red]",
                    ),
                    snippet="```\n</pre><b>out</b>\n" + "y = " + "1 + " * 200 + "1\n```",
                ),
            },
            "tensor_map applies the function everywhere": {
                "outcome": Outcome.FAILED,
                "reason": "\n".join(f"line {number}" for number in range(400)),
                "counterexample": Counterexample(
                    inputs={"a": "[" + ", ".join(f"{n}.0" for n in range(500)) + "]"},
                    mismatch=Mismatch("[499]", "value", "499.0", "nan"),
                    shrunk=False,
                    expected="\n".join(str([float(n)] * 30) for n in range(60)),
                    observed="e\u0301" * 300 + "\u0663" * 300 + "👩‍👩‍👧" * 20,
                ),
            },
            "Mul multiplies": {
                "outcome": Outcome.UNIMPLEMENTED,
                "counterexample": _todo(f"{IMAGE}/[blink]x.py:1 in f"),
            },
            "Permute reorders the axes": {
                "outcome": Outcome.BLOCKED,
                "reason": f"{SCRIPT}\n[red]x",
            },
        },
        submission=f"{SCRIPT}\u202e",
        origin=f"submissions/{IMAGE}.zip",
        notes=(f"left out: {IMAGE}", "[bold]left out[/bold]: \x1b]8;;http://x\x07link"),
        hints=(SCRIPT,),
    )
    flag = Flag(
        "differences",
        f"{SCRIPT}[red]x[/red] @everyone\n# x",
        (f"{IMAGE}{RIGHT_TO_LEFT}", "```\n</details>", "\x1b[2J\ud800 |a|b|", *["x" * 5000] * 30),
        ("2.1/index_to_position follows the strides", f"{SCRIPT}/x"),
        {"2.1/index_to_position follows the strides": 0.25},
    )
    assert report.score is not None
    return msgspec.structs.replace(report, flags=(flag,), score=report.score - 0.25)


REPORTS: dict[str, Callable[[], Report]] = {
    "full_marks": full_marks,
    "buggy": buggy,
    "blank": blank,
    "held": held,
    "import_failure": import_failure,
    "hostile": hostile,
    "flagged": flagged,
}
