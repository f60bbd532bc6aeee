"""The banks: drawn once, found again by content, the same for everybody."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from grader import bank
from grader.box import wire
from grader.course import Course, load_checks, load_course
from grader.errors import BrokenCheck, ReferenceFault, UsageError

from .courses import CHECKS, FILES, REFERENCE, dedented, make_course, write

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def drawn(tiny: Course) -> bank.Module:
    return bank.load(tiny, "sums")


def digests(module: bank.Module) -> dict[str, str]:
    return {key: item.digest for key, item in module.banks.items()}


def redrawn(tmp_path: Path, files: dict[str, str]) -> bank.Module:
    """The banks of the tiny course with other files, past the cache."""
    course = make_course(tmp_path, files)
    return bank.build(course, "sums", bank.module_digest(course, "sums"))


def test_each_check_has_a_hundred_distinct_cases_edges_first_then_small_before_large(
    drawn: bank.Module,
) -> None:
    assert len(drawn.banks) == 4
    for item in drawn.banks.values():
        assert len(item.cases) >= 100
        assert len(set(item.cases)) == len(item.cases) == len(item.answers) == len(item.slack)
        ordinary = list(item.cases[item.edges :])
        assert ordinary == sorted(ordinary, key=bank.size)
    double = drawn.banks["1/double gives the right number"]
    assert double.edges == 1
    assert wire.decode(double.cases[0]) == {"x": 0.5}
    assert len(double.cases) == 101


def test_the_expected_answers_are_those_of_the_reference(drawn: bank.Module) -> None:
    for case, answer in zip(
        drawn.banks["1/square gives the right number"].cases,
        drawn.banks["1/square gives the right number"].answers,
        strict=True,
    ):
        assert wire.decode(answer) == wire.decode(case)["x"] ** 2


def test_the_same_seed_draws_the_same_cases_in_another_process(
    drawn: bank.Module, tiny: Course
) -> None:
    code = (
        "import json, sys; from pathlib import Path; from grader import bank;"
        "from grader.course import load_course; course = load_course(Path(sys.argv[1]));"
        "module = bank.build(course, 'sums', '');"
        "print(json.dumps({k: b.digest for k, b in module.banks.items()}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tiny.root)], capture_output=True, check=True, text=True
    )
    assert json.loads(ran.stdout) == digests(drawn)


def test_another_seed_draws_other_cases(drawn: bank.Module, tmp_path: Path) -> None:
    other = redrawn(tmp_path, {"grader.yaml": FILES["grader.yaml"].replace("seed: 1", "seed: 2")})
    changed = digests(other)
    assert all(changed[key] != digest for key, digest in digests(drawn).items())


def test_numbers_that_are_drawn_apart_are_seldom_the_same() -> None:
    """Hypothesis likes to repeat a part of a case in another place; x * y then never tells x from y."""
    _, declared = load_checks(load_course(ROOT), "module1")
    (item,) = (d for d in declared if d.check.title == "Mul.forward computes the value")
    for seed in (1, 2, 3):
        cases = [wire.decode(frame) for frame in bank.draw_cases(item, seed, 100)]
        assert sum(case["x"] == case["y"] for case in cases) < 10


def test_a_new_check_moves_no_other(drawn: bank.Module, tmp_path: Path) -> None:
    head, _, tail = dedented(CHECKS).partition('second = task("2")')
    more = 'first.check(questions.one, case(x=reals(0, 1)), function="later", title="new")\n'
    other = redrawn(
        tmp_path, {"assignments/sums/checks.py": head + more + 'second = task("2")' + tail}
    )
    assert len(other.banks) == 5
    assert {k: d for k, d in digests(other).items() if k != "1/new"} == digests(drawn)


def test_what_happens_to_be_imported_draws_no_other_cases(
    drawn: bank.Module, tiny: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full_of_constants.py").write_text(
        f"NUMBERS = {[x / 64 for x in range(-500, 500)]}"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    __import__("full_of_constants")
    again = bank.build(tiny, "sums", "")
    del sys.modules["full_of_constants"]
    assert digests(again) == digests(drawn)


def test_a_digest_changes_with_what_the_bank_holds(drawn: bank.Module) -> None:
    item = next(iter(drawn.banks.values()))
    for name in ("cases", "answers", "slack"):
        frames = getattr(item, name)
        changed = msgspec.structs.replace(item, **{name: (*frames[:-1], wire.encode(1.25))})
        assert bank.content_digest(changed) != item.digest
    assert bank.content_digest(msgspec.structs.replace(item, check="2/x")) != item.digest
    moved = msgspec.structs.replace(item, cases=(*item.cases, *item.answers), answers=())
    assert bank.content_digest(moved) != item.digest


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("reference/work.py", "2.0 * x", "3.0 * x"),
        ("assignments/sums/questions.py", "right number", "number"),
        ("assignments/sums/checks.py", "weight=4", "weight=5"),
        ("assignments/sums/module.yaml", "points: 10", "points: 11"),
        ("grader.yaml", "seed: 1", "seed: 2"),
        ("grader.yaml", "cases: 100", "cases: 101"),
        ("grader.yaml", "cases: 100", "cases: 100\nlimits: {sums: {check_seconds: 7}}"),
    ],
)
def test_a_module_is_another_one_when_a_file_of_it_changes(
    file: str, old: str, new: str, tmp_path: Path
) -> None:
    before = bank.module_digest(make_course(tmp_path / "before"), "sums")
    assert old in FILES[file]
    after = bank.module_digest(
        make_course(tmp_path / "after", {file: dedented(FILES[file]).replace(old, new)}), "sums"
    )
    assert before != after


def test_where_a_course_lies_makes_no_difference(tmp_path: Path) -> None:
    here, there = make_course(tmp_path / "here"), make_course(tmp_path / "there")
    assert bank.module_digest(here, "sums") == bank.module_digest(there, "sums")


# The cache


def test_a_stored_module_is_read_back_whole(drawn: bank.Module, tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "sums.bank"
    bank.store(path, drawn)
    assert bank.read(path, drawn.digest) == drawn
    assert bank.read(path, "another digest") is None
    assert bank.read(tmp_path / "nothing", drawn.digest) is None
    assert [p.name for p in path.parent.iterdir()] == ["sums.bank"]


def test_a_damaged_file_in_the_cache_is_drawn_anew(
    drawn: bank.Module, tiny: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADE_CACHE", str(tmp_path))
    path = bank.bank_path("sums", drawn.digest)
    bank.store(path, drawn)
    whole = path.read_bytes()
    middle = len(whole) // 2
    damages: list[bytes] = [
        b"",
        b"nonsense",
        whole[:middle],
        whole + b"x",
        whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        wire.encode([1, 2]),
        wire.encode({"format": bank.FORMAT, "digest": drawn.digest}),
        wire.encode({"format": bank.FORMAT, "digest": drawn.digest, "assignment": b"{}"}),
        wire.encode(
            {"format": bank.FORMAT, "digest": drawn.digest, "assignment": b"[]", "banks": 3}
        ),
    ]
    for damaged in damages:
        path.write_bytes(damaged)
        assert bank.read(path, drawn.digest) is None
    assert bank.load(tiny, "sums") == drawn
    assert path.read_bytes() == whole


def test_any_changed_byte_of_a_stored_bank_is_noticed(drawn: bank.Module, tmp_path: Path) -> None:
    path = tmp_path / "sums.bank"
    bank.store(path, drawn)
    whole = bytearray(path.read_bytes())
    for at in range(0, len(whole), max(1, len(whole) // 300)):
        whole[at] ^= 0x20
        path.write_bytes(whole)
        read = bank.read(path, drawn.digest)
        # A changed byte may spell another seed or title; never another case or answer.
        assert read is None or digests(read) == digests(drawn)
        whole[at] ^= 0x20


def test_a_cache_that_cannot_be_written_is_no_error(
    drawn: bank.Module, tiny: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRADE_CACHE", str(tmp_path / "file" / "below"))
    assert bank.load(tiny, "sums") == drawn


def test_the_second_load_needs_neither_hypothesis_nor_the_reference(
    drawn: bank.Module, tiny: Course
) -> None:
    code = (
        "import sys; from pathlib import Path; from grader import bank;"
        "from grader.course import load_course;"
        "module = bank.load(load_course(Path(sys.argv[1])), 'sums');"
        "print(len(module.banks), *sorted(sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tiny.root)], capture_output=True, check=True, text=True
    )
    count, *modules = ran.stdout.split()
    assert int(count) == 4
    loaded = {name.split(".")[0] for name in modules}
    assert not loaded & {"hypothesis", "work", "reference", "questions", "numba"}


# What cannot be graded with


def wrong(tmp_path: Path, **files: str) -> str:
    """The message that a course with those files is refused with."""
    names = {"checks": "assignments/sums/checks.py", "questions": "assignments/sums/questions.py"}
    course = make_course(
        tmp_path, {names.get(n, "reference/work.py"): text for n, text in files.items()}
    )
    with pytest.raises((BrokenCheck, ReferenceFault)) as caught:
        bank.build(course, "sums", "")
    return str(caught.value)


SQUARE = "1/square gives the right number"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('broken key')", "ValueError: broken key"),
        ("raise NotImplementedError", "NotImplementedError"),
        ("return None", "returns nothing"),
        ("return {1, 2}", "holds a set"),
        ("return [1.0, object()]", "holds a object"),
        ("import os; os._exit(3)", "exit status 3"),
    ],
)
def test_a_fault_of_the_reference_names_the_check(body: str, said: str, tmp_path: Path) -> None:
    key = dedented(REFERENCE).replace("return x * x", body)
    message = wrong(tmp_path, reference=key)
    assert SQUARE in message
    assert said in message


def test_a_reference_that_lacks_what_is_asked_is_named(tmp_path: Path) -> None:
    message = wrong(tmp_path, reference=dedented(REFERENCE).replace("def square", "def sqare"))
    assert SQUARE in message
    assert "square is not defined" in message


def test_a_reference_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    message = wrong(tmp_path, reference="def double(x:\n")
    assert "work" in message


def test_a_reference_that_changes_its_input_is_named(tmp_path: Path) -> None:
    key = dedented(REFERENCE).replace("result = 0.0", "result = 0.0\n    values.append(1.0)")
    message = wrong(tmp_path, reference=key)
    assert "2/total adds everything up" in message
    assert "values" in message


def test_a_domain_that_draws_nothing_is_a_broken_check(tmp_path: Path) -> None:
    checks = dedented(CHECKS).replace(
        'case(x=reals()), function="square"', 'case(x=reals().filter(lambda x: False)), function="square"'
    )  # fmt: skip
    message = wrong(tmp_path, checks=checks)
    assert SQUARE in message
    assert "draws no case" in message


def test_a_domain_that_raises_is_a_broken_check(tmp_path: Path) -> None:
    checks = dedented(CHECKS).replace(
        'case(x=reals()), function="square"', 'case(x=reals().map(lambda x: 1 / 0)), function="square"'
    )  # fmt: skip
    message = wrong(tmp_path, checks=checks)
    assert SQUARE in message
    assert "ZeroDivisionError" in message


def test_a_domain_that_lacks_an_argument_is_a_broken_check(tmp_path: Path) -> None:
    checks = dedented(CHECKS).replace(
        'case(x=reals()), function="square"', 'case(y=reals()), function="square"'
    )
    message = wrong(tmp_path, checks=checks)
    assert SQUARE in message


def test_a_domain_of_few_cases_gives_all_of_them(tmp_path: Path) -> None:
    checks = dedented(CHECKS).replace(
        'case(x=reals()), function="square"', 'case(x=choices(1.0, 2.0, 3.0)), function="square"'
    )
    checks = checks.replace("import case,", "import case, choices,")
    module = redrawn(tmp_path, {"assignments/sums/checks.py": checks})
    cases = [wire.decode(case)["x"] for case in module.banks[SQUARE].cases]
    assert sorted(cases) == [1.0, 2.0, 3.0]


def test_a_module_without_its_files_is_a_usage_error(tmp_path: Path) -> None:
    course = make_course(tmp_path)
    (tmp_path / "assignments/sums/checks.py").unlink()
    with pytest.raises(UsageError, match=r"checks\.py"):
        bank.load(course, "sums")


def test_a_course_without_a_reference_says_so(tmp_path: Path) -> None:
    files = {name: text for name, text in FILES.items() if not name.startswith("reference")}
    from grader.course import load_course
    from grader.errors import GraderError

    course = load_course(write(tmp_path, files))
    with pytest.raises(GraderError, match="reference"):
        bank.load(course, "sums")


# Tolerances


def test_slack_says_how_far_rounding_moves_each_leaf() -> None:
    moved = bank.movement(
        {"a": 1.0, "b": [2.0, np.array([1.0, 2.0])], "c": "x", "d": None, "e": 3},
        {"a": 1.5, "b": [2.0, np.array([1.0, 2.25])], "c": "x", "d": None, "e": 3},
    )
    unit = bank.PER_ROUNDING
    assert moved == {"a": 0.5 * unit, "b": [0.0, 0.25 * unit], "c": 0.0, "d": 0.0, "e": 0.0}


@pytest.mark.parametrize(
    ("answer", "moved"),
    [
        (1.0, None),
        (1.0, float("nan")),
        (1.0, float("inf")),
        (float("inf"), float("inf")),
        ([1.0], [1.0, 2.0]),
        (np.ones(2), np.ones(3)),
        (np.array([np.inf]), np.array([np.inf])),
        (np.zeros(0), np.zeros(0)),
        ({"a": 1.0}, [1.0]),
    ],
    ids=repr,
)
def test_slack_of_answers_that_cannot_be_compared_is_nothing(answer: Any, moved: Any) -> None:
    def leaves(tree: Any) -> list[float]:
        if isinstance(tree, dict):
            tree = list(tree.values())
        return [x for item in tree for x in leaves(item)] if isinstance(tree, list) else [tree]

    assert set(leaves(bank.movement(answer, moved))) == {0.0}


def test_an_ill_conditioned_case_gets_more_room_than_a_good_one(tmp_path: Path) -> None:
    key = dedented(REFERENCE).replace("return x * x", "return (x + 1e6) - 1e6 + 1e3 * x")
    module = redrawn(tmp_path, {"reference/work.py": key})
    item = module.banks[SQUARE]
    slack = {
        wire.decode(c)["x"]: wire.decode(s) for c, s in zip(item.cases, item.slack, strict=True)
    }
    assert slack[0.0] == 0.0
    x = max(slack)
    assert slack[x] == pytest.approx(x * 1001 * 2.0**-52, rel=0.1)


def test_a_case_is_nudged_up_and_down_in_turn_and_keeps_what_is_not_a_float() -> None:
    case = wire.encode({"x": 1.0, "y": 1.0, "n": 3, "s": "a", "a": np.array([1.0, 1.0])})
    moved = wire.decode(bank.nudged(case))
    step = bank.NUDGE
    assert {moved["x"], moved["y"]} == {1 + step, 1 - step}
    assert sorted(moved["a"]) == [1 - step, 1 + step]
    assert (moved["n"], moved["s"]) == (3, "a")


def test_checks_and_banks_have_the_same_keys(drawn: bank.Module, tiny: Course) -> None:
    assignment, _ = load_checks(tiny, "sums")
    assert assignment == drawn.assignment
    assert [check.key for check in assignment.checks] == list(drawn.banks)
