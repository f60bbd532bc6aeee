"""The codec and the judge, fuzzed under the guidance of their coverage.

    python tests/hostile/fuzz_wire.py                         ten thousand runs of a small fuzzer of our own
    pip install atheris && python tests/hostile/fuzz_wire.py -max_total_time=60 CORPUS     the same target, by libFuzzer

Atheris is in no lock: it has wheels for a few versions of Python on Linux alone. Two minutes of it (atheris 3.0.0,
Python 3.11, 1.26 million runs) found nothing that raises anything but WireError.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]


def target() -> Any:
    """One frame of unknown origin through everything that reads frames."""
    from grader.box import wire
    from grader.judge.compare import COMPARISONS, show
    from grader.judge.diagnose import Failure, diagnose
    from grader.model import Mismatch, Tolerance

    wanted = [1.5, [1.0, -0.0], {"value": 1.0, "gradients": [2.0, None]}, "text", [3, 4, 5]]

    def run(data: bytes) -> bool:
        """Whether it could be read. Raises whatever the readers raise but WireError."""
        try:
            tree = wire.decode(data)
        except wire.WireError:
            return False
        wire.encode(tree)
        show(tree)
        for expected in wanted:
            found = COMPARISONS["close"](expected, tree, Tolerance(), 0.0)
            mismatch = found or Mismatch("", "value", "", "")
            diagnose([Failure({"x": 1.0, "upstream": 2.0}, expected, tree, mismatch)])
        COMPARISONS["growth"]([3, 4, 5], tree, Tolerance(), None)
        COMPARISONS["factor_two"](0.5, tree, Tolerance(), None)
        return True

    return run


def seeds() -> list[bytes]:
    """Right frames to begin with."""
    from grader.box import wire
    from hostile.mutants import RIGHT

    return [wire.encode(tree) for tree in RIGHT]


def by_libfuzzer(atheris: Any, arguments: list[str]) -> None:
    """Runs until the time that the arguments give; ends the process."""
    with atheris.instrument_imports(include=["grader"]):
        run = target()
    for folder in (Path(a) for a in arguments if not a.startswith("-")):
        folder.mkdir(exist_ok=True)
        for number, data in enumerate(seeds()):
            (folder / f"right-{number}").write_bytes(data)
    atheris.Setup([sys.argv[0], *arguments], run)
    atheris.Fuzz()


def by_coverage(runs: int = 10_000, seed: int = 20260901) -> tuple[int, int, int]:
    """A small fuzzer of our own where atheris is not to be had: what reaches a new line is kept and changed
    further. Returns frames read, frames refused, and lines reached."""
    from grader.box import wire
    from grader.judge import compare, diagnose
    from hostile.mutants import bytes_changed, header_changed

    run = target()
    chance = random.Random(seed)
    kept = seeds()
    files = {wire.__file__, compare.__file__, diagnose.__file__}
    reached: set[tuple[str, int]] = set()
    fresh = False

    def watch(frame: Any, event: str, value: Any) -> Any:
        nonlocal fresh
        if frame.f_code.co_filename not in files:
            return None
        place = (frame.f_code.co_filename, frame.f_lineno)
        if place not in reached:
            reached.add(place)
            fresh = True
        return watch

    read = 0
    for _ in range(runs):
        data = chance.choice(kept)
        data = (bytes_changed if chance.random() < 0.5 else header_changed)(chance, data)
        fresh = False
        sys.settrace(watch)
        try:
            read += run(data)
        finally:
            sys.settrace(None)
        if fresh:
            kept.append(data)
    return read, runs - read, len(reached)


if __name__ == "__main__":
    try:
        import atheris
    except ImportError:
        read, refused, reached = by_coverage()
        print(f"read {read}, refused {refused}, lines reached {reached}")
    else:
        by_libfuzzer(atheris, sys.argv[1:])
