"""Landlock at every ABI from 1 on, as older kernels have it: this kernel is asked for no more than they know."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grader.box.walls import kernel, landlock
from grader.model import Limits
from grader.sandbox.jail import CANARIES, Jail

HERE = landlock.abi() if kernel.SUPPORTED else 0
pytestmark = pytest.mark.skipif(not HERE, reason="this kernel has no landlock")
ABIS = range(1, 8)


@pytest.fixture(params=ABIS)
def version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    found: int = request.param
    if found > HERE:
        pytest.skip(f"this kernel knows ABI {HERE}")
    monkeypatch.setattr(landlock, "abi", lambda: found)
    return found


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name)
        for sub in ("scratch", "elsewhere"):
            (path / sub).mkdir()
        (path / "elsewhere" / "secret").write_text("the answer key")
        yield path


def behind(rules: Callable[[], landlock.Rules], act: Callable[[], Any]) -> Any:
    """What `act` returns in a child behind those rules, as JSON carries it."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
            made = rules()
            made.enforce()
            data = json.dumps(act())
        except BaseException as error:
            data = json.dumps(f"{type(error).__name__}: {error}")
        finally:
            with contextlib.suppress(BaseException):
                os.write(write, data.encode())
            os._exit(0)
    os.close(write)
    with open(read, "rb") as file:
        data = file.read().decode()
    os.waitpid(child, 0)
    return json.loads(data)


def number(act: Callable[[], object]) -> int:
    """The error number with which it is refused; 0 when it is done."""
    try:
        act()
    except OSError as error:
        return error.errno or -1
    return 0


def test_only_what_the_abi_knows_is_asked_for(version: int) -> None:
    rules = landlock.Rules()
    os.close(rules.fd)
    assert rules.version == version
    bits = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16, 6: 16, 7: 16}[version]
    assert rules.handled == (1 << bits) - 1
    assert landlock.knows(version).startswith(f"ABI {version}: files")


def test_files_are_kept_at_every_abi(version: int, folder: Path) -> None:
    scratch, secret = folder / "scratch", folder / "elsewhere" / "secret"

    def rules() -> landlock.Rules:
        made = landlock.Rules()
        made.allow([str(scratch)], landlock.SCRATCH)
        made.allow(["/dev/null"], landlock.USE)
        made.allow([str(folder / "none such")], landlock.READ)
        return made

    def act() -> dict[str, int]:
        mine = scratch / "mine"
        return {
            "write mine": number(lambda: mine.write_text("x")),
            "read mine": number(mine.read_text),
            "truncate mine": number(lambda: os.truncate(mine, 0)),
            "make a folder": number((scratch / "sub").mkdir),
            "move within": number(lambda: os.rename(mine, scratch / "sub" / "moved")),
            "remove": number(lambda: (scratch / "other").write_text("") or os.unlink(scratch / "other")),
            "null": number(lambda: Path("/dev/null").write_text("x")),
            "read secret": number(secret.read_text),
            "list elsewhere": number(lambda: os.listdir(secret.parent)),
            "write secret": number(lambda: secret.write_text("x")),
            "remove secret": number(lambda: os.unlink(secret)),
            "new elsewhere": number(lambda: (secret.parent / "new").write_text("x")),
            "a link to it": number(lambda: os.symlink(secret, scratch / "link")),
            "read by the link": number((scratch / "link").read_text),
            "read canary": number(Path(CANARIES[0]).read_text),
            "run a program": number(lambda: os.execv("/bin/true", ["true"])),
            "truncate secret": number(lambda: os.truncate(secret, 3)),
        }  # fmt: skip

    found = behind(rules, act)
    assert isinstance(found, dict), found
    allowed = {
        "write mine",
        "read mine",
        "truncate mine",
        "make a folder",
        "remove",
        "null",
        "a link to it",
    }
    # Before ABI 2 a file can never be moved into another folder, before ABI 3 truncating is not asked about.
    expected = dict.fromkeys(found, errno.EACCES) | dict.fromkeys(allowed, 0)
    expected["move within"] = 0 if version >= 2 else errno.EXDEV
    expected["truncate secret"] = errno.EACCES if version >= 3 else 0
    assert found == expected


def test_tcp_signals_and_devices_from_the_abi_on_that_knows_them(
    version: int, folder: Path
) -> None:
    parent = os.getpid()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        end = socket.socket()

        def rules() -> landlock.Rules:
            made = landlock.Rules()
            made.allow(["/dev/zero"], landlock.READ)
            return made

        def act() -> list[int]:
            device = os.open("/dev/zero", os.O_RDONLY)
            return [
                number(lambda: end.connect(("127.0.0.1", port))),
                number(lambda: fcntl.ioctl(device, 0x5401, bytes(64))),  # TCGETS
                number(lambda: os.kill(parent, signal.SIGCONT)),
            ]

        try:
            tcp, ioctl, kill = behind(rules, act)
        finally:
            end.close()
    assert tcp == (errno.EACCES if version >= 4 else 0)
    assert ioctl == (errno.EACCES if version >= 5 else errno.ENOTTY)
    assert kill == (errno.EPERM if version >= 6 else 0)


STAND_IN = """
import json, os
from grader.box.walls import landlock
landlock.abi = lambda: {version}

def serve(read_fd, write_fd, scratch):
    os.read(read_fd, 1)
    found = []
    for path in {canaries}:
        try:
            found.append(open(path).read())
        except OSError as error:
            found.append(error.errno)
    open("mine", "w").write("x")
    os.write(write_fd, json.dumps([found, open("mine").read()]).encode())
"""


def test_a_jail_keeps_files_by_landlock_alone_at_every_abi(version: int) -> None:
    """No namespaces, the same user: nothing but landlock stands between a worker and the canary."""
    others = {"user ns", "network ns", "ipc ns", "uts ns", "mount ns", "pid ns", "other uid"}
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        worker = Path(name) / "stand_in.py"
        canaries = [path for path in CANARIES if os.path.exists(path)]
        worker.write_text(STAND_IN.format(version=version, canaries=canaries))
        with Jail(worker=str(worker), without=others) as jail:
            process = jail.start(Limits())
            wall = next(w for w in jail.walls() if w.name == "landlock")
            assert (wall.up, wall.detail) == (True, landlock.knows(version))
            assert process.send(b"x", seconds=5)
            assert json.loads(process.receive(seconds=10) or b"[]") == [
                [errno.EACCES] * len(canaries),
                "x",
            ]
        with Jail(worker=str(worker), without=others | {"landlock"}) as jail:
            process = jail.start(Limits())
            assert process.send(b"x", seconds=5)
            seen = json.loads(process.receive(seconds=10) or b"[]")[0]
            assert all(isinstance(text, str) and text for text in seen)
