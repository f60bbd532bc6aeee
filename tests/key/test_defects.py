"""Defects that public templates hand to every student, and that the key must not have."""

from __future__ import annotations

import numpy as np
import pytest

from .subjects import minitorch


def test_a_tensor_without_requires_grad_is_a_constant() -> None:
    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    c = minitorch.tensor([3.0, 4.0])
    d = minitorch.tensor([5.0, 6.0], requires_grad=True)
    d.requires_grad_(False)
    (x * c * d).sum().backward()
    assert x.grad.to_numpy().tolist() == [15.0, 24.0]
    assert c.grad is None
    assert d.grad is None
    assert not d.requires_grad()


def test_requires_grad_can_be_switched_on_again() -> None:
    x = minitorch.tensor([1.0])
    x.requires_grad_(True)
    (x * x).backward()
    assert x.grad.item() == 2.0


def test_constants_make_constants() -> None:
    a, b = minitorch.tensor([1.0]), minitorch.tensor([2.0])
    assert (a * b).is_constant()
    assert minitorch.rand((2,)).is_constant()
    assert minitorch.zeros((2,)).is_constant()


def test_a_view_passes_back_a_permuted_gradient_in_order() -> None:
    x = minitorch.tensor([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], requires_grad=True)
    y = x.view(2, 3).permute(1, 0)
    y.backward(minitorch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    assert x.grad.to_numpy().tolist() == [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]


def test_item_reads_the_cell_and_only_of_a_single_one() -> None:
    assert minitorch.tensor([[[7.0]]]).permute(2, 0, 1).item() == 7.0
    data = minitorch.TensorData([5.0], (1, 1), (9, 4))
    assert minitorch.Tensor(data, backend=minitorch.SimpleBackend).item() == 5.0
    with pytest.raises(AssertionError, match="size 1"):
        minitorch.tensor([1.0, 2.0]).item()


def test_all_works_on_a_tensor_in_any_layout_and_in_a_graph() -> None:
    x = minitorch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]], requires_grad=True)
    assert x.permute(1, 0).all().item() == 0.0
    x.all(0).sum().backward()
    assert np.all(x.grad.to_numpy() == 0.0)


def test_contiguity_is_about_cells_not_about_the_order_of_strides() -> None:
    # Strides 1, 3 ascend, but with a side of 1 the cells still lie one after the other.
    assert minitorch.tensor([[1.0, 2.0, 3.0]]).permute(1, 0)._tensor.is_contiguous()
    assert not minitorch.tensor([[1.0, 2.0], [3.0, 4.0]]).permute(1, 0)._tensor.is_contiguous()


def test_a_second_backend_replaces_both_names_of_the_first() -> None:
    other = minitorch.TensorBackend(minitorch.SimpleOps)
    t = minitorch.tensor([1.0])
    t._type_(other)
    assert t.backend is other
    assert t.f is other


def test_package_names() -> None:
    assert callable(minitorch.tensor)
    assert minitorch.scalar.Scalar is minitorch.Scalar
    assert minitorch.operators.prod is minitorch.prod
    assert minitorch.Mul is minitorch.tensor_functions.Mul
    for name in ["IndexingError", "TensorData", "Context", "SimpleOps", "SimpleBackend", "History"]:
        assert hasattr(minitorch, name), name
