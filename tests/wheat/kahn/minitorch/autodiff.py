"""Different: the order by counting the uses of each node (Kahn), a step of half the width."""

# ruff: noqa
from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Tuple

from typing import Protocol
from collections import Counter, deque


def central_difference(f: Any, *vals: Any, arg: int = 0, epsilon: float = 1e-6) -> Any:
    def at(shift: float) -> Any:
        moved = list(vals)
        moved[arg] += shift
        return f(*moved)

    return (at(epsilon / 2) - at(-epsilon / 2)) / epsilon


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


def count_uses(variable: Variable) -> Counter:
    uses: Counter = Counter({variable.unique_id: 0})
    waiting, seen = [variable], {variable.unique_id}
    while waiting:
        for parent in waiting.pop().parents:
            if parent.is_constant():
                continue
            uses[parent.unique_id] += 1
            if parent.unique_id not in seen:
                seen.add(parent.unique_id)
                if not parent.is_leaf():
                    waiting.append(parent)
    return uses


def topological_sort(variable: Variable) -> Iterable[Variable]:
    if variable.is_leaf():
        yield variable
        return
    uses = count_uses(variable)
    ready = deque([variable])
    while ready:
        node = ready.popleft()
        yield node
        if node.is_leaf():
            continue
        for parent in node.parents:
            if parent.is_constant():
                continue
            uses[parent.unique_id] -= 1
            if uses[parent.unique_id] == 0:
                ready.append(parent)


def backpropagate(variable: Variable, deriv: Any) -> None:
    grads = {variable.unique_id: [deriv]}
    for node in topological_sort(variable):
        total = None
        for part in grads.pop(node.unique_id):
            total = part if total is None else part + total
        if node.is_leaf():
            node.accumulate_derivative(total)
        else:
            for parent, part in node.chain_rule(total):
                grads.setdefault(parent.unique_id, []).append(part)


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
