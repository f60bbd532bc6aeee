"""Files that stand beside `student.py`, and sources that are odd as files."""

from __future__ import annotations

from hostile.attack import HONEST, whole

WRONG = HONEST + "\nMul.backward = staticmethod(lambda ctx, d: (0.0, 0.0))\n"
OTHERS = ("mul_backward/*",)
YES = "raise SystemExit(0)\n"

ATTACKS = [
    whole("files of pytest", "ships a conftest that lets everything pass", WRONG, spoils=OTHERS,
          files={"conftest.py": "def pytest_runtest_makereport(item, call): pass\n" + YES, "pytest.ini": "[pytest]\n"}),
    whole("files of Python", "ships modules that Python imports by itself", WRONG, spoils=OTHERS,
          files={"sitecustomize.py": YES, "usercustomize.py": YES, "__init__.py": YES, "__main__.py": YES}),
    whole("a numpy of its own", "ships modules under the names of libraries", WRONG + "\nimport numpy\nassert numpy.__version__ != 'mine'\n", spoils=OTHERS,
          files=dict.fromkeys(("numpy.py", "msgspec.py", "json.py", "math.py", "os.py"), "__version__ = 'mine'\n" + YES)),
    whole("a grader of its own", "ships modules under the names of the grader's", WRONG, spoils=OTHERS,
          files={"grader.py": YES, "questions.py": "def gradients(*a, **k): return []\n", "checks.py": YES, "worker.py": YES}),
    whole("two of one name", "ships a package and a module of one name", WRONG, spoils=("*",),
          files={"student/__init__.py": HONEST})._replace(ends=frozenset({"passed", "intake"})),
    whole("a package in place of a file", "ships a package", "", "passed", files={"student/__init__.py": HONEST})._replace(
        files={"student/__init__.py": HONEST, "student.py": ""}, ends=frozenset({"passed", "intake", "unimplemented"})),
    whole("another encoding", "hides its code from readers in another encoding", "# -*- coding: utf-7 -*-\n" + WRONG, spoils=OTHERS),
    whole("an encoding that does not exist", "names a codec that must be looked for", "# -*- coding: no-such-codec -*-\n" + WRONG, "blocked"),
    whole("a NUL in the source", "ends the source early", WRONG + "\0", "blocked"),
    whole("source that is too deep", "nests expressions until the parser gives up", "x = " + "(" * 5000 + ")" * 5000, "blocked"),
    whole("source that is one long sum", "nests operators until the compiler gives up", "x = " + "+".join(["1"] * 60_000), "blocked", "failed", "unimplemented", "crashed"),
    whole("five megabytes of source", "is larger than sources are", "#" * (5 << 20), "intake"),
    whole("names that are keywords of nobody", "defines its classes by names that normalise to the right ones", WRONG.replace("class Mul", "class \uff2d\uff55\uff4c"), spoils=OTHERS),
    whole("functions that are objects", "gives objects that are called in place of functions", WRONG + """
class Call:
    def __get__(self, *a): return self
    def __call__(self, *a): return 0.0, 0.0
    def __getattr__(self, name): return self
Mul.backward = Call()
""", spoils=OTHERS),
    whole("a descriptor that counts", "gives another function each time it is looked up", WRONG + """
class Each:
    def __init__(self): self.n = 0
    def __get__(self, *a):
        self.n += 1
        return (lambda ctx, d: (0.0, 0.0)) if self.n % 2 else (lambda ctx, d: (1.0, 1.0))
Mul.backward = Each()
""", spoils=OTHERS),
    whole("a class that is made when it is looked up", "answers every name of the module", HONEST.replace("class Mul", "class Other") + """
def __getattr__(name):
    if name == "Mul": return type("Mul", (Other,), {"backward": staticmethod(lambda ctx, d: (0.0, 0.0))})
    raise AttributeError(name)
""", spoils=OTHERS),
    whole("a metaclass that answers for its class", "gives forward and backward by a metaclass", HONEST + """
class Meta(type):
    def __getattribute__(cls, name):
        if name == "backward": return lambda ctx, d: (0.0, 0.0)
        return type.__getattribute__(cls, name)
Mul = Meta("Mul", (Mul,), {})
""", spoils=OTHERS),
    whole("attributes that raise", "raises something odd when it is looked up", HONEST + """
class Meta(type):
    def __getattribute__(cls, name):
        if name == "backward": raise KeyboardInterrupt
        return type.__getattribute__(cls, name)
Mul = Meta("Mul", (Mul,), {})
""", "raised", spoils=OTHERS),
    whole("a module that is none", "replaces itself by an object", HONEST + """
import sys
class Module:
    def __getattr__(self, name):
        if name in ("Mul", "Exp"): return globals()[name]
        raise AttributeError(name)
    Mul = type("Mul", (Mul,), {"backward": staticmethod(lambda ctx, d: (0.0, 0.0))})
sys.modules[__name__] = Module()
""", spoils=OTHERS),
]  # fmt: skip
