"""Tasks 2.3 and 2.4: every tensor Function and method, in every layout, and programs of Tensors."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import autograd.numpy as anp
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .oracles import Array, judge, same_cases
from .subjects import minitorch

Tensor = minitorch.Tensor

eighths = st.integers(-24, 24).map(lambda n: n / 8)
off_zero = eighths.filter(bool)
positive = st.integers(1, 48).map(lambda n: n / 8)
seeds = st.integers(0, 1000)
sides = hnp.array_shapes(min_dims=1, max_dims=3, max_side=3)


def arrays(shape: tuple[int, ...], cells: st.SearchStrategy[float]) -> st.SearchStrategy[Array]:
    return hnp.arrays(np.float64, shape, elements=cells)


def tensor_of(array: Array, order: tuple[int, ...]) -> Any:
    """Make a leaf with the cells of an array, laid out in the given order of its dimensions."""
    stored = array.transpose(order)
    data = minitorch.TensorData([float(x) for x in stored.ravel()], stored.shape)
    inverse = tuple(int(i) for i in np.argsort(order))
    leaf = Tensor(data.permute(*inverse), backend=minitorch.SimpleBackend)
    leaf.requires_grad_(True)
    return leaf


def under_test(
    f: Callable[..., Any], orders: list[tuple[int, ...]]
) -> tuple[Callable[..., Array], Callable[..., list[Array]]]:
    """Turn a function of Tensors into the value and the gradients of arrays."""

    def leaves(point: tuple[Array, ...]) -> list[Any]:
        return [tensor_of(x, order) for x, order in zip(point, orders, strict=True)]

    def value(*point: Array) -> Array:
        return f(*leaves(point)).to_numpy()

    def vjp(*point: Array, upstream: Array) -> list[Array]:
        inputs = leaves(point)
        out = f(*inputs)
        out.backward(minitorch.tensor(upstream.tolist()))
        for x, before in zip(inputs, point, strict=True):
            assert np.array_equal(x.to_numpy(), before), "an input was changed"
        return [x.zeros().to_numpy() if x.grad is None else x.grad.to_numpy() for x in inputs]

    return value, vjp


def drawn_orders(data: st.DataObject, *point: Array) -> list[tuple[int, ...]]:
    return [tuple(data.draw(st.permutations(range(x.ndim)))) for x in point]


def sigmoid(x: Array) -> Array:
    return 1 / (1 + anp.exp(-x))


ONE_INPUT = {
    "Neg": (anp.negative, eighths),
    "Inv": (lambda x: 1 / x, off_zero),
    "Log": (anp.log, positive),
    "Exp": (anp.exp, eighths),
    "Sigmoid": (sigmoid, eighths),
    "ReLU": (lambda x: anp.maximum(x, 0.0), off_zero),
    "Copy": (lambda x: 1.0 * x, eighths),
}


@pytest.mark.parametrize("name", ONE_INPUT)
@given(data=st.data(), shape=sides, seed=seeds)
@same_cases
def test_map(name: str, data: st.DataObject, shape: tuple[int, ...], seed: int) -> None:
    truth, domain = ONE_INPUT[name]
    x = data.draw(arrays(shape, domain))
    f = getattr(minitorch, name).apply
    judge(*under_test(f, drawn_orders(data, x)), truth, [x], seed)


def step(test: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Array]:
    """A comparison as a function with slope 0 by both inputs."""
    return lambda x, y: anp.where(test(x, y), 1.0, 0.0) + 0.0 * (x + y)


TWO_INPUTS: dict[str, tuple[Any, bool]] = {
    "Add": (anp.add, False),
    "Mul": (anp.multiply, False),
    "LT": (step(lambda x, y: x < y), True),
    "EQ": (step(lambda x, y: x == y), True),
    "IsClose": (step(lambda x, y: abs(x - y) < 0.01), True),
}

pairs = hnp.mutually_broadcastable_shapes(num_shapes=2, min_dims=1, max_dims=3, max_side=3)


@pytest.mark.parametrize("name", TWO_INPUTS)
@given(data=st.data(), shapes=pairs, seed=seeds)
@same_cases
def test_zip_broadcasts(
    name: str, data: st.DataObject, shapes: hnp.BroadcastableShapes, seed: int
) -> None:
    truth, is_step = TWO_INPUTS[name]
    x = data.draw(arrays(shapes.input_shapes[0], eighths))
    y = data.draw(arrays(shapes.input_shapes[1], eighths))
    if is_step:
        y = y + 0.0625  # off the step, and still on either side of it
    f = getattr(minitorch, name).apply
    judge(*under_test(f, drawn_orders(data, x, y)), truth, [x, y], seed)


@pytest.mark.parametrize("name", ["Add", "Mul"])
@pytest.mark.parametrize(
    ("first", "second"), [((3,), (2, 3)), ((2, 1), (3,)), ((1,), (2, 2, 2)), ((2, 1, 2), (3, 1))]
)
def test_zip_of_mixed_ranks(name: str, first: tuple[int, ...], second: tuple[int, ...]) -> None:
    truth, _ = TWO_INPUTS[name]
    rng = np.random.default_rng(0)
    point = [rng.uniform(-2, 2, first), rng.uniform(-2, 2, second)]
    orders = [tuple(range(x.ndim)) for x in point]
    judge(*under_test(getattr(minitorch, name).apply, orders), truth, point, seed=1)


def test_comparisons_of_equal_cells() -> None:
    a, b = minitorch.tensor([1.0, 2.0, 3.0]), minitorch.tensor([1.0, 2.005, 2.0])
    assert (a < b).to_numpy().tolist() == [0.0, 1.0, 0.0]
    assert (a > b).to_numpy().tolist() == [0.0, 0.0, 1.0]
    assert (a == b).to_numpy().tolist() == [1.0, 0.0, 0.0]
    assert a.is_close(b).to_numpy().tolist() == [1.0, 1.0, 0.0]


@given(data=st.data(), shape=sides, seed=seeds)
@same_cases
def test_sum_and_mean(data: st.DataObject, shape: tuple[int, ...], seed: int) -> None:
    x = data.draw(arrays(shape, eighths))
    dim = data.draw(st.integers(0, len(shape) - 1))
    orders = drawn_orders(data, x)
    for ours, truth in [
        (lambda t: t.sum(dim), lambda a: anp.sum(a, axis=dim, keepdims=True)),
        (lambda t: t.mean(dim), lambda a: anp.mean(a, axis=dim, keepdims=True)),
        (lambda t: t.sum(), lambda a: anp.reshape(anp.sum(a), (1,))),
        (lambda t: t.mean(), lambda a: anp.reshape(anp.mean(a), (1,))),
    ]:
        judge(*under_test(ours, orders), truth, [x], seed)


@given(data=st.data(), shape=sides)
@same_cases
def test_all(data: st.DataObject, shape: tuple[int, ...]) -> None:
    x = data.draw(arrays(shape, st.sampled_from([0.0, 1.0])))
    (order,) = drawn_orders(data, x)
    dim = data.draw(st.integers(0, len(shape) - 1))
    t = tensor_of(x, order)
    assert t.all().to_numpy().tolist() == [float(x.all())]
    found = t.all(dim)
    assert found.to_numpy().tolist() == x.all(axis=dim, keepdims=True).astype(float).tolist()
    found.sum().backward()
    assert t.grad.to_numpy().tolist() == np.zeros(shape).tolist()


@given(data=st.data(), shape=st.permutations([1, 2, 3, 2]).map(tuple), seed=seeds)
@same_cases
def test_permute(data: st.DataObject, shape: tuple[int, ...], seed: int) -> None:
    x = data.draw(arrays(shape, eighths))
    # Sampled, because a drawn permutation leans towards one that changes little.
    order = data.draw(st.sampled_from(list(permutations(range(len(shape))))))
    judge(
        *under_test(lambda t: t.permute(*order), drawn_orders(data, x)),
        lambda a: anp.transpose(a, order),
        [x],
        seed,
    )


@pytest.mark.parametrize("order", [(1, 2, 0), (2, 0, 1)])
def test_permute_in_a_ring(order: tuple[int, ...]) -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    judge(
        *under_test(lambda t: t.permute(*order), [(0, 1, 2)]),
        lambda a: anp.transpose(a, order),
        [x],
        seed=3,
    )


def test_view_and_permute_one_after_the_other() -> None:
    """The gradient that reaches the view comes out of a permute, and so not row by row."""
    x = np.arange(12.0).reshape(2, 6)
    judge(
        *under_test(lambda t: t.view(3, 4).permute(1, 0), [(0, 1)]),
        lambda a: anp.transpose(anp.reshape(a, (3, 4))),
        [x],
        seed=4,
    )
    judge(
        *under_test(lambda t: t.view(3, 2, 2).permute(2, 0, 1).contiguous().view(4, 3), [(0, 1)]),
        lambda a: anp.reshape(anp.transpose(anp.reshape(a, (3, 2, 2)), (2, 0, 1)), (4, 3)),
        [x],
        seed=5,
    )


def test_only_a_contiguous_tensor_is_viewed() -> None:
    t = minitorch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    with pytest.raises(AssertionError, match="contiguous"):
        t.permute(1, 0).view(6)
    assert t.permute(1, 0).contiguous().view(6).to_numpy().tolist() == [1, 4, 2, 5, 3, 6]


OPERATORS: dict[str, Callable[..., Any]] = {
    "a + b": lambda a, b: a + b,
    "a - b": lambda a, b: a - b,
    "a * b": lambda a, b: a * b,
    "a / b": lambda a, b: a / b,
}


@pytest.mark.parametrize("name", OPERATORS)
@given(data=st.data(), shapes=pairs, seed=seeds)
@same_cases
def test_operator_of_two_tensors(
    name: str, data: st.DataObject, shapes: hnp.BroadcastableShapes, seed: int
) -> None:
    f = OPERATORS[name]
    point = [data.draw(arrays(shape, positive)) for shape in shapes.input_shapes]
    judge(*under_test(f, drawn_orders(data, *point)), f, point, seed)


WITH_NUMBERS: dict[str, Callable[..., Any]] = {
    "a + 3": lambda a: a + 3.0,
    "3 + a": lambda a: 3.0 + a,
    "a - 3": lambda a: a - 3.0,
    "a * 3": lambda a: a * 3.0,
    "3 * a": lambda a: 3 * a,
    "a / 3": lambda a: a / 3.0,
    "3 / a": lambda a: 3.0 / a,
    "-a": lambda a: -a,
}


@pytest.mark.parametrize("name", WITH_NUMBERS)
def test_operator_of_a_tensor_and_a_number(name: str) -> None:
    f = WITH_NUMBERS[name]
    judge(*under_test(f, [(1, 0)]), f, [np.array([[0.5, 2.0, 1.25], [4.0, 0.75, 3.0]])], seed=6)


@pytest.mark.parametrize("name", ["exp", "log", "sigmoid", "relu"])
def test_method(name: str) -> None:
    truth = {"exp": anp.exp, "log": anp.log, "sigmoid": sigmoid, "relu": lambda x: 1.0 * x}[name]
    x = np.array([[0.5, 2.0, 1.25]])
    judge(*under_test(lambda t: getattr(t, name)(), [(1, 0)]), truth, [x], seed=2)


STEPS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "add": (lambda a, b: (a + b) * 0.5, lambda a, b: (a + b) * 0.5),
    "sub": (lambda a, b: (a - b) * 0.5, lambda a, b: (a - b) * 0.5),
    "mul": (lambda a, b: a * b, lambda a, b: a * b),
    "sigmoid": (lambda a, b: a.sigmoid(), lambda a, b: sigmoid(a)),
    "mean of rows": (lambda a, b: b - a.mean(0), lambda a, b: b - anp.mean(a, 0, keepdims=True)),
    "turn": (
        lambda a, b: a + b.permute(1, 0).contiguous().permute(1, 0),
        lambda a, b: a + b,
    ),
    "transpose": (lambda a, b: a.permute(1, 0) * b, lambda a, b: anp.transpose(a) * b),
}


@given(data=st.data(), seed=seeds)
@same_cases
def test_random_programs_with_reuse(data: st.DataObject, seed: int) -> None:
    """All values are square or broadcast to a square, so any step fits any value."""
    program = []
    for n in range(2, 2 + data.draw(st.integers(2, 7))):
        name = data.draw(st.sampled_from(sorted(STEPS)))
        first = data.draw(st.sampled_from([n - 1, *range(n)]))
        program.append((name, first, data.draw(st.integers(0, n - 1))))

    def run(which: int) -> Callable[..., Any]:
        def f(a: Any, b: Any) -> Any:
            values = [a, b]
            for name, i, j in program:
                values.append(STEPS[name][which](values[i], values[j]))
            # Every input takes part, so that autograd has a path to each.
            return values[-1] + 0.0 * a + 0.0 * b

        return f

    units = st.integers(-8, 8).map(lambda n: n / 8)
    a, b = data.draw(arrays((2, 2), units)), data.draw(arrays((1, 2), units))
    judge(*under_test(run(0), drawn_orders(data, a, b)), run(1), [a, b], seed)


def test_gradients_add_up_over_calls_until_they_are_zeroed() -> None:
    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    y.backward()
    assert x.grad.to_numpy().tolist() == [4.0, 8.0]
    x.zero_grad_()
    assert x.grad is None


def test_gradients_have_no_history() -> None:
    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    (x * x).backward(minitorch.tensor([1.0, 1.0], requires_grad=True))
    x.backward(minitorch.tensor([1.0, 1.0], requires_grad=True))
    assert x.grad.is_constant()


def test_backward_of_several_cells_needs_their_derivatives() -> None:
    with pytest.raises(AssertionError, match="derivatives"):
        minitorch.tensor([1.0, 2.0], requires_grad=True).backward()


def test_constructors() -> None:
    assert minitorch.tensor([[1, 2, 3], [4, 5, 6]]).shape == (2, 3)
    assert minitorch.tensor(3).shape == ()
    assert minitorch.tensor(3).sum().item() == 3.0
    assert minitorch.zeros((2, 2)).to_numpy().tolist() == [[0.0, 0.0], [0.0, 0.0]]
    drawn = minitorch.rand((50,), requires_grad=True)
    assert drawn.is_leaf()
    assert len(set(drawn.to_numpy().tolist())) > 1
    assert 0.0 <= drawn.to_numpy().min() <= drawn.to_numpy().max() < 1.0
    made = Tensor.make([1.0, 2.0], (2,), backend=minitorch.SimpleBackend)
    assert (made.size, made.dims, made.shape) == (2, 1, (2,))


def test_cells_are_read_and_written() -> None:
    t = minitorch.tensor([[1.0, 2.0], [3.0, 4.0]])
    t[1, 0] = 9.0
    assert t[1, 0] == 9.0
    assert type(t[1, 0]) is float
    assert minitorch.tensor([5.0, 6.0])[1] == 6.0


def test_grad_check_accepts_a_right_and_refuses_a_wrong_gradient() -> None:
    class Wrong(minitorch.Function):  # type: ignore
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            return a.f.mul_zip(a, a)

        @staticmethod
        def backward(ctx: Any, d: Any) -> Any:
            return d

    a, b = minitorch.tensor([[1.0, 2.0]]), minitorch.tensor([3.0, 4.0])
    minitorch.grad_check(lambda a, b: (a * b).permute(1, 0).exp() * 0.01, a, b)
    minitorch.grad_check(lambda a, unused: a * 2.0, a, b)
    assert a.to_numpy().tolist() == [[1.0, 2.0]]
    assert b.to_numpy().tolist() == [3.0, 4.0]
    with pytest.raises(AssertionError, match="argument 0"):
        minitorch.grad_check(Wrong.apply, a)
