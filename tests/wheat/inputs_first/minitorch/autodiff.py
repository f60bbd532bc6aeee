"""Different: the sort runs from inputs to output and backpropagate turns it round; zeros come first."""

# ruff: noqa
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Tuple

from typing import Protocol


def central_difference(f: Any, *vals: Any, arg: int = 0, epsilon: float = 1e-6) -> Any:
    before, after = vals[:arg], vals[arg + 1 :]
    high = f(*before, vals[arg] + epsilon, *after)
    low = f(*before, vals[arg] - epsilon, *after)
    return (high - low) / 2 / epsilon


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
    marked, inputs_first = set(), []

    def dfs(node: Variable) -> None:
        marked.add(node.unique_id)
        for parent in node.parents or []:
            if parent.unique_id not in marked and not parent.is_constant():
                dfs(parent)
        inputs_first.append(node)

    dfs(variable)
    return inputs_first


def backpropagate(variable: Variable, deriv: Any) -> None:
    nodes = list(topological_sort(variable))
    table = {node.unique_id: 0.0 for node in nodes}
    table[variable.unique_id] = deriv
    for node in nodes[::-1]:
        if node.is_leaf():
            node.accumulate_derivative(table[node.unique_id])
        else:
            for parent, d in node.chain_rule(table[node.unique_id]):
                if parent.unique_id in table:
                    table[parent.unique_id] += d


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
