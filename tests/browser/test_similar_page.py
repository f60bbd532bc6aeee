"""The page on similar code in a real browser: it fits, both sides can be read, and nobody's code runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.batch.similar import code
from grader.batch.similar.compare import Work, compare
from grader.batch.similar.found import found
from grader.batch.similar.page import render
from tests.batch.similar_class import CLASS, DISGUISES, template
from tests.browser.test_report_page import CHROMIUM, DESKTOP, FLAGS, PALE, PHONE, Opened

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}")

Show = Callable[..., Opened]
EVIL = "</code></script><script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
LONG = "Wolfeschlegelsteinhausenbergerdorff" * 3


def told() -> str:
    """The page of a class with two copies, one of them of the answer key, and code that wants to run."""
    fixed = code.names([template().encode()])
    evil = f"    note = '''{EVIL}'''\n    long = '{'x' * 600}'\n    seen = set()\n"
    first = CLASS["ada"].replace("    seen = set()\n", evil, 1)
    texts = {
        **CLASS,
        "ada": first,
        EVIL: DISGUISES["renamed"](first),
        LONG: DISGUISES["all of it"](CLASS["emmy"]),
        "حنّا": first,
    }
    works = [
        Work(name, name, frozenset([name]), (code.read("tape.py", text.encode(), fixed),))
        for name, text in texts.items()
    ]
    leak = (code.read("tape.py", CLASS["grace"].encode(), fixed),)
    works.append(Work("the reference", "the reference", frozenset(), leak, "reference"))
    given = [code.read("", template().encode(), fixed)]
    came = found(compare(works, given), least=0.05, most=50)
    return render(came, "tape", title="Tapes", course="Tiny", notes=[f"{EVIL} is left out"])


@pytest.fixture(scope="module")
def text() -> str:
    return told()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def show(browser: Any, text: str, tmp_path: Path) -> Iterator[Show]:
    contexts = []

    def opened(*, width: int = DESKTOP, scheme: str = "light", script: bool = True) -> Opened:
        path = tmp_path / "similar.html"
        path.write_text(text, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 844},
            color_scheme=scheme,
            offline=True,
            java_script_enabled=script,
        )
        contexts.append(context)
        result = Opened(context.new_page())
        result.page.goto(path.as_uri(), wait_until="load")
        return result

    yield opened
    for context in contexts:
        context.close()


def unfold(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")


@pytest.mark.parametrize("width", [320, PHONE, 820, DESKTOP])
def test_nothing_scrolls_sideways(show: Show, width: int) -> None:
    page = show(width=width).page
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = "[...document.querySelectorAll('.pane, .lines li, td, th, summary')].filter((e) => e.scrollWidth > e.clientWidth + 1 && !e.closest('.unseen, thead')).map((e) => e.textContent.slice(0, 60))"
    assert page.evaluate(wide) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_all_text_has_contrast(show: Show, scheme: str, width: int) -> None:
    page = show(scheme=scheme, width=width).page
    unfold(page)
    found = page.evaluate(PALE)
    assert found["seen"] > 500
    assert found["pale"] == []


def test_the_page_is_silent_and_alone(show: Show) -> None:
    opened = show()
    unfold(opened.page)
    opened.page.wait_for_timeout(150)
    assert opened.said == []
    assert [url.split(":")[0] for url in opened.asked] == ["file"]
    assert opened.page.title() == "Similar code: Tapes"
    assert opened.page.locator("script").count() == 1
    assert opened.page.locator("img").count() == 0
    assert opened.page.get_by_text("<script>document.title").first.is_visible()


def test_the_policy_lets_nothing_else_run(show: Show, text: str) -> None:
    opened = show()
    opened.page.set_content(text.replace("</main>", f"{EVIL}</main>"))
    opened.page.wait_for_timeout(150)
    assert opened.page.title() != "taken"
    assert any("Content Security Policy" in line for line in opened.said)


def test_a_pair_opens_from_the_table_by_keyboard(show: Show) -> None:
    page = show().page
    assert page.locator(".pair details[open]").count() == 0
    page.locator("th.who a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(100)
    assert page.locator(".pair details[open]").count() == 1
    pair = page.locator(".pair").first
    assert pair.locator(".lines").first.is_visible()
    assert abs(pair.bounding_box()["y"]) < 60


def test_a_link_into_a_pair_opens_it_when_the_page_is_opened(show: Show) -> None:
    page = show().page
    page.goto(page.url + "#pair-2-1", wait_until="load")
    page.reload()
    assert page.locator("#pair-2-1").is_visible()
    assert page.locator("#pair-1 details[open]").count() == 0


def test_without_a_script_pairs_open_by_hand(show: Show) -> None:
    page = show(script=False).page
    page.locator(".pair summary").first.click()
    assert page.locator(".pair .lines").first.is_visible()


def test_both_sides_stand_beside_each_other_and_below_on_a_phone(show: Show) -> None:
    for width, beside in ((DESKTOP, True), (PHONE, False)):
        page = show(width=width).page
        unfold(page)
        left, right = (page.locator("#pair-1-1 .pane").nth(k).bounding_box() for k in range(2))
        assert (abs(left["y"] - right["y"]) < 2) is beside
        assert (left["x"] + left["width"] <= right["x"]) is beside


def test_lines_have_their_numbers_and_marks(show: Show) -> None:
    page = show().page
    unfold(page)
    lines = page.locator("#pair-1-1 .pane").first.locator(".lines li[data-n]")
    source = lines.evaluate_all(
        "(all) => all.map((e) => [Number(e.dataset.n), e.textContent.trim(), [...e.querySelectorAll('mark')].map((m) => m.textContent).join(' ')])"
    )
    assert [n for n, _, _ in source] == sorted({n for n, _, _ in source})
    by_text = {text: mark for _, text, mark in source}
    assert by_text["return result"] == "return result"
    shown = "getComputedStyle(document.querySelector('#pair-1-1 .lines li[data-n]'), '::before').content"
    assert page.evaluate(shown).strip('"') == str(source[0][0])
    colour = "(k) => getComputedStyle(document.querySelector(`mark.${k}`)).backgroundColor"
    assert page.evaluate(colour, "strong") != page.evaluate(colour, "faint")


def test_it_is_a_table_also_on_a_phone(show: Show) -> None:
    page = show(width=PHONE).page
    assert page.get_by_role("rowheader").count() == page.locator("tbody tr").count() > 3
    row = page.locator("tbody tr").first
    heights = [
        row.locator(f"td[data-label='{name}']").bounding_box()["y"]
        for name in ("Share", "Of the first", "Seldom")
    ]
    assert heights == sorted(heights)
    first, second = (
        row.locator(f"td[data-label='{name}']").bounding_box()["x"]
        for name in ("Share", "Of the first")
    )
    assert first < second
