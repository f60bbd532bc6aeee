"""What travels to another machine: a submission that was taken in, and the files of its course. Plain data.

The names of files need not be text, so they travel as bytes.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path, PurePosixPath

import msgspec

from grader.course import Course, load_module
from grader.errors import UsageError
from grader.model import Submission

MAX_COURSE = 64 << 20  # bytes of a course's files; those of a course of ours are half a MiB


class Parcel(msgspec.Struct, frozen=True):
    """A submission, with all its text as bytes. before: an earlier report on it as JSON, or nothing."""

    id: bytes
    origin: bytes
    files: tuple[tuple[bytes, bytes], ...]
    digest: str
    notes: tuple[bytes, ...]
    before: bytes = b""


def packed(submission: Submission, before: bytes = b"") -> bytes:
    """A submission, with an earlier report on it, as bytes; `unpacked` reads them."""
    parcel = Parcel(
        id=_raw(submission.id),
        origin=_raw(submission.origin),
        files=tuple((_raw(name), data) for name, data in submission.files.items()),
        digest=submission.digest,
        notes=tuple(map(_raw, submission.notes)),
        before=before,
    )
    return zlib.compress(msgspec.msgpack.encode(parcel))


def unpacked(data: bytes) -> tuple[Submission, bytes]:
    """What `packed` was given."""
    parcel = msgspec.msgpack.decode(zlib.decompress(data), type=Parcel)
    submission = Submission(
        id=_text(parcel.id),
        origin=_text(parcel.origin),
        files={_text(name): content for name, content in parcel.files},
        digest=parcel.digest,
        notes=tuple(map(_text, parcel.notes)),
    )
    return submission, parcel.before


def course_files(course: Course, module: str) -> bytes:
    """The files that a grading of a module reads: of the module and those that it builds on, and the reference;
    or its pack. `lay_out` reads them. Raises UsageError where they cannot be read, or are too many to be sent.
    """
    pack = course.pack(module)
    folders = [] if pack is not None else [*_built_on(course, module), course.reference]
    paths = [path for folder in folders for path in _below(folder)]
    found: list[tuple[bytes, bytes]] = []
    total = 0
    for path in paths if pack is None else [pack]:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
        total += len(data)
        if total > MAX_COURSE:
            raise UsageError(
                f"{course.root}: the files of {module} and the reference have more than "
                f"{MAX_COURSE >> 20} MiB, too much to be sent to a cluster. Move data out of them"
            )
        found.append((_raw(path.relative_to(course.root).as_posix()), data))
    return zlib.compress(msgspec.msgpack.encode(found))


def lay_out(data: bytes, root: Path) -> None:
    """Writes the files of a course below a folder."""
    for name, content in msgspec.msgpack.decode(
        zlib.decompress(data), type=tuple[tuple[bytes, bytes], ...]
    ):
        place = PurePosixPath(_text(name))
        assert not place.is_absolute()
        assert ".." not in place.parts
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _built_on(course: Course, module: str) -> list[Path]:
    """The folders of a module and of all that it builds on."""
    found: dict[str, Path] = {}
    left = [module]
    while left:
        name = left.pop()
        if name not in found:
            found[name] = course.folder(name)
            left += load_module(course, name).builds_on
    return list(found.values())


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if f != "__pycache__" and not f.startswith("."))
        found += [Path(place, name) for name in sorted(names) if not name.startswith(".")]
    return [path for path in found if path.is_file()]


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
