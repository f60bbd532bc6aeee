"""What a batch costs: many generated submissions to module 2, right ones and wrong ones, with two jobs.

    python bench/batch.py [--submissions 20] [--jobs 2] [--wrong 0.7]

The wrong ones hold one mistake each of `tests/chaff`, the right ones are the wheat of `tests/wheat`. Prints how many are
graded per minute, per minute and job, the peak memory, and the share of the processor time that is spent in the box.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from chaff import module0, module1, module2  # noqa: E402
from chaff.mistakes import WHEAT, made  # noqa: E402
from drawn import reference_submission  # noqa: E402

from grader.course import load_course  # noqa: E402

VARIANTS = ("inputs_first", "kahn", "newest_first", "numpy_numbers", "own_methods", "outputs_saved")


def handed_in(folder: Path, count: int, wrong: float) -> None:
    """Writes so many submissions, the same ones each time."""
    reference = reference_submission(load_course(ROOT))
    chance = random.Random(0)
    mistakes = [*module2.MISTAKES, *module1.MISTAKES, *module0.MISTAKES]
    mistakes = [m for m in mistakes if m.file.startswith("minitorch/") and not m.base]
    for number in range(count):
        if chance.random() < wrong:
            files = made(chance.choice(mistakes), reference).files
        else:
            files = dict(reference.files)
            variant = WHEAT / VARIANTS[number % len(VARIANTS)]
            files |= {
                p.relative_to(variant).as_posix(): p.read_bytes() for p in variant.rglob("*.py")
            }
        for name, data in files.items():
            path = folder / f"student-{number:03d}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        # Nobody's work is another's to the byte.
        (folder / f"student-{number:03d}" / "minitorch" / "operators.py").open("a").write(
            f"\n# {number}\n"
        )


class Watch(threading.Thread):
    """Looks at the processes of a batch: their memory together, and the processor time of each kind."""

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.process = process
        self.peak = 0.0
        self.spent: dict[int, tuple[str, float]] = {}

    def run(self) -> None:
        while self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE:
            total = 0
            for one in [self.process, *children(self.process)]:
                try:
                    total += one.memory_full_info().pss
                    times = one.cpu_times()
                    self.spent[one.pid] = (self.kind(one), times.user + times.system)
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total / 2**20)
            time.sleep(0.05)

    def kind(self, one: psutil.Process) -> str:
        if one.pid == self.process.pid:
            return "batch"
        line = " ".join(one.cmdline())
        return "job" if "spawn_main" in line or "resource_tracker" in line else "box"


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--wrong", type=float, default=0.7, help="the share with a mistake")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-batch-") as scratch:
        folder = Path(scratch)
        handed_in(folder / "class", options.submissions, options.wrong)
        line = [sys.executable, "-m", "grader", "batch", "module2", str(folder / "class")]
        line += ["--out", str(folder / "out"), "--jobs", str(options.jobs), "--json"]
        batch = psutil.Popen(line, cwd=ROOT, stdout=-1, text=True)
        watch = Watch(batch)
        watch.start()
        told, _ = batch.communicate()
        watch.join(1.0)
    found = json.loads(told)
    spent = {
        kind: sum(s for k, s in watch.spent.values() if k == kind)
        for kind in ("batch", "job", "box")
    }
    print(
        "| submissions | jobs | mean | per minute | per minute and job | peak MB | CPU s: batch | jobs | box |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    print(
        f"| {found['graded']} | {options.jobs} | {found['mean']:.0f} | {found['per_minute']:.1f} "
        f"| {found['per_minute'] / options.jobs:.1f} | {watch.peak:.0f} | {spent['batch']:.1f} "
        f"| {spent['job']:.1f} | {spent['box']:.1f} |"
    )


if __name__ == "__main__":
    main()
