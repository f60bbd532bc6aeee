"""A gradebook with one hand-in in each state, of people with odd names."""

from __future__ import annotations

from pathlib import Path

import msgspec
from golden.sample_reports import buggy, flagged, full_marks, held

from grader.batch import book
from grader.batch.model import HandIn, Student

ADA = Student("0101", "Lovelace, Ada", "ada@example.org", "A")
EMMY = Student("0102", "Emmy Noether", "emmy@example.org", "B")
EVIL = Student("=1+2", '=HYPERLINK("http://x")', "@evil", "-1")
KURT = Student("0103", "Kurt Gödel", "kurt@example.org", "B")
HEDY = Student("0104", "Hedy\u202e <script>alert(1)</script>", "", "")
MODULE = "module2"


def filled(folder: Path) -> Path:
    """The gradebook of five hand-ins: two attempts of a group, one held, one not gradable, one flagged."""
    path = folder / "gradebook.sqlite"
    with book.Book(path) as kept:

        def keep(name: str, *who: Student, **about: str | int) -> HandIn:
            received = str(about.get("received", ""))
            hand_in = HandIn(name, who, f"/in/{name}", received, int(about.get("attempt", 1)))
            kept.enrol(MODULE, [hand_in])
            return hand_in

        first = keep("ada-emmy", ADA, EMMY, received="2026-10-01T10:00:00+00:00")
        kept.keep(MODULE, first, book.GRADED, key="1", report=buggy())
        second = keep("ada-emmy-2", ADA, EMMY, attempt=2, received="2026-10-02T10:00:00+00:00")
        kept.keep(MODULE, second, book.GRADED, key="2", report=full_marks())
        kept.keep(MODULE, keep("evil", EVIL), book.GRADED, key="1")
        kept.keep(MODULE, keep("kurt", KURT), book.HELD, key="3", report=held())
        broken = msgspec.structs.replace(keep("hedy", HEDY), problem="the zip is damaged")
        kept.keep(MODULE, broken, book.NOT_GRADABLE, problem="the zip is damaged")
        kept.keep(MODULE, keep("flag"), book.GRADED, key="4", report=flagged())
    return path
