"""Compiled kernels in the box: time to compile of its own, a cache for each worker and none for two."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from test_conformance import WORKS, answers, ask
from test_conformance import session as small_session

from grader.box import wire
from grader.errors import SandboxLost
from grader.model import Limits
from grader.sandbox import Sandbox
from grader.sandbox.docker import DockerSandbox
from grader.sandbox.jail import Jail
from grader.sandbox.process import ProcessSandbox
from grader.sandbox.session import End, Reply, Session

BURN = """
import signal, time
calls = []
def burn(seconds):
    began = time.process_time()
    while time.process_time() - began < seconds: pass
def slow_at_first(x):
    calls.append(x)
    burn(x if len(calls) == 1 else 0.0)
    return len(calls)
def slow_at_second(x):
    calls.append(x)
    burn(x if len(calls) == 2 else 0.0)
    return len(calls)
def endless(x):
    while True: pass
def deaf(x):
    signal.signal(signal.SIGPROF, signal.SIG_IGN)
    while True: pass
def deaf_at_second(x):
    calls.append(x)
    return deaf(x) if len(calls) == 2 else len(calls)
"""


@pytest.fixture(scope="module", params=["process", "jail"])
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    works, why = WORKS[request.param]
    if not works:
        pytest.skip(why)
    sandbox: Sandbox = ProcessSandbox() if request.param == "process" else Jail()
    yield sandbox
    sandbox.close()


def session(box: Sandbox, code: str, **limits: Any) -> Session:
    """One that a busy machine does not end by the wall clock."""
    return small_session(box, code, wall_factor=40, **limits)


def decoded(reply: Reply) -> list[Any]:
    return [wire.decode(frame) for frame in reply.answers]


# --- the allowance, without a compiler ------------------------------------------------------------------


def test_the_first_case_may_take_longer_by_the_allowance(box: Sandbox) -> None:
    with session(box, BURN, compile_seconds=4) as opened:
        assert decoded(ask(opened, "slow_at_first", 1.0, 1.0, 1.0, seconds=0.3)) == [1, 2, 3]
    with session(box, BURN) as opened:
        (late,) = decoded(ask(opened, "slow_at_first", 1.0, 1.0, 1.0, seconds=0.3))
        assert late.kind == "timeout"


def test_what_the_first_case_leaves_of_it_is_not_for_the_others(box: Sandbox) -> None:
    with session(box, BURN, compile_seconds=60) as opened:
        began = time.monotonic()
        first, late = decoded(ask(opened, "slow_at_second", 50.0, 50.0, 50.0, seconds=0.3))
        assert (first, late.kind) == (1, "timeout")
        assert time.monotonic() - began < 30


def test_beyond_the_allowance_the_first_case_uses_the_time_of_the_check(box: Sandbox) -> None:
    # 0.5 of 1.2 s are free: 0.3 of 1.0 s are left for the second case.
    code = BURN + "def always(x):\n    burn(x)\n    return x\n"
    with session(box, code, compile_seconds=0.5) as opened:
        first, late = decoded(ask(opened, "always", 1.2, 1.0, seconds=1.0))
        assert (first, late.kind) == (1.2, "timeout")


def test_a_first_case_without_end_ends_after_both(box: Sandbox) -> None:
    with session(box, BURN, compile_seconds=0.8) as opened:
        opened.open()
        assert opened.process is not None
        (late,) = decoded(ask(opened, "endless", seconds=0.5))
        usage = opened.process.usage()
        assert late.kind == "timeout"
        assert usage is not None
        assert 1.1 < usage.cpu_seconds < 3


def test_from_outside_too(box: Sandbox) -> None:
    """Where the worker's own clock cannot ring."""
    with session(box, BURN, compile_seconds=0.5) as opened:
        reply = ask(opened, "deaf", seconds=0.2)
        assert (reply.end, reply.detail) == (End.TIMED_OUT, "more than 0.7 s of processor time")
    with session(box, BURN, compile_seconds=60) as opened:
        began = time.monotonic()
        reply = ask(opened, "deaf_at_second", 1.0, 1.0, 1.0, seconds=0.3)
        assert reply.end is End.TIMED_OUT
        assert time.monotonic() - began < 30


def test_compiling_is_not_counted_against_the_run_up_to_an_allowance_of_its_own(
    box: Sandbox,
) -> None:
    """One check: 1 s is free in all, however often it is asked."""
    with session(box, BURN, compile_seconds=1) as opened:
        opened.open()
        before = opened.used_seconds
        ask(opened, "endless", seconds=0.3)
        assert 0.1 < opened.used_seconds - before < 0.9
        before = opened.used_seconds
        ask(opened, "endless", seconds=0.3)
        assert opened.used_seconds - before > 1.1
    with session(box, BURN, compile_seconds=1) as opened:
        opened.open()
        before = opened.used_seconds
        ask(opened, "slow_at_first", 0.6, 1.0, seconds=0.3)
        assert opened.used_seconds - before < 0.3
        assert opened.compile_left < 0.6


# --- Numba -----------------------------------------------------------------------------------------------

KERNELS = """
import os
import numba, numpy as np
from concurrent.futures import ThreadPoolExecutor
from numba import njit, prange

@njit(nogil=True)
def total(a):
    s = 0.0
    for i in range(a.size):
        s += a[i]
    return s

@njit(parallel=True)
def product(a, b, out):
    for i in prange(a.shape[0]):
        for j in range(b.shape[1]):
            s = 0.0
            for k in range(a.shape[1]):
                s += a[i, k] * b[k, j]
            out[i, j] = s

def run(x):
    a, out = np.ones((40, 40)), np.zeros((40, 40))
    product(a, a, out)
    return [total(a.ravel()), float(out.sum())]

def threaded(x):
    os.environ["NUMBA_THREADING_LAYER"] = "workqueue"
    numba.core.config.reload_config()
    found = run(x)
    with ThreadPoolExecutor(4) as pool:
        sums = list(pool.map(total, [np.ones(1000)] * 20))
    return [*found, numba.threading_layer(), sum(sums), len(pool._threads)]
"""

CACHED = """
import builtins, importlib, os, pickle, sys
from numba import njit
import numba

@njit(cache=True)
def double(a):
    return 2.0 * a

def run(x):
    return double(x)

def cache(x):
    folder = os.environ["NUMBA_CACHE_DIR"]
    names = [os.path.join(at, name) for at, _, files in os.walk(folder) for name in files]
    return [folder, len(names)]

class Poison:
    def __reduce__(self):
        return eval, ("(__import__('builtins').__dict__.update(poisoned=1) or (None, {}))",)

def poison(x):
    "Replaces every index that can be found by one that runs code when it is read; how many."
    data = pickle.dumps(numba.__version__) + pickle.dumps(Poison())
    written = set()
    for top in (os.environ["NUMBA_CACHE_DIR"], "/scratch", "/tmp", "/var/tmp", os.path.expanduser("~")):
        for at, _, files in os.walk(top):
            for name in files:
                if name.endswith(".nbi"):
                    try:
                        with open(os.path.join(at, name), "wb") as file:
                            file.write(data)
                        written.add(os.path.realpath(os.path.join(at, name)))
                    except OSError:
                        pass
    return len(written)

def poisoned(x):
    return hasattr(builtins, "poisoned")

def again(x):
    "The submission as if it were imported anew, over the same cache."
    path = run.__code__.co_filename
    with open(path) as file:
        names = {"__name__": double.__module__, "__file__": path}
        exec(compile(file.read(), path, "exec"), names)
    return [names["double"](x), hasattr(builtins, "poisoned")]
"""

NUMBA_BOXES: dict[str, Callable[[], Sandbox]] = {
    "process": ProcessSandbox,
    "jail": lambda: Jail(preload=("numpy", "numba")),
    "docker": lambda: DockerSandbox(preload=("numpy", "numba")),
}
FEW = {"compile_seconds": 60, "import_seconds": 20, "memory_mb": Limits().memory_mb}


@pytest.fixture(scope="module", params=list(NUMBA_BOXES))
def numba_box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    pytest.importorskip("numba")
    works, why = WORKS[request.param]
    if not works:
        pytest.skip(why)
    sandbox = NUMBA_BOXES[request.param]()
    yield sandbox
    sandbox.close()


@pytest.mark.slow
def test_kernels_compile_within_the_default_memory_and_their_own_time(numba_box: Sandbox) -> None:
    with session(numba_box, KERNELS, **FEW) as opened:
        assert answers(opened, "run", 1.0, 2.0, seconds=0.5) == [[1600.0, 64000.0]] * 2
    with session(numba_box, KERNELS, **FEW | {"compile_seconds": 0}) as opened:
        reply = ask(opened, "run", 1.0, 2.0, seconds=0.1)
        assert reply.end is not End.DONE or decoded(reply)[0].kind == "timeout"


@pytest.mark.slow
def test_kernels_run_on_several_threads(numba_box: Sandbox) -> None:
    with session(numba_box, KERNELS, **FEW) as opened:
        (found,) = answers(opened, "threaded", seconds=2)
        assert found == [1600.0, 64000.0, "workqueue", 20000.0, 4]


@pytest.mark.slow
def test_a_cache_is_of_one_worker_and_gone_with_it(numba_box: Sandbox) -> None:
    with session(numba_box, CACHED, **FEW) as opened:
        assert answers(opened, "run", 3.0, seconds=2) == [6.0]
        folder, files = answers(opened, "cache")[0]
        assert files == 2  # an index and a kernel
    assert not os.path.exists(folder)
    with session(numba_box, CACHED, **FEW) as opened:
        assert answers(opened, "cache")[0][1] == 0
        assert answers(opened, "run", 3.0, seconds=2) == [6.0]


@pytest.mark.slow
def test_a_poisoned_cache_runs_in_the_worker_that_made_it_and_in_no_other(
    numba_box: Sandbox,
) -> None:
    """An index is a pickle: whoever writes one that another reads runs code there."""
    with (
        session(numba_box, CACHED, **FEW) as attacker,
        session(numba_box, CACHED, **FEW) as neighbour,
    ):
        for each in (attacker, neighbour):
            assert answers(each, "run", 3.0, seconds=2) == [6.0]
        poisoned = answers(attacker, "poison", seconds=2)[0]
        assert poisoned >= 1
        assert answers(attacker, "again", 3.0, seconds=2) == [[6.0, True]]
        if numba_box.protects:
            assert poisoned == 1
            assert answers(neighbour, "again", 3.0, seconds=2) == [[6.0, False]]
    with session(numba_box, CACHED, **FEW) as later:
        assert answers(later, "run", 3.0, seconds=2) == [6.0]
        assert answers(later, "poisoned") == [False]


RAN_ALREADY = """
import numpy as np
from numba import njit, prange

@njit(parallel={parallel})
def total(a):
    s = 0.0
    for i in prange(a.size):
        s += a[i]
    return s

assert total(np.ones(1000)) == 1000.0

def serve(read_fd, write_fd, scratch):
    pass
"""


@pytest.mark.slow
@pytest.mark.parametrize("parallel", [True, False])
def test_a_zygote_that_has_run_a_parallel_kernel_is_refused(parallel: bool, tmp_path: Any) -> None:
    """Its threads would not be in what it forks, and GNU OpenMP ends such a process."""
    pytest.importorskip("numba")
    if not WORKS["jail"][0]:
        pytest.skip(WORKS["jail"][1])
    worker = tmp_path / "worker.py"
    worker.write_text(RAN_ALREADY.format(parallel=parallel))
    with Jail(preload=("numpy", "numba"), worker=str(worker)) as jail:
        if parallel:
            with pytest.raises(SandboxLost, match="parallel kernel"):
                jail.start(Limits())
        else:
            jail.start(Limits())
