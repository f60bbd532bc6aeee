"""What the right submission of each module takes in a container such as Gradescope's: half a processor, 768 MB.

    python bench/gradescope.py [MODULE ...] [--memory 768]

Needs a container engine and root. Seconds are of the wall, from the start of the container to its end; memory is the
most that was held at a time, caches apart.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from gradescope import container  # noqa: E402

from grader import bank  # noqa: E402
from grader.course import load_course  # noqa: E402
from grader.platforms import gradescope  # noqa: E402
from grader.sandbox.docker import connect  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*")
    parser.add_argument(
        "--memory", type=int, default=container.MEMORY >> 20, help="MB of the container"
    )
    given = parser.parse_args()
    course = load_course(ROOT)
    client = connect(600)
    work = {
        path.relative_to(course.reference).as_posix(): path.read_bytes()
        for path in sorted(course.reference.rglob("*.py"))
    }
    print(f"{'module':10} {'score':>7} {'checks':>7} {'s':>7} {'MB':>6}  end")
    for name in given.modules or course.settings.modules:
        ready = bank.load(course, name)
        archive = gradescope.archive(course, ready, gradescope.Settings(module=name))
        ran = container.run(client, archive, work, seconds=900, memory=given.memory << 20)
        sent = json.loads(ran.results or b"{}")
        end = "out of memory" if ran.killed else f"ended with {ran.code}"
        score, checks = sent.get("score", 0), len(sent.get("tests", ()))
        print(
            f"{name:10} {score:7g} {checks:7} {ran.seconds:7.1f} {ran.peak / 1e6:6.0f}  {end}",
            flush=True,
        )


if __name__ == "__main__":
    main()
