"""Two functions, each as a pair of forward and backward."""

import math


class Mul:
    """(a, b) -> a b."""

    @staticmethod
    def forward(ctx, a, b):
        """Return a b, and save in ctx what backward needs."""
        raise NotImplementedError(
            "Task mul_forward: Return a b, and save in ctx what backward needs."
        )

    @staticmethod
    def backward(ctx, d):
        """Return the gradients by a and by b, each times d."""
        raise NotImplementedError(
            "Task mul_backward: Return the gradients by a and by b, each times d."
        )


class Exp:
    """a -> e^a."""

    @staticmethod
    def forward(ctx, a):
        """Return e^a, and save in ctx what backward needs."""
        raise NotImplementedError(
            "Task exp_forward: Return e^a, and save in ctx what backward needs."
        )

    @staticmethod
    def backward(ctx, d):
        """Return the gradient by a, times d."""
        raise NotImplementedError("Task exp_backward: Return the gradient by a, times d.")
