"""The outside of a pack: what every version of the grader can read of the file, see `grader.pack`.

The file: a line that says what it is, the length of a header, the header as JSON, and the content, a frame
that is compressed. A version that is too old to read the content still reads from the header what it lacks.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any

import msgspec

import grader
from grader.box.modes import MODES
from grader.box.worker import BINDINGS
from grader.errors import UsageError
from grader.judge.compare import COMPARISONS

MAGIC = b"backcheck pack\n"
FORMAT = 2
SUFFIX = ".pack"
AGAIN = (
    "Students get it again from the course's repository; where the course is, make it again: "
    "grade pack MODULE -o FILE"
)
AUDIENCES = ("student", "grader")
MOST_HEADER = 1 << 16
LENGTH = struct.Struct("<I")


class Header(msgspec.Struct, frozen=True):
    """What every version can read of a pack.

    by: the version of backcheck that made it; audience: `student` (public checks) or `grader` (all);
    settings: what stands in `module.yaml`; digest: sha256 of the whole file with no digest in it; module_digest: of the
    module, as banks are named; bindings, comparisons, modes: what an engine must know to use it; public: points
    of the public checks and of all.
    """

    format: int
    by: str
    course: str
    module: str
    audience: str
    settings: dict[str, Any]
    digest: str
    module_digest: str
    bindings: tuple[str, ...]
    comparisons: tuple[str, ...]
    modes: tuple[str, ...]
    seed: int
    public: tuple[float, float]


def read_header(path: Path) -> Header:
    """What a pack says of itself; see `read`."""
    try:
        with path.open("rb") as file:
            data = file.read(len(MAGIC) + LENGTH.size + MOST_HEADER)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    return opened(path, data)[0]


def opened(path: Path, data: bytes) -> tuple[Header, bytes]:
    """The header of a pack and its content as it is stored. Raises UsageError for what is no pack, is damaged, or is
    of another format or needs what this version does not have."""
    start = len(MAGIC) + LENGTH.size
    if not data.startswith(MAGIC) or len(data) < start:
        raise UsageError(f"{path}: this is no pack. {AGAIN}")
    (length,) = LENGTH.unpack_from(data, len(MAGIC))
    raw = data[start : start + length]
    try:
        known = msgspec.json.decode(raw)
        version, by = known["format"], known["by"]
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
        LookupError,
        TypeError,
    ) as error:
        raise UsageError(
            f"{path}: the pack is damaged: its header cannot be read. {AGAIN}"
        ) from error
    if version != FORMAT:
        newer = isinstance(version, int) and version > FORMAT
        advice = "Install a newer backcheck" if newer else AGAIN
        raise UsageError(
            f"{path}: backcheck {by} made this pack in format {version}, and backcheck {grader.__version__} "
            f"reads format {FORMAT}. {advice}"
        )
    try:
        header = msgspec.convert(known, Header)
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}: the pack is damaged: {error}. {AGAIN}") from error
    for what, wanted, ours in (
        ("binding", header.bindings, BINDINGS),
        ("comparison", header.comparisons, COMPARISONS),
        ("run mode", header.modes, MODES),
    ):
        for name in wanted:
            if name not in ours:
                raise UsageError(
                    f"{path}: the pack needs the {what} {name!r}, which backcheck {grader.__version__} does "
                    f"not have. It was made by backcheck {by}: install that version or a later one"
                )
    return header, data[start + length :]


def written(header: Header, content: bytes) -> bytes:
    """The whole file, with its digest in the header."""
    bare = _joined(msgspec.structs.replace(header, digest=""), content)
    return _joined(msgspec.structs.replace(header, digest=_digest(bare)), content)


def sound(header: Header, data: bytes) -> bool:
    """Whether a file is the one that its digest was taken of."""
    (length,) = LENGTH.unpack_from(data, len(MAGIC))
    start = len(MAGIC) + LENGTH.size
    raw = data[start : start + length].replace(f'"{header.digest}"'.encode(), b'""')
    bare = MAGIC + LENGTH.pack(len(raw)) + raw + data[start + length :]
    return _digest(bare) == header.digest


def _joined(header: Header, content: bytes) -> bytes:
    head = msgspec.json.encode(header)
    return MAGIC + LENGTH.pack(len(head)) + head + content


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
