"""Folders of ours below the results, for what has to be unpacked, put together or read out of a repository.

A folder is filled beside its place and then named, so that it is whole where it is there: two batches may want the
same one at once, and whoever is ended leaves none that is half full.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from grader.errors import OutputFault


def filled(target: Path, fill: Callable[[Path], dict[str, str]]) -> dict[str, str]:
    """Has `fill` fill a folder that becomes `target`, unless it is there; what `fill` said of it, then or now.

    `target` has to be named by what it holds: it is never filled anew.
    """
    said = target.with_name(f"{target.name}.json")
    try:
        if target.is_dir() and said.is_file():
            told: dict[str, str] = json.loads(said.read_bytes())
            return told
        target.parent.mkdir(parents=True, exist_ok=True)
        passing = Path(tempfile.mkdtemp(dir=target.parent, prefix=".filling-"))
        try:
            (passing / "files").mkdir()
            told = fill(passing / "files")
            (passing / "said").write_text(json.dumps(told))
            os.replace(passing / "said", said)
            # Another batch may have been faster; its folder holds the same.
            with contextlib.suppress(OSError):
                os.rename(passing / "files", target)
        finally:
            shutil.rmtree(passing, ignore_errors=True)
    except OSError as error:
        raise OutputFault(f"{target}: cannot be written: {error.strerror}") from error
    if not target.is_dir():
        raise OutputFault(f"{target}: cannot be made. Move away what has this name")
    return told
