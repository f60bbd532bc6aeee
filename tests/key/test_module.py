"""Task 0.4: the tree of modules."""

from __future__ import annotations

import pytest

from .subjects import minitorch

Module, Parameter = minitorch.Module, minitorch.Parameter


def tree() -> object:
    """A root with a parameter and two children, the first with a child of its own."""
    root = Module()
    root.p = Parameter(1)
    root.left = Module()
    root.left.q = Parameter(2)
    root.left.leaf = Module()
    root.left.leaf.r = Parameter(3)
    root.right = Module()
    root.right.add_parameter("s", 4)
    return root


def every(module: object) -> list[object]:
    return [module, *(m for child in module.modules() for m in every(child))]  # type: ignore


def test_parameters_are_named_by_their_path() -> None:
    named = tree().named_parameters()
    assert [(name, p.value) for name, p in named] == [
        ("p", 1),
        ("left.q", 2),
        ("left.leaf.r", 3),
        ("right.s", 4),
    ]


def test_parameters_are_the_named_ones_without_names() -> None:
    root = tree()
    assert list(root.parameters()) == [p for _, p in root.named_parameters()]
    assert len(root.parameters()) == 4


def test_mode_reaches_every_level() -> None:
    root = tree()
    assert [m.training for m in every(root)] == [True] * 4, "a new module is in training mode"
    root.eval()
    assert [m.training for m in every(root)] == [False] * 4
    root.train()
    assert [m.training for m in every(root)] == [True] * 4


def test_mode_reaches_a_node_whose_parent_is_in_that_mode_already() -> None:
    root = tree()
    root.left.leaf.eval()
    root.train()
    assert root.left.leaf.training is True


def test_attributes_are_found_again_and_unknown_ones_are_an_error() -> None:
    root = tree()
    assert root.p.value == 1
    assert root.left.leaf.r.value == 3
    with pytest.raises(AttributeError, match="nothing"):
        _ = root.nothing


def test_call_is_forward() -> None:
    class Double(Module):
        def forward(self, x: float) -> float:
            return 2 * x

    assert Double()(4.0) == 8.0


def test_a_parameter_makes_a_leaf_of_its_tensor() -> None:
    p = Parameter(minitorch.tensor([1.0, 2.0]), "w")
    assert p.value.is_leaf()
    assert p.value.name == "w"
    p.update(minitorch.tensor([3.0]))
    assert p.value.is_leaf()


def test_repr_shows_the_tree() -> None:
    assert repr(tree()) == (
        "Module(\n  (left): Module(\n    (leaf): Module()\n  )\n  (right): Module()\n)"
    )
