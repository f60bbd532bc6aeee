"""What a mistake is: one small edit of one file of the reference, and the check that must catch it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec

from grader.model import Assignment, Submission

WHEAT = Path(__file__).resolve().parents[1] / "wheat"


class Mistake(NamedTuple):
    """A wrong submission.

    what: the mistake in words, as one would tell a colleague; edits: pairs of texts, the first of which
    stands in the file exactly once and gives way to the second; caught_by: the titles, or how they begin,
    of the checks that must all fail; base: the wheat whose files are put over the reference first.
    """

    module: str
    what: str
    file: str
    edits: tuple[tuple[str, str], ...]
    caught_by: tuple[str, ...]
    base: str = ""


class Kind(NamedTuple):
    """The mistakes in one file of one module. base: as of a mistake."""

    module: str
    file: str
    base: str = ""

    def __call__(self, what: str, old: str, new: str, *caught_by: str) -> Mistake:
        """A mistake of one edit."""
        return self.edited(what, [(old, new)], *caught_by)

    def edited(self, what: str, edits: list[tuple[str, str]], *caught_by: str) -> Mistake:
        """A mistake that shows in several places of the file."""
        return Mistake(self.module, what, self.file, tuple(edits), caught_by, self.base)


def made(mistake: Mistake, reference: Submission) -> Submission:
    """The reference with that mistake in it."""
    files = reference.files
    if mistake.base:
        folder = WHEAT / mistake.base
        files = files | {
            p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.py")
        }
    text = files[mistake.file].decode()
    for old, new in mistake.edits:
        times = text.count(old)
        assert times == 1, (
            f"{mistake.what}: this text stands {times} times in {mistake.file}: {old!r}"
        )
        text = text.replace(old, new)
    compile(text, mistake.file, "exec")
    files = files | {mistake.file: text.encode()}
    return msgspec.structs.replace(reference, id=mistake.what, files=files)


def keys(mistake: Mistake, assignment: Assignment) -> list[str]:
    """The keys of the checks that must catch a mistake: one for each title."""
    found = []
    for start in mistake.caught_by:
        exact = [check.key for check in assignment.checks if check.title == start]
        named = exact or [c.key for c in assignment.checks if c.title.startswith(start)]
        assert len(named) == 1, f"{mistake.what}: {len(named)} checks begin with {start!r}"
        found += named
    assert found, f"{mistake.what}: no check is named that must catch it"
    return found
