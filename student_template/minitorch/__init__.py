"""A small autodifferentiation library, built in modules: operators, scalars, tensors.

The names of every file are collected here, so that a user writes ``minitorch.Scalar`` or
``minitorch.tensor([1.0, 2.0])``. Two things to know:

* ``operators`` stays a name of its own (``minitorch.operators.add``), because several of its
  functions are called like Python built-ins (``sum``, ``max``, ``map``, ``id``).
* Scalars and tensors both have an ``Add``, a ``Mul`` and so on. The tensor ones are imported last
  and win; the scalar ones are in ``minitorch.scalar_functions``.
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
from .fast_conv import *
from .nn import *
