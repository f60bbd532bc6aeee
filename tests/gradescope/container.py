"""Gradescope's container, as near as this machine can make one: root, half a processor, 768 MB, no network, the
engine's default profile, and /autograder laid out from the zip.

What `setup.sh` would install is this machine's Python and its packages, at the place where `setup.sh` makes its
environment; or `setup.sh` itself is run, with a folder of wheels for want of a network. The shell and its tools are
this machine's, bound read-only.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import io
import os
import platform
import shutil
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

from grader.platforms.gradescope import NEEDED
from grader.sandbox import image

MEMORY = 768 << 20
CUT = "-- results --"
REPOSITORY = "backcheck-gradescope"
SITE = f"{image.HOME}/lib/python{'.'.join(platform.python_version_tuple()[:2])}/site-packages"
SHELL = tuple(p for p in ("/usr", "/bin", "/lib", "/lib64") if os.path.isdir(p))


class Ran(NamedTuple):
    """How a run ended. results: results.json as it lies there, or b""; peak: most bytes of memory that were no
    cache, as far as they were seen; killed: whether the container ran out of it."""

    results: bytes
    output: str
    code: int
    seconds: float
    peak: int
    killed: bool


def image_of(client: Any, installed: bool = True) -> str:
    """The image, made where it is not there yet; its name. installed: whether it is as `setup.sh` leaves it,
    else it is empty."""
    version = image.tag(NEEDED).partition(":")[2] if installed else "empty"
    name = f"{REPOSITORY}:{version}"
    if any(name in stored.tags for stored in client.images.list(name=REPOSITORY)):
        return name
    with tempfile.TemporaryDirectory() as room:
        root = Path(room) / "root"
        if installed:
            image.fill(root, NEEDED)
            home = root / image.HOME[1:]
            (home / "bin" / "python").symlink_to("python3")
            (home / "site").rename(root / SITE[1:])
        for folder in SHELL:
            shutil.rmtree(root / folder[1:], ignore_errors=True)  # this machine's are bound there
            (root / folder[1:]).mkdir(parents=True)
        archive = Path(room) / "image.tar"
        with open(archive, "wb") as file:
            image.pack(root, file)
        with open(archive, "rb") as file:
            client.api.import_image_from_stream(
                iter(lambda: file.read(1 << 20), b""),
                repository=REPOSITORY,
                tag=version,
                changes=["WORKDIR /autograder"],
            )
    return name


def laid_out(
    archive: bytes, files: dict[str, bytes], metadata: bytes, *, installed: bool, apart: bool
) -> bytes:
    """What lies in the container, as a tar: /autograder after the image was built and `files` were handed in.
    installed: with the wheel where pip would have put it; apart: the results do not lie in /tmp."""
    room = io.BytesIO()
    with tarfile.open(fileobj=room, mode="w") as tar:

        def put(name: str, data: bytes | None, mode: int) -> None:
            info = tarfile.TarInfo(name)
            info.type, info.mode = (tarfile.DIRTYPE, mode) if data is None else (b"0", mode)
            info.size = len(data or b"")
            tar.addfile(info, io.BytesIO(data or b""))

        for folder in ("autograder", "autograder/source", "autograder/submission", "tmp"):
            put(folder, None, 0o1777 if folder == "tmp" else 0o755)
        if apart:
            put("autograder/results", None, 0o755)
        else:
            link = tarfile.TarInfo("autograder/results")
            link.type, link.linkname = tarfile.SYMTYPE, "/tmp/results"
            tar.addfile(link)
        put("autograder/submission_metadata.json", metadata, 0o644)
        for name, data in files.items():
            put(f"autograder/submission/{name}", data, 0o644)
        with zipfile.ZipFile(io.BytesIO(archive)) as source:
            for entry in source.infolist():
                data = source.read(entry)
                put(f"autograder/source/{entry.filename}", data, entry.external_attr >> 16 & 0o777)
                if entry.filename == "run_autograder":
                    put("autograder/run_autograder", data, 0o755)
                if entry.filename.endswith(".whl") and installed:
                    with zipfile.ZipFile(io.BytesIO(data)) as wheel:
                        for name in names_in(wheel):
                            put(f"{SITE[1:]}/{name}", wheel.read(name), 0o644)
    return room.getvalue()


def names_in(wheel: zipfile.ZipFile) -> list[str]:
    """The names in a wheel, whose record is held against its bytes as pip does."""
    (record,) = (name for name in wheel.namelist() if name.endswith("/RECORD"))
    rows = {row[0]: row[1] for row in csv.reader(wheel.read(record).decode().splitlines())}
    assert rows.keys() == set(wheel.namelist())
    for name, said in rows.items():
        if said:
            digest = hashlib.sha256(wheel.read(name)).digest()
            assert said == f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}", name
    return list(rows)


def run(
    client: Any,
    archive: bytes,
    files: dict[str, bytes],
    *,
    metadata: bytes = b"{}",
    seconds: float = 300,
    memory: int = MEMORY,
    wheels: Path | None = None,
    disk: int | None = None,
) -> Ran:
    """What `run_autograder` does in the container with that zip and these files handed in.

    seconds: after which the container is ended; memory: bytes that it may hold; wheels: what `setup.sh`
    installs from, which is run first then; disk: MiB that /tmp and the results have together.
    """
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONTZPATH": "",  # small images have no list of time zones
    }
    volumes = {folder: {"bind": folder, "mode": "ro"} for folder in SHELL}
    command = "/autograder/run_autograder"
    if wheels is None:
        environment["LD_LIBRARY_PATH"] = f"{image.HOME}/libraries"
    else:
        environment |= {"PIP_FIND_LINKS": "/wheels", "PIP_NO_INDEX": "1"}
        volumes[str(wheels)] = {"bind": "/wheels", "mode": "ro"}
        command = f"/autograder/source/setup.sh && {command}"
    if disk is not None:
        command = f"mkdir /tmp/results && {command} && echo {CUT} && cat /tmp/results/results.json"
    container = client.containers.create(
        image_of(client, installed=wheels is None),
        ["/bin/sh", "-c", command],
        user="0:0",
        network_mode="none",
        mem_limit=memory,
        nano_cpus=500_000_000,
        environment=environment,
        volumes=volumes,
        tmpfs={} if disk is None else {"/tmp": f"size={disk}m,mode=1777"},
    )
    try:
        laid = laid_out(archive, files, metadata, installed=wheels is None, apart=disk is None)
        container.put_archive("/", laid)
        began = time.monotonic()
        container.start()
        peak, over = 0, False
        statistics = memory_of(container)
        while not over:
            if time.monotonic() - began > seconds:
                container.kill()
            peak = max(peak, held(statistics))
            time.sleep(0.1)
            container.reload()
            over = container.status not in ("created", "running")
        taken = time.monotonic() - began
        state = container.attrs["State"]
        output, _, told = container.logs().decode(errors="replace").partition(CUT)
        return Ran(
            results=told.encode() or read(container, "/autograder/results/results.json"),
            output=output,
            code=int(state["ExitCode"]),
            seconds=taken,
            peak=peak,
            killed=bool(state["OOMKilled"]),
        )
    finally:
        container.remove(force=True)


def read(container: Any, path: str) -> bytes:
    """A file of a container; b"" where there is none."""
    import docker

    try:
        chunks, _ = container.get_archive(path)
    except docker.errors.NotFound:
        return b""
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        file = tar.extractfile(tar.getmembers()[0])
        return file.read() if file else b""


def memory_of(container: Any) -> Path | None:
    """The statistics of the container's cgroup, version 1 or 2; None where they are not to be seen."""
    container.reload()
    with contextlib.suppress(OSError):
        for line in (
            Path(f"/proc/{container.attrs['State']['Pid']}/cgroup").read_text().splitlines()
        ):
            _, kinds, path = line.split(":", 2)
            if "memory" in kinds.split(",") or not kinds:
                for top in ("/sys/fs/cgroup/memory", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
                    file = Path(f"{top}{path}/memory.stat")
                    if file.is_file():
                        return file
    return None


def held(statistics: Path | None) -> int:
    """Bytes that are no cache, at this moment."""
    if statistics is not None:
        with contextlib.suppress(OSError, ValueError):
            rows = dict(line.split(" ", 1) for line in statistics.read_text().splitlines())
            if "total_rss" in rows:
                return int(rows["total_rss"]) + int(rows.get("total_shmem", 0))
            return int(rows["anon"]) + int(rows["shmem"])
    return 0
