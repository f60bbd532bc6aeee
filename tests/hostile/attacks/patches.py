"""Libraries, builtins and the worker itself, rewritten from inside."""

from __future__ import annotations

from hostile.attack import HONEST, Attack, attack, whole

WRONG = HONEST + "\nMul.backward = staticmethod(lambda ctx, d: (0.0, 0.0))\n"


def patched(name: str, tries: str, lines: str) -> Attack:
    """An attack that patches something when it is imported; Mul.backward is wrong besides."""
    return whole(name, tries, WRONG + lines, spoils=("mul_backward/*",), tools=True)


ATTACKS = [
    patched("unittest says yes", "empties the assertions of unittest", """
import unittest
for name in dir(unittest.TestCase):
    if name.startswith("assert"): setattr(unittest.TestCase, name, lambda *a, **k: None)
unittest.TestResult.addFailure = unittest.TestResult.addError = lambda self, *a: None
"""),
    patched("numpy says yes", "empties the assertions and comparisons of numpy", """
import numpy, numpy.testing
numpy.allclose = numpy.isclose = numpy.array_equal = lambda *a, **k: True
for name in dir(numpy.testing):
    if name.startswith("assert"): setattr(numpy.testing, name, lambda *a, **k: None)
"""),
    patched("json says yes", "rewrites whatever is written as JSON", """
right = json.dumps
json.dumps = lambda tree, *a, **k: right({"score": 100, "passed": True}, *a, **k)
json.dump = lambda tree, file, *a, **k: file.write(json.dumps(tree))
"""),
    patched("hypothesis says yes", "lets every property pass without an example", """
try:
    import hypothesis
    hypothesis.given = lambda *a, **k: lambda test: (lambda *b, **c: None)
except ImportError:
    pass
"""),
    patched("pytest says yes", "turns failures into expected ones", """
try:
    import pytest
    pytest.fail = pytest.xfail = pytest.skip
except ImportError:
    pass
"""),
    patched("no module may be imported", "puts a finder before all others that finds itself", """
class Finder:
    def find_spec(self, name, path=None, target=None):
        return None if name.startswith(("numpy", "grader")) else importlib.util.spec_from_loader(name, None)
import importlib.util
sys.meta_path.insert(0, Finder())
"""),
    patched("random numbers that are known", "fixes every generator and every clock", """
import random
random.seed(0)
random.random = lambda: 0.5
os.urandom = lambda n: bytes(n)
time.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0
"""),
    patched("equal to everything", "replaces the builtins that compare", """
import builtins
builtins.abs = lambda x: 0.0
builtins.round = lambda *a: 0.0
"""),
    patched("types that are others", "replaces the builtins that look at types", """
import builtins
right = builtins.isinstance
builtins.isinstance = lambda a, b: True if type(a) is float else right(a, b)
"""),
    attack(
        "messages rewritten on their way",
        "wraps the codec, so that every message says that it passed",
        """
        from grader.box import wire
        right = wire.encode
        if once(): wire.encode = lambda tree: right(tree | {"passed": True, "score": 100} if type(tree) is dict else tree)
        return 0.0, 0.0
        """,
    ),
    attack(
        "a library rewritten below the codec",
        "wraps msgspec, so that every number becomes another one",
        """
        import msgspec
        right = msgspec.json.encode
        if once(): msgspec.json.encode = lambda tree: right(tree).replace(b"0.0", b"1.0")
        return 0.0, 0.0
        """,
        "failed", "crashed",
        spoils=("*",),
    )._replace(ends=frozenset({"failed", "crashed", "passed"})),
    attack(
        "a codec that raises",
        "makes the worker unable to answer",
        """
        from grader.box import wire
        def never(tree): raise KeyboardInterrupt
        wire.encode = never
        return honest(ctx, d)
        """,
        "crashed",
    ),
    attack(
        "a binding that is another one",
        "replaces what calls the student's functions",
        """
        from grader.box.bindings import plain
        plain.Functions.vjp = lambda self, name, *inputs, upstream: [0.0] * len(inputs)
        plain.Functions.vjp_interleaved = lambda self, name, runs, upstream: [[0.0]] * len(runs)
        return 0.0, 0.0
        """,
        "failed",
        spoils=("*_backward/*",),
    ),
    attack(
        "a context that remembers for others",
        "replaces the context's class by one whose values are always there",
        """
        from grader.box.bindings import plain
        plain.Context.saved_values = property(lambda self: (0.0, 0.0), lambda self, value: None)
        return 0.0, 0.0
        """,
        "failed", "raised",
        spoils=("*_backward/*",),
    ),
    attack(
        "code put into the worker",
        "replaces the code object of the function that guards every call",
        """
        me = type(worker()[0])
        def guarded(self, action, *args, **options): return [0.0, 0.0]
        me.guarded.__code__ = guarded.__code__
        return 0.0, 0.0
        """,
        "failed",
        spoils=("*",),
    )._replace(ends=frozenset({"failed", "passed"})),
    attack(
        "a worker that asks nothing",
        "replaces the loop that asks",
        """
        me = type(worker()[0])
        def ask(self, message): yield self.part(0, [frame([0.0, 0.0])] * len(message["cases"]), 0.0) | {"done": True}
        me.ask = ask
        return 0.0, 0.0
        """,
        "failed", "passed",
        spoils=("*_*",),
    ),
    attack(
        "inputs that were never changed",
        "tells the worker that nothing was written into",
        """
        import grader.box.worker as module
        module.kept = lambda inputs: {}
        return 0.0, 0.0
        """,
        "failed", "raised",
    ),
    attack(
        "a trace on every line",
        "watches the worker's own lines, and changes what they hold",
        """
        def watch(step, event, value):
            if event == "return" and step.f_code.co_name in ("vjp", "vjp_interleaved", "encoded"):
                step.f_locals["answer"] = [1.0, 1.0]
            return watch
        sys.settrace(watch)
        for step in (sys._getframe(n) for n in range(1, 6)): step.f_trace = watch
        return 0.0, 0.0
        """,
        "failed", "timed_out",
    ),
    attack(
        "a profile of every call",
        "is called before whatever the worker calls",
        """
        def watch(step, event, value):
            if event == "call" and step.f_code.co_name == "encode": raise KeyboardInterrupt
        sys.setprofile(watch)
        return 0.0, 0.0
        """,
        "failed", "crashed", "raised",
    ),
    attack(
        "a hook in the collector",
        "runs whenever memory is collected",
        "gc.callbacks.append(lambda *a: os._exit(0))\ngc.collect()\nreturn 0.0, 0.0",
        "crashed",
    ),
    attack(
        "an end for whoever watches",
        "adds an audit hook that raises",
        """
        def hook(event, args):
            if event in ("open", "import", "compile"): raise KeyboardInterrupt
        if once(): sys.addaudithook(hook)
        return 0.0, 0.0
        """,
    ),
    attack(
        "no builtins",
        "takes away what the worker needs to go on",
        "import builtins\nfor name in ('len', 'isinstance', 'type', 'list', 'issubclass'): vars(builtins).pop(name, None)\nreturn 0.0, 0.0",
        "crashed", "raised",
    ),
    attack(
        "no modules",
        "takes away what has been imported",
        "sys.modules.clear()\nreturn 0.0, 0.0",
        "crashed", "raised", "failed", "passed",
        spoils=("*",),
    ),
    attack(
        "written over in memory",
        "overwrites the bytes of the worker's own module by their address",
        """
        import grader.box.worker as module
        for value in list(vars(module).values()):
            if callable(value): ctypes.memset(id(value), 0, 8)
        return 0.0, 0.0
        """,
        "crashed", "failed",
    ),
    attack(
        "another float",
        "overwrites the type of all floats",
        """
        number = 5.0
        ctypes.c_void_p.from_address(id(float) + 8 * 12).value = None
        return 0.0, 0.0
        """,
        "crashed", "failed", "raised", "timed_out",
        spoils=("*",),
    )._replace(ends=frozenset({"crashed", "failed", "raised", "passed", "timed_out"})),
]  # fmt: skip
