"""What a cgroup costs a worker: milliseconds to go into one, and to start and end a worker with and without.

    python bench/cgroup.py [--rounds 40]

Needs a hierarchy that may be written. Rows are measured in turn within one run. `version 2` is measured in
any hierarchy of version 2 that is mounted, with or without controllers: going in costs the same.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from grader.model import Limits
from grader.sandbox import cgroup
from grader.sandbox.jail import Jail

PAUSE = 0.05  # the kernel remembers for a moment that somebody moved, and is faster then


def going_in(folder: Path, door: str) -> float:
    """Milliseconds that a child needs to go into a new group by itself."""
    group = folder / f"{cgroup.own_name()}-bench"
    group.mkdir()
    fd = os.open(group / door, os.O_WRONLY)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        began = time.perf_counter()
        os.write(fd, b"0")
        os.write(write, f"{(time.perf_counter() - began) * 1e3}".encode())
        os._exit(0)
    os.waitpid(child, 0)
    taken = float(os.read(read, 100))
    for end in (fd, read, write):
        os.close(end)
    group.rmdir()
    return taken


def started_and_ended(jail: Jail) -> float:
    """Milliseconds from the wish for a worker to its end."""
    began = time.perf_counter()
    jail.start(Limits()).kill()
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    mounts = cgroup._mounts(Path("/proc/self/mountinfo").read_text())
    own = cgroup._own(Path("/proc/self/cgroup").read_text())
    with Jail() as with_group, Jail(without={"cgroup"}) as without:
        rows: dict[str, Callable[[], float]] = {
            "a worker with a group": lambda: started_and_ended(with_group),
            "a worker without": lambda: started_and_ended(without),
        }
        for mount in mounts:
            if "memory" in mount.options:
                one = cgroup._folder(mount, own["memory"])
                rows["into version 1, alone"] = partial(going_in, one, "tasks")
                rows["into version 1, as a process"] = partial(going_in, one, "cgroup.procs")
            elif mount.kind == "cgroup2":
                two = cgroup._folder(mount, own[""])
                rows["into version 2"] = partial(going_in, two, "cgroup.procs")
        found: dict[str, list[float]] = {name: [] for name in rows}
        for _ in range(rounds + 1):
            for name, measure in rows.items():
                found[name].append(measure())
                time.sleep(PAUSE)
    print(f"{'ms':30} {'median':>8} {'min':>8}")
    for name, values in found.items():
        print(f"{name:30} {statistics.median(values[1:]):8.2f} {min(values[1:]):8.2f}")


if __name__ == "__main__":
    main()
