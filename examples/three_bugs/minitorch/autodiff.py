r"""Reverse-mode autodifferentiation over any graph of variables.

A variable remembers the function that made it and that function's inputs. Followed backwards
from an output, these memories form a directed acyclic graph. Backpropagation walks it once, from
the output to the leaves, and multiplies local derivatives on the way (the chain rule).

This file knows neither Scalars nor Tensors: it asks of a variable only what ``Variable`` lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol


def central_difference(f: Any, *vals: Any, arg: int = 0, epsilon: float = 1e-6) -> Any:
    r"""Approximate a partial derivative from two values of the function.

    $$f'_{x_i}(x_0, \ldots, x_{n-1}) \approx
      \frac{f(\ldots, x_i + \epsilon, \ldots) - f(\ldots, x_i - \epsilon, \ldots)}{2 \epsilon}$$

    The error is of order $\epsilon^2$, one order better than with a step to one side only.

    Args:
        f: a function of n numbers that returns one number.
        vals: the point $x_0, \ldots, x_{n-1}$.
        arg: the number $i$ of the argument to differentiate by, counted from 0.
        epsilon: the step to either side.

    Returns:
        An approximation of $f'_{x_i}$ at the point.
    """
    plus = [v + epsilon if i == arg else v for i, v in enumerate(vals)]
    minus = [v - epsilon if i == arg else v for i, v in enumerate(vals)]
    return (f(*plus) - f(*minus)) / (2 * epsilon)


class Variable(Protocol):
    """What backpropagation needs to know of a node of the graph."""

    def accumulate_derivative(self, x: Any) -> None:
        """Add x to the derivative stored in this leaf."""

    @property
    def unique_id(self) -> int:
        """A number that no other variable has."""

    def is_leaf(self) -> bool:
        """Tell whether the user made this variable, so that no function is behind it."""

    def is_constant(self) -> bool:
        """Tell whether this variable takes no part in differentiation."""

    @property
    def parents(self) -> Iterable[Variable]:
        """The inputs of the function that made this variable."""

    def chain_rule(self, d_output: Any) -> Iterable[tuple[Variable, Any]]:
        """Pair each parent with the derivative that flows to it from this variable alone."""


def topological_sort(variable: Variable) -> Iterable[Variable]:
    r"""Order the graph behind a variable so that each node comes before all its parents.

    Args:
        variable: the right-most node, the output.

    Returns:
        Every non-constant variable that the output depends on, once, the output first. When
        backpropagation reaches a node in this order, everything that uses it has been visited.
    """
    finished: list[Variable] = []
    seen: set[int] = set()
    stack = [(variable, False)]
    while stack:
        node, parents_visited = stack.pop()
        if parents_visited:
            finished.append(node)
        elif node.unique_id not in seen and not node.is_constant():
            seen.add(node.unique_id)
            stack.append((node, True))
            stack.extend((parent, False) for parent in node.parents)
    return finished[::-1]


def backpropagate(variable: Variable, deriv: Any) -> None:
    r"""Carry a derivative from an output back to the leaves it was computed from.

    The derivative at a node $z$ is the sum over the nodes $y_k$ that use it,

    $$d_z = \sum_k d_{y_k} \cdot \frac{\partial y_k}{\partial z}.$$

    Args:
        variable: the right-most node, the output.
        deriv: the derivative that arrives at the output (often 1).

    Returns:
        Nothing. Each leaf receives its derivative through ``accumulate_derivative``.
    """
    arriving = {variable.unique_id: deriv}
    for node in topological_sort(variable):
        d_node = arriving.pop(node.unique_id)
        if node.is_leaf():
            node.accumulate_derivative(d_node)
            continue
        for parent, d_parent in node.chain_rule(d_node):
            if parent.is_constant():
                continue
            if parent.unique_id in arriving:
                d_parent = arriving[parent.unique_id] + d_parent
            arriving[parent.unique_id] = d_parent


@dataclass
class Context:
    """What a function's forward leaves for its backward.

    Attributes:
        no_grad: True if no derivative will be asked for, so that nothing need be kept.
        saved_values: what forward saved, always a tuple.
    """

    no_grad: bool = False
    saved_values: tuple[Any, ...] = ()

    def save_for_backward(self, *values: Any) -> None:
        """Keep the values that backward will need."""
        if not self.no_grad:
            self.saved_values = values

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The saved values, under the name that suits tensor functions."""
        return self.saved_values
