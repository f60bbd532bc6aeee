"""What a batch costs: many generated submissions to module 2, right ones and wrong ones, with two jobs.

    python bench/batch.py [--submissions 20] [--jobs 2] [--wrong 0.7] [--dask 2]

The wrong ones hold one mistake each of `tests/chaff`, the right ones are the wheat of `tests/wheat`. Prints how many are
graded per minute, per minute and job, the peak memory, and the share of the processor time that is spent in the box.
With `--dask N` the same is graded once more, by a Dask cluster of N workers on this machine, and the numbers of that are
printed again as ratios to the first ones.
"""

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
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

    def __init__(self, process: psutil.Process, others: Sequence[psutil.Process]) -> None:
        super().__init__(daemon=True)
        self.process = process
        self.others = others
        self.before = {one.pid: seconds(one) for one in others}
        self.peak = 0.0
        self.spent: dict[int, tuple[str, float]] = {}

    def run(self) -> None:
        roots = [self.process, *self.others]
        looks = 0
        while self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE:
            # To look at memory costs the machine milliseconds for each process: it is done now and then.
            memory = looks % 20 == 0
            looks += 1
            total = 0
            for one in [*roots, *(below for root in roots for below in children(root))]:
                try:
                    if memory:
                        total += one.memory_full_info().pss
                    spent = seconds(one) - self.before.get(one.pid, 0.0)
                    kind = self.spent[one.pid][0] if one.pid in self.spent else self.kind(one)
                    self.spent[one.pid] = (kind, spent)
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total / 2**20)
            time.sleep(0.1)

    def kind(self, one: psutil.Process) -> str:
        if one.pid == self.process.pid:
            return "batch"
        if one.pid in self.before:
            return "dask"
        line = " ".join(one.cmdline())
        return "job" if "spawn_main" in line or "resource_tracker" in line else "box"

    def of_kind(self, kind: str) -> float:
        return sum(spent for k, spent in self.spent.values() if k == kind)


def seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


@contextlib.contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[psutil.Process]]]:
    """A scheduler and so many workers of one thread on this machine: its address and its processes."""
    from distributed import Client

    def begin(kind: str, *words: str) -> psutil.Popen:
        line = [sys.executable, "-m", f"distributed.cli.dask_{kind}", "--no-dashboard", *words]
        with (folder / f"{kind}.log").open("ab") as log:
            return psutil.Popen(line, stdout=log, stderr=log, cwd=folder, env=environment)

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    file = str(folder / "scheduler.json")
    processes = [begin("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", file)]
    try:
        words = ["--scheduler-file", file, "--nthreads", "1", "--no-nanny"]
        words += ["--local-directory", str(folder)]
        processes += [begin("worker", *words) for _ in range(workers)]
        with Client(scheduler_file=file, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
            address = client.scheduler.address
        yield address, processes
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()


def graded(
    folder: Path, out: str, words: Sequence[str], many: int, others: Sequence[psutil.Process] = ()
) -> list[float]:
    """Grades all, on so many jobs at once: the numbers of a row, without the first two."""
    line = [sys.executable, "-m", "grader", "batch", "module2", str(folder / "class")]
    line += ["--out", str(folder / out), "--json", *words]
    batch = psutil.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    watch = Watch(batch, others)
    watch.start()
    told, _ = batch.communicate()
    watch.join(1.0)
    found = json.loads(told)
    spent = [watch.of_kind(kind) for kind in ("batch", "job", "box", "dask")]
    per_minute = found["per_minute"]
    return [found["mean"], per_minute, per_minute / many, watch.peak, *spent]


def row(where: str, numbers: Sequence[float], form: str) -> str:
    return f"| {where} | {' | '.join(format(number, form) for number in numbers)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--wrong", type=float, default=0.7, help="the share with a mistake")
    parser.add_argument("--dask", type=int, metavar="N", help="also on N local workers of Dask")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-batch-") as scratch:
        folder = Path(scratch)
        handed_in(folder / "class", options.submissions, options.wrong)
        print(f"{options.submissions} submissions")
        print(
            "| where | mean | per minute | per minute and job | peak MB | CPU s: batch | jobs | box | dask |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        here = graded(folder, "out", ["--jobs", str(options.jobs)], options.jobs)
        print(row(f"{options.jobs} jobs", here, ".1f"), flush=True)
        if options.dask:
            (folder / "dask").mkdir()
            with cluster(folder / "dask", options.dask) as (address, processes):
                words = ["--cluster", address]
                there = graded(folder, "out-dask", words, options.dask, processes)
            print(row(f"{options.dask} workers", there, ".1f"))
            ratios = [b / a if a else float("nan") for a, b in zip(here, there, strict=True)]
            print(row("ratio", ratios, ".2f"))


if __name__ == "__main__":
    main()
