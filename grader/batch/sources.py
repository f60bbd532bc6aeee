"""Where hand-ins come from: a folder of them, a list, or what a course's system lets a teacher download.

What lies in a hand-in is taken in later, one at a time, by `grader.intake`; here its name and size are looked at.
Only where files have to be unpacked, put together or fetched is something written, below a folder of ours.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from grader.batch.entries import IGNORED, LINK, Source, as_text, problem, refusals
from grader.batch.git import addresses, clones
from grader.batch.gradescope_export import gradescope
from grader.batch.lms import canvas, moodle, opened
from grader.batch.model import Class, HandIn, Student
from grader.batch.names import ENDINGS, OTHERS, distinct, shown, stem
from grader.batch.scratch import swept
from grader.batch.unpack import unpacked
from grader.errors import UsageError
from grader.report.text import encodable
from grader.setting import Progress

LONGEST_LIST = 4 << 20

Detector = Callable[[Source], Class | None]


def read(
    path: Path,
    leave_out: Path | None = None,
    *,
    scratch: Path | None = None,
    deadline: str = "",
    progress: Progress | None = None,
) -> Class:
    """What a source holds, by the first detector that knows it.

    leave_out: a folder that is no hand-in although it lies in the source, such as the one that is written
    to; scratch: a folder of ours for what has to be unpacked or fetched, made when it is needed; deadline: of
    repositories, as ISO 8601 with an offset; progress: who is told what takes long. Raises UsageError where there is nothing that could be a source.
    """
    # The same place has one name, wherever the command is given.
    place = path.resolve() if ".." in path.parts else path.absolute()
    if not place.exists():
        raise UsageError(f"{path}: there is no such folder or file. Name a folder of submissions")
    try:
        if scratch is not None:
            swept(scratch)
        asked = Source(place, scratch and scratch.absolute(), deadline, progress=progress)
        source = unpacked(asked)
        return _detected(path, source, leave_out)
    except PermissionError as error:
        raise UsageError(f"{error.filename}: cannot be read: {error.strerror}") from error


def _detected(path: Path, source: Source, leave_out: Path | None) -> Class:
    for detector in DETECTORS:
        found = detector(source)
        if found is not None:
            return _without(found, leave_out)
    if source.path.is_file() and source.path.name.lower().endswith(ENDINGS):
        if source.path.suffix.lower() == ".zip":
            raise UsageError(f"{path}: this is no zip, or its end is missing. Download it again")
        if source.path.suffix.lower() == ".py":
            raise UsageError(
                f"{path}: this is one file, and no class. Name the folder of submissions, or grade it alone: "
                f"grade MODULE --submission {path}"
            )
        raise UsageError(
            f"{path}: only a zip of a class is unpacked here. Unpack this, and name the folder"
        )
    raise UsageError(
        f"{path}: expected a folder that holds one folder, zip or tar file for each submission, or a "
        "text file with one path or address on each line, or the zip that Gradescope, Canvas or Moodle gives"
    )


def folder(asked: Source) -> Class | None:
    """A folder in which each folder, zip, tar and Python file is one hand-in."""
    source = asked.path
    if not source.is_dir():
        return None
    try:
        entries = sorted(os.scandir(source), key=lambda entry: entry.name)
    except OSError as error:
        raise UsageError(f"{source}: cannot be read: {error.strerror}") from error
    taken: list[str] = []
    others: list[str] = []
    for entry in entries:
        if entry.name.startswith(".") or entry.name in IGNORED:
            continue
        wanted = entry.is_dir() or entry.name.lower().endswith((*ENDINGS, *OTHERS))
        (taken if wanted else others).append(entry.name)
    warnings = []
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        warnings.append(
            f"left out, since it is no folder, archive, notebook or Python file: "
            f"{', '.join(map(shown, others[:3]))}{more}"
        )
    taken += [place.name for place in map(Path, asked.refused) if place.parent == source]
    if not taken:
        warnings.append(f"{shown(str(source))} holds no submission")
    ids = distinct(taken)
    hand_ins = tuple(_hand_in(i, source / n, asked) for i, n in zip(ids, taken, strict=True))
    return Class("folder", f"{len(taken)} submissions in a folder", hand_ins, (), tuple(warnings))


def listed(asked: Source) -> Class | None:
    """A text file with one path on each line, relative to the file; what follows a `#` is a comment."""
    source = asked.path
    if not source.is_file() or source.name.lower().endswith(ENDINGS):
        return None
    try:
        with source.open("rb") as file:
            data = file.read(LONGEST_LIST + 1)
    except OSError as error:
        raise UsageError(f"{source}: cannot be read: {error.strerror}") from error
    text = as_text(data)
    if len(data) > LONGEST_LIST or "\0" in text:
        return None
    lines = [line.strip() for line in text.splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    paths = list(dict.fromkeys(_uncommented(line, source.parent) for line in wanted))
    warnings = []
    if len(paths) < len(wanted):
        warnings.append("a path that is listed more than once is graded once")
    if not paths:
        warnings.append(f"{shown(str(source))} lists no submission")
    elif not any(map(os.path.lexists, paths)):
        raise UsageError(
            f"{source}: nothing that it lists is there, such as {shown(str(paths[0]))}. Is a disk missing, or does the "
            "list lie in another folder than the one that it was written for?"
        )
    # Paths may end alike: then the folder above tells them apart, and is likely to be called as the student.
    last = [path.name for path in paths]
    alike = [last.count(name) > 1 for name in last]
    names = [
        f"{stem(path.name)}-{path.parent.name}" if twice else path.name
        for path, twice in zip(paths, alike, strict=True)
    ]
    ids = distinct([f"{n} {k}" if names[:k].count(n) else n for k, n in enumerate(names)])
    hand_ins = tuple(
        _hand_in(i, path, asked, path.parent.name if twice else "")
        for i, path, twice in zip(ids, paths, alike, strict=True)
    )
    return Class("list", f"{len(paths)} paths in a file", hand_ins, (), tuple(warnings))


def _uncommented(line: str, base: Path) -> Path:
    """The path on a line. A `#` is part of it where such a file is there."""
    whole = base / line
    if "#" in line and not os.path.lexists(whole):
        whole = base / line.partition(" #")[0].rstrip()
    return Path(os.path.abspath(whole))


def _hand_in(name: str, path: Path, asked: Source, called: str = "") -> HandIn:
    who = (Student(name, encodable(called or stem(path.name))),)
    # Whoever put a link into a class need not be who wrote what it leads to.
    if asked.path.is_dir() and path.is_symlink():
        return HandIn(name, who, str(path), problem=LINK)
    notes, refused = refusals(asked, path)
    path, beside = opened(path)
    notes += tuple(map(encodable, beside))
    return HandIn(name, who, str(path), notes=notes, problem=refused or problem(path))


def _without(found: Class, leave_out: Path | None) -> Class:
    if leave_out is None:
        return found
    kept: Sequence[HandIn] = [
        h for h in found.hand_ins if Path(h.path).resolve() != leave_out.resolve()
    ]
    if len(kept) == len(found.hand_ins):
        return found
    detail = found.detail.replace(str(len(found.hand_ins)), str(len(kept)), 1)
    return Class(found.kind, detail, tuple(kept), found.absent, found.warnings)


# In the order in which they are asked: what is most particular comes first.
DETECTORS: tuple[Detector, ...] = (
    addresses,
    listed,
    gradescope,
    canvas,
    moodle,
    clones,
    folder,
)
