"""What holds of every view: a student's text stays text, every outcome has words, held has no score."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from sample_reports import (
    REPORTS,
    SCRIPT,
    blank,
    buggy,
    flagged,
    full_marks,
    held,
    hostile,
    import_failure,
)

from grader.model import Outcome, Report, TaskScore, Verdict, Visibility
from grader.report import VIEWS, gradescope, html, junit, markdown, terminal
from grader.report.audience import for_student
from grader.report.outline import MISMATCHES, SHOWN_LATER, WORDS, outline, share, tallies
from grader.report.text import cut, duration, one_line, points, visible
from grader.terms import Line, Standing

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)
SGR = re.compile(r"\x1b\[[0-9;]*m")


def with_words(text: str) -> Report:
    """A report in which one failing check speaks only these words."""
    report = buggy()
    checks = []
    for verdict in report.checks:
        example = verdict.counterexample
        if example is not None:
            example = msgspec.structs.replace(
                example,
                inputs={f"a{text}": text},
                mismatch=msgspec.structs.replace(
                    example.mismatch, path=text, expected=text, observed=text
                ),
                diagnosis=text,
                expected=text,
                observed=text,
                where=(text,),
                snippet=text,
            )
            verdict = msgspec.structs.replace(
                verdict, reason=text, hint=text, counterexample=example
            )
        checks.append(verdict)
    return msgspec.structs.replace(
        report, checks=tuple(checks), notes=(text,), hints=(text,), submission=text, origin=text
    )


class Tags(HTMLParser):
    """The tags of a page in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.found.append(tag)

    @classmethod
    def of(cls, page: str) -> list[str]:
        parser = cls()
        parser.feed(page)
        return parser.found


# Words


@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("view", VIEWS)
def test_every_outcome_has_words(view: str, outcome: Outcome) -> None:
    """A check of each outcome is told in each view, in words and not by a colour."""
    verdict = Verdict(
        task="1.1",
        title="Mul multiplies",
        outcome=outcome,
        weight=1.0,
        score=None if outcome is Outcome.HELD else 1.0 * (outcome is Outcome.PASSED),
        max_score=1.0,
        seconds=0.1,
        cases_run=1,
        cases=1,
        reason="" if outcome is Outcome.PASSED else "For a reason.",
    )
    report = msgspec.structs.replace(
        full_marks(),
        tasks=(TaskScore("1.1", "Operators", verdict.score, 1.0),),
        checks=(verdict,),
        score=verdict.score,
        max_score=1.0,
    )
    told = VIEWS[view](report)
    if view == "json":
        assert outcome.value in told
    elif view == "junit":
        tag = {Outcome.PASSED: "", Outcome.HELD: "<error", Outcome.BLOCKED: "<skipped"}
        assert tag.get(outcome, f'type="{outcome.value}"') in told
    else:
        assert WORDS[outcome].text.lower() in told.lower()


def test_the_words_differ() -> None:
    """No two outcomes are told alike, and every kind of mismatch and visibility has words."""
    assert len({word.text for word in WORDS.values()}) == len(Outcome)
    assert set(SHOWN_LATER) == set(Visibility)
    assert "shape" in MISMATCHES
    assert all(word.plain.isascii() and len(word.sign) == 1 for word in WORDS.values())


@pytest.mark.parametrize("view", ["terminal", "html", "markdown", "junit"])
def test_held_has_no_score(view: str) -> None:
    """Neither the sum of what is known nor a zero stands where the score would."""
    told = VIEWS[view](held()).lower()
    assert "no score yet" in told
    assert "/ 50" not in told
    assert "– / 14" in told or view in ("html", "junit")


@pytest.mark.parametrize("view", ["terminal", "html", "markdown"])
def test_held_says_whose_fault_it_is(view: str) -> None:
    assert "a fault of the grader, not of yours" in one_line(VIEWS[view](held()))
    assert "fault of the grader" not in one_line(VIEWS[view](buggy()))


@pytest.mark.parametrize("view", ["terminal", "html", "markdown"])
def test_a_box_that_protects_nobody_says_so(view: str) -> None:
    assert "protects nobody" in one_line(VIEWS[view](import_failure()))
    assert "protects nobody" not in one_line(VIEWS[view](buggy()))


def test_waiting_checks_are_one_line_a_task() -> None:
    """The blank template is told in a screenful, without a single failure."""
    told = terminal.render(blank(), 80)
    assert "6 checks wait for Task 2.1: not implemented yet" in told
    assert "9 checks were not run: Task 2.3 has to come first." in told
    assert "✗" not in told
    assert len(told.splitlines()) < 30


def test_a_reason_of_many_tasks_is_told_once() -> None:
    """An import failure stands at the top, before the tasks that it stopped."""
    told = one_line(terminal.render(import_failure(), 80))
    assert told.count("cannot be imported") == 1
    assert told.index("cannot be imported") < told.index("Task 2.1")
    assert len(outline(import_failure()).common) == 1


def test_every_check_is_told_in_one_place() -> None:
    """The outline loses no check and repeats none."""
    for report in (make() for make in REPORTS.values()):
        for part in outline(report).parts:
            told = [*part.passed, *part.faults, *part.unimplemented]
            told += [v for group in (*part.stopped, *part.elsewhere) for v in group.checks]
            assert sorted(v.title for v in told) == sorted(v.title for v in part.checks)


def test_a_check_of_an_unlisted_task_is_still_told() -> None:
    report = msgspec.structs.replace(buggy(), tasks=buggy().tasks[1:])
    assert "to_index reaches every position once" in terminal.render(report, 80)
    assert [part.task.id for part in outline(report).parts] == ["2.2", "2.3", "2.4", "2.1"]


def test_tallies() -> None:
    assert tallies(full_marks().checks) == ["all 35 checks passed"]
    assert tallies(buggy().checks) == [
        "25 of 35 checks passed",
        "7 to fix",
        "2 not implemented yet",
        "1 not run",
    ]
    assert tallies(()) == ["0 of 0 checks passed"]


# Hostile text


def test_page_has_the_same_tags_whatever_a_student_writes() -> None:
    """Markup in a message is shown, not obeyed."""
    assert SCRIPT not in html.render(hostile())
    assert Tags.of(html.render(with_words("word"))) == Tags.of(html.render(with_words(SCRIPT)))
    assert Tags.of(html.render(with_words("word"))) == Tags.of(
        html.render(with_words('"><img src=x onerror=y>{{ 7*7 }}</style></pre>'))
    )
    assert "{{ 7*7 }}" in html.render(with_words("{{ 7*7 }}"))


def test_page_asks_for_nothing() -> None:
    """No script, no source, no address but fragments of the page itself."""
    page = html.render(buggy())
    assert not {"script", "img", "link", "iframe", "object"} & set(Tags.of(page))
    assert re.findall(r'(?:href|src)="(?!#)', page) == []
    assert "url(" not in page
    assert "default-src 'none'; style-src 'sha256-" in unescape(page)
    assert "unsafe" not in page
    assert 'style="' not in page


def test_rich_markup_is_not_obeyed() -> None:
    """Square brackets and control sequences are shown as they were written."""
    told = terminal.render(hostile(), 80, colour=True)
    bare = SGR.sub("", told)
    assert "[red]all" in bare
    assert "\\x1b[2J\\x1b[31mred\\x07\\x00" in bare
    assert "\x1b" not in bare


@pytest.mark.parametrize("view", VIEWS)
def test_no_view_carries_a_character_that_hides_or_reorders(view: str) -> None:
    """JSON keeps the text as data; every view for people shows the escape."""
    told = VIEWS[view](hostile())
    told.encode("utf-8")
    if view != "json":
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028]", told)


@pytest.mark.parametrize("view", ["terminal", "html", "gradescope", "markdown", "junit"])
def test_ten_thousand_characters_are_cut(view: str) -> None:
    told = VIEWS[view](hostile()).replace("\n", "").replace(" ", "")
    assert "morecharacters)" in told
    assert "x" * 5001 not in told


@pytest.mark.parametrize("view", VIEWS)
def test_other_scripts_stay_readable(view: str) -> None:
    """A path in Chinese, Russian or Arabic is a path, not an escape."""
    told = VIEWS[view](hostile())
    for name in ("作业/张量.py:3 in 正向", "задание/тензор.py:9", "مهمة"):
        assert name in told


def test_markdown_neither_renders_nor_mentions() -> None:
    told = markdown.render(hostile())
    outside = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", told)
    outside = re.sub(r"`[^`\n]+`(?!`)", "", outside.replace("\\`", ""))
    assert "<script" not in outside
    assert "<img" not in outside
    assert "**bold**" not in outside
    assert "@everyone" not in outside
    assert "[a](http" not in outside
    assert "50 / 50</h1>" not in outside


def test_markdown_fits_into_a_job_s_summary() -> None:
    report = with_words("\U0001f600" * 5000)
    many = tuple(
        msgspec.structs.replace(v, title=f"{v.title} {n}") for n in range(60) for v in report.checks
    )
    told = markdown.render(msgspec.structs.replace(report, checks=many))
    faults = [v for v in many if v.outcome is Outcome.FAILED]
    assert all(f"<b>{v.title}</b>" in told for v in faults)
    assert 1 < told.count("<details>") < len(faults)
    assert told.count("), and more than fits here\n") > 1
    assert len(told.encode()) < 1 << 20


def test_markdown_fence_is_longer_than_what_it_holds() -> None:
    told = markdown.render(with_words("````\n</details>"))
    assert "\n`````python\n````\n</details>\n`````" in told


def test_markdown_code_span_cannot_be_left() -> None:
    assert "`` a`<b> ``" in markdown.render(with_words("a`<b>"))


@settings(max_examples=60, deadline=None)
@given(ANY_TEXT)
@example("]]>\x00\ud800\ufffe")
def test_any_text_is_legal_xml(text: str) -> None:
    """Surrogates, noncharacters and control characters never break the file."""
    root = ET.fromstring(junit.render(with_words(text)).encode("utf-8"))
    assert len(root.findall("testsuite/testcase")) == 35


@settings(max_examples=30, deadline=None)
@given(ANY_TEXT.filter(str.strip))
@example("</details>\ud800")
def test_any_text_leaves_the_page_whole(text: str) -> None:
    """However a student writes, the page is encodable and still ends where it ends."""
    page = html.render(with_words(text))
    page.encode("utf-8")
    assert Tags.of(page).count("details") == Tags.of(html.render(with_words("word"))).count(
        "details"
    )


@given(ANY_TEXT)
def test_visible_text_hides_nothing(text: str) -> None:
    """What comes out is printable but for newlines, tabs and joiners, and stays as it is a second time."""
    shown = visible(text)
    shown.encode("utf-8")
    assert visible(shown) == shown
    assert "\r" not in shown


def test_visible_keeps_what_is_harmless() -> None:
    assert visible("naïve 张量 𝒙 👩‍👧 \t\n") == "naïve 张量 𝒙 👩‍👧 \t\n"
    assert visible("a\r\nb") == "a\nb"
    assert visible("\x1b\u202e\ud800\U000e0041\ufffe") == "\\x1b\\u202e\\ud800\\U000e0041\\ufffe"


# The terminal


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("verbose", [False, True])
def test_lines_fit(name: str, width: int, verbose: bool) -> None:
    """Nothing but what is to be pasted, a snippet and the last line, is wider than the terminal."""
    report = REPORTS[name]()
    checks = tuple(
        msgspec.structs.replace(
            v, counterexample=msgspec.structs.replace(v.counterexample, snippet="")
        )
        if v.counterexample
        else v
        for v in report.checks
    )
    told = terminal.render(msgspec.structs.replace(report, checks=checks), width, verbose=verbose)
    lines = [line for line in told.splitlines() if not line.startswith("replay   grade replay")]
    assert max(cell_len(line) for line in lines) <= width


def test_a_narrow_terminal_gets_titles_rather_than_bars() -> None:
    told = terminal.render(buggy(), 40)
    assert "━" not in told
    task = next(line for line in told.splitlines() if line.startswith("Task 2.2"))
    assert task.startswith("Task 2.2  Tensor broadcasting")


def test_first_line_is_module_and_score() -> None:
    first = terminal.render(buggy(), 80).splitlines()[0]
    assert first.startswith("module2  Module 2: Tensors")
    assert first.endswith("32.05 / 50")


def test_snippet_can_be_pasted() -> None:
    """Its lines stand at the margin, whole, at any width."""
    told = terminal.render(buggy(), 40, verbose=True)
    for verdict in buggy().checks:
        if verdict.counterexample and verdict.counterexample.snippet:
            assert f"\n{verdict.counterexample.snippet}\n" in told


def test_colour_only_when_asked() -> None:
    """Colour adds codes and nothing else."""
    plain = terminal.render(buggy(), 80)
    coloured = terminal.render(buggy(), 80, colour=True)
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    bare = "\n".join(line.rstrip() for line in SGR.sub("", coloured).splitlines()) + "\n"
    assert bare == plain


def test_colour_does_not_depend_on_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller decides; NO_COLOR and its kin are read by the command line."""
    before = terminal.render(buggy(), 80, colour=True)
    for name, value in {
        "NO_COLOR": "1",
        "TERM": "dumb",
        "COLUMNS": "33",
        "FORCE_COLOR": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert before == terminal.render(buggy(), 80, colour=True)
    assert "\x1b" not in terminal.render(buggy(), 80)


def test_plain_signs_are_ascii() -> None:
    """A terminal without Unicode gets signs of its own; the course's own words stay."""
    told = terminal.render(held(), 80, unicode=False, verbose=True)
    assert told.isascii()
    assert "+ 12 checks passed" in told


def test_verbose_tells_more() -> None:
    told = terminal.render(buggy(), 100, verbose=True)
    assert "permute does not copy the storage" in told
    assert "landlock: down, the kernel has none" in told
    assert "permute does not copy the storage" not in terminal.render(buggy(), 100)


def test_replay_names_a_check_that_failed() -> None:
    told = terminal.render(buggy(), 100)
    assert "grade replay REPORT '2.1/to_index reaches every position once'" in told
    narrow = terminal.render(buggy(), 40)
    assert "grade replay REPORT '2.1/to_index reaches every position once'" in narrow  # not wrapped
    assert "replay" not in terminal.render(full_marks(), 100)


def test_many_faults_are_told_briefly_the_first_in_full_and_all_when_asked() -> None:
    """One cause often makes many checks fail; a student reads the first few."""
    report = buggy()
    example = next(v for v in report.checks if v.outcome is Outcome.FAILED)
    many = tuple(
        msgspec.structs.replace(example, title=f"check number {i}", task=task.id)
        for task in report.tasks
        for i in range(20)
    )
    report = msgspec.structs.replace(report, checks=many)
    told = terminal.render(report, 80)
    assert all(f"check number {i}" in told for i in range(20))
    assert told.count("try it") == 6
    left = len(many) - 6
    assert f"{left} checks are named only: mend what is told in full first" in told
    assert terminal.render(report, 80, verbose=True).count("try it") == len(many)
    page = html.render(report)
    assert page.count('<details class="check" open>') == 6
    assert page.count('<details class="check">') == left


def test_the_bar_is_full_only_for_full_marks() -> None:
    assert share(14 - 1e-13, 14) == 1.0
    assert share(13.99, 14) < 1.0
    assert share(0, 14) == share(None, 14) == share(0, 0) == 0.0
    assert "╌" not in terminal.render(full_marks(), 80)
    assert "━" not in terminal.render(blank(), 80)


# JUnit


def test_junit_counts() -> None:
    """failure is the student's, error ours, skipped nobody's."""
    root = ET.fromstring(junit.render(buggy()))
    assert (root.get("tests"), root.get("failures")) == ("35", "9")
    assert root.get("errors") == "0"
    assert sum(int(suite.get("skipped", "")) for suite in root) == 1
    assert set(root.attrib) == {"name", "tests", "failures", "errors", "time"}  # as Jenkins has it
    assert len(root.findall(".//failure")) == 9
    assert len(root.findall(".//skipped")) == 1
    assert len(ET.fromstring(junit.render(held())).findall(".//error")) == 2


# The audience


def test_a_student_sees_nothing_of_hidden_checks() -> None:
    """Neither title, nor points, nor bank: only that there are more."""
    report = for_student(buggy())
    assert report.max_score == pytest.approx(48)
    assert report.score == pytest.approx(buggy().score)
    assert sum(task.max_score for task in report.tasks) == pytest.approx(48)
    for name, render in VIEWS.items():
        told = render(report)
        assert "used twice" not in told, name
        assert name == "junit" or "1 check more will be graded" in one_line(told), name


def test_a_student_is_told_of_a_flag_only_where_it_took_points() -> None:
    """What took points is explained; the rest, and what speaks of hidden checks, is for a TA."""
    report = flagged()
    seen = for_student(report)
    (flag,) = seen.flags
    assert flag == report.flags[1]
    assert seen.score == pytest.approx(sum(v.score or 0.0 for v in seen.checks) - 2.0)
    hidden = "2.3/Permute reorders the axes"
    both = msgspec.structs.replace(
        flag, checks=(*flag.checks, hidden), deducted={**flag.deducted, hidden: 0.25}
    )
    (told,) = for_student(msgspec.structs.replace(report, flags=(both,))).flags
    assert told == msgspec.structs.replace(flag, evidence=())
    sent = json.loads(gradescope.render(msgspec.structs.replace(report, flags=(both,))))
    assert "0.25 more points are deducted from checks that are shown later." in sent["output"]
    assert "central" not in sent["output"]


def test_flags_change_nothing_while_there_is_no_score() -> None:
    """A held check leaves the report without a score, and without a sum to deduct from."""
    report = msgspec.structs.replace(held(), flags=flagged().flags)
    for name, render in VIEWS.items():
        assert "points earned are deducted" not in one_line(render(report)), name


def test_a_report_without_hidden_checks_stays_as_it_is() -> None:
    assert full_marks() == for_student(full_marks())


@pytest.mark.parametrize("view", ["terminal", "html", "markdown", "gradescope", "junit"])
def test_what_counts_is_told_with_its_reasons(view: str) -> None:
    standing = Standing(50.0, 40.0, 50.0, (Line(-10.0, "2 days late"),))
    page = VIEWS[view](msgspec.structs.replace(full_marks(), standing=standing))
    assert "40 / 50 under the terms" in page.replace("\\", "")
    assert "2 days late: -10" in page.replace("\\", "")


def test_hidden_checks_are_marked_for_those_who_see_them() -> None:
    for view in ("terminal", "html", "markdown"):
        assert "students after the due date" in one_line(VIEWS[view](buggy())), view


# Numbers and weight


def test_numbers_for_people() -> None:
    assert [points(x) for x in (0.0, 32.052, 10.0, 0.5, None)] == ["0", "32.05", "10", "0.5", "–"]
    assert [duration(x) for x in (0.0123, 0.9999, 3.44, 99.99, 125)] == [
        "12 ms",
        "1.0 s",
        "3.4 s",
        "1 min 40 s",
        "2 min 5 s",
    ]
    assert cut("abcdef", characters=3, lines=1) == "abc… (3 more characters)"
    assert cut("a\nb\nc", characters=9, lines=1) == "a\n… (2 more lines)"


HEAVY = ("numpy", "hypothesis", "numba")


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import grader.report", ("rich", "jinja2", "xml", *HEAVY)),
        ("import grader.report.terminal", ("jinja2", *HEAVY)),
        ("import grader.report.html", ("rich", *HEAVY)),
        ("import grader.report.json, grader.report.gradescope", ("rich", "jinja2", *HEAVY)),
        ("import grader.report.markdown, grader.report.junit", ("rich", "jinja2", *HEAVY)),
    ],
)
def test_a_view_loads_only_what_it_needs(statement: str, absent: tuple[str, ...]) -> None:
    """A student waits for none of the views that were not asked for."""
    code = f"import sys; {statement}; print([n for n in {absent!r} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
