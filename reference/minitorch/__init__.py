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

# Where each name that is only imported on demand comes from.
_ON_DEMAND = {
    "fast_ops": "fast_ops",
    "FastOps": "fast_ops",
    "fast_conv": "fast_conv",
    "Conv1dFun": "fast_conv",
    "Conv2dFun": "fast_conv",
    "conv1d": "fast_conv",
    "conv2d": "fast_conv",
    "nn": "nn",
    "Max": "nn",
    "argmax": "nn",
    "avgpool2d": "nn",
    "dropout": "nn",
    "logsoftmax": "nn",
    "max": "nn",
    "maxpool2d": "nn",
    "softmax": "nn",
    "tile": "nn",
}


def __getattr__(name):
    """Import a name of a file that needs Numba when it is first asked for."""
    from importlib import import_module

    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_ON_DEMAND[name]}")
    return module if name == _ON_DEMAND[name] else getattr(module, name)
