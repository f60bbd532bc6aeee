"""What a grading costs beside the course's own public test suite, on the same submission, in turn.

    python bench/public.py MODULE DIR TEST [TEST ...] [--rounds 3]

DIR is a complete repository of a student (package and `tests/`), TEST a test file in it:

    python bench/public.py module2 ../some-repo tests/test_tensor.py tests/test_tensor_data.py

Nothing of DIR is changed. Either side may find faults; the exit codes are printed, because failures cost
extra on both sides (Hypothesis and the grader shrink them).
"""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

from grading import ROOT, measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module")
    parser.add_argument("directory", type=Path)
    parser.add_argument("tests", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    where = options.directory.resolve()
    grade = [str(Path(sys.executable).parent / "grade"), options.module, "-s", str(where), "-q"]
    subprocess.run(grade, cwd=ROOT, stdout=subprocess.DEVNULL)  # banks warm
    pytest = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(where),
    ]
    rows = []
    for _ in range(options.rounds):
        ours = measured(grade)
        peer = measured(
            [*pytest, *(str(where / test) for test in options.tests)], PYTHONPATH=str(where)
        )
        rows.append((ours["wall"], ours["cpu"], peer["wall"], peer["cpu"], peer["cpu"] / ours["cpu"],
                     ours["code"], peer["code"]))  # fmt: skip
    wall, cpu, peer_wall, peer_cpu, ratio = [
        statistics.median(column) for column in list(zip(*rows, strict=True))[:5]
    ]
    codes = sorted({(row[5], row[6]) for row in rows})
    print("| module | grade: wall s | CPU s | public suite: wall s | CPU s | suite / grade (CPU) |")
    print("|---|---|---|---|---|---|")
    print(
        f"| {options.module} | {wall:.2f} | {cpu:.2f} | {peer_wall:.2f} | {peer_cpu:.2f} | {ratio:.1f} |"
    )
    print(f"\nMedians of {options.rounds} rounds; exit codes (grade, pytest): {codes}")


if __name__ == "__main__":
    main()
