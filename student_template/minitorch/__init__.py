"""A small autodifferentiation library, built in modules: operators, scalars, tensors.

The names of every file are collected here, so that a user writes ``minitorch.Scalar`` or
``minitorch.tensor([1.0, 2.0])``. Two things to know:

* ``operators`` stays a name of its own (``minitorch.operators.add``), because several of its
  functions are called like Python built-ins (``sum``, ``max``, ``map``, ``id``).
* Scalars and tensors both have an ``Add``, a ``Mul`` and so on. The tensor ones are imported last
  and win; the scalar ones are in ``minitorch.scalar_functions``.

The names of the compiled backends, and of what is made with them, are there as well, but their files
are only imported when one of these names is first used: they need Numba, which takes a while to
import and which the first modules do without.
"""

# The order below is meant, see above; so a sorter of imports must leave it alone.
# ruff: noqa: I001, F401, F403
from . import operators
from .operators import prod
from .module import *
from .autodiff import *
from .scalar_functions import *
from .scalar import *
from .tensor_data import *
from .tensor_ops import *
from .tensor import *
from .tensor_functions import *  # type: ignore[assignment]


def __getattr__(name):
    """Import a file that needs Numba when one of its names is first asked for."""
    if name in ("fast_ops", "FastOps"):
        from .fast_ops import FastOps
    elif name in ("cuda_ops", "CudaOps", "mm_practice", "sum_practice"):
        from .cuda_ops import CudaOps, mm_practice, sum_practice
    elif name in ("fast_conv", "Conv1dFun", "Conv2dFun", "conv1d", "conv2d"):
        from .fast_conv import Conv1dFun, Conv2dFun, conv1d, conv2d
    elif name in ("nn", "Max", "argmax", "avgpool2d", "dropout", "logsoftmax"):
        from .nn import Max, argmax, avgpool2d, dropout, logsoftmax
    elif name in ("max", "maxpool2d", "softmax", "tile"):
        from .nn import max, maxpool2d, softmax, tile
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # The files themselves have become names of this one by being imported.
    return {**globals(), **locals()}[name]
