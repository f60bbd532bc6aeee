"""Two functions, each as a pair of forward and backward."""

import math


class Mul:
    """(a, b) -> a b."""

    @staticmethod
    def forward(ctx, a, b):
        """Return a b, and save in ctx what backward needs."""
        # begin solution mul_forward
        ctx.save_for_backward(a, b)
        return a * b
        # end solution

    @staticmethod
    def backward(ctx, d):
        """Return the gradients by a and by b, each times d."""
        # begin solution mul_backward
        a, b = ctx.saved_values
        return d * b, d * a
        # end solution


class Exp:
    """a -> e^a."""

    @staticmethod
    def forward(ctx, a):
        """Return e^a, and save in ctx what backward needs."""
        # begin solution exp_forward
        out = math.exp(a)
        ctx.save_for_backward(out)
        return out
        # end solution

    @staticmethod
    def backward(ctx, d):
        """Return the gradient by a, times d."""
        # begin solution exp_backward
        (out,) = ctx.saved_values
        return d * out
        # end solution
