"""What `grade similar` costs: the generated submissions to module 2 of `bench/batch.py`, each compared with each.

    python bench/similar.py [--submissions 300] [--apart]

They are made from one solution, so that nearly all of every pair is alike. With `--apart` the statements of each
submission's functions are shuffled, in each in another way: no two files are the same, and about half of a pair is alike.
Prints the time, the peak memory and the size of the page.
"""

import argparse
import ast
import json
import random
import sys
import tempfile
import time
from pathlib import Path

import psutil
from batch import ROOT, handed_in


def apart(folder: Path) -> None:
    """Shuffles the statements of every function, for each submission in its own way. It need not run."""
    for number, student in enumerate(sorted(folder.iterdir())):
        chance = random.Random(number)
        for path in sorted(student.rglob("*.py")):
            tree = ast.parse(path.read_bytes())
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.For | ast.If | ast.While):
                    chance.shuffle(node.body)
            path.write_text(ast.unparse(tree))


def measured(line: list[str]) -> tuple[float, float, float]:
    """Wall seconds, processor seconds, and the peak memory in MiB."""
    began = time.monotonic()
    running = psutil.Popen(line, cwd=ROOT, stdout=-1, stderr=-1)
    peak = spent = 0.0
    while running.poll() is None:
        try:
            peak = max(peak, running.memory_full_info().pss / 2**20)
            times = running.cpu_times()
            spent = times.user + times.system
        except psutil.Error:
            pass
        time.sleep(0.02)
    if running.returncode:
        sys.exit(running.stderr.read().decode())
    return time.monotonic() - began, spent, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--submissions", type=int, default=300)
    parser.add_argument("--apart", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-similar-") as scratch:
        folder = Path(scratch)
        handed_in(folder / "class", options.submissions, 0.7)
        if options.apart:
            apart(folder / "class")
        page, told = folder / "similar.html", folder / "similar.json"
        line = [sys.executable, "-m", "grader", "similar", "module2", str(folder / "class")]
        wall, cpu, peak = measured([*line, "-o", str(page), "--json", str(told)])
        found = json.loads(told.read_text())
        size = page.stat().st_size / 2**20
    print("| submissions | pairs | median share | listed of | wall s | CPU s | peak MB | page MB |")
    print("|---|---|---|---|---|---|---|---|")
    print(
        f"| {options.submissions} | {found['class']['pairs']} | {found['class']['median']:.0%} "
        f"| {len(found['pairs'])} of {found['pairs_from_least']} | {wall:.1f} | {cpu:.1f} "
        f"| {peak:.0f} | {size:.1f} |"
    )


if __name__ == "__main__":
    main()
