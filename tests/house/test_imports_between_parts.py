"""Who may import what: the table of folders in the design, held by walking the source."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GRADER = ROOT / "grader"
MODULES = sorted(p.parent.name for p in ROOT.glob("assignments/*/module.yaml"))
STANDARD = frozenset(sys.stdlib_module_names)


def python(*folders: str) -> list[Path]:
    """The Python files below some folders of the project."""
    return sorted(p for folder in folders for p in (ROOT / folder).rglob("*.py"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> list[tuple[str, int]]:
    """Every module that a file imports anywhere in it, in full, with the line."""
    package = ".".join(path.relative_to(ROOT).parent.parts)
    found = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            # `from a import b` may import the module a.b: both are looked at.
            found += [(f"{base}.{alias.name}", node.lineno) for alias in node.names]
    return found


def within(module: str, allowed: set[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def strangers(path: Path, allowed: set[str], *, standard: bool = True) -> list[str]:
    return [
        f"{named(path)}:{line} imports {module}"
        for module, line in imports(path)
        if not within(module, allowed)
        and not (standard and (module.split(".")[0] in STANDARD or module.startswith("__future__")))
    ]


def test_there_is_something_to_look_at() -> None:
    assert {"module1", "module2", "warmup"} <= set(MODULES)
    assert len(python("grader")) > 30
    assert ("grader.box.wire", 24) not in imports(GRADER / "bank.py")
    assert any(module.startswith("grader.box.wire") for module, _ in imports(GRADER / "bank.py"))


def test_what_is_in_the_box_imports_only_the_standard_library_numpy_numba_msgspec_and_itself() -> (
    None
):
    allowed = {"numpy", "numba", "greenlet", "msgspec", "grader.box"}
    tests = {"student_tests.py": {"hypothesis"}}  # they cannot be run without
    found = [
        line
        for path in python("grader/box")
        for line in strangers(path, allowed | tests.get(path.name, set()))
    ]
    assert not found


@pytest.mark.parametrize("module", MODULES)
def test_questions_import_nothing_of_ours(module: str) -> None:
    path = ROOT / "assignments" / module / "questions.py"
    assert not strangers(path, {"numpy"})


@pytest.mark.parametrize("module", MODULES)
def test_checks_import_only_the_author_s_door(module: str) -> None:
    path = ROOT / "assignments" / module / "checks.py"
    allowed = {"grader.checks", "questions", "hypothesis", "numpy"}
    assert not strangers(path, allowed)


@pytest.mark.parametrize("folder", ["reference", "student_template"])
def test_the_answer_key_and_the_template_need_nothing_of_the_grader(folder: str) -> None:
    own = {p.stem for p in (ROOT / folder).iterdir()}
    own |= {f"{folder}.{name}" for name in own}
    own |= {"numpy", "numba"}
    tests = {"hypothesis", "pytest"}
    found = [
        line
        for path in python(folder)
        for line in strangers(path, own | tests if path.parent.name == "tests" else own)
    ]
    assert not found


def test_nothing_imports_the_answer_key_or_the_assignments() -> None:
    closed = {"reference", "student_template", "assignments", "minitorch", "warmup", "questions"}
    found = [
        f"{named(path)}:{line} imports {module}"
        for path in python("grader")
        for module, line in imports(path)
        if within(module, closed)
    ]
    assert not found


ONLY_DOORS = {
    "hypothesis": {
        "grader/bank.py", "grader/checks.py", "grader/judge/shrink.py",
        "grader/box/bindings/student_tests.py",
    },
    "yaml": {"grader/yamlfile.py", "grader/batch", "grader/platforms/gradescope.py"},
    "click": {"grader/cli"},
    "rich": {"grader/cli", "grader/report"},
    "jinja2": {"grader/report", "grader/platforms", "grader/batch/page.py"},
    "matplotlib": {"grader/report", "grader/batch"},
    "pygments": {"grader/batch/similar/code.py"},
    "sqlite3": {"grader/batch"},
    "dask": {"grader/batch/cluster.py"},
    "distributed": {"grader/batch/cluster.py"},
    "docker": {"grader/sandbox/docker.py", "grader/sandbox/image.py"},
    "psutil": {"grader/sandbox", "grader/doctor.py", "grader/batch"},
    "ctypes": {"grader/box/walls", "grader/sandbox"},
    "zipfile": {"grader/intake.py", "grader/platforms", "grader/sandbox/docker.py", "grader/batch"},
}  # fmt: skip


@pytest.mark.parametrize("library", ONLY_DOORS)
def test_each_library_has_one_door(library: str) -> None:
    found = [
        f"{named(path)}:{line}"
        for path in python("grader")
        for module, line in imports(path)
        if within(module, {library})
        and not any(
            named(path) == door or named(path).startswith(f"{door}/")
            for door in ONLY_DOORS[library]
        )
    ]
    assert not found


def test_nothing_is_pickled_anywhere() -> None:
    forbidden = {
        "pickle",
        "cPickle",
        "_pickle",
        "dill",
        "cloudpickle",
        "marshal",
        "shelve",
        "joblib",
    }
    found = [
        f"{named(path)}:{line} imports {module}"
        for path in python("grader", "assignments", "reference")
        for module, line in imports(path)
        if within(module, forbidden)
    ]
    calls = re.compile(r"allow_pickle\s*=\s*True|yaml\.(unsafe_load|load)\(|eval\(|np\.load\(")
    for path in python("grader"):
        for number, text in enumerate(path.read_text().splitlines(), start=1):
            if calls.search(text):
                found.append(f"{named(path)}:{number} {text.strip()}")
    assert not found


def test_only_the_command_prints_or_exits() -> None:
    found = []
    for path in python("grader"):
        if named(path).startswith(("grader/cli/", "grader/box/")):
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in ("print", "exit", "quit"):
                    found.append(f"{named(path)}:{node.lineno} {node.func.id}()")
            elif isinstance(node, ast.Attribute) and node.attr in ("exit", "_exit"):
                # A forked child that draws cases ends without its parent's clean-up.
                forked = named(path) == "grader/bank.py" and node.attr == "_exit"
                if (
                    isinstance(node.value, ast.Name)
                    and node.value.id in ("sys", "os")
                    and not forked
                ):
                    found.append(f"{named(path)}:{node.lineno} {node.value.id}.{node.attr}")
    assert not found


def key_names() -> set[str]:
    """Names of the answer key that are nobody else's: with an underscore or a capital inside."""
    found = set()
    for path in python("reference"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
                own = "_" in node.name.strip("_") or re.search(r"[a-z][A-Z]", node.name)
                if own and node.name != "save_for_backward":
                    found.add(node.name)
    return found


def test_the_engine_names_no_function_of_a_course_outside_the_bindings() -> None:
    names = key_names()
    assert {"central_difference", "index_to_position", "ScalarFunction"} <= names
    word = re.compile(rf"\b({'|'.join(sorted(names))})\b")
    found = []
    for path in python("grader"):
        if named(path).startswith("grader/box/bindings/"):
            continue
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
            if token.type in (tokenize.NAME, tokenize.STRING) and (
                hit := word.search(token.string)
            ):
                found.append(f"{named(path)}:{token.start[0]} names {hit.group()}")
    assert not found


# What an import costs


def loaded(code: str) -> set[str]:
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return {name.split(".")[0] for name in ran.stdout.split()}


HEAVY = {"numpy", "hypothesis", "click", "rich", "jinja2", "yaml", "msgspec", "numba", "psutil"}


def test_import_grader_loads_nothing_heavy() -> None:
    assert not loaded("import grader") & HEAVY


def test_the_command_loads_what_it_needs_and_no_more() -> None:
    assert not loaded("import grader.cli") & (HEAVY - {"click"})


def test_help_loads_nothing_that_only_grading_needs() -> None:
    shown = "from click.testing import CliRunner; import grader.cli as c"
    shown += "; assert CliRunner().invoke(c.cli, ['--help']).exit_code == 0"
    found = loaded(shown)
    assert "click" in found
    assert not found & {"numpy", "numba", "matplotlib", "docker", "hypothesis"}


def test_the_box_loads_nothing_of_the_rest_of_the_grader() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", "import grader.box.worker, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    ours = {name for name in ran.stdout.split() if name.split(".")[0] == "grader"}
    assert all(name == "grader" or name.startswith("grader.box") for name in ours)
    assert not {n.split(".")[0] for n in ran.stdout.split()} & (HEAVY - {"msgspec"})
