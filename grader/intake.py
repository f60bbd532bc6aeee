"""Takes a submission in: a folder, a zip or a tar becomes names and bytes, and nothing that could bite.

Only regular files, counted in real bytes, under plain names. What the assignment does not ask for (tests,
virtual environments, version control) is left where it is. A notebook stands in for a module that is not there.
No file of a submission is ever written, imported or run here.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import lzma
import math
import os
import stat
import tarfile
import time
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, NoReturn

from grader.box.notebook import is_made
from grader.course import digest_of
from grader.errors import NotGradable
from grader.model import Submission
from grader.notebook import MAX_NOTEBOOK, chosen, to_module

MAX_FILE = 4 << 20
MAX_TOTAL = 32 << 20
MAX_FILES = 2_000
MAX_ENTRIES = 50_000
MAX_LISTED = 250_000  # entries of an archive, those of packed environments included
MAX_ARCHIVE = 256 << 20
MAX_UNPACKED = 256 << 20  # of a tar, which has to be unpacked as a whole to be read
MAX_DEPTH = 12
MAX_FOLDERS_DEEP = 100  # folders in folders, also where no file is in them
MAX_DIRECTORY = 32 << 20  # bytes of a zip file's list of its entries, which is read as a whole
MAX_EXTENDED = (
    32 << 10
)  # bytes of a tar file's extended header: they are searched in time that grows with their square
ARCHIVE_SECONDS = 20.0  # processor time in which a tar file is read; honest ones take one
GRADED_IN = "graded the files in "  # begins a note; then the folder of it in which they were found
LEVELS = 3  # that are searched for the folder to grade
SKIPPED_FOLDERS = frozenset(
    [
        "__pycache__",
        ".git",
        ".hg",
        ".svn",
        ".venv",
        "venv",
        "env",
        "node_modules",
        ".mypy_cache",
        ".pytest_cache",
        ".idea",
        ".vscode",
        "__MACOSX",
    ]
)
EXTENDED = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
# How a file that holds a submission ends.
ARCHIVES = frozenset((".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz"))
SKIPPED_SUFFIXES = (".pyc", ".pyo", ".so", ".pyd", ".dll", ".dylib", ".pth", ".nbi", ".nbc")


def read_submission(
    path: Path, expects: Sequence[str], also: Sequence[str] = (), *, any_name: bool = False
) -> Submission:
    """The submission at `path`: a folder, a zip file, a tar file (plain, gzip, bzip2 or xz), or one file of
    the name that is expected.

    expects: top-level modules or packages that it should hold. The shallowest folder that holds one of
    them is the submission's root. also: folders beside them that are taken, where they are there. any_name: one
    Python file may have any name, as in a class where that is its author's. Raises NotGradable that says what is
    wrong and what to hand in.
    """
    if path.is_dir():
        try:
            return read_folder(path, expects, also)
        except OSError as error:
            raise NotGradable(f"{error.filename}: cannot be read: {error.strerror}") from error
    if not path.exists():
        raise NotGradable(f"{path}: there is no such file or folder")
    if path.is_file() and path.name in [f"{name}.py" for name in expects]:
        return read_file(path, expects)
    if any_name and len(expects) == 1 and path.suffix.lower() == ".py" and path.is_file():
        return read_file(path, expects, f"{expects[0]}.py")
    if path.is_file() and path.suffix == ".ipynb":
        return read_notebook(path, expects)
    if path.is_file() and zipfile.is_zipfile(path):
        return read_zip(path, expects, also)
    if path.is_file() and (unpack := tar_opener(path)) is not None:
        return read_tar(path, expects, unpack, also)
    if path.is_file() and path.stat().st_size == 0:
        raise NotGradable(f"{path}: the file is empty", "Make it again")
    if path.suffix.lower() in ARCHIVES:
        kind = "zip" if path.suffix.lower() == ".zip" else "tar"
        raise NotGradable(
            f"{path}: this is no {kind} file, or its end is missing",
            "Make it again, or copy it again",
        )
    if path.suffix == ".py" and path.is_file():
        names = " or ".join(f"{name}.py" for name in expects)
        raise NotGradable(
            f"{path}: one Python file by itself has to be named {names}",
            "Name it so, or put all files in a zip",
        )
    raise NotGradable(
        f"{path}: expected a folder, a zip or a tar file",
        f"Name the folder that holds {wording(expects)}, or a zip file of it",
    )


def read_file(path: Path, expects: Sequence[str], name: str = "") -> Submission:
    """The submission that is one Python file, by another name where one is given; what lies beside it is not taken."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise NotGradable(f"{path}: cannot be read: {error.strerror}") from error
    files: dict[str, bytes] = {}
    name = name or path.name
    _not_made(name, data)
    _count(files, name, data, 0)
    notes = [f"its one file was graded as {name}"] if name != path.name else []
    return submission(path, files, notes, expects, [name])


def read_notebook(path: Path, expects: Sequence[str]) -> Submission:
    """The submission that is one notebook; what lies beside it is not taken."""
    if len(expects) != 1:
        raise NotGradable(
            f"{path}: one notebook cannot be all of {wording(expects)}", "Hand in Python files"
        )
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_NOTEBOOK + 1)
    except OSError as error:
        raise NotGradable(f"{path}: cannot be read: {error.strerror}") from error
    source, notes = to_module(path.name, data)
    files: dict[str, bytes] = {}
    _count(files, f"{expects[0]}.py", source, 0)
    return submission(path, files, notes, expects, [path.name])


def wording(expects: Sequence[str]) -> str:
    """`minitorch/ or minitorch.py`: what a submission holds."""
    return " and ".join(f"{name}/ or {name}.py" for name in expects)


def read_folder(folder: Path, expects: Sequence[str], also: Sequence[str] = ()) -> Submission:
    """The submission in a folder; see `read_submission`."""
    root = find_root_on_disk(folder, expects)
    notes: list[str] = []
    files: dict[str, bytes] = {}
    total = 0
    notebook = None
    if not holds_any(root, expects):
        notebook = find_notebook_on_disk(folder, expects)
    if notebook is not None:
        root = notebook.parent
        taken_in = read_notebook(notebook, expects)
        notes += taken_in.notes
        files |= taken_in.files
        total = sum(map(len, files.values()))
    if root != folder:
        notes.append(f"{GRADED_IN}{root.relative_to(folder).as_posix()}/")
    for name in wanted_on_disk(root, [*expects, *also]):
        path = root / name
        try:
            status = path.lstat()
        except OSError as error:
            raise NotGradable(f"{path}: cannot be read: {error.strerror}") from error
        if stat.S_ISLNK(status.st_mode):
            raise NotGradable(f"{name} is a symbolic link", "Hand in the file itself")
        if not stat.S_ISREG(status.st_mode):
            raise NotGradable(f"{name} is no regular file", "Remove it from the submission")
        if status.st_size > MAX_FILE:
            if not name.endswith(".py"):
                notes.append(f"{name} was left out: {status.st_size >> 20} MiB")
                continue
            raise NotGradable(
                f"{name} has {status.st_size >> 20} MiB; {MAX_FILE >> 20} MiB are allowed"
            )
        try:
            handle = os.open(
                path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            )
            with os.fdopen(handle, "rb") as file:
                data = file.read(MAX_FILE + 1)
        except OSError as error:
            raise NotGradable(f"{name}: cannot be read: {error.strerror}") from error
        _not_made(name, data)
        total = _count(files, name, data, total)
    if notebook is None:
        notes += beside_a_module([p.name for p in root.glob("*.ipynb")], files, expects)
    notes += absent(files, also)
    return submission(folder, files, notes, expects, os.listdir(folder))


def find_root_on_disk(folder: Path, expects: Sequence[str]) -> Path:
    """The shallowest folder (at most three levels down) that holds what is expected; else `folder`.

    Raises NotGradable when there are several: which one is meant, only their author knows.
    """
    level = [folder]
    for _ in range(LEVELS + 1):
        found = [candidate for candidate in level if holds(candidate, expects)]
        if found:
            one_root(folder, [f"{c.relative_to(folder).as_posix()}/" for c in found])
            return found[0]
        below: list[Path] = []
        for candidate in level:
            try:
                with os.scandir(candidate) as entries:
                    below += [
                        Path(e.path)
                        for e in entries
                        if e.is_dir(follow_symlinks=False) and searched(e.name)
                    ]
            except OSError:
                continue
        level = sorted(below)[:500]
    return folder


def find_notebook_on_disk(folder: Path, expects: Sequence[str]) -> Path | None:
    """The notebook to grade, at most three levels down; None where there is none."""
    level = [folder]
    for _ in range(LEVELS + 1):
        found: list[str] = []
        below: list[Path] = []
        for candidate in level:
            try:
                with os.scandir(candidate) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False) and searched(entry.name):
                            below.append(Path(entry.path))
                        elif entry.name.endswith(".ipynb") and entry.is_file(follow_symlinks=False):
                            found.append(Path(entry.path).relative_to(folder).as_posix())
            except OSError:
                continue
        name = chosen([name for name in found if searched(Path(name).name)], expects, str(folder))
        if name is not None:
            return folder / name
        level = sorted(below)[:500]
    return None


def beside_a_module(
    notebooks: Iterable[str], files: Iterable[str], expects: Sequence[str]
) -> list[str]:
    """A note for each notebook that would be graded, were the file not there that was: the one of its name, else the
    only one. notebooks: by their paths in the submission."""
    level = [name for name in notebooks if "/" not in name and searched(name)]
    alone = len(expects) == len(level) == 1
    top = {name.split("/")[0] for name in files}
    return [
        f"{notebook} was not read, because {name}{'.py' if f'{name}.py' in top else '/'} is there"
        for name in expects
        for notebook in level
        if notebook == f"{name}.ipynb" or (alone and f"{name}.py" in top)
    ]


def searched(name: str) -> bool:
    """Whether a submission may lie in a folder of that name."""
    return name not in SKIPPED_FOLDERS and not name.startswith(".")


def one_root(origin: Path, roots: Sequence[str]) -> None:
    """Raises NotGradable when more than one folder could be the submission."""
    if len(roots) > 1:
        more = f" and {len(roots) - 4} more" if len(roots) > 4 else ""
        raise NotGradable(
            f"{origin}: {len(roots)} folders in it could be the submission: "
            f"{', '.join(sorted(roots)[:4])}{more}",
            "Hand in one of them, or name it: grade MODULE --submission DIR",
        )


def holds(folder: Path, expects: Sequence[str]) -> bool:
    """Whether a folder holds all of the expected modules, as files or as packages."""
    return all((folder / name).is_dir() or (folder / f"{name}.py").is_file() for name in expects)


def holds_any(folder: Path, expects: Sequence[str]) -> bool:
    """Whether a folder holds any of them."""
    return any(holds(folder, [name]) for name in expects)


def wanted_on_disk(root: Path, expects: Sequence[str]) -> list[str]:
    """Relative names of what is taken: the expected packages and the Python files beside them."""
    found: list[str] = []
    entries_seen = 0
    try:
        with os.scandir(root) as entries:
            tops = sorted(e.name for e in entries)
    except OSError as error:
        raise NotGradable(f"{root}: cannot be read: {error.strerror}") from error
    for top in tops:
        path = root / top
        if top in expects and path.is_symlink():
            found.append(top)
        elif top in expects and path.is_dir():
            for folder, folders, names in os.walk(path, onerror=unreadable, followlinks=False):
                entries_seen += len(folders) + len(names)
                if folder.count(os.sep) - str(path).count(os.sep) > MAX_FOLDERS_DEEP:
                    raise NotGradable(
                        f"{top}/ has folders that lie more than {MAX_FOLDERS_DEEP} deep. Remove them"
                    )
                if entries_seen > MAX_ENTRIES:
                    raise NotGradable(
                        f"{top}/ holds more than {MAX_ENTRIES} entries", "Leave out what is no code"
                    )
                linked = [f for f in folders if os.path.islink(os.path.join(folder, f))]
                folders[:] = sorted(
                    f for f in folders if f not in SKIPPED_FOLDERS and f not in linked
                )
                for name in sorted([*names, *linked]):
                    relative = Path(folder, name).relative_to(root).as_posix()
                    if taken(relative, expects):
                        found.append(relative)
        elif top.endswith(".py") and (
            top[:-3] in expects or (path.is_file() and not path.is_symlink())
        ):
            found.append(top)
    return found


def unreadable(error: OSError) -> NoReturn:
    """Raises NotGradable for a folder that cannot be listed: what lies in it would be missing silently."""
    raise NotGradable(f"{error.filename}: cannot be read: {error.strerror}") from error


def taken(name: str, expects: Sequence[str]) -> bool:
    """Whether a file of that relative name belongs to what is graded."""
    parts = PurePosixPath(name).parts
    if any(part in SKIPPED_FOLDERS for part in parts) or name.endswith(SKIPPED_SUFFIXES):
        return False
    if parts[-1].startswith("._") or parts[-1] == ".DS_Store":
        return False
    if len(parts) == 1:
        return name.endswith(".py")
    return parts[0] in expects


def read_zip(path: Path, expects: Sequence[str], also: Sequence[str] = ()) -> Submission:
    """The submission in a zip file; see `read_submission`. Bytes are counted while they are unpacked."""
    try:
        if path.stat().st_size > MAX_ARCHIVE:
            raise NotGradable(
                f"{path}: the zip file has more than {MAX_ARCHIVE >> 20} MiB",
                "Leave out data and environments",
            )
        with open(path, "rb") as raw:
            directory: Any = _Directory(raw, path)
            archive = zipfile.ZipFile(directory)
            directory.most = MAX_ARCHIVE
            return _from_zip(path, archive, expects, also)
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        EOFError,
        NotImplementedError,
        ValueError,
    ) as error:
        raise NotGradable(f"{path}: this zip file is damaged ({error})", "Make it again") from error
    except RuntimeError as error:
        raise NotGradable(
            f"{path}: this zip file is encrypted. Hand it in without a password"
        ) from error
    except Exception as error:
        if isinstance(error, NotGradable):
            raise
        # zlib, lzma and bz2 raise errors of their own for damaged data.
        raise NotGradable(
            f"{path}: this zip file cannot be unpacked ({error})", "Make it again"
        ) from error


class _Directory:
    """A file that ends a reader who would read more than `most` bytes of it at once: a zip file's list of
    entries is read in one go, and takes some ten times its size."""

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self.file = file
        self.path = path
        self.most = MAX_DIRECTORY
        self.tell, self.seek, self.seekable = file.tell, file.seek, file.seekable

    def read(self, size: int = -1) -> bytes:
        if size > self.most:
            raise NotGradable(
                f"{self.path}: the zip file has very many entries. Leave out what is no code"
            )
        return self.file.read(size)


class Entry(NamedTuple):
    """One entry of an archive. kind: `file`, `folder`, `link` or `other`; read: its first bytes, at most as
    many as it is told."""

    name: str
    kind: str
    read: Callable[[int], bytes]


def _from_zip(
    path: Path, archive: zipfile.ZipFile, expects: Sequence[str], also: Sequence[str]
) -> Submission:
    def reader(info: zipfile.ZipInfo) -> Callable[[int], bytes]:
        def read(most: int) -> bytes:
            with archive.open(info) as file:
                return file.read(most)

        return read

    def entries() -> Iterator[Entry]:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            # Some programs on Windows write backslashes between folders.
            is_folder = info.filename.replace("\\", "/").endswith("/")
            kind = "folder" if is_folder else "link" if stat.S_ISLNK(mode) else "file"
            if kind == "file" and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                kind = "other"
            yield Entry(info.filename, kind, reader(info))

    return _from_entries(path, "zip", entries(), expects, also)


def tar_opener(path: Path) -> Callable[[IO[bytes]], IO[bytes]] | None:
    """What unpacks the tar file at `path`, by its first bytes; None when it is none."""
    try:
        with open(path, "rb") as file:
            head = file.read(512)
    except OSError as error:
        raise NotGradable(f"{path}: cannot be read: {error.strerror}") from error
    packed: list[tuple[bytes, Callable[[IO[bytes]], Any]]] = [
        (b"\x1f\x8b", lambda raw: gzip.GzipFile(fileobj=raw)),
        (b"BZh", bz2.BZ2File),
        (b"\xfd7zXZ\0", lzma.LZMAFile),
    ]
    for magic, opener in packed:
        if head.startswith(magic):
            return opener
    return (lambda raw: raw) if head[257:262] == b"ustar" else None


class _Header(tarfile.TarInfo):
    """A header of a tar file. Raises NotGradable where reading on would take its author's reader long."""

    archive = Path()
    until = math.inf

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Any:
        header = super().frombuf(buf, encoding, errors)
        if header.type in EXTENDED and header.size > MAX_EXTENDED:
            raise NotGradable(
                f"{cls.archive}: an entry of the tar file has more than {MAX_EXTENDED >> 10} KiB of attributes. "
                "Make a zip file instead"
            )
        if time.process_time() > cls.until:
            raise NotGradable(
                f"{cls.archive}: the tar file takes too long to read. Make a zip file instead"
            )
        return header


class _Counted:
    """A stream that ends a reader who would unpack more than is allowed."""

    def __init__(self, stream: IO[bytes], path: Path) -> None:
        self.stream = stream
        self.path = path
        self.left = MAX_UNPACKED

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(min(size, self.left + 1) if size >= 0 else self.left + 1)
        self.left -= len(data)
        if self.left < 0:
            raise NotGradable(
                f"{self.path}: the tar file unpacks to more than {MAX_UNPACKED >> 20} MiB",
                "Leave out data and environments",
            )
        return data


def read_tar(
    path: Path,
    expects: Sequence[str],
    unpack: Callable[[IO[bytes]], IO[bytes]],
    also: Sequence[str] = (),
) -> Submission:
    """The submission in a tar file; see `read_submission`. It is read once, front to back."""

    def entries(archive: tarfile.TarFile) -> Iterator[Entry]:
        kept = 0
        for member in archive:
            kind = "folder" if member.isdir() else "file" if member.isreg() else "other"
            if member.issym():
                kind = "link"
            data = b""
            parts = set(PurePosixPath(member.name).parts)
            # A stream cannot be gone back in: what may be graded is kept until it is known what is.
            notebook = member.name.endswith(".ipynb")
            wanted = notebook or member.name.endswith(".py") or parts & {*expects, *also}
            if kind == "file" and wanted:
                file = archive.extractfile(member)
                most = MAX_NOTEBOOK if notebook else MAX_FILE
                data = file.read(most + 1) if file is not None else b""
                kept += 0 if notebook else len(data)
                if kept > 2 * MAX_TOTAL:
                    raise NotGradable(
                        f"{path}: the tar file holds more than {2 * MAX_TOTAL >> 20} MiB of code",
                        "Leave out what is no code",
                    )
            # Programs write the folder that they pack as `.`.
            name = member.name.removeprefix("./") if member.name != "." else ""
            if name:
                yield Entry(name + "/" * (kind == "folder"), kind, functools.partial(_first, data))

    try:
        with open(path, "rb") as raw, unpack(raw) as stream:
            counted: Any = _Counted(stream, path)
            until = time.process_time() + ARCHIVE_SECONDS
            header = type("_Header", (_Header,), {"archive": path, "until": until})
            with tarfile.open(fileobj=counted, mode="r|", tarinfo=header) as archive:
                return _from_entries(path, "tar", entries(archive), expects, also)
    except NotGradable:
        raise
    except Exception as error:
        # tarfile, gzip, zlib, bz2 and lzma raise errors of their own for damaged data.
        raise NotGradable(f"{path}: this tar file is damaged ({error})", "Make it again") from error


def _there(names: Iterable[str], root: str, expects: Sequence[str]) -> bool:
    """Whether anything that is expected lies in the folder `root` of an archive."""
    tops = {name[len(root) :].split("/")[0] for name in names if name.startswith(root)}
    return any(name in tops or f"{name}.py" in tops for name in expects)


def _first(data: bytes, most: int) -> bytes:
    return data[:most]


def _from_entries(
    path: Path,
    what: str,
    entries: Iterable[Entry],
    expects: Sequence[str],
    also: Sequence[str],
) -> Submission:
    """The submission in an archive. what: `zip` or `tar`."""
    names: dict[str, Entry] = {}
    counted = 0
    for listed, entry in enumerate(entries):
        safe_name(entry.name, path, what)
        # An environment that somebody packed along with the code does no harm: nothing of it is read.
        counted += not any(part in SKIPPED_FOLDERS for part in entry.name.split("/"))
        if counted > MAX_ENTRIES or listed >= MAX_LISTED:
            most = MAX_ENTRIES if counted > MAX_ENTRIES else MAX_LISTED
            raise NotGradable(
                f"{path}: the {what} file has more than {most} entries",
                "Leave out what is no code",
            )
        # `a//b` and `a/./b` are `a/b`, and would be one file where they are unpacked.
        name = PurePosixPath(entry.name.replace("\\", "/")).as_posix()
        if name in names:
            raise NotGradable(f"{path}: the {what} file holds {name} twice", "Make it again")
        if entry.kind != "folder":
            names[name] = entry
    roots = _roots(names, expects)
    one_root(path, roots)
    root = roots[0] if roots else ""
    wanted = [*expects, *also]
    files: dict[str, bytes] = {}
    notes: list[str] = []
    total = 0
    notebook = None
    if not _there(names, root, expects):
        notebook = chosen(
            [
                name
                for name, entry in names.items()
                if name.endswith(".ipynb")
                and entry.kind == "file"
                and name.count("/") <= LEVELS
                and all(map(searched, name.split("/")))
            ],
            expects,
            str(path),
        )
        if notebook is not None:
            root = notebook[: notebook.rfind("/") + 1]
            source, notes = to_module(notebook[len(root) :], names[notebook].read(MAX_NOTEBOOK + 1))
            total = _count(files, f"{expects[0]}.py", source, total)
    notes += [f"{GRADED_IN}{root}"] if root else []
    for full, entry in names.items():
        if not full.startswith(root):
            continue
        name = full[len(root) :]
        if not taken(name, wanted) and not (entry.kind == "link" and name in wanted):
            continue
        if entry.kind == "link":
            raise NotGradable(f"{path}: {name} is a symbolic link", "Hand in the file itself")
        if entry.kind != "file":
            raise NotGradable(
                f"{path}: {name} is no regular file", f"Remove it from the {what} file"
            )
        data = entry.read(MAX_FILE + 1)
        if len(data) > MAX_FILE and not name.endswith(".py"):
            notes.append(f"{name} was left out: more than {MAX_FILE >> 20} MiB")
            continue
        _not_made(name, data)
        total = _count(files, name, data, total)
    if notebook is None:
        beside = [name[len(root) :] for name in names if name.startswith(root)]
        notes += beside_a_module((n for n in beside if n.endswith(".ipynb")), files, expects)
    notes += absent(files, also)
    return submission(path, files, notes, expects, [name.split("/")[0] for name in names])


def safe_name(name: str, path: Path, what: str) -> None:
    """Raises NotGradable for a name that could lead out of the archive or is no name of a file."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if ".." in parts or name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":"):
        raise NotGradable(
            f"{path}: the entry {name!r} points outside the {what} file",
            "Make it again from your folder",
        )
    if len(parts) > MAX_DEPTH + 8 or len(name) > 1000:
        raise NotGradable(f"{path}: the entry {name[:60]!r}... is nested too deep")
    if any(unicodedata.category(c) == "Cc" for c in name):
        raise NotGradable(f"{path}: the entry {name!r} has control characters in its name")


def _roots(names: Iterable[str], expects: Sequence[str]) -> list[str]:
    """The prefixes of the shallowest folders that hold all that is expected."""
    found: dict[str, set[str]] = {}
    for name in names:
        parts = name.split("/")
        if any(part in SKIPPED_FOLDERS for part in parts):
            continue
        for depth, part in enumerate(parts[: LEVELS + 1]):
            last = depth == len(parts) - 1
            module = part.removesuffix(".py") if last else part
            if module in expects and (not last or part.endswith(".py") or part == module):
                prefix = "/".join(parts[:depth])
                found.setdefault(prefix + "/" if prefix else "", set()).add(module)
            if not searched(part):
                break
    whole = [prefix for prefix, has in found.items() if has >= set(expects)]
    top = min((prefix.count("/") for prefix in whole), default=0)
    return sorted(prefix for prefix in whole if prefix.count("/") == top)


def _not_made(name: str, data: bytes) -> None:
    """Raises NotGradable for a file that says of itself that it was made of a notebook: only what is made here is
    read so, and its places are told as those of cells."""
    if is_made(data):
        raise NotGradable(
            f"{name}: its first line says that it was made of a notebook",
            "Hand in the notebook itself, or remove that line",
        )


def _count(files: dict[str, bytes], name: str, data: bytes, total: int) -> int:
    if len(data) > MAX_FILE:
        raise NotGradable(f"{name} has more than {MAX_FILE >> 20} MiB", "Leave out what is no code")
    total += len(data)
    if total > MAX_TOTAL:
        raise NotGradable(
            f"the submission has more than {MAX_TOTAL >> 20} MiB", "Leave out what is no code"
        )
    if len(files) >= MAX_FILES:
        raise NotGradable(
            f"the submission has more than {MAX_FILES} files", "Leave out what is no code"
        )
    if len(PurePosixPath(name).parts) > MAX_DEPTH:
        raise NotGradable(f"{name} lies more than {MAX_DEPTH} folders deep")
    folded = unicodedata.normalize("NFC", name)
    alike = _without_case(folded)
    for known in files:
        if known != folded and _without_case(known) == alike:
            raise NotGradable(f"{known} and {name} differ only in case: rename one of them")
        if known.startswith(f"{folded}/") or folded.startswith(f"{known}/"):
            raise NotGradable(f"{known} and {name} cannot both be there")
    files[folded] = data
    return total


@functools.lru_cache(maxsize=2 * MAX_FILES)
def _without_case(name: str) -> str:
    return name.casefold()


def absent(files: Iterable[str], also: Sequence[str]) -> list[str]:
    """A note for each folder that could have been handed in as well."""
    there = {name.split("/")[0] for name in files}
    return [f"there is no folder {name} in the submission" for name in also if name not in there]


def submission(
    origin: Path,
    files: dict[str, bytes],
    notes: list[str],
    expects: Sequence[str],
    seen: Iterable[str],
) -> Submission:
    """The record. seen: what lies at the top of the folder or archive.

    Raises NotGradable when nothing that the assignment asks for is there.
    """
    missing = [
        name
        for name in expects
        if not any(f == f"{name}.py" or f.startswith(f"{name}/") for f in files)
    ]
    if len(missing) == len(expects):
        raise NotGradable(
            f"{origin}: there is no {wording(missing)} in it{_instead(missing, seen)}",
            "Name the folder that holds it: grade MODULE --submission DIR",
        )
    parts = [
        part
        for name in sorted(files)
        for part in (name.encode("utf-8", "surrogateescape"), files[name])
    ]
    return Submission(
        id=origin.resolve().name or str(origin),
        origin=str(origin),
        files=dict(sorted(files.items())),
        digest=digest_of(*parts),
        notes=tuple(notes),
    )


def _instead(missing: Sequence[str], seen: Iterable[str]) -> str:
    """What is there in place of what is missing, in words."""
    names = sorted(set(seen))
    for name in names:
        stem = name.removesuffix(".py")
        if stem not in missing and stem.casefold() in missing:
            return f" ({name} is written differently: rename it to {name.casefold()})"
    if not names:
        return " (it is empty)"
    if "__init__.py" in names:
        return (
            f" (these are the files of a package: hand in the folder {missing[0]} that holds them)"
        )
    listed = ", ".join(ascii(n)[1:-1] if not n.isprintable() else n for n in names[:8])
    return f" (only {listed}{', ...' if len(names) > 8 else ''})"
