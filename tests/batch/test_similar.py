"""Similar code: copies are found however they are disguised, independent work and given code are not."""

from __future__ import annotations

import json
import re
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from drawn import PROJECT
from engine.courses import write
from hypothesis import given as drawn
from hypothesis import strategies as st

from grader.batch.model import Class, HandIn, Student
from grader.batch.similar import code, page, works
from grader.batch.similar import compare as comparing
from grader.batch.similar.compare import Compared, Work, compare
from grader.batch.similar.found import Found, found
from grader.batch.similar.stretches import stretches
from grader.cli import cli, main
from grader.course import Course, load_course
from grader.errors import UsageError
from tests.batch.similar_class import CLASS, DISGUISES, REFERENCE, all_of_it, made, template

LEAST = 0.4  # that of the command
EVIL = "</code></script><script>document.title = 'taken'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The course whose module the class solved."""
    return made(tmp_path_factory.mktemp("course"))


def handed_in(folder: Path, texts: Mapping[str, str | bytes]) -> Path:
    for name, text in texts.items():
        (folder / name).mkdir(parents=True)
        data = text if isinstance(text, bytes) else text.encode()
        (folder / name / "tape.py").write_bytes(data)
    return folder


def similar(course: Course, source: Path, *more: Any) -> Result:
    line = ["similar", "tape", str(source), "--course", str(course.root), *map(str, more)]
    return CliRunner().invoke(cli, line, catch_exceptions=False)


def told(course: Course, source: Path, *more: Any) -> Any:
    """What the command writes as JSON."""
    ran = similar(course, source, "--json", "-", *more)
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


def names(pairs: list[Any]) -> list[set[str]]:
    return [{pair["a"], pair["b"]} for pair in pairs]


FIXED = code.names([template().encode()])


def work(name: str, text: str, group: str = "class", **files: str) -> Work:
    files = {"tape.py": text, **{f"{k}.py": v for k, v in files.items()}}
    read = tuple(code.read(name, data.encode(), FIXED) for name, data in files.items())
    return Work(name, name, frozenset([name]), read, group)


GIVEN = [code.read("", template().encode(), FIXED)]


def compared(**texts: str) -> Compared:
    return compare([work(name, text) for name, text in texts.items()], GIVEN)


# What is found


def test_copies_among_independent_work_are_on_top(tape: Course, tmp_path: Path) -> None:
    copies = {
        "charles": DISGUISES["renamed"](CLASS["ada"]),
        "david": DISGUISES["all of it"](CLASS["emmy"]),
    }
    found = told(tape, handed_in(tmp_path, CLASS | copies), "--least", "0")
    first, second, third = found["pairs"][:3]
    assert names([first, second]) == [{"ada", "charles"}, {"emmy", "david"}]
    assert first["share"] == 1.0
    assert second["share"] > 0.8
    assert third["share"] < 0.25
    assert (first["rank"], second["rank"]) == (1, 2)
    assert found["class"]["pairs"] == sum(found["class"]["spread"]) == 45
    assert found["class"]["median"] < 0.1


def test_the_lines_of_a_copy_are_those_of_the_original(tape: Course, tmp_path: Path) -> None:
    copy = DISGUISES["renamed"](CLASS["ada"])
    found = told(tape, handed_in(tmp_path, CLASS | {"charles": copy}))
    (pair,) = found["pairs"]
    assert all(one["a"] == one["b"] for one in pair["stretches"])
    lines = CLASS["ada"].splitlines()
    alike = {
        number
        for one in pair["stretches"]
        for number in range(one["a"]["first"], one["a"]["last"] + 1)
    }
    own = set(range(lines.index("    seen = set()") + 1, lines.index("    return result") + 2))
    assert own < alike
    assert not alike & set(range(1, lines.index("def order(last):") + 1))


@pytest.mark.parametrize("disguise", DISGUISES)
def test_no_disguise_hides_a_copy(disguise: str) -> None:
    for name, text in CLASS.items():
        copy = DISGUISES[disguise](text)
        compile(copy, name, "exec")
        assert compared(original=text, copy=copy).shares[0, 1] > 2 * LEAST, name


def test_independent_work_is_not_alike() -> None:
    assert compared(**CLASS).shares[compared(**CLASS).in_class].max() < LEAST / 2


def test_a_copy_in_other_files_is_found() -> None:
    text = CLASS["mary"]
    place = text.index("def backpropagate")
    split = work("split", text[:place], helpers=DISGUISES["renamed"](text[place:]))
    shares = compare([work("mary", text), split], GIVEN).shares
    assert shares[0, 1] > 2 * LEAST


def test_a_part_that_is_copied_counts_for_that_part() -> None:
    # The two derivatives are ada's, the rest is the copyist's own.
    mine, hers = CLASS["sofia"], CLASS["ada"]
    mixed = mine[: mine.index("def central")] + hers[hers.index("def central") :]
    both = compared(ada=hers, mixed=mixed)
    assert 0.2 < both.found[1, 0] / both.own[1].tokens < 0.5
    (stretch,) = stretches(both, 0, 1, few=2)
    for text, span in ((hers, stretch.a), (mixed, stretch.b)):
        lines = text.splitlines()
        copied = range(lines.index("    epsilon = 1e-5") + 1, len(lines) + 1)
        written = {k for k in copied if k >= span.first and k in span.marks}
        assert {"    epsilon = 1e-5", "    return math.sqrt(total)"} <= {
            lines[k - 1] for k in written
        }
        assert not any("def " in lines[k - 1] or '"""' in lines[k - 1] for k in span.marks)


@pytest.mark.parametrize("name", CLASS)
def test_what_is_counted_is_what_is_marked(name: str) -> None:
    both = compared(original=CLASS[name], copy=all_of_it(CLASS[name]))
    for a, b in ((0, 1), (1, 0)):
        counted = 0
        own, side = both.own[a], both.works[a]
        marks = [one.a if a == 0 else one.b for one in stretches(both, 0, 1, few=2)]
        starts = [0, *(m.end() for m in re.finditer("\n", side.files[0].text))]
        for place in own.place.tolist():
            at = side.files[0].starts[place]
            line = sum(start <= at for start in starts)
            column = at - starts[line - 1]
            counted += any(
                low <= column < high for span in marks for low, high, _ in span.marks.get(line, ())
            )
        assert counted == both.found[a, b]


def test_code_that_repeats_itself_is_marked_wherever_it_is() -> None:
    block = "    total = total * value + other[place] - third(value, total)\n" * 40
    body = f"def f():\n{block}    return {{total: value, other: {{place}}}}\n"
    both = compared(a=body, b=f"x = [a for a in b if a > 0]\n{body}")
    assert both.found[0, 1] == both.own[0].tokens
    told = stretches(both, 0, 1, few=2)
    seen = {line for one in told for line in one.a.marks}
    assert seen == set(range(1, 43))


words = st.lists(st.sampled_from("xyz"), max_size=40)


@drawn(st.lists(st.lists(words, max_size=2), min_size=2, max_size=4), words)
def test_it_counts_what_a_slow_count_counts(
    files: list[list[list[str]]], common: list[str]
) -> None:
    def read(tokens: list[str]) -> code.Code:
        text = " ".join(tokens)
        starts = tuple(range(0, 2 * len(tokens), 2))
        return code.Code("f.py", text, tuple(tokens), starts, tuple(k + 1 for k in starts))

    def grams(tokens: list[str]) -> list[tuple[str, ...]]:
        return [tuple(tokens[k : k + size]) for k in range(len(tokens) - size + 1)]

    def holds(tokens: list[str], known: set[tuple[str, ...]]) -> set[int]:
        return {p for k, g in enumerate(grams(tokens)) if g in known for p in range(k, k + size)}

    size = 5
    before, comparing.GRAM = comparing.GRAM, size
    try:
        both = compare(
            [Work(str(k), "", frozenset(), tuple(map(read, mine))) for k, mine in enumerate(files)],
            [read(common)],
        )
    finally:
        comparing.GRAM = before
    given = set(grams(common))
    own = [
        [[w for p, w in enumerate(f) if p not in holds(f, given)] for f in mine] for mine in files
    ]
    for a, mine in enumerate(own):
        assert both.own[a].tokens == sum(map(len, mine))
        for b, theirs in enumerate(own):
            known = {gram for f in theirs for gram in grams(f)}
            assert both.found[a, b] == sum(len(holds(f, known)) for f in mine)


def test_a_whole_copy_is_one_stretch() -> None:
    both = compared(original=CLASS["grace"], copy=DISGUISES["renamed"](CLASS["grace"]))
    (stretch,) = stretches(both, 0, 1, few=2)
    assert stretch.tokens == both.own[0].tokens


def test_code_that_one_has_once_and_the_other_often_is_marked_everywhere() -> None:
    block = "total = total * value + other[place] - third(value, total)\n"
    often = "".join(f"{block}{'not ' * (k + 1)}last\n" for k in range(40))
    once = f"x = [a for a in b if a > 0]\n{block}y = {{3: 4, 5: 6, **z}}\n"
    both = compared(once=once, often=often)
    seen = {line for one in stretches(both, 0, 1, few=2) for line in one.b.marks}
    assert seen >= set(range(1, 81, 2))


def test_what_few_have_is_marked_apart() -> None:
    text, mine = CLASS["ada"], CLASS["sofia"]
    place, other = text.index("def backpropagate"), mine.index("def backpropagate")
    three = compared(one=text, two=text, three=text[:place] + mine[other:])
    lines = text.splitlines()
    (stretch,) = stretches(three, 0, 1, few=2)
    kinds = {lines[k - 1]: {mark[2] for mark in marks} for k, marks in stretch.a.marks.items()}
    assert kinds["    seen = set()"] == {False}
    assert kinds["    epsilon = 1e-5"] == {True}
    (alike, *_) = found(three, least=0.9, most=9).alike
    assert alike.seldom == three.own[0].tokens  # three hand-ins are few in any class


# Tokens


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f(a, b,)", "f(\n    a,\n    b\n)"),
        ("x = 'a' \"b\"", "x = '''a'''"),
        ("x = 1; y = 2.5", "other = 0x10\nsecond = 3e7"),
        ('def f(a):\n    r"""Doc."""\n    return a', "def g(b):  # doc\n    return b"),
        ("given(a).shape", "given(b).shape"),
        ("s = rb'x'", "t = u'y'"),
        ("\ufeffx = y", "x = y"),
        ("a.mine", "a.yours"),
        ("a.mine(1)", "b.yours(2)"),
        ("shape = 3", "size = 3"),
        ("max = 3", "best = 3"),
        ("x = 1\r\ny = 2\r", "x = 1\ny = 2\n"),
    ],
)
def test_what_a_copy_changes_first_makes_no_difference(one: str, other: str) -> None:
    given = code.names([b"def given(x):\n    return x.shape\n"])
    assert code.read("", one.encode(), given).words == code.read("", other.encode(), given).words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a + b", "a - b"),
        ("given(a)", "own(a)"),
        ("a.shape", "a.mine"),
        ("max(a)", "min(a)"),
        ("if a: b", "while a: b"),
        ("[a]", "(a)"),
        ("raise NotImplementedError", "raise mine"),
    ],
)
def test_what_it_does_makes_one(one: str, other: str) -> None:
    given = code.names([b"def given(x):\n    return x.shape\n"])
    assert code.read("", one.encode(), given).words != code.read("", other.encode(), given).words


# What is left out


@pytest.mark.parametrize(
    "text",
    ["\n " * 60_000, "x = '" + "\\N{" * 50_000 + "'\n"],
    ids=["blank lines", "names in a string"],
)
def test_no_text_takes_long_to_read(text: str) -> None:
    began = time.process_time()
    found = code.read("a.py", f"a = 1\n{text}\nb = 2\n".encode())
    assert time.process_time() - began < 8.0
    assert found.words[:3] == ("N", "=", "0")
    assert found.words[-3:] == ("N", "=", "0")
    assert [found.text[a:b] for a, b in zip(found.starts, found.ends, strict=True)][-3:] == [
        "b",
        "=",
        "2",
    ]


def test_who_has_next_to_nothing_of_their_own_is_told_and_in_no_pair() -> None:
    little = template() + "\n\ndef more(a):\n    return [a * b for b in a if b > 3 and b < 9]\n"
    came = found(compared(a=little, b=little, ada=CLASS["ada"]), least=0.0, most=9)
    assert 16 < came.own[0] < 32
    assert came.alike == ()
    assert [work.name for work in came.too_little] == ["a", "b"]


def test_the_template_alone_makes_no_pair(tape: Course, tmp_path: Path) -> None:
    blank = {name: template() + f"\n# {name}\n" for name in ("kurt", "david", "george")}
    ran = similar(tape, handed_in(tmp_path, blank), "--json", tmp_path / "f.json", "--least", "0")
    found = json.loads((tmp_path / "f.json").read_text())
    assert found["pairs"] == found["same_file"] == []
    assert found["too_little"] == ["david", "george", "kurt"]
    assert ran.stderr.count("next to no code of its own") == 3


def test_what_was_given_is_taken_out(tape: Course, tmp_path: Path) -> None:
    hint = "\n\n" + CLASS["grace"][CLASS["grace"].index("def order") :].replace("order", "walked")
    source = handed_in(tmp_path / "class", {k: v + hint for k, v in CLASS.items()})
    (tmp_path / "hint").mkdir()
    (tmp_path / "hint" / "hint.py").write_text(hint)
    assert len(told(tape, source)["pairs"]) == 28
    twice = handed_in(tmp_path / "twice", {k: v + 3 * hint for k, v in CLASS.items()})
    ran = similar(tape, twice, "--json", tmp_path / "f.json")
    assert "Did they start from another template" in ran.stderr
    ran = similar(tape, source, "--given", tmp_path / "hint", "--json", tmp_path / "f.json")
    assert "another template" not in ran.stderr
    assert told(tape, source, "--given", tmp_path / "hint")["pairs"] == []
    assert told(tape, source, "--given", tmp_path / "hint" / "hint.py")["pairs"] == []
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UsageError, match="no Python file"):
        similar(tape, source, "--given", tmp_path / "nothing", "--json", "-")


def test_only_files_of_the_module_are_compared(course: Course) -> None:
    told = works.material(course, "module2")
    assert told.compared("minitorch/tensor_ops.py")
    assert told.compared("minitorch/my_own_helpers.py")
    assert not told.compared("minitorch/scalar.py")  # of an earlier module
    assert not told.compared("minitorch/fast_ops.py")  # of a later one
    assert not told.compared("minitorch/__init__.py")  # given
    assert not told.compared("notes.txt")
    assert works.material(course, "module0").compared("tests/test_operators.py")


def hand_in(name: str, text: str, folder: Path, *who: str, **more: Any) -> HandIn:
    handed_in(folder, {name: text})
    students = tuple(Student(one) for one in who or (name,))
    return HandIn(name, students, str(folder / name), **more)


def looked_at(course: Course, *hand_ins: HandIn) -> Found:
    reader = works.Reader(works.material(course, "tape"))
    return found(compare(reader.works(Class("", "", hand_ins)), reader.given), least=0.0, most=50)


def test_members_of_a_group_are_no_pair(tape: Course, tmp_path: Path) -> None:
    text = CLASS["zu"]
    came = looked_at(
        tape,
        hand_in("both", text, tmp_path, "ada", "emmy"),
        hand_in("alone", text, tmp_path, "emmy", "kurt", received="2026-11-01T10:00:00+00:00"),
        hand_in("another", text, tmp_path),
    )
    # Two have emmy in them; the third is a stranger to both, and neither speaks for the other.
    assert came.pairs == 2
    assert {(a.a.name, a.b.name) for a in came.alike} == {("both", "another"), ("alone", "another")}
    assert came.folded == 0


def test_the_last_attempt_is_compared(tape: Course, tmp_path: Path) -> None:
    came = looked_at(
        tape,
        hand_in("first", CLASS["ada"], tmp_path, "x", attempt=1),
        hand_in("second", CLASS["zu"], tmp_path, "x", attempt=2),
        hand_in("broken", "", tmp_path, "x", attempt=3, problem="the zip is damaged"),
        hand_in("zu", CLASS["zu"], tmp_path),
    )
    assert [one.name for one in came.works] == ["second", "zu"]
    assert came.alike[0].pair.share == 1.0


def test_earlier_years_are_compared_with_and_not_among_each_other(
    tape: Course, tmp_path: Path
) -> None:
    old = handed_in(tmp_path / "old", {"x": CLASS["ada"], "y": all_of_it(CLASS["ada"])})
    new = handed_in(tmp_path / "new", CLASS)
    came = told(tape, new, "--before", old)
    assert names(came["pairs"]) == [{"ada", "x"}, {"ada", "y"}]
    assert {pair["group_of_b"] for pair in came["pairs"]} == {"before"}
    assert came["class"]["pairs"] == 28
    # The same name in another year may be another person.
    same = handed_in(tmp_path / "same", {"ada": CLASS["ada"]})
    assert len(told(tape, new, "--before", same)["pairs"]) == 1


def test_the_answer_key_is_one_more_to_compare_with(tape: Course, tmp_path: Path) -> None:
    leak = DISGUISES["renamed"](REFERENCE.replace("\n    # begin solution", "\n    #"))
    source = handed_in(tmp_path, CLASS | {"leak": leak})
    (pair,) = told(tape, source)["pairs"]
    assert (pair["a"], pair["b"], pair["group_of_b"]) == ("leak", "the reference", "reference")
    assert told(tape, source, "--no-reference")["pairs"] == []


def test_the_same_file_from_several_is_told_once(tape: Course, tmp_path: Path) -> None:
    text = CLASS["katherine"]
    several = dict.fromkeys(("a", "b", "c"), text)
    several["d"] = DISGUISES["commented"](text)
    came = told(tape, handed_in(tmp_path, CLASS | several))
    (group,) = came["same_file"]
    assert group["works"] == ["a", "b", "c", "d", "katherine"]
    assert group["exactly"] is False
    assert names(came["pairs"]) == [{"a", name} for name in ("b", "c", "d", "katherine")]
    assert (came["pairs_from_least"], came["pairs_folded"]) == (10, 6)


def test_the_first_of_the_same_hides_no_pair_that_it_is_not_in(
    tape: Course, tmp_path: Path
) -> None:
    """`both` and `alone` share a member, so that `both` cannot speak for `kurt` beside `alone`."""
    text, other = CLASS["zu"], DISGUISES["reformatted"](CLASS["zu"]) + "\n\nx = [1, 2, 3]\n"
    came = looked_at(
        tape,
        hand_in("both", text, tmp_path, "ada", "emmy"),
        hand_in("kurt", text, tmp_path),
        hand_in("alone", other, tmp_path, "emmy", received="2026-11-01T10:00:00+00:00"),
    )
    assert {(a.a.name, a.b.name) for a in came.alike} == {("both", "kurt"), ("kurt", "alone")}
    assert came.folded == 0


def test_a_class_comes_from_where_a_batch_comes_from(tape: Course, tmp_path: Path) -> None:
    """A Gradescope export as it is downloaded, with a group, and a roster."""
    made = {
        "submission_1": (CLASS["ada"], ["101", "102"]),
        "submission_2": (DISGUISES["renamed"](CLASS["ada"]), ["102", "103"]),
        "submission_3": (DISGUISES["commented"](CLASS["ada"]), ["104"]),
    }
    people = {
        "101": "Ada Lovelace",
        "102": "Emmy Noether",
        "103": "Zu Chongzhi",
        "104": "Mary Somerville",
    }
    metadata = "".join(
        f"{name}:\n  :created_at: 2026-10-01 21:59:0{name[-1]} Z\n  :submitters:\n"
        + "".join(f"  - :name: {people[sid]}\n    :sid: '{sid}'\n" for sid in who)
        for name, (_, who) in made.items()
    )
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("assignment_9_export/submission_metadata.yml", f"---\n{metadata}")
        for name, (text, _) in made.items():
            archive.writestr(f"assignment_9_export/{name}/tape.py", text)
    (tmp_path / "roster.csv").write_text(
        "Name,SID\n" + "".join(f"{name},{sid}\n" for sid, name in people.items())
    )
    before = sorted(tmp_path.iterdir())
    came = told(tape, tmp_path / "export.zip", "--roster", tmp_path / "roster.csv")
    students = {work["id"]: work["students"] for work in came["works"]}
    assert sorted(map(tuple, students.values())) == [(), ("101", "102"), ("102", "103"), ("104",)]
    pairs = [{tuple(students[name]) for name in pair} for pair in names(came["pairs"])]
    assert {("101", "102"), ("102", "103")} not in pairs
    assert {("101", "102"), ("104",)} in pairs
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_not_listed_is_said(tape: Course, tmp_path: Path) -> None:
    copies = {f"{name}-too": DISGUISES["renamed"](text) for name, text in CLASS.items()}
    source = handed_in(tmp_path / "in", CLASS | copies)
    ran = similar(tape, source, "--most", "3", "-o", tmp_path / "p.html")
    assert "5 more pairs with 40 % or more not listed" in ran.stdout
    assert "5 more pairs with 40 % or more not listed" in (tmp_path / "p.html").read_text()


def test_the_page_keeps_within_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    both = found(compared(a=CLASS["ada"], b=CLASS["ada"], c=CLASS["ada"]), least=0.4, most=9)
    whole = page.render(both, "tape")
    monkeypatch.setattr(page, "MOST_TEXT", 2_500)
    small = page.render(both, "tape")
    assert whole.count('class="card pair"') == 2
    assert small.count('class="card pair"') == 1
    assert "the source of 1 pair left out to keep the page small" in small


# Whatever is handed in

HOSTILE: dict[str, bytes] = {
    "broken": b"def f(:\n  return ((((\n" + CLASS["ada"].encode()[40:],
    "nul": CLASS["emmy"].encode().replace(b"\n", b"\0\n"),
    "latin": "# é\nfür = 1\n".encode("latin-1") + CLASS["sofia"].encode(),
    "utf16": CLASS["zu"].encode("utf-16"),
    "cookie": b"# coding: unicode_escape\n" + CLASS["mary"].encode(),
    "mark": b"\xef\xbb\xbf" + CLASS["mary"].encode().replace(b"\n", b"\r\n"),
    "surrogate": b"x = '\xed\xa0\x80\xff\xfe'\n" * 30,
    "quotes": b'"""' * 5_000,
    "deep": b"(" * 20_000,
    "flat": b"x=1;" * 50_000,
    "periodic": b"f(a, b)\n" * 4_000,
    "huge": b"x = 1\n" * 100_000,
    "empty": b"",
    "turned": "def \u202eevil\u202c(x):\n    return x\n".encode() * 40,
    "markup": f"s = '''{EVIL}'''\n".encode() + CLASS["grace"].encode(),
}


def test_nothing_that_is_handed_in_stops_it(tape: Course, tmp_path: Path) -> None:
    source = handed_in(tmp_path / "class", CLASS | HOSTILE)
    (source / "torn.zip").write_bytes(b"PK\x03\x04 and no more")
    (source / "nothing").mkdir()
    with zipfile.ZipFile(source / "zu\u202e\n.zip", "w") as archive:
        archive.writestr("work/tape.py", CLASS["zu"])
    (source / "linked").mkdir()
    (source / "linked" / "tape.py").symlink_to(source / "ada" / "tape.py")
    ran = similar(tape, source, "-o", tmp_path / "p.html", "--json", tmp_path / "p.json")
    assert ran.exit_code == 0
    came = json.loads((tmp_path / "p.json").read_text())
    pairs = names(came["pairs"])
    assert {"cookie", "mark"} in pairs
    assert {"cookie", "mary"} in pairs
    assert any("zu" in pair and any(name.startswith("zu-") for name in pair) for pair in pairs)
    for name in ("torn", "nothing", "linked"):
        assert f"note: {name} is left out" in ran.stderr
    assert "huge: tape.py is not compared: 585 KiB" in ran.stderr
    assert "only the first 50000 tokens are compared" in ran.stderr
    text = (tmp_path / "p.html").read_text()
    assert "\u202e" not in text
    assert "\0" not in text
    assert text.count("<script>") == 1
    assert "<img" not in text
    assert len(text) < 12 << 20


def test_no_hand_in_takes_all_the_time(tape: Course, tmp_path: Path) -> None:
    (tmp_path / "many" / "tape").mkdir(parents=True)
    for number in range(20):
        (tmp_path / "many" / "tape" / f"m{number:02d}.py").write_text("#\n" * 100_000)
    (tmp_path / "many" / "tape" / "__init__.py").write_text(CLASS["ada"])
    handed_in(tmp_path, {"copy": CLASS["ada"]})
    ran = similar(tape, tmp_path, "--json", tmp_path / "f.json")
    assert "many: only the first 2 MiB are compared, up to tape/m10.py" in ran.stderr
    assert names(json.loads((tmp_path / "f.json").read_text())["pairs"]) == [{"copy", "many"}]


def test_source_and_names_are_text_on_the_page() -> None:
    turn = f"print('''{EVIL}\u202e''')  # \u202e\n    visited"
    evil = CLASS["grace"].replace("visited", turn, 1)
    told = [
        Work(f"{EVIL}{k}", f"{EVIL}\u202e\n{k}", frozenset([str(k)]), work("", evil).files)
        for k in range(2)
    ]
    text = page.render(
        found(compare(told, GIVEN), least=0.0, most=5), EVIL, title=EVIL, course=EVIL, notes=[EVIL]
    )
    assert text.count("<script>") == 1
    assert "&lt;script&gt;document.title" in text
    assert "<img" not in text
    assert text.count(r"\u202e") >= 6  # both names, and both lines of either side
    assert "\u202e" not in text


def test_the_page_says_first_what_it_is() -> None:
    text = page.render(found(compared(**CLASS), least=0.0, most=5), "tape")
    notice = text.index("evidence for a person, not a judgement")
    assert notice < text.index("All pairs of the class") < text.index('id="pairs"')
    assert "No pair shares 40 % of its own code or more" in page.render(
        found(compared(**CLASS), least=LEAST, most=5), "tape"
    )


def test_a_class_of_none_and_of_one_has_a_page() -> None:
    for texts in ({}, {"ada": CLASS["ada"]}):
        text = page.render(found(compared(**texts), least=0.4, most=5), "tape")
        assert "No pair shares" in text


def test_the_page_is_the_same_each_time(tape: Course, tmp_path: Path) -> None:
    source = handed_in(tmp_path / "in", CLASS | {"copy": all_of_it(CLASS["ada"])})
    for number in range(2):
        similar(tape, source, "-o", tmp_path / f"{number}.html")
    assert (tmp_path / "0.html").read_bytes() == (tmp_path / "1.html").read_bytes()


def test_a_share_is_whole_only_where_it_is() -> None:
    assert [page.percent(x) for x in (0.0, 0.001, 0.5, 0.999, 1.0)] == [
        "0 %", "1 %", "50 %", "99 %", "100 %",
    ]  # fmt: skip


# The command


def test_it_ends_with_0_whatever_is_found(tape: Course, tmp_path: Path) -> None:
    source = handed_in(tmp_path / "in", {"a": CLASS["ada"], "b": CLASS["ada"]})
    ran = similar(tape, source, "-o", tmp_path / "p.html")
    assert ran.exit_code == 0
    assert "100 %  a, b" in ran.stdout
    assert "not a judgement" in ran.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "p.html"]


def test_a_command_line_that_cannot_work_says_why(tape: Course, tmp_path: Path) -> None:
    source = handed_in(tmp_path / "in", {"a": CLASS["ada"]})
    for more in ([], ["-o", str(tmp_path / "no" / "p.html")], ["-o", "-", "--json", "-"]):
        with pytest.raises(SystemExit) as ended:
            main(["similar", "tape", str(source), "--course", str(tape.root), *more])
        assert ended.value.code == 2


def test_examples_of_the_course_are_read(tmp_path: Path) -> None:
    """The project's own examples: all three are made from one solution."""
    line = ["similar", "module2", str(PROJECT / "examples"), "--course", str(PROJECT)]
    ran = CliRunner().invoke(cli, [*line, "--json", "-"], catch_exceptions=False)
    assert ran.exit_code == 0
    came = json.loads(ran.stdout)
    assert {"right", "three-bugs"} in names(came["pairs"])


def test_a_pack_needs_the_template_named(tape: Course, tmp_path: Path) -> None:
    root = write(tmp_path / "course", {"grader.yaml": "course: T\nmodules: [tape]\n"})
    write(
        root,
        {"assignments/tape/module.yaml": (tape.root / "assignments/tape/module.yaml").read_text()},
    )
    source = handed_in(tmp_path / "in", {"a": CLASS["ada"], "b": CLASS["emmy"]})
    ran = similar(load_course(root), source, "--json", tmp_path / "f.json")
    assert "Name it: --given FOLDER" in ran.stderr


def test_the_terminal_counts_what_was_compared_and_with_what(tape: Course, tmp_path: Path) -> None:
    source = handed_in(
        tmp_path / "class", {"ada": CLASS["ada"], "bob": CLASS["ada"], "cy": "x = 1\n"}
    )
    ran = similar(tape, source, "-o", tmp_path / "p.html")
    assert re.search(
        r"^2 hand-ins compared, 1 pair in the class; \d with 40 % or more, those with the reference among them$",
        ran.stdout,
        re.M,
    )
    alone = handed_in(tmp_path / "alone", {"ada": CLASS["ada"]})
    ran = similar(tape, alone, "-o", tmp_path / "p.html", "--no-reference")
    assert "1 hand-in compared, 0 pairs in the class; 0 with 40 % or more\n" in ran.stdout
