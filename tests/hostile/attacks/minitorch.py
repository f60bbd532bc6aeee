"""Attacks on the binding for MiniTorch, where a student's objects are richer than numbers.

Most spoil one function, Exp, whose checks are named in `EXP`; some hold right values in odd clothes, which
must pass.
"""

from __future__ import annotations

from hostile.attack import Attack, torch

EXP = ("*Exp.*", "*exp()*")
BACK = ("*Exp.backward*",)

FUNCTIONS = "tensor_functions.py"


def forward(
    name: str, tries: str, body: str, *ends: str, top: str = "", spoils: tuple[str, ...] = EXP
) -> Attack:
    """An attack from inside Exp.forward on tensors; `honest(ctx, t)` is what that was before."""
    lines = "\n".join("    " + line for line in body.strip("\n").split("\n"))
    source = f"{top}\nhonest = Exp.forward\ndef attack(ctx, t):\n{lines}\nExp.forward = staticmethod(attack)\n"
    return torch(name, tries, FUNCTIONS, source, *ends, spoils=spoils, tools=True)


def backward(
    name: str, tries: str, body: str, *ends: str, top: str = "", spoils: tuple[str, ...] = BACK
) -> Attack:
    """An attack from inside Exp.backward on tensors; `honest(ctx, d)` is what that was before."""
    lines = "\n".join("    " + line for line in body.strip("\n").split("\n"))
    source = f"{top}\nhonest = Exp.backward\ndef attack(ctx, d):\n{lines}\nExp.backward = staticmethod(attack)\n"
    return torch(name, tries, FUNCTIONS, source, *ends, spoils=spoils, tools=True)


def scalar(
    name: str,
    tries: str,
    source: str,
    *ends: str,
    into: str = "scalar_functions.py",
    spoils: tuple[str, ...] = ("*Exp*", "*exp()*"),
) -> Attack:
    """An attack on Module 1."""
    return torch(name, tries, into, source, *ends, course="module1", spoils=spoils, tools=True)


LYING_RESULT = """
class Lie:
    def __init__(self, storage, shape, strides): self._storage, self._shape, self._strides = storage, shape, strides
"""

ATTACKS = [
    # Objects that a gradient is read from
    backward("a tensor that is none", "gives an object that says that it is a tensor", "return type('Tensor', (), {'_tensor': None, 'shape': (1,)})()"),
    backward("a storage that is larger than it is", "gives strides that lead out of the storage", "return Lie([1.0], (1 << 20, 2), (1, 1))", "raised", top=LYING_RESULT),
    backward("strides below zero", "gives strides that lead before the storage", "return Lie([1.0, 2.0], (2,), (-1,))", "raised", top=LYING_RESULT),
    backward("a shape of a billion", "gives a huge shape over one number", "return Lie([1.0], (1 << 15, 1 << 15), (0, 0))", "raised", top=LYING_RESULT),
    backward("a shape below zero", "gives a shape of negative sides", "return Lie([1.0], (-3, -5), (0, 0))", "raised", top=LYING_RESULT),
    backward("a shape without end", "gives a shape that never stops", "return Lie([1.0], __import__('itertools').count(1), (0,))", "raised", "timed_out", "crashed", top=LYING_RESULT),
    backward("sides that are objects", "gives sides that are asked for their number", "return Lie([1.0], (Side(), Side()), (1, 1))", "raised", "failed", top=LYING_RESULT + "\nclass Side:\n    n = 0\n    def __int__(self):\n        Side.n += 1\n        return Side.n % 3\n    __index__ = __int__\n"),
    backward("a storage of objects", "gives a storage that is asked for its numbers", "return Lie([Number()], (1,), (1,))", "failed", top=LYING_RESULT + "\nclass Number:\n    def __float__(self): return 1e300\n"),
    backward("a storage that looks around", "searches the frames of whoever reads it", "return Lie(Look(), (1,), (1,))", "failed", "raised", top=LYING_RESULT + """
class Look:
    def __array__(self, dtype=None, copy=None):
        import numpy
        step = sys._getframe(1)
        while step:
            if {"expected", "want", "bank"} & set(step.f_locals): raise RuntimeError("LEAK")
            step = step.f_back
        return numpy.array([0.0])
"""),
    backward("parts that raise", "raises something odd when its parts are looked up", "return Trap()", "raised", top="class Trap:\n    def __getattr__(self, name): raise KeyboardInterrupt\n"),
    backward("parts that end the process", "leaves when its parts are looked up", "return Trap()", "crashed", top="class Trap:\n    def __getattr__(self, name): os._exit(0)\n"),
    backward("parts of parts of parts", "answers every name with itself", "return Trap()", "raised", "failed", top="class Trap:\n    def __getattr__(self, name): return self\n    def __iter__(self): return iter([self])\n    def __len__(self): return 1\n    def __int__(self): return 0\n    def __float__(self): return 0.0\n"),
    backward("a descriptor that changes", "is another tensor each time it is looked at", "return Trap(honest(ctx, d))", "failed", "raised", top="class Trap:\n    n = 0\n    def __init__(self, t): self.t = t\n    @property\n    def _tensor(self):\n        Trap.n += 1\n        return (self.t if Trap.n % 2 else self.t + 1.0)._tensor\n"),
    backward("gradients without end", "gives a generator", "return (d for _ in __import__('itertools').count())", "failed"),
    backward("a list of tensors without end", "gives a list that never stops", "class L(list):\n    def __iter__(self):\n        while True: yield d\nreturn L()", "raised", "timed_out", "crashed"),
    backward("one gradient too many for a tensor", "gives a second gradient", "return honest(ctx, d), d", "failed"),
    backward("the upstream gradient itself", "gives back what it was given", "return d", "failed"),
    backward("a tensor of another shape", "gives what would be stretched", "return honest(ctx, d).sum()", "failed"),
    backward("an array in place of a tensor", "gives numpy's own", "return honest(ctx, d).to_numpy()", "passed"),
    backward("a tensor with another layout", "gives right numbers with odd strides", "import numpy as np\nt = honest(ctx, d)\na = t.to_numpy()\nb = np.repeat(a.reshape(-1), 2)\nst, n = [], 2\nfor side in reversed(a.shape):\n    st.insert(0, n)\n    n *= side\nreturn type('T', (), {'_storage': b, '_shape': a.shape, '_strides': tuple(st)})()", "passed", "failed"),
    backward("a tensor that dies", "ends the process when it is thrown away", "class Last(type(d)):\n    def __del__(self): os._exit(0)\nt = honest(ctx, d)\nreturn Last(t._tensor, backend=t.backend)", "crashed"),
    backward("writes into its upstream", "changes the gradient that it was given", "d._tensor._storage[:] = 0.0\nreturn honest(ctx, d)", "failed"),
    backward("what it saved is changed", "changes a saved tensor, and with it the input", "for t in ctx.saved_values: t._tensor._storage[:] = 1.0\nreturn honest(ctx, d)", "failed", spoils=BACK),
    # Outputs
    forward("an input that is the output", "writes the output into its input", "t._tensor._storage[:] = honest(ctx, t)._tensor._storage\nreturn t", "failed", "raised"),
    forward("a shape that lies", "gives a tensor whose shape is another one when it is asked", "out = honest(ctx, t)\nclass Lie(type(out)):\n    shape = property(lambda self: (1, 1))\nreturn Lie(out._tensor, backend=out.backend)", "passed", "failed", "raised"),
    forward("not a tensor", "gives an object that answers to everything", "return Anything()", "failed", "raised", top="class Anything:\n    def __getattr__(self, name): return self\n    def __call__(self, *a, **k): return self\n    def __iter__(self): return iter([])\n"),
    forward("the same tensor each time", "gives one output for all inputs", "KEPT.append(honest(ctx, t))\nreturn KEPT[0]", "failed", "raised", top="KEPT = []", spoils=("*exp()*",)),
    forward("no end of numbers", "gives a tensor that is a view of one number", "import numpy as np\nout = honest(ctx, t)\nout._tensor._storage = np.broadcast_to(0.0, (1 << 40,))\nreturn out", "failed", "raised", "timed_out", "crashed"),
    # The worker, from a Function
    backward("a binding that is rewritten", "replaces the class that reads tensors", "m = sys.modules['grader.box.bindings.minitorch']\nm.MiniTorch.array = lambda self, *a: None\nreturn honest(ctx, d)", "failed", "raised", spoils=("2.4/*",)),
    backward("a reader that adds one", "replaces the function that reads numbers", "m = sys.modules['grader.box.bindings.plain']\nm.number = lambda value: 1.0\nreturn d", "failed"),
    backward("a fork in the codec", "wraps the codec from inside a gradient", "w = sys.modules['grader.box.wire']\nright = w.encode\nif once(): w.encode = lambda tree: right([tree])\nreturn d", "crashed", "failed"),
    backward("a forged reply from a gradient", "sends the answers of a whole check", "if once(): put(part([[0.0]] * len(worker()[1]['cases'])))\nreturn honest(ctx, d)", "failed", "crashed"),
    backward("a thread from a gradient", "writes noise while the worker answers", "if once(): threading.Thread(target=lambda n=fd(): [os.write(n, b'x') for _ in range(300)]).start()\ntime.sleep(0.005)\nreturn honest(ctx, d)", "crashed", "passed"),
    backward("a socket that is closed", "closes the worker's own descriptors", "os.closerange(3, 64)\nreturn honest(ctx, d)", "crashed"),
    backward("numpy says yes to tensors", "replaces numpy's comparisons and constructors", "import numpy\nnumpy.allclose = numpy.array_equal = lambda *a, **k: True\nreturn d", "failed"),
    backward("the arrays' own type", "replaces numpy's array by another type", "import numpy\nif once(): numpy.ndarray = type('ndarray', (), {})\nreturn d", "failed", "raised", "crashed", "passed", spoils=("2.4/*",)),
    backward("a loop in a gradient", "never ends", "until = time.monotonic() + 15\nwhile time.monotonic() < until: pass", "timed_out"),
    # Module 1
    scalar("a float that lies to a scalar", "gives a float that is equal to everything", """
class Liar(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    def __float__(self): return 1e300
    __rsub__ = __sub__
    __hash__ = float.__hash__
Exp.forward = staticmethod(lambda ctx, a: (ctx.save_for_backward(0.0), Liar(0.125))[1])
Exp.backward = staticmethod(lambda ctx, d: Liar(0.125))
"""),
    scalar("a scalar whose number changes", "gives another number each time it is asked", """
class Odd(Scalar):
    n = 0
    @property
    def data(self):
        Odd.n += 1
        return float(Odd.n)
    @data.setter
    def data(self, value): pass
Scalar.exp = lambda self: Odd(0.0)
""", into="scalar.py", spoils=("*exp()*",)),
    scalar("a derivative that is an object", "gives a derivative that answers to everything", """
class Anything:
    def __getattr__(self, name): return self
    def __float__(self): return 1.0
    def __radd__(self, other): return self
    __add__ = __mul__ = __rmul__ = __radd__
Exp.backward = staticmethod(lambda ctx, d: Anything())
""", "failed", "raised", spoils=("1.4/*Exp*",)),
    scalar("a chain that never ends", "gives parents without end", """
def chain_rule(self, d):
    while True: yield self, 0.0
Scalar.chain_rule = chain_rule
""", "timed_out", "failed", "raised", "crashed", into="scalar.py", spoils=("1.4/backward*",)),
    scalar("a graph that is a circle", "makes a variable its own parent", """
Scalar.parents = property(lambda self: [self])
Scalar.is_leaf = lambda self: False
""", "timed_out", "failed", "raised", "crashed", into="scalar.py", spoils=("1.4/backward*",)),
    scalar("a scalar that is every scalar", "makes all variables one by their id", "Scalar.unique_id = property(lambda self: 7, lambda self, value: None)", "failed", "raised", into="scalar.py", spoils=("1.4/backward*",)),
    scalar("a count that is wrong", "walks every path through the graph, and hides how often backward is called", """
import grader.box.bindings.minitorch as m
m.MiniTorch.backward_calls = lambda self, *a: 0
""", into="autodiff.py", spoils=("*visits each operation once*",)),
    scalar("a context for all", "keeps what is saved in the class", """
Context.save_for_backward = lambda self, *values: setattr(Context, 'saved_values', values)
Context.saved_values = ()
Context.__setattr__ = lambda self, name, value: setattr(Context, name, value)
""", "failed", "raised", into="autodiff.py", spoils=("1.4/*",))._replace(ends=frozenset({"failed", "raised", "passed"})),
    scalar("an operator of another type", "gives what calls itself a Scalar", """
class Lie:
    @property
    def __class__(self): return Scalar
    def __getattr__(self, name): raise SystemExit(0)
Scalar.exp = lambda self: Lie()
""", "raised", into="scalar.py", spoils=("*exp()*",)),
    scalar("markup in a class", "puts markup into the name of an exception's type", "Exp.forward = staticmethod(lambda ctx, a: (_ for _ in ()).throw(type('<script>\\x1b[2J', (Exception,), {})('<img src=x onerror=alert(1)>\\u202e')))", "raised", spoils=("*Exp*", "*exp()*")),
    scalar("cases known by heart", "answers the cases that it has seen", "TABLE = {0.0: 1.0, 1.0: math.e}\nExp.forward = staticmethod(lambda ctx, a: TABLE.get(a, 0.0))" .replace("math.e", "2.718281828459045"), "failed", "raised"),
    scalar("one broken file", "does not compile", "def f(:\n", "blocked", "unimplemented", "raised", into="scalar.py", spoils=("*",))._replace(spoils=("1.2/Scalar*", "1.4/backward*")),
    torch("a package that replaces itself", "puts an object in place of the package", "__init__.py", """
import sys
class Package:
    __path__ = __path__
    __name__ = __name__
    def __getattr__(self, name): raise KeyboardInterrupt
sys.modules[__name__] = Package()
""", "raised", "blocked", "unimplemented", "passed", "failed", "crashed"),
]  # fmt: skip
