"""Different: comparisons give bools, relu and relu_back an int 0, id a float anew; relu_back keeps the slope at 0."""

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


def map(f):
    def each(xs):
        found = []
        for x in xs:
            found.append(f(x))
        return found

    return each


def zipWith(f):
    return lambda xs, ys: tuple(f(xs[i], ys[i]) for i in range(len(xs)))


def reduce(f, start=0):
    def fold(xs):
        if not xs:
            return start
        return f(fold(xs[:-1]), xs[-1])

    return fold


def negList(ls):
    return map(neg)(ls)


def addLists(ls1, ls2):
    return zipWith(add)(ls1, ls2)


def sum(ls):
    return reduce(add)(ls)


def prod(ls):
    return reduce(mul, 1)(ls)
