"""A worker that runs whatever it is sent, for tests of the jail."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

STAND_IN = """
import json, os

def exactly(fd, size):
    data = b""
    while len(data) < size:
        piece = os.read(fd, size - len(data))
        if not piece:
            os._exit(0)
        data += piece
    return data

def serve(read_fd, write_fd, scratch):
    while True:
        code = exactly(read_fd, int.from_bytes(exactly(read_fd, 4), "big"))
        names = {"scratch": scratch, "write_fd": write_fd}
        try:
            exec(code.decode(), names)
            reply = {"value": names.get("result")}
        except BaseException as error:
            reply = {"raised": type(error).__name__, "errno": getattr(error, "errno", None), "text": str(error)}
        data = json.dumps(reply, default=repr).encode()
        os.write(write_fd, len(data).to_bytes(4, "big") + data)
"""


@pytest.fixture(scope="session")
def stand_in() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        path = Path(directory) / "stand_in.py"
        path.write_text(STAND_IN)
        yield str(path)
