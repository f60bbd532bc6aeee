"""Folders of ours below the results, for what has to be unpacked, put together or read out of a repository.

A folder is filled beside its place and then named, so that it is whole where it is there: two batches may want the
same one at once, and whoever is ended leaves none that is half full. What somebody who was killed was filling is
swept up by the next one: it is locked as long as somebody is at work on it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from grader.errors import OutputFault

try:
    import fcntl
except ImportError:  # Windows, where nothing is swept up
    fcntl = None  # type: ignore[assignment]

MARK = ".filling-"
UNNAMED = re.compile(
    r"\..+\.(?:html|json)-\w{8}", re.S
)  # as `bank.write_whole` calls a file that it writes
WRITING_SECONDS = 3600.0
# Where folders are filled below a scratch folder. Not below what was unpacked: that is named by students.
PLACES = ("", "clones", "git/*", "canvas/*", "moodle/*")


@contextlib.contextmanager
def passing(parent: Path) -> Iterator[Path]:
    """A folder below `parent`, which is made, for what is to be named when it is whole. It goes away in the end."""
    parent.mkdir(parents=True, exist_ok=True)
    with locked(parent, shared=True):  # nobody sweeps it up before it is locked
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=MARK))
        lock = contextlib.ExitStack()
        lock.enter_context(locked(folder))
    with lock:
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def swept(scratch: Path) -> None:
    """Removes the folders that nobody fills any more, since whoever did was killed."""
    if fcntl is None:
        return
    for place in PLACES:
        for parent in scratch.glob(place) if place else [scratch]:
            with contextlib.suppress(OSError), locked(parent, wait=False):
                for folder in parent.glob(f"{MARK}*"):
                    with contextlib.suppress(OSError), locked(folder, wait=False):
                        shutil.rmtree(folder, ignore_errors=True)


def swept_files(out: Path) -> None:
    """Removes what somebody who was killed was writing: the page and reports that have no name yet. Nobody is at work on
    one for so long."""
    old = time.time() - WRITING_SECONDS
    for folder in (out, *out.glob("reports/*/")):
        with contextlib.suppress(OSError), os.scandir(folder) as found:
            for entry in found:
                if (
                    UNNAMED.fullmatch(entry.name)
                    and entry.stat(follow_symlinks=False).st_mtime < old
                ):
                    os.unlink(entry.path)


@contextlib.contextmanager
def locked(folder: Path, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """Holds a folder's lock, which is gone with this process. Raises OSError where it does not wait for who has it."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        if not wait:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        else:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(handle, kind)
        yield
    finally:
        os.close(handle)


def filled(target: Path, fill: Callable[[Path], dict[str, str]]) -> dict[str, str]:
    """Has `fill` fill a folder that becomes `target`, unless it is there; what `fill` said of it, then or now.

    `target` has to be named by what it holds: it is never filled anew.
    """
    said = target.with_name(f"{target.name}.json")
    try:
        if target.is_dir() and said.is_file():
            told: dict[str, str] = json.loads(said.read_bytes())
            return told
        with passing(target.parent) as folder:
            (folder / "files").mkdir()
            told = fill(folder / "files")
            (folder / "said").write_text(json.dumps(told))
            os.replace(folder / "said", said)
            # Another batch may have been faster; its folder holds the same.
            with contextlib.suppress(OSError):
                os.rename(folder / "files", target)
    except OSError as error:
        raise OutputFault(f"{target}: cannot be written: {error.strerror}") from error
    if not target.is_dir():
        raise OutputFault(f"{target}: cannot be made. Move away what has this name")
    return told
