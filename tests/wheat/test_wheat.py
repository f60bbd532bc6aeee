"""Right submissions written differently: each earns every point, under every seed, and no flag.

A folder here holds the files that take the place of the reference's; the first lines of each say what is
different.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from grader.box import wire
from grader.judge.compare import FALSE_ALARM
from grader.judge.grading import Grading
from grader.judge.reading import read
from grader.model import Outcome, Submission, Verdict

HERE = Path(__file__).parent
VARIANTS = sorted(
    folder for folder in HERE.iterdir() if any(folder.rglob("*.py")) and folder.is_dir()
)


def modules(folder: Path, files: dict[str, bytes]) -> list[str]:
    """The modules whose grade can depend on these files; a folder may be named after the only one."""
    names = {Path(name).name for name in files}
    if folder.name.startswith("module0_"):
        return ["module0"]
    if names <= {"fast_conv.py", "nn.py"}:
        return ["module4"]
    if all(name.startswith("fast") for name in names):
        return ["module3"]
    if all(name.startswith("cuda") for name in names):
        return []  # see test_cuda.py
    found = []
    if "warmup.py" in names:
        found.append("warmup")
    if names & {"__init__.py", "operators.py", "module.py"}:
        found.append("module0")
    if any(not name.startswith(("tensor", "warmup")) for name in names):
        found.append("module1")
    if any(not name.startswith(("scalar", "warmup")) for name in names):
        found.append("module2")
    return found


def concerned(files: dict[str, bytes]) -> tuple[str, ...]:
    """How the ids begin of the tasks whose grade can depend on these files."""
    names = {Path(name).name for name in files}
    if not names <= {"fast_conv.py", "nn.py"}:
        return ("",)
    tasks = {"fast_conv.py": ("4.1", "4.2"), "nn.py": ("4.3", "4.4")}
    return tuple(task for name in sorted(names) for task in tasks[name])


def variant(folder: Path) -> dict[str, bytes]:
    """The files of one variant, by their name in a submission."""
    paths = [path for path in folder.rglob("*.py") if "__pycache__" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths)}


# Every second one is tried in every run of the tests.
CASES = [
    pytest.param(
        folder,
        module,
        id=f"{folder.name}, {module}",
        marks=pytest.mark.thorough if number % 2 else (),
    )
    for number, folder in enumerate(VARIANTS)
    for module in modules(folder, variant(folder))
]


# Numba takes seconds for the kernels of a variant: two of them are compiled in every run of the tests.
OFTEN = ("fast_wrapped", "nets_flat")
COMPILED = [
    pytest.param(
        folder,
        modules(folder, variant(folder))[0],
        id=folder.name,
        marks=() if folder.name in OFTEN else pytest.mark.thorough,
    )
    for folder in VARIANTS
    if any(Path(name).name.startswith("fast") for name in variant(folder))
]
IN_PYTHON = ("", "python")


def put_over(reference: Submission, folder: Path) -> Submission:
    """The reference with a variant's files in the place of its own."""
    files = variant(folder)
    assert set(files) <= set(reference.files), "a variant replaces files of the reference"
    return msgspec.structs.replace(reference, id=folder.name, files=reference.files | files)


def lost(verdicts: Iterable[Verdict], seed: int) -> list[str]:
    """What was asked and not passed, in a line each."""
    return [
        f"draw {seed}: {v.task} {v.title}: {v.outcome.value}: {v.reason}"
        f" on {v.counterexample.inputs if v.counterexample else ''}"
        for v in verdicts
        if v.outcome is not Outcome.PASSED
    ]


@pytest.mark.parametrize(("folder", "module"), CASES)
def test_a_right_variant_earns_every_point(
    folder: Path, module: str, banks, reference: Submission, box
) -> None:
    submission = put_over(reference, folder)
    assignment, _ = banks.declared(module)
    findings = read(submission.files, assignment.expects)
    assert findings == []
    tasks = concerned(variant(folder))
    python = [
        check.key
        for check in assignment.checks
        if check.mode in IN_PYTHON and check.task.startswith(tasks)
    ]
    for seed, ready in enumerate(banks.under_each_seed(module, python)):
        run = Grading(ready, submission, box, findings=findings)
        verdicts = run.run().values()
        assert lost(verdicts, seed) == []
        strange = {k: how for k, how in run.seen.checks.items() if how.moved[0] or how.pairs}
        assert strange == {}
        assert len(run.seen.checks) == len(verdicts) == len(python)
        assert run.seen.loaded == ()


@pytest.mark.parametrize(("folder", "module"), COMPILED)
def test_a_right_variant_is_right_compiled(
    folder: Path, module: str, banks, reference: Submission, box
) -> None:
    assignment, _ = banks.declared(module)
    # How long it takes is not asked here.
    compiled = [c.key for c in assignment.checks if c.mode == "compiled" and not c.at_most_times]
    ready = banks.module(module, compiled)
    verdicts = Grading(ready, put_over(reference, folder), box).run()
    assert lost(verdicts.values(), 0) == []
    assert len(verdicts) == len(compiled)


def test_the_view_that_a_course_gives_costs_no_point(banks, reference: Submission, box) -> None:
    """Its backward takes a gradient's storage as it lies, which scrambles what came through a permute: the
    gradient of every pooled image."""
    name = "minitorch/tensor_functions.py"
    text = reference.files[name].decode()
    own = "in_order = grad_output.f.id_map(grad_output)\n"
    assert text.count(own) == 1
    given = text.replace(own, "in_order = grad_output\n").encode()
    submission = msgspec.structs.replace(reference, files=reference.files | {name: given})
    assignment, _ = banks.declared("module4")
    pooled = [check.key for check in assignment.checks if "pool" in check.title]
    assert len(pooled) == 5
    verdicts = Grading(banks.module("module4", pooled), submission, box).run()
    assert lost(verdicts.values(), 0) == []


def test_an_inverse_with_an_epsilon_costs_dropout_no_point(banks, reference: Submission, box) -> None:
    """Some courses add 1e-6 to a denominator, and what dropout leaves may be divided by 1 - rate."""
    files = dict(reference.files)
    for name, own, other in (
        ("minitorch/operators.py", "return 1.0 / x\n", "return 1.0 / (x + 1e-6)\n"),
        (
            "minitorch/nn.py",
            "return input * (rand(input.shape, backend=input.backend) > rate)\n",
            "kept = input * (rand(input.shape, backend=input.backend) > rate)\n"
            "    return kept if rate == 1 else kept / (1 - rate)\n",
        ),
    ):
        text = files[name].decode()
        assert text.count(own) == 1
        files[name] = text.replace(own, other).encode()
    submission = msgspec.structs.replace(reference, files=files)
    assignment, _ = banks.declared("module4")
    dropped = [check.key for check in assignment.checks if "dropout" in check.title]
    assert len(dropped) == 6
    verdicts = Grading(banks.module("module4", dropped), submission, box).run()
    assert lost(verdicts.values(), 0) == []


def test_chance_refuses_right_work_less_than_once_in_a_million_times(banks) -> None:
    assignment, _ = banks.declared("module4")
    chance = [check.key for check in assignment.checks if check.compare == "binomial"]
    found = banks.module("module4", chance).banks.values()
    counts = sum(len(wire.decode(answer)) for bank in found for answer in bank.answers)
    assert counts == 132
    assert counts * FALSE_ALARM < 1e-6


def test_every_variant_says_what_is_different() -> None:
    for folder in VARIANTS:
        texts = [data.decode() for data in variant(folder).values()]
        assert all(text.startswith('"""Different: ') for text in texts), folder.name
