"""Grades the same submission on a quiet machine and with 20 busy processes beside it: the verdicts must be
the same, byte for byte (all but the seconds they took).

    python bench/busy.py [SUBMISSION] [MODULE]
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUSY = 20


def verdicts(submission: str, module: str) -> bytes:
    """The report's checks and scores as JSON, without times."""
    grade = str(Path(sys.executable).parent / "grade")
    done = subprocess.run(
        [grade, module, "--submission", submission, "--json", "-"], cwd=ROOT, capture_output=True
    )
    report = json.loads(done.stdout)
    for check in report["checks"]:
        del check["seconds"]
    kept = {key: report[key] for key in ("score", "tasks", "checks", "hints", "notes")}
    return json.dumps(kept, sort_keys=True).encode()


def main() -> int:
    submission, module = (sys.argv[1:] + ["examples/three_bugs", "module2"][len(sys.argv) - 1 :])[
        :2
    ]
    verdicts(submission, module)  # banks warm
    quiet = verdicts(submission, module)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(BUSY)]
    try:
        loaded = verdicts(submission, module)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    same = quiet == loaded
    print(f"{submission} {module}: {len(quiet)} bytes of verdicts, {'the same' if same else 'NOT the same'} "
          f"with {BUSY} busy processes")  # fmt: skip
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
