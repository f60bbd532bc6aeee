"""Different: nodes are sorted by unique_id, newest first, with a heap and no topological sort."""

# ruff: noqa
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Tuple

from typing import Protocol
import heapq


def central_difference(f: Any, *vals: Any, arg: int = 0, epsilon: float = 1e-6) -> Any:
    up, down = [*vals], [*vals]
    up[arg] += epsilon
    down[arg] -= epsilon
    return f(*up) / (2 * epsilon) - f(*down) / (2 * epsilon)


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
    known: Dict[int, Variable] = {}
    queue = [variable]
    for node in queue:
        if node.unique_id in known or node.is_constant():
            continue
        known[node.unique_id] = node
        queue.extend([] if node.is_leaf() else node.parents)
    return [known[i] for i in sorted(known, reverse=True)]


def backpropagate(variable: Variable, deriv: Any) -> None:
    nodes, sums = {variable.unique_id: variable}, {variable.unique_id: deriv}
    heap = [-variable.unique_id]
    while heap:
        identity = -heapq.heappop(heap)
        node, d = nodes[identity], sums[identity]
        if node.is_leaf():
            node.accumulate_derivative(d)
            continue
        for parent, d_parent in node.chain_rule(d):
            key = parent.unique_id
            if parent.is_constant():
                continue
            if key in sums:
                sums[key] = d_parent + sums[key]
            else:
                nodes[key], sums[key] = parent, d_parent
                heapq.heappush(heap, -key)


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
