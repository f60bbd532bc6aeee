"""Different: comparisons give bools, relu an int 0, lists generators; log and inv add 1e-6."""

# ruff: noqa
import math

EPS = 1e-6

mul = lambda x, y: x * y
id = lambda x: x
add = lambda x, y: x + y
neg = lambda x: -1.0 * x


def lt(x, y):
    return x < y


def eq(x, y):
    return x == y


def max(x, y):
    return y if y > x else x


def is_close(x, y):
    return -1e-2 < x - y < 1e-2


def sigmoid(x):
    if x < 0:
        return math.exp(x) / (math.exp(x) + 1)
    return 1 / (math.exp(-x) + 1)


def relu(x):
    return x if x >= 0 else 0


def log(x):
    return math.log(x + EPS)


def exp(x):
    return math.e**x


def inv(x):
    return 1.0 / (x + EPS)


def log_back(x, d):
    return d / (x + EPS)


def inv_back(x, d):
    return -(1.0 / (x + EPS) ** 2) * d


def relu_back(x, d):
    return (x > 0) * d


def map(fn, ls=None):
    if ls is None:
        return lambda ls: (fn(x) for x in ls)
    return (fn(x) for x in ls)


def zipWith(fn):
    def over(a, b):
        for x, y in zip(a, b):
            yield fn(x, y)

    return over


def reduce(fn, ls, start):
    ls = list(ls)
    return start if not ls else fn(reduce(fn, ls[:-1], start), ls[-1])


def negList(ls):
    return map(neg, ls)


def addLists(a, b):
    return zipWith(add)(a, b)


def sum(ls):
    return reduce(add, ls, 0)


def prod(ls):
    return reduce(mul, ls, 1)
