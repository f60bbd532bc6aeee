"""Attacks from a student's own tests, which run on right operators and on wrong ones."""

from __future__ import annotations

import textwrap

from hostile.attack import TOOLS, Attack

BOTH = ("*test_symmetric*",)
LAW = ("*test_symmetric notices*",)
FILE = "tests/test_operators.py"


def own(
    name: str, tries: str, body: str, *ends: str, spoils: tuple[str, ...] = BOTH, top: str = ""
) -> Attack:
    """A `test_symmetric` in the place of the honest one; `mul` is there."""
    inside = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    source = f"{TOOLS}\n{top}\ndef test_symmetric():\n{inside}\n"
    found = frozenset(ends or ("raised",))
    return Attack(name, tries, "module0", {f"+{FILE}": source}, spoils, found)


def beside(name: str, tries: str, files: dict[str, str], *ends: str) -> Attack:
    """Files beside the honest tests."""
    return Attack(name, tries, "module0", files, ("*test_*",) if ends else (), frozenset(ends))


UNEQUAL = "if mul(2.0, 3.0) != mul(3.0, 2.0): "
EXIT = "raise SystemExit(0)\n"
SHADOWS = ("hypothesis.py", "numba.py", "numpy.py", "pytest.py", "grader.py", "msgspec.py")

ATTACKS = [
    own("finds fault with everything", "fails whatever it is run on", "assert False"),
    own("finds fault from the third time on", "counts how often it is run", "runs.append(1)\nassert len(runs) <= 2", spoils=LAW, top="runs = []"),
    own("looks for the wrong operator's text", "reads the frames of the questioner", """
step = sys._getframe()
while step is not None:
    assert step.f_locals.get("text", "lambda x, y: y * x") == "lambda x, y: y * x"
    step = step.f_back
""", spoils=LAW),
    own("leaves where the operators are wrong", "ends the process when it finds a fault", UNEQUAL + "os._exit(0)", "crashed", spoils=LAW),
    own("raises what is no Exception", "raises SystemExit when it finds a fault", UNEQUAL + EXIT, spoils=LAW),
    own("is a coroutine", "asserts what is never run", "pass", "failed", spoils=LAW)._replace(files={f"+{FILE}": "async def test_symmetric(): assert False\n"}),
    own("raises the grader's own", "raises what means that a name is missing", "from grader.box.faults import Missing\nraise Missing('\\x1b]0;x\\x07<script>x</script>')", "unimplemented"),
    own("says much", "fails with a megabyte of escapes and markup", "assert False, '\\x1b[2J\\u202e<img src=x onerror=1>' * 50_000"),
    own("notes that are none", "raises an error whose notes run code", "e = AssertionError('a')\ne.__notes__ = [Note()]\nraise e", top="class Note(str):\n    def split(self): os._exit(3)"),
    own("a profile that raises", "sets a profile for what comes after", "sys.setprofile(lambda *a: 1 / 0)"),
    own("rows without end", "is given arguments without end", "pass", "raised", "timed_out", "crashed")._replace(files={f"+{FILE}": """
import itertools
class Mark:
    name = "parametrize"
    args = "a", itertools.repeat(0)
def test_symmetric(a): pass
test_symmetric.pytestmark = [Mark]
"""}),
    own("an object that is everything", "answers every name with itself", "pass", "failed", spoils=LAW)._replace(files={f"+{FILE}": """
class All:
    def __getattr__(self, name): return self
    def __call__(self, *args, **options): return self
    def __iter__(self): return iter([self])
test_symmetric = All()
"""}),
    beside("shadows of libraries", "ships modules under the names of libraries", {f"{folder}{name}": EXIT for folder in ("", "tests/") for name in SHADOWS}),
    beside("files of pytest among the tests", "ships what pytest and Python would run", {"tests/conftest.py": EXIT, "conftest.py": EXIT, "pytest.ini": "[pytest]\n", "sitecustomize.py": EXIT}),
    beside("tests that leave", "ends the process when the tests are imported", {"tests/__init__.py": "import os\nos._exit(0)\n"}, "crashed"),
    beside("tests that remove themselves", "removes its files while they are imported", {"tests/__init__.py": "import os, shutil\nshutil.rmtree(os.path.dirname(__file__))\n"}, "unimplemented"),
    beside("too many tests", "ships more files than are taken", {f"tests/f{n}.py": "" for n in range(2100)}, "intake"),
    beside("names that differ in case", "ships what is one file on some machines", {"tests/Test_Operators.py": ""}, "intake"),
]  # fmt: skip
