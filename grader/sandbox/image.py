"""The image of the Docker box: a Python, msgspec, numpy and what the course needs besides, nothing of ours.

Two ways lead to one: `build` packs the machine's own interpreter and installed packages, so that no
registry is needed; the `Dockerfile` beside this module makes the same from the open internet. An image is
named by a hash of what went into it, and so is made again only when that changes. The code that works
inside the box is not in the image: it is sent to each container (see `grader.sandbox.docker`).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import IO, Any

from grader.errors import SandboxLost, UsageError

REPOSITORY = "backcheck-box"
MIB = 1 << 20
MOST_WORKERS = 16  # in one container at a time
FORMAT = "2"  # of the layout below; another one is another image
NEEDED = ("greenlet", "msgspec", "numpy", "typing_extensions")
HOME = "/opt/backcheck"  # bin/python3, lib/pythonX.Y, site, libraries
# Never needed by a submission, and half of the standard library's size.
LEFT_OUT = frozenset(
    {
        "test",
        "tests",
        "idlelib",
        "tkinter",
        "turtledemo",
        "ensurepip",
        "site-packages",
        "dist-packages",
    }
    | {"__pycache__", "lib2to3", "pydoc_data"}
)
LABELS = {
    "backcheck.python": f"{HOME}/bin/python3",
    "backcheck.site": f"{HOME}/site",
    "backcheck.libraries": HOME,
}
SETTINGS = {"PYTHONHOME": HOME, "LD_LIBRARY_PATH": f"{HOME}/libraries"}

Progress = Callable[[str], None]


def distributions(names: Iterable[str]) -> dict[str, metadata.Distribution]:
    """The named packages with all that they need, as installed here, by canonical name.

    Raises UsageError for one that is not installed.
    """
    found: dict[str, metadata.Distribution] = {}
    left = [(name, True) for name in names]
    while left:
        name, needed = left.pop()
        key = canonical(name)
        if key in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if needed:
                raise UsageError(
                    f"the box's image needs {name}, which is not installed here: pip install {name}"
                ) from None
            continue
        found[key] = distribution
        for line in distribution.requires or ():
            requirement, _, marker = line.partition(";")
            if "extra" in marker:
                continue
            match = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
            if match:
                # A marker (`python_version < ...`) may not hold here; what is not installed is not needed.
                left.append((match.group(), not marker))
    return dict(sorted(found.items()))


def canonical(name: str) -> str:
    """A distribution's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def wanted(preload: Iterable[str], packages: Iterable[str] = ()) -> tuple[str, ...]:
    """What an image has to hold: what every box needs, what modules preload, what a course names."""
    providers = metadata.packages_distributions() if list(preload) else {}
    found = list(NEEDED)
    for module in preload:
        root = module.partition(".")[0]
        if root not in sys.stdlib_module_names:
            found += providers.get(root, [root])
    return tuple(dict.fromkeys(canonical(name) for name in (*found, *packages)))


def tag(names: Sequence[str]) -> str:
    """The name of the image of this machine's Python with those packages: `backcheck-box:<hash>`."""
    versions = {name: d.version for name, d in distributions(names).items()}
    parts = [FORMAT, platform.python_version(), platform.machine(), *platform.libc_ver()]
    parts += [sys.implementation.cache_tag or "", *(f"{n}=={v}" for n, v in versions.items())]
    return f"{REPOSITORY}:{hashlib.sha256(' '.join(parts).encode()).hexdigest()[:12]}"


def build(client: Any, names: Sequence[str], say: Progress = lambda text: None) -> str:
    """Makes the image from this machine's own Python, without any registry; its name.

    client: a `docker.DockerClient`. Raises UsageError where this Python cannot be packed.
    """
    name = tag(names)
    with tempfile.TemporaryDirectory(prefix="backcheck-image-") as room:
        root = Path(room) / "root"
        say("copying Python and the packages")
        fill(root, names)
        say("compiling what was copied")
        _compile(root / HOME[1:])
        archive = Path(room) / "image.tar"
        with open(archive, "wb") as file:
            pack(root, file)
        say(f"importing {archive.stat().st_size // MIB} MiB into the engine")
        changes = [f"LABEL {key}={value}" for key, value in LABELS.items()]
        changes += [f"ENV {key}={value}" for key, value in SETTINGS.items()]
        changes += ["USER 65534:65534", f'CMD ["{LABELS["backcheck.python"]}"]']
        with open(archive, "rb") as file:
            said = client.api.import_image_from_stream(
                iter(lambda: file.read(MIB), b""),
                repository=REPOSITORY,
                tag=name.partition(":")[2],
                changes=changes,
            )
    # Podman takes no notice of the tag.
    last = json.loads(said.strip().splitlines()[-1])
    if "error" in last or "status" not in last:
        raise SandboxLost(f"the engine took no image: {last.get('error', last)}")
    client.images.get(last["status"]).tag(REPOSITORY, name.partition(":")[2])
    return name


def fill(root: Path, names: Sequence[str]) -> None:
    """Lays out the image's files under `root`: interpreter, standard library, packages, system libraries."""
    home = root / HOME[1:]
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    interpreter = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    (home / "bin").mkdir(parents=True)
    shutil.copy2(interpreter, home / "bin" / "python3")
    for kind in ("stdlib", "platstdlib"):
        source = Path(sysconfig.get_path(kind))
        target = home / sys.platlibdir / version  # `lib64` on some systems, and looked for there
        shutil.copytree(source, target, ignore=_left_out, dirs_exist_ok=True, symlinks=False,
                        ignore_dangling_symlinks=True)  # fmt: skip
    for distribution in distributions(names).values():
        _copy_distribution(distribution, home / "site")
    _copy_libraries(root)
    etc = root / "etc"
    etc.mkdir()
    (etc / "passwd").write_text("nobody:x:65534:65534::/nonexistent:/bin/false\n", encoding="ascii")
    (etc / "group").write_text("nogroup:x:65534:\n", encoding="ascii")
    # Podman gives a tmpfs the mode of the folder that it is mounted on.
    for name in (
        "tmp",
        "box",
        "dev",
        "proc",
        "sys",
        *(f"scratch/{n}" for n in range(MOST_WORKERS)),
    ):
        (root / name).mkdir(parents=True, exist_ok=True)


def _left_out(folder: str, names: list[str]) -> set[str]:
    if os.path.basename(folder).startswith("config-"):
        return set(names)  # static libraries, for those who embed Python
    return {name for name in names if name in LEFT_OUT or name.endswith((".a", ".pyc"))}


def _copy_distribution(distribution: metadata.Distribution, site: Path) -> None:
    for file in distribution.files or ():
        # Tests of a package and its scripts outside the folder of packages stay here.
        if ".." in file.parts or LEFT_OUT & set(file.parts[:-1]) or file.suffix in (".pyc", ".a"):
            continue
        source = Path(str(distribution.locate_file(file)))
        if source.is_file():
            target = site.joinpath(*PurePosixPath(file).parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            if source.suffix == ".so" or ".so." in source.name:
                target.chmod(0o755)


def _copy_libraries(root: Path) -> None:
    """Copies what the copied programs are linked against, and the loader to the place where they look."""
    if shutil.which("ldd") is None:
        raise UsageError(
            "ldd is missing, so that the libraries of this Python cannot be found. "
            "Use the Dockerfile instead: grade image build --pull"
        )
    home = root / HOME[1:]
    target = home / "libraries"
    target.mkdir()
    original = Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
    found = _linked([original])
    found |= _linked(sorted(p for p in home.rglob("*.so*") if p.is_file()), home)
    for name, path in sorted(found.items()):
        if name.startswith("ld-") or path.name.startswith("ld-"):
            place = root / str(path).lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(os.path.realpath(path), place)
        else:
            shutil.copy2(os.path.realpath(path), target / name)


def _linked(programs: Sequence[Path], inside: Path | None = None) -> dict[str, Path]:
    """Shared libraries by the name that programs ask for; those that lie `inside` are there already."""
    found: dict[str, Path] = {}
    environment = {**os.environ, "LC_ALL": "C"}
    for start in range(0, len(programs), 200):
        output = subprocess.run(
            ["ldd", *map(str, programs[start : start + 200])],
            capture_output=True, text=True, env=environment, check=False,
        ).stdout  # fmt: skip
        for line in output.splitlines():
            match = re.match(r"\s+(?:(\S+) => )?(/\S+) \(0x", line)
            if match is None:
                continue
            path = Path(match.group(2))
            if inside is None or inside not in path.parents:
                found[os.path.basename(match.group(1) or match.group(2))] = path
    return found


def _compile(home: Path) -> None:
    """Byte code, because the box cannot write any; bound to nothing, because times are reset."""
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash",
         "-s", str(home), "-p", HOME, str(home / sys.platlibdir), str(home / "site")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def pack(root: Path, file: IO[bytes]) -> None:
    """Writes a tree as a tar whose bytes depend on names, contents and modes alone."""

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = 0
        info.mode = 0o755 if info.isdir() or info.mode & 0o100 else 0o644
        if info.name == "box" or info.name.startswith("scratch/"):
            info.mode = 0o1777
        return info

    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(_walk(root)):
            name = path.relative_to(root).as_posix()
            archive.add(path, arcname=name, recursive=False, filter=plain)


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in (*folders, *files):
            yield Path(folder) / name


def build_from_dockerfile(client: Any, names: Sequence[str]) -> str:
    """Makes the image from the Dockerfile, which needs a registry and PyPI; its name.

    Versions are those that are installed here, so that both ways lead to the same packages.
    """
    name = tag(names)
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        data = (Path(__file__).parent / "Dockerfile").read_bytes()
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    context.seek(0)
    arguments = {
        "PYTHON": f"{sys.version_info.major}.{sys.version_info.minor}",
        "PACKAGES": " ".join(f"{n}=={d.version}" for n, d in distributions(names).items()),
    }
    client.images.build(
        fileobj=context, custom_context=True, tag=name, rm=True, pull=True, buildargs=arguments
    )
    return name


def remove(client: Any) -> list[str]:
    """Removes every image of ours that no container uses; their names. Raises UsageError for one in use."""
    import docker

    removed = []
    for name, _, _ in stored(client):
        try:
            client.images.remove(name)
        except docker.errors.APIError as error:
            raise UsageError(f"{name} cannot be removed: {error.explanation}") from error
        removed.append(name)
    return removed


def stored(client: Any) -> list[tuple[str, int, str]]:
    """Images of ours that the engine holds: name, bytes, short id."""
    found = []
    for image in client.images.list(name=REPOSITORY):
        for name in image.tags:
            with contextlib.suppress(KeyError):
                found.append((name, int(image.attrs["Size"]), image.short_id))
    return sorted(found)
