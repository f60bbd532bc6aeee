"""What a grading costs: whole process, beside the peer and the floor, in turn within one run.

    python bench/grading.py [--rounds 5] [--submission DIR] [MODULE ...]

Prints a Markdown table. Look at the ratios: processor seconds differ from machine to machine and, on a
shared one, from minute to minute.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

HERE = Path(__file__).parent
ROOT = HERE.parent


def measured(command: list[str], **extra: str) -> dict[str, float]:
    """Wall and processor seconds of a process with all its children; peak MB of it and of its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | extra,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    peak = {"own": 0.0, "box": 0.0}

    def watch() -> None:
        process = psutil.Process(child.pid)
        while child.poll() is None:
            try:
                peak["own"] = max(peak["own"], process.memory_info().rss / 2**20)
                for below in process.children(recursive=True):
                    peak["box"] = max(peak["box"], below.memory_full_info().uss / 2**20)
            except psutil.Error:
                pass
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    child.wait()
    wall = time.perf_counter() - began
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    waited = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": wall, "cpu": waited, **peak, "code": child.returncode}


def floor(module: str, submission: str) -> tuple[float, int]:
    """Processor seconds of the submission's code alone, and the number of cases."""
    line = subprocess.run(
        [sys.executable, str(HERE / "floor.py"), module, submission],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    seconds, count, _ = line.split()
    return float(seconds), int(count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", default=["module1", "module2"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--submission", default="examples/right")
    parser.add_argument("--sandbox", default="auto")
    options = parser.parse_args()
    grade = [str(Path(sys.executable).parent / "grade")]
    print("| module | cases | grade: wall s | grade: CPU s | peer: CPU s | peer / grade (CPU) "
          "| peer / grade (wall) | code alone: CPU s | grade / code alone (CPU) | cases/s "
          "| grader MB | box MB |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|---|---|")
    for module in options.modules:
        command = [
            *grade,
            module,
            "--submission",
            options.submission,
            "--sandbox",
            options.sandbox,
            "-q",
        ]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # banks warm
        rows = []
        for _ in range(options.rounds):
            ours = measured(command)
            peer = measured(
                [
                    sys.executable,
                    "-m",
                    "pytest",
                    "-q",
                    "-p",
                    "no:cacheprovider",
                    str(HERE / "property_suite.py"),
                ],
                BENCH_MODULE=module,
                BENCH_SUBMISSION=options.submission,
            )
            assert ours["code"] == 0, "the submission must be right"
            assert peer["code"] == 0, "the peer's suite must pass"
            alone, count = floor(module, options.submission)
            own = ours["cpu"]
            rows.append((ours["wall"], own, peer["cpu"], peer["cpu"] / own, peer["wall"] / ours["wall"],
                         alone, own / alone, count / own, ours["own"], ours["box"]))  # fmt: skip
        middle = [statistics.median(column) for column in zip(*rows, strict=True)]
        wall, own, peer_cpu, ratio, wall_ratio, alone, over, rate, mb, box = middle
        print(f"| {module} | {count} | {wall:.2f} | {own:.2f} | {peer_cpu:.2f} | {ratio:.1f} "
              f"| {wall_ratio:.1f} | {alone:.2f} | {over:.2f} | {rate:.0f} | {mb:.0f} | {box:.0f} |")  # fmt: skip
    print(f"\nMedians of {options.rounds} rounds, {options.submission}, sandbox {options.sandbox}, "
          f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.")  # fmt: skip


if __name__ == "__main__":
    main()
