"""Trains a small network with a student's Scalars or Tensors: the course's own, in the student's arithmetic.

The network, the optimiser and the numbers are ours; what is the student's is every operation, and the
gradients. Two layers of the course's networks suffice to need all of them:

    p = sigmoid(relu(x W1 + b1) W2 + b2),    loss = -log p of the right class, summed over the points,

and one step of gradient descent takes every parameter theta to theta - rate * d loss / d theta.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from grader.box.bindings.plain import number

Layers = list[Any]  # W1 (inputs, hidden), b1 (hidden,), W2 (hidden, 1), b2 (1,)


def scalars(
    subject: Any, points: Any, labels: list[float], layers: Layers, rate: float, steps: int
) -> dict[str, Any]:
    """What Scalars learn. points: (n, 2); labels: n times 0.0 or 1.0. See `learned`."""
    shapes = [layer.shape for layer in layers]
    values = [float(v) for layer in layers for v in layer.reshape(-1)]
    sizes = [layer.size for layer in layers]

    def step(values: list[float], descend: bool) -> tuple[Any, list[float], list[float]]:
        leaves = [subject.scalar(v) for v in values]
        rest = iter(leaves)
        w1, b1, w2, b2 = ([next(rest) for _ in range(size)] for size in sizes)
        hidden = shapes[0][1]
        total: Any = None
        outputs = []
        for point, label in zip(points.tolist(), labels, strict=True):
            out = b2[0]
            for h in range(hidden):
                z = b1[h]
                for i, x in enumerate(point):
                    z = z + w1[i * hidden + h] * x
                out = out + w2[h] * z.relu()
            p = out.sigmoid()
            outputs.append(number(subject.data(p)))
            loss = -(p if label else (p - 1.0) * -1.0).log()
            total = loss if total is None else total + loss
        if descend:
            total.backward(1.0)
            gradients = [number(leaf.derivative) for leaf in leaves]
            values = [v - rate / len(labels) * g for v, g in zip(values, gradients, strict=True)]
        return number(subject.data(total)), outputs, values

    return learned(step, values, labels, steps)


def tensors(
    subject: Any, points: Any, labels: list[float], layers: Layers, rate: float, steps: int
) -> dict[str, Any]:
    """What Tensors learn, by the subject's backend; `x W` is a matrix product where it has one. See
    `learned`."""
    import numpy as np

    count, hidden = len(labels), layers[0].shape[1]
    y = np.array(labels).reshape(count, 1)
    x3 = np.asarray(points).reshape(count, 2, 1)

    def step(values: list[Any], descend: bool) -> tuple[Any, list[float], list[Any]]:
        w1, b1, w2, b2 = leaves = [subject.make(v) for v in values]
        if subject.matrices:
            z = subject.make(np.asarray(points), grad=False) @ w1
        else:
            z = (subject.make(x3, grad=False) * w1.view(1, 2, hidden)).sum(1).view(count, hidden)
        h = (z + b1).relu()
        if subject.matrices:
            out = h @ w2
        else:
            out = (h.view(count, hidden, 1) * w2.view(1, hidden, 1)).sum(1).view(count, 1)
        p = (out + b2).sigmoid()
        truth = subject.make(y, grad=False)
        right = p * truth + (p - 1.0) * (truth - 1.0)
        loss = -right.log().sum()
        if descend:
            loss.backward()
            gradients = [subject.read(leaf.grad) for leaf in leaves]
            values = [v - rate / count * g for v, g in zip(values, gradients, strict=True)]
        return float(subject.array(loss).sum()), subject.array(p).reshape(-1).tolist(), values

    return learned(step, [np.asarray(layer) for layer in layers], labels, steps)


def learned(
    step: Callable[[Any, bool], tuple[Any, list[float], Any]],
    values: Any,
    labels: list[float],
    steps: int,
) -> dict[str, Any]:
    """start and end: the loss per point before the first and after the last step; right: how many points
    are on the right side of 1/2 at the end."""
    first, _, values = step(values, True)
    for _ in range(steps - 1):
        _, _, values = step(values, True)
    last, outputs, _ = step(values, False)
    right = sum((p > 0.5) == (label > 0.5) for p, label in zip(outputs, labels, strict=True))
    return {"start": first / len(labels), "end": last / len(labels), "right": right}
