"""Run modes: how the same student code is run for different questions, each in a worker of its own.

A mode is prepared before the submission is imported, because numba looks at its settings when a function
is decorated, or when `numba.cuda` is imported, and not when a kernel is called.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import site
import sys
from typing import Any

PLAIN = ""
PYTHON = "python"
COMPILED = "compiled"
SIMULATOR = "simulator"
PTX = "ptx"
GPU = "gpu"

# In the order in which they are asked: what is quick and says most comes first.
MODES = (PLAIN, PYTHON, COMPILED, SIMULATOR, PTX, GPU)
UNCOMPILED = (PYTHON, SIMULATOR)  # numba compiles nothing in these
THREADS = 4  # of compiled kernels: more than a small machine's cores, so that iterations interleave


def prepare(mode: str) -> None:
    """Sets numba up for a mode, in a worker that has run no student code yet.

    python: kernels stay Python functions. compiled: they are compiled, and run on several threads.
    simulator: those for CUDA run in numba's simulator. ptx, gpu: they are compiled for CUDA.
    """
    if mode == PLAIN:
        return
    from numba import config

    settings = {
        PYTHON: {"DISABLE_JIT": 1},
        COMPILED: {"NUMBA_NUM_THREADS": THREADS},
        SIMULATOR: {"ENABLE_CUDASIM": 1},
    }
    for name, value in settings.get(mode, {}).items():
        setattr(config, name, value)
        # numba reads its part of the environment again whenever it compiles.
        os.environ[f"NUMBA_{name.removeprefix('NUMBA_')}"] = str(value)
    if mode in UNCOMPILED:
        keep_py_func()
    if mode == COMPILED:
        # numba has copied the number of threads, twice, when it was imported.
        from numba.np.ufunc import parallel

        parallel.NUM_THREADS = THREADS
        parallel.snt_check = parallel.gen_snt_check()  # type: ignore[no-untyped-call]
    if mode == SIMULATOR:
        from grader.box import simulator

        simulator.install()
    elif mode in (PTX, GPU):
        find_compiler()


def keep_py_func() -> None:
    """Gives a function that numba leaves as it is the attribute `py_func`, which it has where numba compiles it."""
    decorators: Any = importlib.import_module("numba.core.decorators")
    given = decorators._jit

    def _jit(*args: Any, **options: Any) -> Any:
        decorate = given(*args, **options)

        def decorated(function: Any) -> Any:
            made = decorate(function)
            if made is function:
                with contextlib.suppress(AttributeError):
                    made.py_func = made
            return made

        return decorated

    decorators._jit = _jit


def find_compiler() -> None:
    """Lets numba find the CUDA compiler among the installed packages.

    A worker starts without `site`: the line of numba-cuda's that puts it in the place of `numba.cuda` has not
    run, and where packages are installed is known by the path of imports alone.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("_numba_cuda_redirector")
    folders = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    site.getsitepackages = lambda prefixes=None: folders
