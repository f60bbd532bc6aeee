"""Right CUDA kernels written differently: each earns every point of the simulator's, under every seed."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn import DRAWS

from grader.box.modes import PTX, SIMULATOR
from grader.judge.grading import Grading
from grader.model import Submission

from .test_wheat import VARIANTS, lost, put_over, variant

FOLDERS = [
    folder
    for folder in VARIANTS
    if all(Path(name).name.startswith("cuda") for name in variant(folder))
]


# A block of 1024 threads takes a while: under other seeds than the course's one variant alone is asked about.
CASES = [
    pytest.param(
        folder,
        draw,
        id=f"{folder.name}, draw {draw}",
        marks=pytest.mark.thorough if draw else (),
    )
    for folder in FOLDERS
    for draw in range(len(DRAWS) if folder.name == "cuda_early_return" else 1)
]


@pytest.mark.parametrize(("folder", "draw"), CASES)
def test_right_kernels_earn_every_point(
    folder: Path, draw: int, banks, reference: Submission, box
) -> None:
    assignment, _ = banks.declared("module3")
    keys = [check.key for check in assignment.checks if check.mode in (SIMULATOR, PTX)]
    seed, cases = DRAWS[draw]
    ready = banks.module("module3", keys, seed=seed, cases=cases)
    verdicts = Grading(ready, put_over(reference, folder), box).run()
    assert lost(verdicts.values(), draw) == []
    assert len(verdicts) == len(keys) > 20


def test_threads_that_return_early_are_told_of(banks, reference: Submission, box) -> None:
    """It is right on every GPU of today, and hangs on old ones."""
    (folder,) = [folder for folder in FOLDERS if folder.name == "cuda_early_return"]
    key = "3.4/mm_practice reads each cell once, into shared memory, and writes each once"
    (verdict,) = Grading(banks.module("module3", [key]), put_over(reference, folder), box).run().values()
    assert verdict.remark.startswith("1015 threads of a block end without coming to a barrier")
