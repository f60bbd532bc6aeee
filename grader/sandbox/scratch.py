"""Removes what a worker leaves in its scratch folder. It never follows a link out of it."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path


def remove(path: Path) -> None:
    """Removes a folder that its owner may have made hard to remove: closed, or ten thousand levels deep."""
    try:
        shutil.rmtree(path)
    except (OSError, RecursionError):
        for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run([*command, "--", str(path)], capture_output=True, timeout=60)
        shutil.rmtree(path, ignore_errors=True)
