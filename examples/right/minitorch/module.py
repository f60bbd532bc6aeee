"""Modules: a tree that holds the parameters of a network.

Assigning a ``Parameter`` or another ``Module`` to an attribute files it under that name, so a
network describes its own tree simply by being built. Nothing here computes anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Module:
    """A node of the tree.

    Attributes:
        _modules: the children, by name, in the order of their assignment.
        _parameters: the parameters of this node alone, by name.
        training: True in training mode, False in evaluation mode.
    """

    _modules: dict[str, Module]
    _parameters: dict[str, Parameter]
    training: bool

    def __init__(self) -> None:
        self._modules = {}
        self._parameters = {}
        self.training = True

    def modules(self) -> Sequence[Module]:
        """List the direct children of this module."""
        return list(self.__dict__["_modules"].values())

    def train(self) -> None:
        """Put this module and all its descendants into training mode."""
        self._set_training(True)

    def eval(self) -> None:
        """Put this module and all its descendants into evaluation mode."""
        self._set_training(False)

    def _set_training(self, training: bool) -> None:
        self.training = training
        for child in self.modules():
            child._set_training(training)


    def named_parameters(self) -> Sequence[tuple[str, Parameter]]:
        """List the parameters of this module and of all its descendants, with their names.

        Returns:
            Pairs (name, parameter), this module's own parameters first. The name of a
            descendant's parameter is the path to it with dots, such as ``"layer1.linear.weight"``.
        """
        named = list(self._parameters.items())
        for child_name, child in self._modules.items():
            for name, parameter in child.named_parameters():
                named.append((f"{child_name}.{name}", parameter))
        return named

    def parameters(self) -> Sequence[Parameter]:
        """List the parameters of this module and of all its descendants."""
        return [parameter for _, parameter in self.named_parameters()]

    def add_parameter(self, k: str, v: Any) -> Parameter:
        """Add a parameter by hand.

        Args:
            k: its name in this module.
            v: its value.

        Returns:
            The new parameter.
        """
        parameter = Parameter(v, k)
        self._parameters[k] = parameter
        return parameter

    def __setattr__(self, key: str, val: Any) -> None:
        if isinstance(val, Parameter):
            self._parameters[key] = val
        elif isinstance(val, Module):
            self._modules[key] = val
        else:
            super().__setattr__(key, val)

    def __getattr__(self, key: str) -> Any:
        # Python comes here only for names that it did not find in the ordinary way.
        for store in ("_parameters", "_modules"):
            if key in self.__dict__.get(store, {}):
                return self.__dict__[store][key]
        raise AttributeError(f"{type(self).__name__} has no parameter or module {key!r}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def __repr__(self) -> str:
        if not self._modules:
            return f"{type(self).__name__}()"
        children = [f"({name}): {child!r}" for name, child in self._modules.items()]
        body = "\n".join(children).replace("\n", "\n  ")
        return f"{type(self).__name__}(\n  {body}\n)"


class Parameter:
    """A named value that training changes: usually a Scalar or a Tensor, for tests anything."""

    def __init__(self, x: Any, name: str | None = None) -> None:
        self.name = name
        self.update(x)

    def update(self, x: Any) -> None:
        """Replace the value; a variable is told to collect derivatives and given our name."""
        self.value = x
        if hasattr(x, "requires_grad_"):
            x.requires_grad_(True)
            if self.name:
                x.name = self.name

    def __repr__(self) -> str:
        return repr(self.value)

    def __str__(self) -> str:
        return str(self.value)
