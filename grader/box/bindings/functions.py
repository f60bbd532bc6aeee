"""Binding `functions`: one module of plain functions and `forward`/`backward` classes over numbers.

`forward(ctx, ...)` and `backward(ctx, d)` may be static or plain; `ctx` offers `save_for_backward`,
`saved_values` and `saved_tensors`, and is of our making.
"""

from __future__ import annotations

from grader.box.bindings.plain import Functions, Script
from grader.box.imports import Package


def bind(package: Package) -> Functions:
    """The subject for the first module that the assignment expects."""
    return Functions(package, package.names[0])


__all__ = ["Script", "bind"]
