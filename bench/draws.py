"""How often the checks are wrong: wheat that fails and chaff that passes, over many draws of the banks.

    python bench/draws.py [--seeds 5] [--only MODULE] [--wheat] [--chaff]

Every right variant of `tests/wheat` is graded against banks drawn from each seed, and every wrong one of
`tests/chaff` by the checks that must catch it. Seeds are 101, 102 and so on: none that the tests use. What is
counted is verdicts, one for each variant, check and seed, so one draw of a bank is looked at by several
variants. Takes minutes for each seed; exits with 1 when something was wrong.
"""

import argparse
import collections
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import msgspec  # noqa: E402
from chaff.mistakes import keys, made  # noqa: E402
from chaff.test_chaff import CAUGHT, MISTAKES  # noqa: E402
from drawn import Banks, reference_submission  # noqa: E402
from wheat.test_wheat import CASES, variant  # noqa: E402

from grader.course import load_course  # noqa: E402
from grader.judge.grading import Grading  # noqa: E402
from grader.model import Outcome  # noqa: E402
from grader.sandbox.choose import Wanted, choose  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", help="a module")
    parser.add_argument("--wheat", action="store_true", help="wheat alone")
    parser.add_argument("--chaff", action="store_true", help="chaff alone")
    options = parser.parse_args()
    both = options.wheat == options.chaff
    course = load_course(ROOT)
    reference = reference_submission(course)
    box = choose("auto", wanted=Wanted(preload=("numpy", "numba")))
    banks = Banks(course)
    counted: collections.Counter[tuple[str, str]] = collections.Counter()
    wrong: list[str] = []
    drawn: set[tuple[str, int]] = set()
    began = time.monotonic()
    with banks.closing:
        for seed in range(101, 101 + options.seeds):
            if both or options.wheat:
                for parameters in CASES:
                    folder, name = parameters.values
                    if options.only not in (None, name):
                        continue
                    module = banks.module(name, seed=seed, cases=40)
                    drawn |= {(f"{name}/{key}", seed) for key in module.banks}
                    files = reference.files | variant(folder)
                    submission = msgspec.structs.replace(reference, id=folder.name, files=files)
                    for key, verdict in Grading(module, submission, box).run().items():
                        counted[name, "wheat"] += 1
                        if verdict.outcome is not Outcome.PASSED:
                            wrong.append(f"seed {seed}: {folder.name}, {key}: {verdict.reason}")
            if both or options.chaff:
                for mistake in MISTAKES:
                    name = mistake.module
                    if options.only not in (None, name):
                        continue
                    named = keys(mistake, banks.declared(name)[0])
                    module = banks.module(name, named, seed=seed, cases=40)
                    found = Grading(module, made(mistake, reference), box).run()
                    for key, verdict in found.items():
                        counted[name, "chaff"] += 1
                        if verdict.outcome not in CAUGHT:
                            wrong.append(f"seed {seed}: {name}: {mistake.what} passes {key}")
            print(f"seed {seed}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    box.close()
    print("| module | | verdicts |\n|---|---|---|")
    for (name, kind), number in sorted(counted.items()):
        print(f"| {name} | {kind} | {number} |")
    print(
        f"\n{len(drawn)} banks drawn for wheat, {sum(counted.values())} verdicts, {len(wrong)} wrong"
    )
    print("\n".join(wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
