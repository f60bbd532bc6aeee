"""What starting costs: `import grader` and `grade --help`, each as a ratio to `python -c pass`.

    python bench/imports.py

The least of several starts is taken, because a busy machine only ever adds to it.
"""

from __future__ import annotations

import subprocess
import sys
import time

STARTS = 15
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import grader": ["-c", "import grader"],
    "grade --help": ["-m", "grader", "--help"],
}


def seconds(arguments: list[str]) -> float:
    """The least wall time of several starts of Python."""
    found = []
    for _ in range(STARTS):
        began = time.perf_counter()
        subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
        found.append(time.perf_counter() - began)
    return min(found)


def main() -> None:
    """Prints the table."""
    least = {name: seconds(arguments) for name, arguments in COMMANDS.items()}
    bare = least["python -c pass"]
    for name, value in least.items():
        print(f"{name:16} {value / bare:5.2f} x   {(value - bare) * 1000:5.0f} ms more")


if __name__ == "__main__":
    main()
