"""Different: derivatives wait on the nodes themselves and are cleared; a difference of four points; prints."""

# ruff: noqa
from dataclasses import dataclass
from typing import Any, Iterable, Protocol, Tuple

print("loading autodiff")


def central_difference(f: Any, *vals: Any, arg: int = 0, epsilon: float = 1e-6) -> Any:
    def at(step):
        moved = vals[:arg] + (vals[arg] + step,) + vals[arg + 1 :]
        return f(*moved)

    near = at(epsilon / 2) - at(-epsilon / 2)
    far = at(epsilon) - at(-epsilon)
    return (8 * near - far) / (6 * epsilon)


class Variable(Protocol):
    def accumulate_derivative(self, x: Any) -> None: ...

    @property
    def unique_id(self) -> int: ...

    def is_leaf(self) -> bool: ...

    def is_constant(self) -> bool: ...

    @property
    def parents(self) -> Iterable["Variable"]: ...

    def chain_rule(self, d_output: Any) -> Iterable[Tuple["Variable", Any]]: ...


def topological_sort(variable: Variable) -> Iterable[Variable]:
    def visit(node, order, marked):
        if node.is_constant() or id(node) in marked:
            return
        marked.add(id(node))
        if not node.is_leaf():
            for parent in node.parents:
                visit(parent, order, marked)
        order.insert(0, node)

    order = []
    visit(variable, order, set())
    yield from order


def backpropagate(variable: Variable, deriv: Any) -> None:
    order = list(topological_sort(variable))
    print("backward through", len(order))
    for node in order:
        node.waiting = []
    variable.waiting.append(deriv)
    for node in order:
        total = node.waiting[0]
        for one in node.waiting[1:]:
            total = total + one
        node.waiting = None
        if node.is_leaf():
            node.accumulate_derivative(total)
        else:
            for parent, derivative in node.chain_rule(total):
                if not parent.is_constant():
                    parent.waiting.append(derivative)


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
