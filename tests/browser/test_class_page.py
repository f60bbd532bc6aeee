"""The page of a class in a real browser: it fits, sorts and filters by keyboard, and does nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sample_reports import blank, buggy, flagged, full_marks, held

from grader.batch.grades import grades
from grader.batch.model import HandIn, Row, Student
from grader.batch.page import render
from tests.browser.test_report_page import CHROMIUM, DESKTOP, FLAGS, PALE, PHONE, Opened

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}")

Show = Callable[..., Opened]
EVIL = "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
LONG = "Wolfeschlegelsteinhausenbergerdorff" * 3


def students() -> list[Row]:
    made = [
        ("Ada Lovelace", "A", full_marks()),
        ("Emmy Noether", "B", buggy()),
        (EVIL, "A", blank()),
        (LONG, "B", flagged()),
        ("حنّا", "B", held()),
        ("Zǔ Chōngzhī", "B", None),
    ]
    rows = []
    for number, (name, section, report) in enumerate(made):
        problem = "" if report else "the zip is damaged"
        who = (Student(str(number), name, "", section),)
        hand_in = HandIn(f"h{number}", who, f"/in/{number}", problem=problem)
        rows.append(Row("module2", hand_in, report, problem))
    return rows


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Show]:
    contexts = []

    def opened(*, width: int = DESKTOP, scheme: str = "light", many: int = 1) -> Opened:
        path = tmp_path / "index.html"
        links = {f"h{k}": f"reports/h{k}.html" for k in range(6)}
        told = [grade for _ in range(many) for grade in grades(students())]
        path.write_text(render(told, "module2", links), encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        result = Opened(context.new_page())
        result.page.goto(path.as_uri(), wait_until="load")
        return result

    yield opened
    for context in contexts:
        context.close()


def listed(page: Any) -> list[str]:
    """The names on the lines that are to be seen, from the top."""
    told = "[...document.querySelectorAll('tbody tr')].filter((r) => r.checkVisibility()).map((r) => r.querySelector('.who bdi').textContent)"
    return [name[:4] for name in page.evaluate(told)]


@pytest.mark.parametrize("width", [320, PHONE, 820, DESKTOP])
def test_nothing_scrolls_sideways(show: Show, width: int) -> None:
    page = show(width=width).page
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert len(listed(page)) == 6


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_all_text_has_contrast(show: Show, scheme: str, width: int) -> None:
    found = show(scheme=scheme, width=width).page.evaluate(PALE)
    assert found["seen"] > 80
    assert found["pale"] == []


def test_the_page_is_silent_and_alone(show: Show) -> None:
    opened = show()
    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith("file:")] == []
    assert len(opened.asked) == 1
    assert opened.page.title() != "taken"
    assert listed(opened.page)[0] == "حنّا"[:4]


def test_columns_sort_by_keyboard_and_say_so(show: Show) -> None:
    page = show().page
    button = page.get_by_role("button", name="Score")
    button.focus()
    page.keyboard.press("Enter")
    heading = page.get_by_role("columnheader", name="Score")
    assert heading.get_attribute("aria-sort") == "ascending"
    assert page.locator("[aria-sort]").count() == 1
    scores = "[...document.querySelectorAll('td.total')].map((c) => c.textContent)"
    up = page.evaluate(scores)
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "descending"
    down = page.evaluate(scores)
    assert up[-2:] == down[-2:] == ["–", "–"]
    assert up[:-2] == down[:-2][::-1] == sorted(up[:-2], key=float)
    page.get_by_label("Order by").select_option("name")
    assert listed(page)[1] == "Ada "
    page.get_by_label("Order by").select_option("first")
    assert listed(page)[1] == "Zǔ C"


def test_filters_narrow_and_tell_how_many(show: Show) -> None:
    page = show().page
    page.get_by_label("Find").fill("noether")
    assert listed(page) == ["Emmy"]
    assert page.get_by_role("status").inner_text() == "1 of 6 shown"
    # Marks on letters may be typed, in either composition, or not.
    for typed in ("zu chong", "Zǔ", "Zu\u030c"):
        page.get_by_label("Find").fill(typed)
        assert listed(page) == ["Zǔ C"]
    page.get_by_label("Find").fill("حنا")
    assert len(listed(page)) == 1
    page.get_by_label("Find").fill("")
    page.get_by_label("Show").select_option("held")
    assert len(listed(page)) == 1
    page.get_by_label("Show").select_option("")
    page.get_by_label("Section").select_option("A")
    assert sorted(listed(page)) == sorted(["Ada ", EVIL[:4]])
    page.get_by_label("Section").select_option("")
    assert page.get_by_role("status").inner_text() == ""
    assert len(listed(page)) == 6


def test_it_is_a_table_also_on_a_phone(show: Show) -> None:
    page = show(width=PHONE).page
    assert page.get_by_role("row").count() == 7
    assert page.get_by_role("rowheader").count() == 6
    assert page.get_by_role("link", name="Ada Lovelace").get_attribute("href") == "reports/h0.html"


def test_five_hundred_students_are_found(show: Show) -> None:
    page = show(many=84).page
    assert len(listed(page)) == 504
    page.get_by_label("Find").fill("noether")
    assert len(listed(page)) == 84


def test_without_its_script_the_table_is_whole(browser: Any, show: Show, tmp_path: Path) -> None:
    show()
    context = browser.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    assert page.locator("tbody tr").count() == 6
    assert not page.locator("#filters").is_visible()
    context.close()
