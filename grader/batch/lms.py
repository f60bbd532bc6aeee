"""What Canvas and Moodle let a teacher download: everything that is known stands in the names of files.

Files that belong together are copied into one folder of ours, under the names that their students gave them.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from grader.batch.entries import Entry, Source, folder_names, hand_ins, refusals
from grader.batch.model import Class, Student
from grader.batch.names import ENDINGS, shown, stem
from grader.batch.scratch import filled
from grader.errors import UsageError

# adalovelace_LATE_12345_67890_minitorch-2.zip
CANVAS = re.compile(
    r"(?P<name>.+?)(?P<late>_LATE)?_(?P<student>\d+)_(?P<file>\d+)_(?P<original>.+)", re.S
)
# lovelaceada_LATE_12345_text.html, of who wrote a text or gave an address in place of a file
ONLINE = re.compile(
    r"(?P<name>.+?)(?P<late>_LATE)?_(?P<student>\d+)_(?P<kind>text|link)\.html", re.S
)
# LATE_anon_Xk3b2_67890_work.zip, where the teacher does not see who it is: the letters tell one student from another
ANYBODY = (
    r"(?P<late>LATE_)?(?P<student>(?P<name>anon_[A-Za-z0-9]{5}|anonymous_(?=[0-9]*[A-Za-z])[A-Za-z0-9]{5}))"
    r"(?P<afterwards>_LATE)?"
)
ANONYMOUS = re.compile(ANYBODY + r"_(?P<file>\d+)_(?P<original>.+)", re.S)
ANONYMOUS_ONLINE = re.compile(ANYBODY + r"_(?P<kind>text|link)\.html", re.S)
AGAIN = re.compile(r"(?P<stem>.+)-(?P<number>[1-9]\d?)(?P<ending>\.(?:tar\.)?\w+)", re.S)

# Ada Lovelace_12345_assignsubmission_file_ as a folder, or with the file's name behind it
MOODLE = re.compile(
    r"(?P<name>.*)_(?P<student>\d+)_assignsubmission_(?P<kind>file|onlinetext)(?:_(?P<original>.*))?",
    re.S,
)
KNOWN_PART = 0.6  # of the names that have to be of a kind, so that a stray file is no matter
CODE = (".py", ".ipynb")
ARCHIVES = tuple(ending for ending in ENDINGS if ending != ".py")


def named(path: str) -> tuple[str, re.Match[str]] | None:
    """Which system named what was handed in there, and its name taken apart; None for any other name.

    `student` of the match is the number that the system itself has for its user or participant, or what Canvas gives
    in its place where work is anonymous.
    """
    parts = Path(path).parts[-2:]
    for part in reversed(parts):  # an archive may lie in the folder that Moodle made
        if (found := MOODLE.fullmatch(part)) is not None:
            return "moodle", found
    for pattern in (ANONYMOUS, ANONYMOUS_ONLINE, CANVAS, ONLINE):
        if parts and (found := pattern.fullmatch(parts[-1])) is not None:
            return "canvas", found
    return None


def canvas(source: Source) -> Class | None:
    """Canvas's `submissions.zip`, unpacked: all files in one folder."""
    names = _names(source)
    matches: dict[str, re.Match[str]] = {}
    online: dict[str, re.Match[str]] = {}
    for name in names:
        patterns = (
            (ANONYMOUS, matches),
            (ANONYMOUS_ONLINE, online),
            (CANVAS, matches),
            (ONLINE, online),
        )
        for pattern, kept in patterns:
            found = pattern.fullmatch(name)
            if found and not (source.path / name).is_dir():
                kept[name] = found
                break
    if not names or len(matches) + len(online) < KNOWN_PART * len(names):
        return None
    mine: dict[str, list[str]] = {}
    for name in sorted(matches, key=lambda name: (int(matches[name]["file"]), name)):
        mine.setdefault(matches[name]["student"], []).append(name)
    entries = [
        _written(source, name, found)
        for name, found in online.items()
        if found["student"] not in mine
    ]
    for student, files in mine.items():
        first = matches[files[0]]
        originals: dict[str, str] = {}
        attempt = 1
        for name in files:
            original = matches[name]["original"]
            plain, number = _again(original)
            attempt = max(attempt, number)
            taken = originals.values()
            originals[name] = next(o for o in (plain, original, name) if o not in taken)
        late = ("Canvas marks it as late",) if any(_late(matches[n]) for n in files) else ()
        who = Student(student, first["name"])
        entries.append(_entry(source, "canvas", student, who, originals, attempt, late))
    return _class("canvas", "Canvas", entries, names, {**matches, **online})


def _late(found: re.Match[str]) -> bool:
    told = found.groupdict()
    return bool(told["late"] or told.get("afterwards"))


def _written(source: Source, name: str, found: re.Match[str]) -> Entry:
    """What a student wrote to Canvas in place of a file."""
    what = "a text was written online" if found["kind"] == "text" else "an address was given"
    late = ("Canvas marks it as late",) if _late(found) else ()
    who = Student(found["student"], found["name"])
    return Entry(
        found["student"],
        (who,),
        source.path / name,
        notes=late,
        problem=f"only {what}; no file was handed in",
    )


def moodle(source: Source) -> Class | None:
    """Moodle's "download all submissions", with a folder for each student or without."""
    names = _names(source)
    matches = {name: found for name in names if (found := MOODLE.fullmatch(name))}
    if not names or len(matches) < KNOWN_PART * len(names):
        return None
    mine: dict[str, list[str]] = {}
    for name, found in matches.items():
        mine.setdefault(found["student"], []).append(name)
    entries = []
    for student, found_names in mine.items():
        who = Student(student, matches[found_names[0]]["name"].strip())
        files = [name for name in found_names if matches[name]["kind"] == "file"]
        text = (
            ("there is also a text that was written online",)
            if len(files) < len(found_names)
            else ()
        )
        folders = [name for name in files if (source.path / name).is_dir()]
        if not files:
            path = source.path / found_names[0]
            only = "only a text was written online; no file was handed in"
            entries.append(Entry(student, (who,), path, problem=only))
        elif folders:
            entries.append(_folder(source, student, who, folders[0], text))
        else:
            originals = {name: matches[name]["original"] or name for name in files}
            entries.append(_entry(source, "moodle", student, who, originals, 1, text))
    return _class("moodle", "Moodle", entries, names, matches)


def _names(source: Source) -> list[str]:
    """What lies in the folder of a source, and what was not unpacked to it."""
    if not source.path.is_dir():
        return []
    refused = [p.name for p in map(Path, source.refused) if p.parent == source.path]
    return sorted({entry.name for entry in folder_names(source.path)} | set(refused))


def _again(original: str) -> tuple[str, int]:
    """The name before Canvas told a later upload apart with `-1`, and which upload it is."""
    found = AGAIN.fullmatch(original)
    if found is None:
        return original, 1
    return found["stem"] + found["ending"], int(found["number"]) + 1


def _folder(source: Source, key: str, who: Student, name: str, notes: tuple[str, ...]) -> Entry:
    """A student's folder; the archive in it where it holds no other code."""
    path = source.path / name
    left_out, problem = refusals(source, path)
    path, beside = opened(path)
    left_out += beside
    return Entry(key, (who,), path, notes=(*notes, *left_out), problem=problem)


def opened(path: Path) -> tuple[Path, tuple[str, ...]]:
    """The one archive in a folder that holds nothing else to grade, and notes on what lies beside it; any other path
    as it is."""
    with contextlib.suppress(OSError):
        inside = folder_names(path) if path.is_dir() else []
        archive, beside = _archive([entry.name for entry in inside])
        if archive and all(entry.is_file(follow_symlinks=False) for entry in inside):
            return path / archive, beside
    return path, ()


def _archive(names: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The one archive among files that are no code, "" where there is none, and notes on these: a report often
    comes along with the work."""
    archives = [name for name in names if name.lower().endswith(ARCHIVES)]
    if len(archives) != 1 or any(name.lower().endswith(CODE) for name in names):
        return "", ()
    beside = [shown(name) for name in names if name != archives[0]]
    return archives[0], tuple(f"{name} was not looked at" for name in beside[:8])


def _entry(
    source: Source,
    kind: str,
    key: str,
    who: Student,
    originals: dict[str, str],
    attempt: int,
    notes: tuple[str, ...],
) -> Entry:
    """A student's files: the one archive as it is, else copied together under their own names."""
    name, beside = _archive(list(originals))
    if name or len(originals) == 1:
        name = name or next(iter(originals))
        path = source.path / name
        left_out, problem = refusals(source, path)
        left_out += beside
        if problem or path.is_dir() or name.lower().endswith(ARCHIVES):
            return Entry(
                key, (who,), path, attempt=attempt, notes=notes + left_out, problem=problem
            )
    if source.scratch is None:
        raise UsageError(
            f"{source.path}: files that belong together have to be copied, and there is nowhere to copy to"
        )

    def fill(target: Path) -> dict[str, str]:
        left_out = {}
        for name, original in originals.items():
            wanted = Path(original).name
            _, problem = refusals(source, source.path / name)
            if problem:
                left_out[original] = problem
            elif wanted in ("", ".", "..") or not (source.path / name).is_file():
                left_out[original] = "it is no plain file"
            else:
                shutil.copyfile(source.path / name, target / wanted)
        return left_out

    # The folder is named as the first file was: feedback goes back under that name.
    target = source.scratch / kind / _digest(source, originals) / stem(next(iter(originals)))
    told = [f"{shown(name)} was left out: {why}" for name, why in filled(target, fill).items()]
    return Entry(key, (who,), target, attempt=attempt, notes=(*notes, *told))


def _digest(source: Source, originals: Iterable[str]) -> str:
    """A few digits that are others where one of the files is another."""
    told = []
    for name in originals:
        path = source.path / name
        status = path.stat() if path.exists() else None
        told.append((str(path), status and (status.st_size, status.st_mtime_ns)))
    return hashlib.sha256(repr(told).encode("utf-8", "surrogateescape")).hexdigest()[:10]


def _class(
    kind: str, system: str, entries: list[Entry], names: Iterable[str], matches: Iterable[str]
) -> Class:
    others = sorted(set(names) - set(matches))
    warnings = []
    if others:
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        warnings.append(
            f"left out, since {system} gives no such names: {', '.join(map(shown, others[:3]))}{more}"
        )
    taken = hand_ins(entries)
    return Class(kind, f"{len(taken)} submissions of {system}", taken, (), tuple(warnings))
