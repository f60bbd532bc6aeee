"""Run modes: how the same student code is run for different questions, each in a worker of its own.

A mode is prepared before the submission is imported, because numba looks at its settings when a function
is decorated, or when `numba.cuda` is imported, and not when a kernel is called.
"""

from __future__ import annotations

import os

PLAIN = ""
PYTHON = "python"
COMPILED = "compiled"
SIMULATOR = "simulator"
PTX = "ptx"
GPU = "gpu"

# In the order in which they are asked: what is quick and says most comes first.
MODES = (PLAIN, PYTHON, COMPILED, SIMULATOR, PTX, GPU)
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
    if mode == COMPILED:
        # numba has copied the number of threads, twice, when it was imported.
        from numba.np.ufunc import parallel

        parallel.NUM_THREADS = THREADS
        parallel.snt_check = parallel.gen_snt_check()  # type: ignore[no-untyped-call]
