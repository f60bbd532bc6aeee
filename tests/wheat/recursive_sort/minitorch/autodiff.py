"""Different: a recursive topological sort, derivatives kept in a dict, a leaf served at once."""

# ruff: noqa
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Tuple

from typing import Protocol


def central_difference(f: Any, *vals: Any, arg: int = 0, epsilon: float = 1e-6) -> Any:
    left = f(*[v - epsilon if i == arg else v for i, v in enumerate(vals)])
    right = f(*[v + epsilon if i == arg else v for i, v in enumerate(vals)])
    return (right - left) / (2 * epsilon)


class Variable(Protocol):
    def accumulate_derivative(self, x: Any) -> None:
        pass

    @property
    def unique_id(self) -> int:
        pass

    def is_leaf(self) -> bool:
        pass

    def is_constant(self) -> bool:
        pass

    @property
    def parents(self) -> Iterable["Variable"]:
        pass

    def chain_rule(self, d_output: Any) -> Iterable[Tuple["Variable", Any]]:
        pass


def topological_sort(variable: Variable) -> Iterable[Variable]:
    order: List[Variable] = []
    visited: List[int] = []

    def visit(var: Variable) -> None:
        if var.unique_id in visited or var.is_constant():
            return
        if not var.is_leaf():
            for m in var.parents:
                if not m.is_constant():
                    visit(m)
        visited.append(var.unique_id)
        order.insert(0, var)

    visit(variable)
    return order


def backpropagate(variable: Variable, deriv: Any) -> None:
    if variable.is_leaf():
        variable.accumulate_derivative(deriv)
        return
    derivatives: Dict[int, Any] = {}
    derivatives[variable.unique_id] = deriv
    for var in topological_sort(variable):
        if var.is_leaf():
            continue
        d = derivatives[var.unique_id]
        for v, d_v in var.chain_rule(d):
            if v.is_leaf():
                v.accumulate_derivative(d_v)
            elif not v.is_constant():
                derivatives.setdefault(v.unique_id, 0.0)
                derivatives[v.unique_id] = derivatives[v.unique_id] + d_v


@dataclass
class Context:
    no_grad: bool = False
    saved_values: Tuple[Any, ...] = ()

    def save_for_backward(self, *values: Any) -> None:
        if self.no_grad:
            return
        self.saved_values = values

    @property
    def saved_tensors(self) -> Tuple[Any, ...]:
        return self.saved_values
