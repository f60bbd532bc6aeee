"""Which run modes this machine offers, and what a verdict says of each.

A check names the modes that it can be asked in, best first (`grader.box.modes`). What no mode here can
answer is left out: nobody is charged for a machine that has no GPU.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence

from grader.box.modes import COMPILED, GPU, MODES, PLAIN, PTX, PYTHON, SIMULATOR

TITLES = {
    PLAIN: "",
    PYTHON: "plain Python, with numba's compiler off",
    COMPILED: "this processor, compiled by numba",
    SIMULATOR: "numba's CUDA simulator",
    PTX: "no machine: compiled for a GPU and not run",
    GPU: "a GPU",
}
NEEDS = {
    PYTHON: "numba (pip install numba)",
    COMPILED: "numba (pip install numba)",
    SIMULATOR: "numba (pip install numba)",
    PTX: "a CUDA compiler (pip install 'backcheck[cuda]'; not in Docker)",
    GPU: "a GPU (and `isolation.sandbox: process`: no other box reaches one)",
}
DEVICES = ("/dev/nvidiactl", "/dev/dxg")
_LOOK = "from numba import cuda; print(cuda.is_available())"
_COMPILE = """
from numba import cuda, types
text, _ = cuda.compile_ptx(lambda out: None, (types.float64[::1],), cc=(9, 0))
print(".visible .entry" in text)
"""


def offered(mode: str, sandbox: str) -> bool:
    """Whether questions can be asked in a mode here. sandbox: the name of the course's box."""
    if mode == PLAIN:
        return True
    if not _installed("numba"):
        return False
    if mode == PTX:
        # Docker's image holds what grading needs, which is not 800 MB of compiler.
        return sandbox != "docker" and has_compiler()
    if mode == GPU:
        return sandbox == "process" and has_gpu()
    return mode in MODES


def first_offered(on: Sequence[str], sandbox: str) -> str | None:
    """The first of a check's modes that is offered; the plain one where it names none; None when there
    is none."""
    for mode in on or (PLAIN,):
        if offered(mode, sandbox):
            return mode
    return None


def needs(on: Sequence[str]) -> str:
    """What would have to be here for one of these modes."""
    return ", or ".join(dict.fromkeys(NEEDS[mode] for mode in reversed(on) if mode in NEEDS))


@functools.cache
def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


@functools.cache
def has_compiler() -> bool:
    """Whether a CUDA kernel can be compiled here, as tried once in a process of its own."""
    return _installed("numba_cuda") and _says_true(_COMPILE)


@functools.cache
def has_gpu() -> bool:
    """Whether numba can use a GPU here, as tried once in a process of its own."""
    if not any(os.path.exists(device) for device in DEVICES) and sys.platform != "win32":
        return False
    return _says_true(_LOOK)


def _says_true(code: str) -> bool:
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=False, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == b"True"
