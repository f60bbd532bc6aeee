"""A downloaded zip of a whole class, unpacked below a folder of ours.

Plain files under plain names only, counted in real bytes. What is too large is not unpacked; the archives of
single students stay closed: `grader.intake` reads these.
"""

from __future__ import annotations

import contextlib
import hashlib
import stat
import zipfile
from pathlib import Path, PurePosixPath

import msgspec

from grader.batch.entries import DAMAGED, IGNORED, Source, too_large
from grader.batch.lms import MOODLE, named
from grader.batch.names import file_name, slug, stem
from grader.batch.scratch import filled
from grader.errors import UsageError
from grader.intake import MAX_ARCHIVE

MAX_ENTRIES = 500_000
MAX_UNPACKED = 64 << 30
MAX_NAME = 200  # bytes of a name; file systems take 255
BLOCK = 1 << 20
ENCRYPTED = 0x1  # the flag of an entry that needs a password
UTF_8 = 0x800  # the flag of an entry whose name is UTF-8


def unpacked(source: Source) -> Source:
    """The source, with its zip unpacked below the scratch folder; itself where it is no zip.

    What an earlier run unpacked of the same zip is taken as it is. Raises UsageError for a zip that cannot be
    read as a whole, or where there is no scratch folder.
    """
    if not source.path.is_file() or not zipfile.is_zipfile(source.path):
        return source
    if source.scratch is None:
        raise UsageError(f"{source.path}: unpack this zip first, and name the folder")
    try:
        with zipfile.ZipFile(source.path) as opened:
            target = (
                source.scratch / f"{file_name(slug(stem(source.path.name)))}-{_digest(source.path)}"
            )
            refused = filled(target, lambda folder: _extract(source.path, opened, folder))
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UsageError(
            f"{source.path}: the zip is damaged ({error}). Download it again"
        ) from error
    except OSError as error:
        raise UsageError(f"{source.path}: cannot be read: {error.strerror}") from error
    return msgspec.structs.replace(
        source,
        path=_root(target),
        refused={str(target / place): why for place, why in refused.items()},
    )


def _digest(archive: Path) -> str:
    """A few digits that are others where any byte of the zip is another, so that a download that was damaged is
    not taken for one that is whole."""
    with archive.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:10]


def _extract(archive: Path, opened: zipfile.ZipFile, target: Path) -> dict[str, str]:
    """Writes the files; those that are not written, by their places in the folder, and why."""
    refused: dict[str, str] = {}
    left = MAX_UNPACKED
    members = opened.infolist()
    if len(members) > MAX_ENTRIES:
        raise UsageError(f"{archive}: {len(members)} entries; {MAX_ENTRIES} are allowed")
    for member in members:
        if member.flag_bits & ENCRYPTED:
            raise UsageError(f"{archive}: this zip is encrypted. Unpack it, and name the folder")
        place = _place(_name(member))
        if place is None:
            continue
        path = target / place
        if member.is_dir():  # of who handed nothing in, it may hold nothing
            with contextlib.suppress(FileExistsError, NotADirectoryError):
                path.mkdir(parents=True, exist_ok=True)
            continue
        if stat.S_ISLNK(member.external_attr >> 16):
            refused[str(place)] = "it is a symbolic link"
            continue
        if member.file_size > MAX_ARCHIVE:
            refused[str(place)] = too_large(member.file_size)
            continue
        left -= member.file_size
        if left < 0:
            raise UsageError(
                f"{archive}: more than {MAX_UNPACKED >> 30} GiB when unpacked. Split it"
            )
        why = _write(opened, member, path)
        if why:
            refused[str(place)] = why
    return refused


def _name(member: zipfile.ZipInfo) -> str:
    """An entry's name. Some programs, such as the Finder, write UTF-8 and do not say so."""
    if not member.flag_bits & UTF_8 and not member.filename.isascii():
        with contextlib.suppress(UnicodeError):
            return member.filename.encode("cp437").decode()
    return member.filename


def _place(name: str) -> PurePosixPath | None:
    """Where an entry goes; None for what goes nowhere. No part of it leads up or out."""
    parts = [p for p in PurePosixPath(name.replace("\\", "/")).parts if p not in ("/", ".", "..")]
    if not parts or any(part in IGNORED for part in parts):
        return None
    return PurePosixPath(*(_short(part.replace("\0", "")) for part in parts))


def _short(name: str) -> str:
    if len(name.encode("utf-8", "surrogateescape")) <= MAX_NAME:
        return name
    return file_name(name) + PurePosixPath(name).suffix[:10]


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> str:
    """Writes one file; why it could not be read, or ""."""
    if path.exists():
        return "another file has the same name"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        return "a file has the name of its folder"
    written = 0
    try:
        with opened.open(member) as inside, path.open("xb") as outside:
            while block := inside.read(BLOCK):
                written += len(block)
                if written > member.file_size:
                    raise zipfile.BadZipFile("more bytes than it says")
                outside.write(block)
    except OSError:
        raise
    except Exception as error:  # of zipfile, zlib and lzma, which have no root in common
        with contextlib.suppress(OSError):
            path.unlink()
        return f"{DAMAGED} ({error})"
    return ""


def _root(target: Path) -> Path:
    """The folder that holds the hand-ins: a zip may have one folder around all."""
    names = list(target.iterdir())
    # The folder that Moodle makes is a hand-in, also where it is the only one.
    if len(names) != 1 or not names[0].is_dir() or MOODLE.fullmatch(names[0].name):
        return target
    below = list(names[0].iterdir())
    # One folder with code in it is a class of one, and no folder around a class, unless Canvas or Moodle named the code.
    code = [path for path in below if path.suffix == ".py"]
    return target if any(named(path.name) is None for path in code) else names[0]
