"""The HTML report in a real browser: it fits, can be read and used by keyboard, and does nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sample_reports import IMAGE, REPORTS, SCRIPT, buggy, hostile

from grader.model import Report
from grader.report import html

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE, DESKTOP = 390, 1200

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}")

# Every visible piece of text with less contrast to its background than WCAG's AA asks for.
PALE = """
() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = {pale: [], seen: 0};
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const element = node.parentElement;
    if (!node.data.trim() || !element.checkVisibility() || element.closest('.unseen')) continue;
    const a = light(rgb(getComputedStyle(element).color)), b = light(ground(element));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    found.seen += 1;
    if (ratio < 4.5) found.pale.push(`${ratio.toFixed(2)} ${node.data.trim().slice(0, 40)}`);
  }
  return found;
}
"""


class Opened:
    """A page with what it said and asked for while it was open."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        self.refused: list[tuple[str, str]] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.on(
            "requestfailed", lambda request: self.refused.append((request.url, request.failure))
        )


Open = Callable[..., Opened]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright_api.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Open]:
    contexts = []

    def opened(
        report: Report, *, width: int = DESKTOP, scheme: str = "light", tail: str = ""
    ) -> Opened:
        path = tmp_path / "report.html"
        text = html.render(report).replace("</main>", f"{tail}</main>")
        path.write_text(text, encoding="utf-8")
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


def unfold(page: Any) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true })")


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [320, PHONE, 820, DESKTOP])
def test_nothing_scrolls_sideways(show: Open, name: str, width: int) -> None:
    """The page and every box in it fit, also with everything unfolded."""
    page = show(REPORTS[name](), width=width).page
    unfold(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide = "[...document.querySelectorAll('pre, p, td, summary, li')].filter((e) => e.scrollWidth > e.clientWidth + 1 && !e.closest('.unseen')).map((e) => e.textContent.slice(0, 60))"
    assert page.evaluate(wide) == []


@pytest.mark.parametrize("name", ["buggy", "held", "import_failure"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast(show: Open, name: str, scheme: str) -> None:
    """4.5 to 1 at least for every word, by night as by day."""
    page = show(REPORTS[name](), scheme=scheme).page
    unfold(page)
    found = page.evaluate(PALE)
    assert found["seen"] > 100
    assert found["pale"] == []


def test_the_scheme_is_followed(show: Open) -> None:
    """Light and dark are two pages, not one."""
    ground = "getComputedStyle(document.body).backgroundColor"
    colours = {s: show(buggy(), scheme=s).page.evaluate(ground) for s in ("light", "dark")}
    assert colours["light"] != colours["dark"]


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_is_silent_and_alone(show: Open, name: str) -> None:
    """No word in the console, and no request but for the page itself."""
    opened = show(REPORTS[name]())
    unfold(opened.page)
    assert opened.said == []
    assert [url.split(":")[0] for url in opened.asked] == ["file"]


def test_styles_are_accepted_by_the_policy(show: Open) -> None:
    """The hash in the policy is the hash of the style sheet."""
    page = show(buggy()).page
    assert page.evaluate("document.styleSheets.length") == 1
    assert page.evaluate("getComputedStyle(document.querySelector('.panes')).display") == "grid"


def test_a_students_script_is_inert(show: Open) -> None:
    """Markup in a message is text: no element comes of it and nothing runs."""
    opened = show(hostile())
    page = opened.page
    page.wait_for_timeout(150)
    assert page.title() != "owned"
    assert page.locator("script, img, b, h1 + h1").count() == 0
    assert page.get_by_text("<script>document.title").first.is_visible()
    assert opened.said == []


@pytest.mark.parametrize(
    "smuggled", [SCRIPT, IMAGE, "<svg onload=\"document.title='owned'\"></svg>"]
)
def test_the_policy_holds_if_escaping_ever_fails(show: Open, smuggled: str) -> None:
    """Even markup that gets into the page runs nothing and loads nothing."""
    opened = show(buggy(), tail=smuggled)
    opened.page.wait_for_timeout(150)
    assert opened.page.title() != "owned"
    assert any("Content Security Policy" in line for line in opened.said)
    outside = [url for url in opened.asked if not url.startswith("file:")]
    assert opened.refused == [(url, "csp") for url in outside]


def test_a_fold_opens_by_keyboard(show: Open) -> None:
    """Tab reaches what passed, Enter opens it, and the focus can be seen."""
    page = show(buggy()).page
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.parentElement.matches('details.rest')"):
            break
    focused = "document.activeElement.parentElement"
    assert page.evaluate(f"{focused}.open") is False
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate(f"{focused}.open") is True
    assert page.get_by_text("index_to_position follows the strides", exact=True).is_visible()


def test_failures_are_open_and_the_rest_is_folded(show: Open) -> None:
    page = show(buggy()).page
    assert page.locator("details.check").count() == 7
    assert page.locator("details.check:not([open])").count() == 0
    assert page.locator("details.rest[open], .foot details[open]").count() == 0
    assert page.get_by_text("print(b.grad)  # should be [4.0, 6.0]").is_visible()


def test_a_task_is_a_link_away(show: Open) -> None:
    """The overview leads to each task."""
    page = show(buggy()).page
    links = page.locator("nav a")
    assert links.count() == 4
    links.nth(3).click()
    assert page.evaluate("location.hash") == "#task-2-4"
    assert page.locator("#task-2-4").bounding_box()["y"] < 844


def test_landmarks_and_headings(show: Open) -> None:
    """One heading of the first level, the levels in order, each landmark once, no id twice."""
    page = show(buggy()).page
    for role in ("banner", "main", "navigation", "contentinfo"):
        assert page.get_by_role(role).count() == 1, role
    levels = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map((h) => +h.tagName[1])"
    )
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    assert page.get_by_role("region", name="2.4 Gradients and autograd").count() == 1


def test_expected_and_yours_stand_side_by_side(show: Open) -> None:
    """On a desktop beside each other, on a phone below each other."""

    def boxes(width: int) -> tuple[Any, Any]:
        panes = show(buggy(), width=width).page.locator(".panes").first.locator(".pane")
        return panes.nth(0).bounding_box(), panes.nth(1).bounding_box()

    expected, yours = boxes(DESKTOP)
    assert expected["y"] == yours["y"]
    expected, yours = boxes(PHONE)
    assert expected["x"] == yours["x"]
    assert expected["y"] < yours["y"]


def test_paper_shows_what_is_folded(show: Open) -> None:
    """What passed is printed too, in ink on white."""
    page = show(buggy(), scheme="dark").page
    passed = page.get_by_text("index_to_position follows the strides", exact=True)
    assert not passed.is_visible()
    page.emulate_media(media="print")
    assert passed.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate(PALE)["pale"] == []
