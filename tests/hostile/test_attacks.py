"""Every attack in every box: a report, no point that was not earned, nothing left, nothing read."""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import time
import unicodedata
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from drawn import PROJECT

from grader.errors import NotGradable
from grader.intake import read_submission
from grader.judge.grade import grade
from grader.model import Outcome, Report, Submission
from grader.report import VIEWS
from grader.sandbox import Sandbox
from hostile.attack import HONEST, Attack
from hostile.attacks import ATTACKS, GROUPS
from hostile.attacks.steals import LITTER
from hostile.conftest import BOXES, House, children

PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue")
FIRST = next(name for name, (_, available) in BOXES.items() if available()[0])
HIDING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
KEPT = set("\n\t\u200c\u200d")


def submission(attack: Attack, house: House, folder: Path) -> Submission | None:
    """The attack's files, over an honest package where it is one on MiniTorch, as they are taken in; None
    when they are refused."""
    files: dict[str, str] = {}
    if attack.course != "two_functions":
        for path in (PROJECT / "reference").glob("*/*.py"):
            files[f"{path.parent.name}/{path.name}"] = path.read_text()
    for name, text in attack.files.items():
        base = files[name[1:]] if name.startswith("+") else ""
        files[name.removeprefix("+")] = base + "\n\n" + text if base else text
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.replace("@HOUSE@", str(house.root)).encode())
    assignment = house.modules[attack.course].assignment
    try:
        return read_submission(folder, assignment.expects, assignment.also)
    except NotGradable:
        return None


def snapshot(house: House) -> dict[str, tuple[int, bytes]]:
    """Every file of the house with its size and content."""
    return {
        str(path): (path.stat().st_nlink, path.read_bytes())
        for folder in ("course", "minitorch", "neighbour", "home")
        for path in sorted((house.root / folder).rglob("*"))
        if path.is_file()
    }


def left_over(house: House, at_rest: frozenset[int], seconds: float = 10.0) -> list[str]:
    """Processes and files that should be gone; those that are just ending are waited for."""
    deadline = time.monotonic() + seconds
    while True:
        found = [f"process {pid}" for pid in children() - at_rest]
        found += [f"process {pid}" for pid in strangers(house)]
        found += [f"file {name}" for name in os.listdir(house.boxes)]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def strangers(house: House) -> list[int]:
    """Processes that are nobody's children any more but were told of a folder of ours."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                told = Path("/proc", name, "environ").read_bytes()
            except OSError:
                continue
            if f"HOME={house.boxes}".encode() in told:
                found.append(int(name))
    return found


def litter(house: House) -> list[Path]:
    """Files of an attack's making in places that every process of the machine shares."""
    places = [Path(place) for place in PLACES] + [house.root / "course", house.root / "home"]
    return [place / LITTER for place in places if (place / LITTER).exists()]


class Tags(HTMLParser):
    """What a page is made of: its tags with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {(tag, name) for name, _ in attrs} | {(tag, "")}


# What the page's own template is made of.
TEMPLATE = PROJECT / "grader" / "report" / "templates" / "report.html.j2"
ALLOWED = set(re.findall(r"<([a-z][a-z0-9]*)", TEMPLATE.read_text(encoding="utf-8")))


def words_of(report: Report, names: Iterable[str] = tuple(VIEWS)) -> dict[str, str]:
    """Views of a report; each must be free of what could upset its reader."""
    views = {name: VIEWS[name](report) for name in names}
    for name, text in views.items():
        text.encode("utf-8")
        hidden = {c for c in text if unicodedata.category(c) in HIDING} - KEPT
        if name == "markdown":
            hidden -= {"\u2060"}  # the view itself keeps marks apart with it
        if name == "terminal":
            assert not re.search("\x1b(?!\\[[0-9;]*m)", text)
            hidden -= {"\x1b"}
        assert not hidden, (name, hidden)
        assert len(text) < 200_000, name
    page = Tags()
    page.feed(views.get("html", ""))
    assert {tag for tag, _ in page.found} <= ALLOWED
    assert not {a for _, a in page.found if a.startswith("on") or a in ("src", "srcdoc", "action")}
    assert "script" not in ALLOWED
    return views


def spoiled(attack: Attack, key: str) -> bool:
    return any(fnmatch.fnmatchcase(key, pattern) for pattern in attack.spoils)


def judged(attack: Attack, report: Report) -> None:
    """No point that was not earned, and every other check as if the attack were not there."""
    for verdict in report.checks:
        key = f"{verdict.task}/{verdict.title}"
        told = (key, verdict.outcome.value, verdict.reason[:300])
        if not spoiled(attack, key):
            assert verdict.outcome is Outcome.PASSED, told
        else:
            # What waits for a check that was spoiled is spoiled with it.
            assert verdict.outcome.value in attack.ends | {"blocked"}, told


def added_up(report: Report) -> None:
    """The score is the sum of what passed; nothing is held, and nothing else brought points."""
    assert [v.title for v in report.checks if v.outcome is Outcome.HELD] == [], [v.reason for v in report.checks]  # fmt: skip
    passed = sum(v.max_score for v in report.checks if v.outcome is Outcome.PASSED)
    assert report.score is not None
    assert abs(report.score - passed) < 1e-5
    assert all(0 <= v.seconds < 60 for v in report.checks)


def honest_report(house: House, box: Sandbox) -> Report:
    files = {"student.py": HONEST.encode()}
    return grade(house.modules["two_functions"], Submission("h", "h", files, "0" * 64), box, seed=3)


NAMED = {f"{group}/{attack.name}": attack for group, found in GROUPS.items() for attack in found}


@pytest.mark.parametrize("attack", NAMED.values(), ids=NAMED)
def test_nothing_is_gained(
    attack: Attack,
    box: Sandbox,
    house: House,
    at_rest: frozenset[int],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    if attack.harms and not box.protects:
        pytest.skip("without walls it would harm this machine")
    if attack.course == "module0" and box.name == "docker":
        pytest.skip(
            "these limits are too short for Hypothesis in a container, and no wall is tried here"
        )
    before = snapshot(house)
    taken = submission(attack, house, tmp_path)
    if taken is None:
        assert "intake" in attack.ends
        record_property("outcome", "refused")
        return
    assert attack.ends != {"intake"}
    report = grade(house.modules[attack.course], taken, box, seed=3)
    hit = {v.outcome.value for v in report.checks if spoiled(attack, f"{v.task}/{v.title}")}
    # For a table of all attacks: pytest --junitxml.
    record_property("outcome", " ".join(sorted(hit - {"blocked"}) or ["blocked"]))
    record_property("walls", attack.walls and not box.protects)
    added_up(report)
    # What is told does not hang on the box: one of them is enough for the pages and tables.
    text = "".join(words_of(report, VIEWS if box.name == FIRST else ("json",)).values())
    if box.protects or not attack.walls:
        judged(attack, report)
        assert house.canary not in text
        assert "LEAK" not in text
        assert litter(house) == []
    elif attack.proof:
        # What is stopped by walls alone is seen to succeed without them.
        assert attack.proof in text
    for path in litter(house):
        path.unlink()
    assert left_over(house, at_rest) == []
    if box.protects or not attack.walls:
        assert snapshot(house) == before
    assert honest_report(house, box).score == 100


def test_there_are_enough_attacks_and_no_two_of_one_name() -> None:
    assert len(ATTACKS) >= 100
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)
    assert all(attack.tries for attack in ATTACKS)
    assert sum(attack.course != "two_functions" for attack in GROUPS["minitorch"]) >= 30


# The instruments themselves


def test_a_point_that_was_not_earned_is_seen(house: House, box: Sandbox) -> None:
    report = honest_report(house, box)
    files = {"student.py": HONEST}
    gained = Attack("a", "b", "two_functions", files, ("mul_backward/*",), frozenset({"failed"}))
    with pytest.raises(AssertionError):
        judged(gained, report)
    judged(gained._replace(spoils=()), report)
    with pytest.raises(AssertionError):
        added_up(msgspec.structs.replace(report, score=99.0))


def test_what_is_left_is_seen(house: House, at_rest: frozenset[int]) -> None:
    (house.boxes / "left").touch()
    ours = subprocess.Popen(["sleep", "5"], env={"HOME": str(house.boxes / "x")})
    try:
        found = left_over(house, at_rest, 0.1)
    finally:
        ours.kill()
        ours.wait()
        (house.boxes / "left").unlink()
    assert f"process {ours.pid}" in found
    assert "file left" in found
    assert left_over(house, at_rest) == []


@pytest.mark.parametrize("text", ["\x1b]0;x\x07", "\u202e", "\0", "x" * 300_000])
def test_words_that_upset_a_reader_are_seen(
    text: str, house: House, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VIEWS, "terminal", lambda report: text)
    with pytest.raises(AssertionError):
        words_of(honest_report(house, box))


def test_markup_in_the_page_is_seen(
    house: House, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("<script>x</script>", "<p onclick=x>", "<img>"):
        monkeypatch.setitem(VIEWS, "html", lambda report, text=text: text)
        with pytest.raises(AssertionError):
            words_of(honest_report(house, box))
