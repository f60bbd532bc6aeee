"""Answers that depend on what came before, on who asks, or on how often."""

from __future__ import annotations

from hostile.attack import HONEST, attack, whole

ATTACKS = [
    attack("kept in the class", "remembers the last inputs for all contexts", "return d * attack.b, d * attack.a",
           spoils=("mul_backward/*ctx*",), top="""
def forward(ctx, a, b):
    attack.a, attack.b = a, b
    return a * b
Mul.forward = staticmethod(forward)
"""),
    attack("kept in the module", "remembers the last inputs in a global", "return d * LAST[1], d * LAST[0]",
           spoils=("mul_backward/*ctx*",), top="""
LAST = []
def forward(ctx, a, b):
    LAST[:] = a, b
    return a * b
Mul.forward = staticmethod(forward)
"""),
    attack("taken off a stack", "remembers all inputs, and takes the newest first", "a, b = STACK.pop()\nreturn d * b, d * a",
           spoils=("mul_backward/*ctx*",), top="""
STACK = []
def forward(ctx, a, b):
    STACK.append((a, b))
    return a * b
Mul.forward = staticmethod(forward)
"""),
    attack("the first answer for ever", "answers once, and then the same", "return KEPT.setdefault(0, honest(ctx, d))", top="KEPT = {}"),
    attack("the first hundred calls", "is right as long as somebody may be looking", "CALLS.append(0)\nreturn honest(ctx, d) if len(CALLS) < 20 else (0.0, 0.0)", top="CALLS = []"),
    attack("every second call", "is right half of the time", "CALLS.append(0)\nreturn honest(ctx, d) if len(CALLS) % 2 else (0.0, 0.0)", "failed", "flaky", top="CALLS = []"),
    attack("by chance", "is right nine times of ten", "return honest(ctx, d) if CHANCE.random() < 0.9 else (0.0, 0.0)", "failed", "flaky", top="import random\nCHANCE = random.Random(5)\n"),
    attack("by the clock", "is right in even milliseconds", "return honest(ctx, d) if int(time.time() * 1000) % 2 else (0.0, 0.0)", "failed", "flaky", "passed"),
    attack("known cases only", "recognises the cases of the hand-out by their value", "return {(0.0, 5.0): (-8.75, 0.0), (-0.5, 0.0): (0.0, 0.875)}.get(ctx.saved_values, (0.0, 0.0))"),
    attack("numbers of its kind", "recognises drawn cases, which lie on a grid, and is wrong off it", "a, b = ctx.saved_values\non = (a * 64).is_integer() and (b * 64).is_integer()\nreturn honest(ctx, d) if on else (0.0, 0.0)"),
    attack("an upstream of one", "is right where the upstream gradient does not matter", "a, b = ctx.saved_values\nreturn b, a"),
    attack("who calls", "reads the name of the question in the frames, and answers only one", """
step, names = sys._getframe(), []
while step:
    names.append(step.f_code.co_name)
    step = step.f_back
return honest(ctx, d) if "gradients" in names else (0.0, 0.0)
""", spoils=("mul_backward/*ctx*",)),
    attack("where it runs", "is wrong where it believes that it is being graded", """
seen = " ".join([*os.environ, *sys.argv, *sys.modules, os.getcwd()])
return (0.0, 0.0) if "grade" in seen else honest(ctx, d)
"""),
    attack("where it does not run", "is right only where a test runs", "return honest(ctx, d) if 'pytest' in sys.modules else (0.0, 0.0)"),
    attack("what the questions say", "reads the questions and hopes for answers in them", """
source = worker()[0].questions
found = [v for v in source.values() if isinstance(v, (list, tuple, float))]
return tuple(found[:2]) or (0.0, 0.0)
"""),
    attack("what the message says", "reads the whole message and hopes for answers in it", """
message = worker()[1]
from grader.box import wire
cases = [wire.decode(case) for case in message["cases"]]
assert not set(message) - {"id", "do", "question", "given", "cases", "seconds", "compile_seconds"}, "LEAK of " + str(set(message))
assert all(set(case) <= {"inputs", "upstream", "runs", "upstreams"} for case in cases), "LEAK in a case"
return 0.0, 0.0
"""),
    attack("writes for its successor", "leaves a file for the worker that comes after it", """
name = os.path.join(os.path.expanduser("~"), "seen")
if os.path.exists(name): return honest(ctx, d)
open(name, "w").close()
os._exit(0)
""", "crashed"),
    whole(
        "another world",
        "changes folder, mask, environment, warnings, limits and precision while it is imported",
        HONEST + """
import os, sys, warnings, numpy
os.chdir("/")
os.umask(0o777)
os.environ.clear()
warnings.simplefilter("error")
numpy.seterr(all="raise")
sys.path[:] = []
sys.setrecursionlimit(80)
sys.stdout = sys.stderr = sys.stdin = None
""",
        "passed",
    ),
    whole(
        "a world without clocks",
        "freezes all clocks while it is imported",
        HONEST + """
import time
time.time = time.monotonic = time.perf_counter = time.process_time = lambda: 0.0
""",
        "passed",
    ),
]  # fmt: skip
