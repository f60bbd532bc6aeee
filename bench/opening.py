"""How long a submission waits: milliseconds from "open" to the first answer, for each sandbox that works here.

    python bench/opening.py [--rounds 21] [--with numba]

Rows are measured in turn within one run, the first round is dropped. `cold` starts everything (zygote,
container); `on demand` asks a warm sandbox for a worker; `spare` finds one ready. Beside them: a plain fork
of a process that has numpy loaded, a fresh `python -c "import numpy"`, and `docker run` of the same. Look at
the ratios and the minima: on a shared machine the medians are those of its load.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from grader.box import wire
from grader.model import Assignment, Limits, Submission, Task
from grader.sandbox import Sandbox, image
from grader.sandbox.choose import docker_available, jail_available
from grader.sandbox.docker import DockerSandbox, connect
from grader.sandbox.jail import Jail
from grader.sandbox.process import ProcessSandbox
from grader.sandbox.session import End, Session

QUESTIONS = 'def ask(subject, x):\n    "What f gives"\n    return subject.call("f", x)\n'
LIMITS = Limits()
WORK = Submission("s", "s", {"work.py": b"import numpy\ndef f(x): return x + 1.0\n"}, "0" * 64)
CASE = [wire.encode({"x": 1.0})]
PAUSE = 0.15  # long enough for a spare to come up behind its walls


def first_answer(box: Sandbox, preload: tuple[str, ...]) -> float:
    """Milliseconds until one submission has answered one question; it is closed afterwards."""
    assignment = Assignment(
        "m", "M", "functions", ("work",), (Task("1", "T", 1.0),), (), QUESTIONS, LIMITS, preload
    )
    began = time.perf_counter()
    with Session(box, assignment, WORK) as session:
        reply = session.ask("ask", {}, CASE, seconds=5)
        taken = (time.perf_counter() - began) * 1e3
        assert reply.end is End.DONE, reply
    return taken


def cold(make: Callable[[], Sandbox], preload: tuple[str, ...]) -> float:
    box = make()
    try:
        return first_answer(box, preload)
    finally:
        box.close()


def fork() -> float:
    """A child of this process that answers over a pipe."""
    read, write = os.pipe()
    began = time.perf_counter()
    child = os.fork()
    if not child:
        os.write(write, b"1")
        os._exit(0)
    os.read(read, 1)
    taken = (time.perf_counter() - began) * 1e3
    os.waitpid(child, 0)
    os.close(read)
    os.close(write)
    return taken


def command(line: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--with", dest="also", action="append", default=[])
    options = parser.parse_args()
    preload = ("numpy", *options.also)
    for name in preload:
        __import__(name)
    makers: dict[str, Callable[[int], Sandbox]] = {"process": lambda spares: ProcessSandbox()}
    if jail_available()[0]:
        makers["jail"] = lambda spares: Jail(preload=preload, spares=spares)
    rows: dict[str, Callable[[], float]] = {
        "plain fork": fork,
        f"python -c 'import {', '.join(preload)}'": lambda: command(
            [sys.executable, "-c", f"import {', '.join(preload)}"]
        ),
    }
    if docker_available()[0]:
        makers["docker"] = lambda spares: DockerSandbox(preload=preload, spares=spares)
        client = connect()
        name = image.tag(image.wanted(preload))
        if name not in {stored for stored, _, _ in image.stored(client)}:
            image.build(client, image.wanted(preload))
        labels = client.images.get(name).labels
        python, site = labels["backcheck.python"], labels["backcheck.site"]
        client.close()
        run = [
            "docker",
            "run",
            "--rm",
            "--network",
            "none",
            "-e",
            f"PYTHONPATH={site}",
            name,
            python,
            "-c",
        ]
        rows["docker run of the same"] = lambda: command([*run, f"import {', '.join(preload)}"])
    warm: list[Sandbox] = []
    for kind, make in makers.items():
        rows[f"{kind}, cold"] = lambda make=make: cold(lambda: make(0), preload)
        if kind == "process":
            continue
        demand, ready = make(0), make(1)
        warm += [demand, ready]
        rows[f"{kind}, on demand"] = lambda box=demand: first_answer(box, preload)

        def spare(box: Sandbox = ready) -> float:
            time.sleep(PAUSE)
            return first_answer(box, preload)

        rows[f"{kind}, spare"] = spare
    taken: dict[str, list[float]] = {name: [] for name in rows}
    try:
        for turn in range(options.rounds + 1):
            for name, measure in rows.items():
                milliseconds = measure()
                if turn:
                    taken[name].append(milliseconds)
    finally:
        for box in warm:
            box.close()
    base = statistics.median(taken["plain fork"])
    print("| what | median ms | min ms | median / plain fork |")
    print("|---|---|---|---|")
    for name, found in taken.items():
        middle = statistics.median(found)
        print(f"| {name} | {middle:.1f} | {min(found):.1f} | {middle / base:.1f} |")
    print(f"\n{options.rounds} rounds, preloaded: {', '.join(preload)}, load {os.getloadavg()[0]:.1f} "
          f"on {os.cpu_count()} cores.")  # fmt: skip


if __name__ == "__main__":
    main()
