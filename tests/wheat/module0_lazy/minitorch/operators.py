"""Different: lists come back as generators and map objects; reduce takes its start last, and may do without."""

# ruff: noqa
import math


def mul(x, y):
    return y * x


def id(x):
    return float(x)


def add(x, y):
    return y + x


def neg(x):
    return 0 - x


def lt(x, y):
    return bool(x < y)


def eq(x, y):
    return not (x < y or x > y)


def max(x, y):
    return sorted([x, y])[-1]


def is_close(x, y):
    return abs(y - x) <= 1e-2


def sigmoid(x):
    return (1 + math.tanh(x / 2)) / 2 if abs(x) < 5 else _by_exp(x)


def _by_exp(x):
    small = math.exp(-abs(x))
    return (1 if x > 0 else small) / (1 + small)


def relu(x):
    return 0 if x < 0 else x


def log(x):
    return math.log2(x) / math.log2(math.e)


def exp(x):
    return math.pow(math.e, x)


def inv(x):
    return x**-1


def log_back(x, d):
    return d * inv(x)


def inv_back(x, d):
    return neg(d) * inv(x) ** 2


def relu_back(x, d):
    return int(x >= 0) * d


import builtins
import functools


def map(fn):
    return functools.partial(builtins.map, fn)


def zipWith(fn):
    def pairs(xs, ys):
        for x, y in zip(xs, ys):
            yield fn(x, y)

    return pairs


def reduce(fn, xs, start=None):
    return functools.reduce(fn, xs) if start is None else functools.reduce(fn, xs, start)


def negList(ls):
    return map(neg)(ls)


def addLists(ls1, ls2):
    return (x for x in zipWith(add)(ls1, ls2))


def sum(ls):
    return reduce(add, ls, 0)


def prod(ls):
    return reduce(mul, ls) if ls else None
