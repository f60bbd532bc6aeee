"""What of a class is compared: the hand-ins that count and, of each, the files that its module is written in.

What everybody was given is read as well, for it is taken out. No file of a submission is written or run.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from grader import template
from grader.batch.model import Class, HandIn
from grader.batch.names import shown
from grader.batch.similar.code import LARGEST, MOST_TEXT, MOST_TOKENS, Code, first, names, read
from grader.batch.similar.compare import Work
from grader.course import Course, ModuleFile, load_module
from grader.errors import NotGradable, UsageError
from grader.intake import read_submission
from grader.model import OF_ONE_FILE
from grader.terms import moment

REFERENCE = "the reference"
MOST_GIVEN = 2_000  # files of a folder of given code


class Material(msgspec.Struct, frozen=True):
    """What a course says of a module's code.

    settings: its `module.yaml`; written: the files that hold solutions to its tasks; known: all files of the
    reference; given: code that everybody was given; reference: the answer key's files, none where it is not here.
    """

    settings: ModuleFile
    written: frozenset[str]
    known: frozenset[str]
    given: tuple[bytes, ...]
    reference: Mapping[str, bytes]

    @property
    def fixed(self) -> frozenset[str]:
        """The names of the given code."""
        return names(self.given)

    def compared(self, name: str) -> bool:
        """Whether a file of that name is: one that this module's solutions are written in, or one that students
        made up. What else the reference holds is given, or of another module."""
        if not name.endswith(".py") or name in self.settings.earlier:
            return False
        return name in self.written or name not in self.known


def material(course: Course, module: str, folders: Sequence[Path] = ()) -> Material:
    """What the course and these folders of given code say. Raises UsageError."""
    settings = load_module(course, module)
    given = [data for folder in folders for data in _python_files(folder)]
    if course.pack(module) is not None or not course.reference.is_dir():
        return Material(settings, frozenset(), frozenset(), tuple(given), {})
    tasks = {task.id for task in settings.tasks}
    reference: dict[str, bytes] = {}
    try:
        stripped = template.generate(course.reference)
        for name in stripped:
            data = (course.reference / name).read_bytes()
            if name.endswith(".py"):
                reference[name] = data
        written = {
            name
            for name, data in reference.items()
            if any(one.task in tasks for one in template.regions(data.decode(), name))
        }
    except template.TemplateError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be read: {error.strerror}") from error
    given += [data for name, data in stripped.items() if name.endswith(".py")]
    return Material(settings, frozenset(written), frozenset(reference), tuple(given), reference)


def _python_files(folder: Path) -> list[bytes]:
    """The Python files below a folder, or that one file. Raises UsageError where there are none."""
    paths = [folder]
    if folder.is_dir():
        paths = [
            Path(place, name)
            for place, _, found in sorted(os.walk(folder))
            for name in sorted(found)
            if name.endswith(".py") and not Path(place, name).is_symlink()
        ]
    if not paths or len(paths) > MOST_GIVEN:
        much = "no Python file" if not paths else f"more than {MOST_GIVEN} Python files"
        raise UsageError(
            f"--given {folder}: there is {much} in it. Name the folder of the template"
        )
    try:
        return [path.read_bytes() for path in paths if path.stat().st_size <= LARGEST]
    except OSError as error:
        raise UsageError(f"--given {folder}: {error.filename}: {error.strerror}") from error


def latest(hand_ins: Iterable[HandIn]) -> list[HandIn]:
    """The hand-ins that are somebody's last one, in their order."""
    last: dict[str, HandIn] = {}
    told = list(hand_ins)
    for hand_in in sorted(told, key=_time):
        if hand_in.problem and all(who in last for who in _whom(hand_in)):
            continue  # what cannot be opened takes nobody's place
        for who in _whom(hand_in):
            last[who] = hand_in
    kept = {hand_in.id for hand_in in last.values()}
    return [hand_in for hand_in in told if hand_in.id in kept]


def _time(hand_in: HandIn) -> tuple[float, int]:
    try:
        received = moment(hand_in.received)
    except UsageError:
        received = None
    return (received.timestamp() if received else 0.0, hand_in.attempt)


def _whom(hand_in: HandIn) -> list[str]:
    return [student.id for student in hand_in.students] or [f"\0{hand_in.id}"]


class Reader:
    """Takes hand-ins in. Each different file is read once: many are as they were given."""

    def __init__(self, told: Material) -> None:
        self.told = told
        self.fixed = told.fixed
        self.seen: dict[tuple[str, bytes], Code] = {}
        self.notes: list[str] = []

    @property
    def given(self) -> list[Code]:
        """The code that is taken out."""
        return [read("", data, self.fixed) for data in self.told.given]

    def works(self, found: Class, group: str = "class") -> list[Work]:
        """A work for each hand-in that can be taken in; of each other one, a note says why not."""
        before = " of an earlier year" if group == "before" else ""
        works = []
        for hand_in in latest(found.hand_ins):
            settings = self.told.settings
            try:
                if hand_in.problem:
                    raise NotGradable(hand_in.problem)
                taken = read_submission(
                    Path(hand_in.path),
                    settings.expects,
                    settings.also,
                    any_name=settings.binding in OF_ONE_FILE,
                )
            except NotGradable as error:
                self.notes.append(f"{hand_in.id}{before} is left out: {shown(error.what)}")
                continue
            who = ", ".join(student.name or student.id for student in hand_in.students)
            works.append(
                Work(
                    name=hand_in.id,
                    label=who or hand_in.id,
                    students=frozenset(student.id for student in hand_in.students),
                    files=self._files(taken.files, f"{hand_in.id}{before}"),
                    group=group,
                )
            )
        return works

    def reference(self) -> list[Work]:
        """The answer key as one work more, where it is here."""
        files = self._files(self.told.reference, REFERENCE)
        return [Work(REFERENCE, REFERENCE, frozenset(), files, "reference")] if files else []

    def _files(self, files: Mapping[str, bytes], whose: str) -> tuple[Code, ...]:
        left, text = MOST_TOKENS, 0
        kept = []
        for name, data in files.items():
            if not self.told.compared(name):
                continue
            if len(data) > LARGEST:
                said = f"{len(data) >> 10} KiB are not written by hand"
                self.notes.append(f"{whose}: {shown(name)} is not compared: {said}")
                continue
            text += len(data)
            if text > MOST_TEXT:
                said = f"only the first {MOST_TEXT >> 20} MiB are compared"
                self.notes.append(f"{whose}: {said}, up to {shown(name)}")
                break
            code = self._read(name, data)
            if len(code.words) >= left:
                self.notes.append(f"{whose}: only the first {MOST_TOKENS} tokens are compared")
                code = first(code, left)
            left -= len(code.words)
            kept.append(code)
        return tuple(kept)

    def _read(self, name: str, data: bytes) -> Code:
        if (name, data) not in self.seen:
            self.seen[name, data] = read(name, data, self.fixed)
        return self.seen[name, data]
