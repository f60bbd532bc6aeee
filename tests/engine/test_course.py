"""Configuration: a mistake is told with file, line, key, what was expected and the nearest right name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grader.cli import cli
from grader.course import COMMANDS, find_course, load_checks, load_course, load_module
from grader.errors import UsageError

from .courses import FILES, dedented, make_course, write

GRADER = dedented(FILES["grader.yaml"])
MODULE = dedented(FILES["assignments/sums/module.yaml"])


def grader_yaml(tmp_path: Path, text: str | bytes) -> None:
    write(tmp_path, {**FILES, "grader.yaml": text})
    load_course(tmp_path)


def module_yaml(tmp_path: Path, text: str | bytes) -> None:
    write(tmp_path, {**FILES, "assignments/sums/module.yaml": text})
    load_module(load_course(tmp_path), "sums")


# What the file says -> what the message must say after the file's name.
GRADER_MISTAKES = {
    "": "1: expected keys and values, such as course",
    "- a\n- b\n": "1: expected keys and values",
    "just text\n": "1: expected keys and values",
    "course: [\n": "2: this is not YAML",
    "course: a\n\tmodules: b\n": "2: this is not YAML",
    "course: !!python/object/apply:os.system ['true']\nmodules: [sums]\n": "1: this is not YAML",
    "course: A\n---\ncourse: B\n": "2: this is not YAML: expected a single document in the stream, but found another document",
    "course: A\nseed:\t3\n\tmodules: [sums]\n": "Indent with spaces, not with tabs",
    "course: A\nmodules: [sums]\nlimits: {sums: {memory_mb: 1.5}}\n": "3: limits.sums.memory_mb: expected a whole number, not a fraction",
    "modules: [sums]\n": "1: course: this key is missing",
    "course: A\n": "1: modules: this key is missing",
    "course: 3\nmodules: [sums]\n": "1: course: expected text, not a whole number. Write it in quotes",
    "course: A\nmodules: sums\n": "2: modules: expected a list, not text",
    "course: A\nmodules: [sums, 3]\n": "2: modules[1]: expected text, not a whole number. Write it in quotes",
    "course: A\nmodules: []\n": "2: modules: name at least one module",
    "course: A\nmodules:\n  - sums\n  - sum\n": "4: modules: 'sum' has no assignments/sum/module.yaml",
    "course: A\nmodules: [../sums]\n": "2: modules: '../sums' is no name of a module",
    "course: A\nmodules: [sums, list]\n": "2: modules: 'list' is a command, `grade list`: give the module another name",
    "course: A\nmodules: [sums, sums]\n": "2: modules: 'sums' is named twice",
    "course: A\nmodules: [sums]\nseeds: 3\n": "3: seeds: there is no key 'seeds'. Did you mean 'seed'?",
    "course: A\nmodules: [sums]\nseed: one\n": "3: seed: expected a whole number, not text",
    "course: A\nmodules: [sums]\nseed: 1\nseed: 2\n": "4: seed: this key is given twice",
    "course: A\nmodules: [sums]\ncases: 0\n": "3: cases: expected 1 to 10000, not 0",
    "course: A\nmodules: [sums]\ncases: 100000\n": "3: cases: expected 1 to 10000",
    "course: A\nmodules: [sums]\nearlier: students\n": "3: earlier: expected 'student' or 'reference'",
    "course: A\nmodules: [sums]\nisolation:\n  sandbox: jial\n": "4: isolation.sandbox: there is no sandbox 'jial'. Did you mean 'jail'?",
    "course: A\nmodules: [sums]\nisolation: jail\n": "3: isolation: expected keys with values, not text",
    "course: A\nmodules: [sums]\nisolation:\n  sandboks: jail\n": "4: isolation.sandboks: there is no key 'sandboks'. Did you mean 'sandbox'?",
    "course: A\nmodules: [sums]\nlimits:\n  sum: {}\n": "4: limits: there is no module 'sum'. Did you mean 'sums'?",
    "course: A\nmodules: [sums]\nlimits:\n  sums:\n    check_second: 3\n": "did you mean 'check_seconds'",
    "course: A\nmodules: [sums]\nlimits:\n  sums:\n    check_seconds: fast\n": "5: limits.sums.check_seconds: expected a number",
    "course: A\nmodules: [sums]\nlimits:\n  sums:\n    run_seconds: -1\n": "5: limits.sums.run_seconds: expected more than 0, not -1",
}  # fmt: skip


@pytest.mark.parametrize("text", GRADER_MISTAKES, ids=range(len(GRADER_MISTAKES)))
def test_a_mistake_in_grader_yaml_is_told(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        grader_yaml(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'grader.yaml'}:")
    assert GRADER_MISTAKES[text].lower() in message.lower()


def test_a_command_is_no_name_of_a_module() -> None:
    assert set(cli.commands) == COMMANDS  # type: ignore[attr-defined]


def instead(old: str, new: str) -> str:
    """The tiny module.yaml with one piece of it written differently."""
    assert old in MODULE
    return MODULE.replace(old, new)


MODULE_MISTAKES = {
    instead("title: Sums\n", ""): "1: title: this key is missing",
    instead("title: Sums", "title: [Sums]"): "1: title: expected text, not a list",
    instead("expects: [work]", "expect: [work]"): "2: expect: there is no key 'expect'. Did you mean 'expects'?",
    instead("expects: [work]", "expects: work"): "2: expects: expected a list",
    instead("expects: [work]", "expects: []"): "2: expects: name at least one module",
    instead("expects: [work]", "expects: [../work]"): "2: expects: '../work' is no name of a module",
    instead("expects: [work]", "binding: function"): "2: binding: there is no binding 'function'. Did you mean 'functions'?",
    instead("check_seconds: 0.5", "check_seconds: fast"): "4: limits.check_seconds: expected a number, not text",
    instead("check_seconds: 0.5", "chek_seconds: 1"): "4: limits.chek_seconds: there is no key 'chek_seconds'. Did you mean 'check_seconds'?",
    instead("check_seconds: 0.5", "check_seconds: 0"): "4: limits.check_seconds: expected more than 0, not 0",
    instead("check_seconds: 0.5", "compile_seconds: -1"): "4: limits.compile_seconds: expected 0 or more, not -1",
    instead("check_seconds: 0.5", "compile_seconds: .inf"): "4: limits.compile_seconds: expected 0 or more, not inf",
    instead("check_seconds: 0.5", "check_seconds: .nan"): "4: limits.check_seconds: expected more than 0, not nan",
    instead("check_seconds: 0.5", "memory_mb: -512"): "4: limits.memory_mb: expected more than 0, not -512",
    instead("points: 10", "points: 0"): "8: points: expected more than 0, not 0",
    instead("points: 10", "points: -3"): "8: points: expected more than 0, not -3",
    instead("points: 10", "points: .inf"): "8: points: expected a number of points, not inf",
    instead("points: 10", "points: .nan"): "8: points: expected",
    instead("points: 10", "points: ten"): "8: tasks[0].points: expected a number, not text",
    instead("points: 10", "pionts: 10"): "8: tasks[0].pionts: there is no key 'pionts'. Did you mean 'points'?",
    instead(", points: 10", ""): "8: tasks[0].points: this key is missing",
    instead('id: "1", ', "id: 1, "): "8: tasks[0].id: expected text, not a whole number. Write it in quotes",
    instead('id: "1", ', "id: 1.1, "): "8: tasks[0].id: expected text, not a number. Write it in quotes",
    instead('id: "2"', 'id: "1"'): "9: tasks: two tasks have the id '1'",
    instead('needs: ["1"]', 'needs: ["3"]'): "9: needs: '3' is no task before '2'",
    instead('needs: ["1"]', 'needs: ["2"]'): "9: needs: '2' is no task before '2'",
    instead("expects: [work]", "also: [../tests]"): "2: also: '../tests' is no name of a folder",
    instead("expects: [work]", "expects: [work]\nalso: [work]"): "3: also: 'work' is expected already",
    instead("expects: [work]", "preload: [nump]"): "2: preload: there is no module 'nump' here. Install it, or take it out",
    instead("expects: [work]", "earlier: [../reference/work.py]"): "2: earlier: there is no file '../reference/work.py' in",
    instead("expects: [work]", "earlier: [wrok.py]"): "2: earlier: there is no file 'wrok.py' in",
    re.sub(r"tasks:[\s\S]*", "tasks: []\n", MODULE): "7: tasks: a module needs at least one task",
    re.sub(r"tasks:[\s\S]*", "", MODULE): "1: tasks: this key is missing",
}  # fmt: skip


@pytest.mark.parametrize("text", MODULE_MISTAKES, ids=range(len(MODULE_MISTAKES)))
def test_a_mistake_in_module_yaml_is_told(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        module_yaml(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'assignments/sums/module.yaml'}:")
    assert MODULE_MISTAKES[text].lower() in message.lower()


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe\x00",
        "a: &a [*a]\ncourse: *a\n",
        "? [1, 2]\n: 3\n",
        "? {a: 1}\n: 3\n",
        "1: 2\n",
        "null: 2\ncourse: A\nmodules: [sums]\n",
        "[" * 1000,
        "course: 2026-13-45\nmodules: [sums]\n",
        "<<: 3\n",
        "course: A\nmodules: [sums]\nseed: " + "9" * 6000 + "\n",
        "course: A\0\nmodules: [sums]\n",
    ],
    ids=range(11),
)
def test_strange_yaml_is_a_mistake_like_any_other(text: str | bytes, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"grader\.yaml"):
        grader_yaml(tmp_path, text)


def test_text_that_is_no_utf_8_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"grader\.yaml:2: this is not UTF-8 text\. Save the file"):
        grader_yaml(tmp_path, b"course: A\nmodules: [\xe9]\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import sys\nsys.exit(3)\n", "checks.py:2: SystemExit: 3"),
        ("import nothing_such\n", "checks.py:1: ModuleNotFoundError"),
        ("task('1').check(questions.one, case(x=reals()), function='f', edges={'x': 1})", "edges: expected a list"),
        ("task('1').check(questions.one, case(x=reals()), function='f', after='total')", "after=['total']"),
    ],
)  # fmt: skip
def test_a_mistake_in_checks_py_is_told_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    before = "import questions; from grader.checks import case, reals, task; "
    course = make_course(tmp_path, {"assignments/sums/checks.py": before + text})
    with pytest.raises(UsageError, match=r"checks\.py:\d") as caught:
        load_checks(course, "sums")
    assert said in str(caught.value)


def test_what_checks_py_prints_is_no_output_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "print('hello')\n" + dedented(FILES["assignments/sums/checks.py"])
    load_checks(make_course(tmp_path, {"assignments/sums/checks.py": text}), "sums")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "hello\n")


def test_a_yaml_that_unfolds_without_end_is_refused_in_time(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    with pytest.raises(UsageError, match=r"grader\.yaml"):
        grader_yaml(tmp_path, "\n".join(lines) + "\n")


def test_limits_of_the_course_take_the_place_of_the_module_s(tmp_path: Path) -> None:
    course = make_course(
        tmp_path, {"grader.yaml": GRADER + "limits:\n  sums: {check_seconds: 9, run_seconds: 90}\n"}
    )
    limits = load_module(course, "sums").limits
    assert (limits.check_seconds, limits.run_seconds) == (9.0, 90.0)


def test_the_nearest_course_above_is_found_and_a_named_one_wins(tmp_path: Path) -> None:
    course = make_course(tmp_path / "a")
    inner = tmp_path / "a" / "deep" / "down"
    inner.mkdir(parents=True)
    other = make_course(tmp_path / "b")
    assert find_course(inner).root == course.root
    assert find_course(inner, other.root).root == other.root
    assert find_course(inner, other.root / "grader.yaml").root == other.root


def test_no_course_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--course DIR"):
        find_course(tmp_path)
    with pytest.raises(UsageError, match=r"there is no grader\.yaml"):
        find_course(tmp_path, tmp_path / "nowhere")


def test_an_unknown_module_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    course = make_course(tmp_path)
    with pytest.raises(UsageError, match=r"no module 'sum'\. Did you mean 'sums'"):
        course.folder("sum")


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (grader_yaml, "course: A\nmodules: [sums]\ncase: 5\n"),
        (grader_yaml, "course: A\nmodules: [sums, second]\n"),
        (grader_yaml, "course: A\nmodules: [sums]\n\nlimits: {sums: {check_second: 2}}\n"),
        (module_yaml, MODULE + "binding: minitorhc\n"),
        (module_yaml, MODULE + "policy: {lookup_tabel: flag}\n"),
    ],
)
def test_the_documentation_quotes_what_is_told(tmp_path: Path, read, text: str) -> None:
    with pytest.raises(UsageError) as refused:
        read(tmp_path, text)
    told = re.sub(r".*\.yaml:\d+: ", "", str(refused.value))
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    assert f": {told}\n" in page.read_text()
