"""Answers that are not what they seem to be."""

from __future__ import annotations

from hostile.attack import Attack, attack

NUMPY = "import numpy as np"


def value(name: str, tries: str, expression: str, *ends: str, top: str = "") -> Attack:
    """An attack that gives such an answer for both gradients of Mul."""
    return attack(name, tries, f"answer = {expression}\nreturn answer, answer", *ends, top=top)


def heavy(name: str, tries: str, expression: str, *ends: str, top: str = "") -> Attack:
    """As `value`, for what takes so long to make or to refuse that once is enough."""
    body = f"if not once(): raise ValueError\nanswer = {expression}\nreturn answer, answer"
    return attack(name, tries, body, "raised", *ends, top=top)


ATTACKS = [
    value("text for a number", "hopes that it is converted", "'1.0'"),
    value("a complex number", "hopes that its real part is taken", "1 + 0j"),
    value("True", "hopes to be equal to 1.0", "True"),
    value("numpy's True", "hopes to be equal to 1.0", "np.True_", top=NUMPY),
    value("a decimal", "hopes to be equal to a float", "__import__('decimal').Decimal(1)"),
    value("a fraction", "hopes to be equal to a float", "__import__('fractions').Fraction(1)"),
    value("a set", "has no order", "{1.0}"),
    value("bytes", "hopes to be read as eight of them", "b'\\0' * 8"),
    value("nothing", "returns None", "None"),
    value("not a number", "hopes that nothing differs from it", "float('nan')"),
    value("infinity", "hopes that every difference is infinite", "float('inf')"),
    heavy("an int of a million bits", "cannot be a float", "1 << 1_000_000", "failed"),
    value("an int beyond all floats", "overflows when it is compared", "1 << 4000"),
    value(
        "a float that lies",
        "is equal to everything",
        "Liar(0.125)",
        top="""
        class Liar(float):
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            def __lt__(self, other): return True
            __le__ = __gt__ = __ge__ = __lt__
            def __sub__(self, other): return Liar(0.0)
            __rsub__ = __sub__
            def __abs__(self): return Liar(0.0)
            def __float__(self): return 1e300
            def as_integer_ratio(self): return 0, 1
            def __repr__(self): return "right"
            __hash__ = float.__hash__
        """,
    ),
    value(
        "an int that lies",
        "is another number when it is converted",
        "Liar(3)",
        top="""
        class Liar(int):
            def __index__(self): return 7
            def __int__(self): return 7
            def __float__(self): return 7.0
            def __eq__(self, other): return True
            __hash__ = int.__hash__
        """,
    ),
    value(
        "a number of numpy's that lies",
        "is another number when it is taken out",
        "Liar(0.125)",
        top="""
        import numpy as np
        class Liar(np.float64):
            def item(self, *args): raise KeyboardInterrupt
            def __float__(self): return 1e300
            def __eq__(self, other): return True
            __hash__ = None
        """,
    ),
    value(
        "an object that becomes what is wanted",
        "looks for the expected value in the frames of whoever converts it",
        "Chameleon()",
        top="""
        class Chameleon:
            def look(self, *args):
                step = sys._getframe(1)
                while step:
                    for name in ("expected", "want", "e"):
                        if isinstance(step.f_locals.get(name), float): return step.f_locals[name]
                    step = step.f_back
                return 0.0
            __float__ = __array__ = __index__ = __complex__ = __rsub__ = __sub__ = look
            def __eq__(self, other): return True
            __hash__ = None
        """,
    ),
    value(
        "an object that answers to everything",
        "has every attribute and every method",
        "Anything()",
        top="""
        class Anything:
            def __getattr__(self, name): return self
            def __call__(self, *args, **options): return self
            def __eq__(self, other): return True
            def __iter__(self): return iter([1.0, 1.0])
            def __len__(self): return 2
            __hash__ = None
        """,
    ),
    value(
        "a class that answers for its objects",
        "gives itself another type by its metaclass",
        "Odd()",
        top="""
        class Meta(type):
            __name__ = property(lambda cls: (_ for _ in ()).throw(KeyboardInterrupt))
            def __instancecheck__(cls, other): return True
            def __subclasscheck__(cls, other): return True
            def __eq__(cls, other): return other is float or other is cls
            def __hash__(cls): return hash(float)
        class Odd(metaclass=Meta):
            @property
            def __class__(self): return float
        """,
    ),
    value(
        "a proxy",
        "stands for a float that it is not",
        "weakref.proxy(KEPT)",
        top="""
        import weakref
        class Number(float): pass
        KEPT = Number(1.0)
        """,
    ),
    value("a gadget for pickle", "runs code in whoever unpickles it", "G()", top="class G:\n    def __reduce__(self): return exec, ('import os; os._exit(0)',)\n"),
    heavy("a list in a list in a list", "makes whoever walks it recurse", "DEEP", "raised", top="DEEP = 0.0\nfor _ in range(100_000): DEEP = [DEEP]\n"),
    value("a list of itself", "makes whoever walks it go round", "LOOP", "raised", top="LOOP = []\nLOOP.append(LOOP)\n"),
    heavy("a wide tree", "holds more values than fit", "[[0.5] * 3000] * 3000", "raised"),
    heavy("a huge array", "is larger than a reply may be", "np.zeros(3_000_000)", "raised", top=NUMPY),
    heavy("a huge array of nothing", "is a terabyte of one number", "np.broadcast_to(0.0, (1 << 17, 1 << 20))", "raised", "timed_out", "crashed", top=NUMPY),
    value("an array of objects", "holds references", "np.array([object()])", top=NUMPY),
    value("an array of fields", "holds records", "np.zeros(2, dtype=[('a', 'f8'), ('b', 'O')])", top=NUMPY),
    value("an array of text", "holds words", "np.array(['1.0'])", top=NUMPY),
    value("an array of dates", "holds days", "np.array(['2026-01-01'], dtype='M8[D]')", top=NUMPY),
    value("an array that overlaps itself", "names each number twice", "np.lib.stride_tricks.as_strided(np.arange(4.0), (3, 2), (8, 8))", top=NUMPY),
    value("an array that runs backwards", "has negative strides", "np.arange(3.0)[::-1]", top=NUMPY),
    value("an array of one", "hopes to be stretched", "np.array([d])", top=NUMPY),
    value("an array without axes", "hopes to be a number", "np.array(d)", top=NUMPY),
    value("an array with a mask", "hides what it holds", "np.ma.masked_all(3)", top=NUMPY),
    value("a file as an array", "is mapped from a file", "np.memmap('map', dtype='f8', mode='w+', shape=(2,))", top=NUMPY),
    value(
        "an array that lies",
        "is another array when it is looked at",
        "np.zeros(2).view(Liar)",
        top="""
        import numpy as np
        class Liar(np.ndarray):
            def __array_finalize__(self, other): raise KeyboardInterrupt if other is None else ValueError
            shape = property(lambda self: ())
            dtype = property(lambda self: os._exit(0))
            def tobytes(self, *args): return b"x"
        """,
    )._replace(ends=frozenset({"raised", "failed"})),
    value("a row of memory", "is raw memory", "memoryview(b'12345678').cast('d')"),
    value("an array of the library", "is a row of doubles", "__import__('array').array('d', [1.0])"),
    value("a tuple with names", "holds its numbers twice", "__import__('collections').namedtuple('N', 'a b')(1.0, 2.0)"),
    value("a dict whose keys are objects", "has keys that raise", "{object(): 1.0}"),
    value("a coroutine", "is never awaited", "wait()", top="async def wait(): return 1.0\n"),
    attack("one gradient too many", "hopes that only what is wanted is read", "return (*honest(ctx, d), 0.0)"),
    attack("one gradient too few", "hopes that what is missing is filled in", "return honest(ctx, d)[:1]"),
    attack("a generator", "gives its gradients when it is asked", "return (g for g in honest(ctx, d))"),
    attack("numbers without end", "never stops counting", "return __import__('itertools').count(0.0)"),
    attack(
        "a list without end",
        "never stops when it is walked",
        "class Endless(list):\n    def __iter__(self):\n        while True: yield 0.0\nreturn Endless(honest(ctx, d))",
        "raised", "passed", "failed",
    ),
    attack(
        "a list that lies about itself",
        "has another length, and other items, than it holds",
        """
        class Liar(list):
            def __len__(self): return 2
            def __iter__(self): return iter(())
            def __getitem__(self, key): return 0.0
            def __eq__(self, other): return True
            __hash__ = None
        return Liar([0.0, 0.0])
        """,
    ),
    attack(
        "a tuple that is none",
        "calls itself a tuple",
        """
        class Lie:
            @property
            def __class__(self): return tuple
            def __iter__(self): return iter((0.0, 0.0))
        return Lie()
        """,
    ),
    attack("a dict of gradients", "gives names to its gradients", "return dict(enumerate(honest(ctx, d)))"),
    attack("what it was given", "returns the context", "return ctx"),
    attack("a difference", "approximates what it should know", "a, b = ctx.saved_values\nh = 1e-6\nreturn tuple(d * ((x + h) - (x - h)) / (2 * h) * y for x, y in ((a, b), (b, a)))"),
    attack("single precision", "rounds to half of the digits", "return tuple(struct.unpack('f', struct.pack('f', 1.1 * g))[0] / 1.1 for g in honest(ctx, d))"),
    attack(
        "writes into its input",
        "changes the very object that it was given",
        """
        a, b = ctx.saved_values
        # A float's eight bytes, behind its count of references and its type.
        ctypes.c_double.from_address(id(d) + 16).value = 0.0
        return d * b, d * a
        """,
    ),
]  # fmt: skip
