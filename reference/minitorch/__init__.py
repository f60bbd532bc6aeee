"""A small autodifferentiation library, built in modules: operators, scalars, tensors.

The names of every file are collected here, so that a user writes ``minitorch.Scalar`` or
``minitorch.tensor([1.0, 2.0])``. Two things to know:

* ``operators`` stays a name of its own (``minitorch.operators.add``), because several of its
  functions are called like Python built-ins (``sum``, ``max``, ``map``, ``id``).
* Scalars and tensors both have an ``Add``, a ``Mul`` and so on. The tensor ones are imported last
  and win; the scalar ones are in ``minitorch.scalar_functions``.

The names of the compiled backends are there as well, but their files are only imported when one
of these names is first used: they need Numba, which takes a while to import and which the first
modules do without.
"""

# The order below is meant, see above; so a sorter of imports must leave it alone.
# ruff: noqa: I001, F401, F403, F405
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

# Only imported when one of these names is used. An import of a file also makes its name one of ours.


def __getattr__(name):
    """Import a compiled backend when it is first asked for."""
    if name in ("fast_ops", "FastOps"):
        from .fast_ops import FastOps

        return FastOps if name == "FastOps" else fast_ops
    if name in ("cuda_ops", "CudaOps", "mm_practice", "sum_practice"):
        from .cuda_ops import CudaOps, mm_practice, sum_practice

        found = {"CudaOps": CudaOps, "mm_practice": mm_practice, "sum_practice": sum_practice}
        return found.get(name, cuda_ops)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
