"""Taking in: only regular files under plain names, counted in real bytes, and never run."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import shutil
import socket
import stat
import struct
import subprocess
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from grader import intake
from grader.errors import NotGradable
from grader.intake import read_submission
from grader.model import Submission

from .courses import write

WORK = b"x = 1\n"


def zipped(path: Path, entries: dict[str, Any], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip file. An entry is bytes, or (bytes, Unix mode)."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries.items():
            data, mode = content if isinstance(content, tuple) else (content, 0)
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            info.compress_type = method
            info.external_attr = mode << 16
            archive.writestr(info, data)
    return path


def taken(path: Path, *expects: str) -> Submission:
    return read_submission(path, expects or ("work",))


def refused(path: Path, *expects: str) -> str:
    with pytest.raises(NotGradable) as caught:
        taken(path, *expects)
    return str(caught.value)


# What is taken


def test_a_folder_and_its_zip_give_the_same_files_and_the_same_digest(tmp_path: Path) -> None:
    files = {"pack/__init__.py": WORK, "pack/deep/a.py": b"y = 2\n", "extra.py": b"z = 3\n"}
    folder = write(tmp_path / "folder", files)
    archive = zipped(tmp_path / "folder.zip", dict(files))
    assert taken(folder, "pack").files == taken(archive, "pack").files == files
    assert taken(folder, "pack").digest == taken(archive, "pack").digest
    changed = write(tmp_path / "other", {**files, "extra.py": b"z = 4\n"})
    assert taken(changed, "pack").digest != taken(folder, "pack").digest


LEFT_OUT = {
    "work/.git/config": b"",
    "work/__pycache__/a.cpython-311.pyc": b"",
    "work/a.pyc": b"",
    "work/evil.pth": b"import os; os._exit(0)",
    "work/native.so": b"\x7fELF",
    "work/native.pyd": b"MZ",
    "work/.DS_Store": b"",
    "work/._a.py": b"",
    ".venv/lib/site.py": b"",
    "node_modules/x.py": b"",
    "tests/test_work.py": b"",
    "notes.txt": b"",
    "evil.pth": b"import os",
    "__MACOSX/work/._a.py": b"",
}


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_what_is_not_asked_for_is_left_where_it_is(kind: str, tmp_path: Path) -> None:
    files = {"work/__init__.py": WORK, "work/data.txt": b"1 2", "beside.py": b""}
    all_of_them = {**files, **LEFT_OUT}
    path = (
        write(tmp_path / "s", all_of_them)
        if kind == "folder"
        else zipped(tmp_path / "s.zip", all_of_them)
    )
    assert taken(path).files == files


@pytest.mark.parametrize("inside", ["", "alice/"])
@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_folders_that_an_assignment_asks_for_beside_are_taken_where_they_are_there(
    kind: str, inside: str, tmp_path: Path
) -> None:
    files = {"work.py": WORK, "tests/test_work.py": b"", "tests/data/a.json": b"{}"}
    others = {"tests/__pycache__/x.pyc": b"", "docs/tests/b.py": b""}
    all_of_them = {inside + name: data for name, data in (files | others).items()}
    folder = write(tmp_path / "s", all_of_them)
    path = folder
    if kind == "zip":
        path = zipped(tmp_path / "s.zip", dict(all_of_them))
    elif kind == "tar":
        path = tmp_path / "s.tar.gz"
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder, arcname=".")
    found = read_submission(path, ["work"], ["tests", "more"])
    assert found.files == files
    assert "there is no folder more in the submission" in found.notes
    assert not [note for note in found.notes if "folder tests" in note]
    assert set(read_submission(path, ["work"]).files) == {"work.py"}


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("inside", ["", "alice_hw1/", "a/b/c/"])
def test_a_folder_around_everything_is_looked_through_and_told(
    kind: str, inside: str, tmp_path: Path
) -> None:
    files = {f"{inside}work.py": WORK, f"{inside}beside.py": b"", "readme.txt": b"hello"}
    path = write(tmp_path / "s", files) if kind == "folder" else zipped(tmp_path / "s.zip", files)
    found = taken(path)
    assert set(found.files) == {"work.py", "beside.py"}
    assert found.notes == ((f"graded the files in {inside}",) if inside else ())


def test_the_shallowest_of_several_is_graded_and_never_one_in_a_virtual_environment(
    tmp_path: Path,
) -> None:
    files = {
        "venv/lib/work/__init__.py": b"wrong",
        "old/backup/work/__init__.py": b"older",
        "now/work/__init__.py": WORK,
    }
    assert taken(write(tmp_path / "s", files)).files == {"work/__init__.py": WORK}
    assert taken(zipped(tmp_path / "s.zip", dict(files))).files == {"work/__init__.py": WORK}


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_of_several_as_shallow_none_is_picked_and_all_are_named(kind: str, tmp_path: Path) -> None:
    files = {"hw1/work.py": WORK, "hw2/work.py": WORK, ".old/work.py": b"", "readme.txt": b""}
    path = write(tmp_path / "s", files) if kind == "folder" else zipped(tmp_path / "s.zip", files)
    message = refused(path)
    assert "2 folders in it could be the submission: hw1/, hw2/." in message
    assert "--submission DIR" in message


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_an_environment_packed_along_does_not_count(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_ENTRIES", 20)
    files = {f"{top}/f{i}.py": b"" for top in (".venv", "node_modules", ".git") for i in range(20)}
    files |= {"work.py": WORK}
    path = write(tmp_path / "s", files) if kind == "folder" else zipped(tmp_path / "s.zip", files)
    assert taken(path).files == {"work.py": WORK}


def test_the_junk_of_a_mac_does_not_hide_the_folder(tmp_path: Path) -> None:
    archive = zipped(
        tmp_path / "s.zip",
        {"hw/": b"", "hw/work.py": WORK, "__MACOSX/hw/._work.py": b"\0", "hw/.DS_Store": b"\0"},
    )
    found = taken(archive)
    assert found.files == {"work.py": WORK}


def test_a_zip_from_windows_with_backslashes_is_read(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "s.zip", {"hw\\work\\__init__.py": WORK})
    assert taken(archive).files == {"work/__init__.py": WORK}


@pytest.mark.parametrize("name", ["abgabe_müller", "提出", "работа 1", "هدية", "a'b\"c;$(x)"])
def test_names_in_any_alphabet_are_fine(name: str, tmp_path: Path) -> None:
    files = {f"{name}/work.py": WORK, f"{name}/größe.py": b"", f"{name}/模块.py": b""}
    folder = taken(write(tmp_path / "s", files))
    archive = taken(zipped(tmp_path / f"{name}.zip", files))
    assert folder.files == archive.files
    assert len(folder.files) == 3
    assert archive.id == f"{name}.zip"


def test_a_name_that_is_composed_differently_on_a_mac_is_the_same_name(tmp_path: Path) -> None:
    composed = taken(zipped(tmp_path / "a.zip", {"work.py": WORK, "gr\u00f6\u00dfe.py": b""}))
    apart = taken(zipped(tmp_path / "b.zip", {"work.py": WORK, "gro\u0308\u00dfe.py": b""}))
    assert composed.files == apart.files


def test_a_name_that_is_no_utf_8_does_not_stop_anything(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", {"work.py": WORK})
    with open(os.fsencode(folder) + b"/na\xefve.py", "wb") as file:
        file.write(b"")
    found = taken(folder)
    assert found.files["work.py"] == WORK
    assert len(found.digest) == 64


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize(
    "name", ["numpy.py", "sitecustomize.py", "conftest.py", "usercustomize.py"]
)
def test_a_neighbour_with_the_name_of_a_library_is_taken_and_runs_nothing_here(
    kind: str, name: str, tmp_path: Path
) -> None:
    files = {"work.py": WORK, name: b"raise SystemExit('ran')"}
    path = write(tmp_path / "s", files) if kind == "folder" else zipped(tmp_path / "s.zip", files)
    assert "work.py" in taken(path).files


# What is refused


def test_what_is_no_submission_is_refused_with_what_to_do(tmp_path: Path) -> None:
    assert "no such file or folder" in refused(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    message = refused(tmp_path / "empty")
    assert "no work/ or work.py" in message
    assert "--submission DIR" in message
    other = write(tmp_path / "other", {"wrok.py": WORK})
    assert "only wrok.py" in refused(other)
    assert "has to be named work.py" in refused(other / "wrok.py")
    assert "expected a folder, a zip or a tar" in refused(
        write(other, {"work.rar": "x"}) / "work.rar"
    )
    assert "no work/ or work.py" in refused(zipped(tmp_path / "e.zip", {}))
    assert "(it is empty)" in refused(tmp_path / "empty")
    cased = write(tmp_path / "cased", {"Work.py": WORK})
    assert "Work.py is written differently: rename it to work.py" in refused(cased)
    flat = write(tmp_path / "flat", {"__init__.py": "", "tensor.py": WORK})
    assert "the files of a package: hand in the folder work that holds them" in refused(flat)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(zipped(tmp_path / "whole.zip", {"work.py": WORK}).read_bytes()[:40])
    assert "its end is missing" in refused(cut)
    cut.write_bytes(b"")
    assert "the file is empty" in refused(cut)
    assert "(only assignment1)" in refused(
        write(tmp_path / "far", {"assignment1/a/b/c/work.py": b""})
    )


@pytest.mark.parametrize(
    "name",
    [
        "../work.py",
        "a/../../work.py",
        "..\\work.py",
        "/work.py",
        "\\work.py",
        "//host/share/work.py",
        "C:\\work.py",
        "C:work.py",
        "work/../../x.py",
        "work/a\nb.py",
        "work/a\x1b[31m.py",
        "work/a\x7f.py",
        "work/" + "d/" * 30 + "a.py",
        "work/" + "a" * 2000 + ".py",
    ],
)
def test_an_entry_of_that_name_is_refused(name: str, tmp_path: Path) -> None:
    message = refused(zipped(tmp_path / "s.zip", {"work.py": WORK, name: b""}))
    assert "\x1b" not in message
    assert "\n" not in message


LINK = stat.S_IFLNK | 0o777


@pytest.mark.parametrize("name", ["work.py", "work", "work/a.py", "beside.py"])
def test_a_link_in_a_zip_is_refused(name: str, tmp_path: Path) -> None:
    entries = {name: (b"/etc/passwd", LINK)}
    if name != "work.py":
        entries |= {"work/__init__.py": (WORK, 0)}
    assert "symbolic link" in refused(zipped(tmp_path / "s.zip", entries))


@pytest.mark.parametrize("mode", [stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
def test_what_is_no_regular_file_in_a_zip_is_refused(mode: int, tmp_path: Path) -> None:
    archive = zipped(tmp_path / "s.zip", {"work.py": WORK, "b.py": (b"", mode | 0o666)})
    assert "no regular file" in refused(archive)


@pytest.mark.parametrize("name", ["work.py", "work", "work/a.py", "work/sub"])
def test_a_link_in_a_folder_is_refused(name: str, tmp_path: Path) -> None:
    secret = write(tmp_path / "secret", {"__init__.py": b"secret"})
    folder = write(tmp_path / "s", {} if name in ("work.py", "work") else {"work/b.py": WORK})
    folder.mkdir(exist_ok=True)
    (folder / name).symlink_to(secret / "__init__.py" if name.endswith(".py") else secret)
    message = refused(folder)
    assert "symbolic link" in message


def test_a_link_beside_what_is_asked_for_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path, {"secret.py": b"secret"})
    folder = write(tmp_path / "s", {"work.py": WORK})
    (folder / "stolen.py").symlink_to(tmp_path / "secret.py")
    (folder / "loop").symlink_to(folder)
    (folder / "broken.py").symlink_to(tmp_path / "nothing")
    assert taken(folder).files == {"work.py": WORK}


def test_a_pipe_or_a_socket_in_a_folder_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", {"work/__init__.py": WORK})
    os.mkfifo(folder / "work" / "pipe.py")
    assert "no regular file" in refused(folder)
    (folder / "work" / "pipe.py").unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        os.chdir(folder / "work")
        listening.bind("talk.py")
        os.chdir(tmp_path)
        assert "no regular file" in refused(folder)
    only = tmp_path / "only"
    only.mkdir()
    os.mkfifo(only / "work.py")
    assert refused(only)
    assert refused(only / "work.py")


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A folder that an ordinary user may enter, and that user in our place."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    os.seteuid(os.getuid())
    shutil.rmtree(folder)


def become_ordinary() -> None:
    if os.geteuid() == 0:
        os.seteuid(65534)


def test_a_file_that_may_not_be_read_is_named(ordinary_user: Path) -> None:
    folder = write(ordinary_user / "s", {"work/__init__.py": WORK, "work/a.py": b""})
    (folder / "work" / "a.py").chmod(0)
    become_ordinary()
    assert "work/a.py: cannot be read" in refused(folder)


def test_a_folder_that_may_not_be_read_is_named(ordinary_user: Path) -> None:
    folder = write(ordinary_user / "s", {"work/__init__.py": WORK, "work/inner/a.py": b""})
    (folder / "work" / "inner").chmod(0)
    become_ordinary()
    assert "inner" in refused(folder)
    os.seteuid(os.getuid())
    folder.chmod(0)
    become_ordinary()
    assert "cannot be read" in refused(folder)


def test_a_zip_that_may_not_be_read_is_named(ordinary_user: Path) -> None:
    archive = zipped(ordinary_user / "s.zip", {"work.py": WORK})
    archive.chmod(0)
    become_ordinary()
    assert str(archive) in refused(archive)


# Bombs


def test_a_file_that_is_too_large_is_refused_by_its_real_size(tmp_path: Path) -> None:
    big = b"#" * (intake.MAX_FILE + 1)
    assert "4 MiB" in refused(zipped(tmp_path / "s.zip", {"work.py": big}))
    assert "4 MiB" in refused(write(tmp_path / "s", {"work.py": big}))


def test_a_large_file_that_is_no_python_is_left_out_and_told(tmp_path: Path) -> None:
    files = {"work/__init__.py": WORK, "work/weights.bin": b"\0" * (intake.MAX_FILE + 1)}
    for path in (write(tmp_path / "s", files), zipped(tmp_path / "s.zip", files)):
        found = taken(path)
        assert set(found.files) == {"work/__init__.py"}
        assert "weights.bin was left out" in found.notes[0]


def test_a_zip_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "s.zip", {"work.py": b"#" * (intake.MAX_FILE * 2)})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(signature) + offset
        data[at : at + 4] = struct.pack("<I", 10)
    path.write_bytes(data)
    assert refused(path)


def test_many_files_and_many_entries_and_many_bytes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {f"work/f{i}.py": b"" for i in range(30)}
    monkeypatch.setattr(intake, "MAX_FILES", 20)
    assert "more than 20 files" in refused(zipped(tmp_path / "a.zip", many))
    assert "more than 20 files" in refused(write(tmp_path / "a", many))
    monkeypatch.setattr(intake, "MAX_ENTRIES", 20)
    assert "more than 20 entries" in refused(zipped(tmp_path / "b.zip", many))
    assert "more than 20 entries" in refused(tmp_path / "a")
    monkeypatch.undo()
    monkeypatch.setattr(intake, "MAX_TOTAL", 1000)
    large = {f"work/f{i}.py": b"#" * 100 for i in range(30)}
    assert "MiB" in refused(zipped(tmp_path / "c.zip", large))
    assert "MiB" in refused(write(tmp_path / "c", large))


def test_files_that_lie_too_deep_are_refused(tmp_path: Path) -> None:
    name = "work/" + "d/" * intake.MAX_DEPTH + "a.py"
    assert "deep" in refused(zipped(tmp_path / "s.zip", {name: b""}))
    assert "deep" in refused(write(tmp_path / "s", {name: b""}))


def test_folders_in_folders_without_end_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "s", {"work/__init__.py": WORK})
    at = os.open(tmp_path / "s" / "work", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for _ in range(1200):  # deeper than Python's own walk can follow
            os.mkdir("d", dir_fd=at)
            below = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
            os.close(at)
            at = below
        said = refused(tmp_path / "s")
    finally:
        os.close(at)
        subprocess.run(["rm", "-r", tmp_path / "s"], check=True)
    assert "more than 100 deep" in said


def test_many_long_names_are_compared_quickly(tmp_path: Path) -> None:
    folder = "É" * 60 + "/"
    names = {"work/" + folder * 10 + f"{n:04}.py": b"" for n in range(intake.MAX_FILES - 1)}
    path = zipped(tmp_path / "s.zip", {"work/__init__.py": WORK} | names)
    began = time.process_time()
    assert len(taken(path).files) == intake.MAX_FILES
    assert time.process_time() - began < 6.0


def test_two_ways_to_write_one_name_are_one_name(tmp_path: Path) -> None:
    for name in ("work//a.py", "work/./a.py", "./work/a.py"):
        files = {"work/__init__.py": WORK, name: b"a = 1"}
        assert list(taken(zipped(tmp_path / "s.zip", files)).files) == [
            "work/__init__.py",
            "work/a.py",
        ]
        twice = zipped(tmp_path / "t.zip", files | {"work/a.py": b"a = 2"})
        assert "holds work/a.py twice" in refused(twice)


def test_a_list_of_entries_that_takes_more_memory_than_a_submission_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f".git/{n}": b"" for n in range(3000)} | {"work.py": WORK}
    monkeypatch.setattr(intake, "MAX_DIRECTORY", 1 << 16)
    assert "very many entries" in refused(zipped(tmp_path / "s.zip", files))
    monkeypatch.undo()
    monkeypatch.setattr(intake, "MAX_LISTED", 2000)
    assert "more than 2000 entries" in refused(zipped(tmp_path / "s.zip", files))
    assert "more than 2000 entries" in refused(tarred(tmp_path / "s.tgz", files))


def test_a_zip_with_very_many_entries_is_refused_quickly(tmp_path: Path) -> None:
    path = zipped(
        tmp_path / "s.zip",
        {f"x{i}": b"" for i in range(intake.MAX_ENTRIES + 1)},
        method=zipfile.ZIP_STORED,
    )
    assert "entries" in refused(path)


def test_names_that_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    files = {"work/__init__.py": WORK, "work/a.py": b"1", "work/A.py": b"2"}
    assert "differ only in case" in refused(zipped(tmp_path / "s.zip", files))
    assert "differ only in case" in refused(write(tmp_path / "s", files))


def test_the_same_name_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("work.py", b"first = 1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("work.py", b"second = 2")
    assert "work.py" in refused(path)


def test_a_file_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "s.zip", {"work/a.py": WORK, "work/a.py/b.py": WORK})
    assert "cannot both be there" in refused(archive)


# Damage


def test_an_encrypted_zip_says_so(tmp_path: Path) -> None:
    path = zipped(tmp_path / "s.zip", {"work.py": WORK})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    assert "encrypted" in refused(path)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_damaged_or_cut_zip_is_told_and_never_crashes(method: int, tmp_path: Path) -> None:
    path = zipped(tmp_path / "s.zip", {"work.py": WORK * 50, "beside.py": b"y = 2"}, method)
    assert taken(path).files["work.py"] == WORK * 50
    whole = path.read_bytes()
    outcomes = []
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        for damaged in (
            whole[:at],
            whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :],
            whole[at:],
        ):
            path.write_bytes(damaged)
            with contextlib.suppress(NotGradable):
                taken(path)
                outcomes.append(at)
    assert len(outcomes) < 120


def test_an_unknown_way_of_packing_is_told(tmp_path: Path) -> None:
    path = zipped(tmp_path / "s.zip", {"work.py": WORK})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = data.index(signature) + offset
        data[at : at + 2] = struct.pack("<H", 97)
    path.write_bytes(data)
    assert "damaged" in refused(path)


def test_nothing_is_written_beside_the_submission(tmp_path: Path) -> None:
    folder = write(tmp_path / "s", {"work.py": WORK})
    zipped(tmp_path / "s.zip", {"work.py": WORK})
    before = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*"))
    taken(folder)
    taken(tmp_path / "s.zip")
    assert sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*")) == before


# One file


def test_one_file_of_the_expected_name_is_a_submission_of_its_own(tmp_path: Path) -> None:
    folder = write(tmp_path / "folder", {"work.py": WORK, "beside.py": WORK})
    assert taken(folder / "work.py").files == {"work.py": WORK}
    assert "has to be named work.py" in refused(folder / "beside.py")
    (folder / "work.py").write_bytes(bytes(intake.MAX_FILE + 1))
    assert "more than 4 MiB" in refused(folder / "work.py")


# Tar files


def tarred(path: Path, entries: dict[str, Any], mode: str = "w:gz") -> Path:
    """A tar file. An entry is bytes, or a type and a target."""
    with tarfile.open(path, mode) as archive:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                archive.addfile(info)
    return path


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_gives_the_same_files_as_a_folder(tmp_path: Path, mode: str) -> None:
    files = {"pack/__init__.py": WORK, "pack/deep/a.py": b"y = 2\n", "extra.py": b"z = 3\n"}
    folder = write(tmp_path / "folder", files)
    packed = {f"./home/{name}": data for name, data in files.items()} | {"./notes.txt": b"n"}
    archive = tarred(tmp_path / "folder.tar", packed, mode)
    assert taken(archive, "pack").files == taken(folder, "pack").files
    assert taken(archive, "pack").digest == taken(folder, "pack").digest
    assert taken(archive, "pack").notes == ("graded the files in home/",)


TAR_REFUSED = {
    "a link": ({"work.py": (tarfile.SYMTYPE, "/etc/passwd")}, "work.py is a symbolic link"),
    "a hard link": (
        {"a.py": WORK, "work.py": (tarfile.LNKTYPE, "a.py")},
        "work.py is no regular file",
    ),
    "a device": ({"work.py": (tarfile.CHRTYPE, "")}, "work.py is no regular file"),
    "a pipe": ({"work.py": (tarfile.FIFOTYPE, "")}, "work.py is no regular file"),
    "a way out": ({"../work.py": WORK}, "points outside the tar file"),
    "an absolute name": ({"/work.py": WORK}, "points outside the tar file"),
    "a name twice": ({"./work.py": WORK, "work.py": WORK}, "holds work.py twice"),
    "two cases": ({"work/a.py": WORK, "work/A.py": WORK}, "differ only in case"),
    "nothing": ({"readme": WORK}, "there is no work/ or work.py in it"),
    "too deep": ({"/".join(["work", *"abcdefghijklmnopqrstuvw"]): WORK}, "nested too deep"),
}


@pytest.mark.parametrize("what", TAR_REFUSED)
def test_a_tar_that_could_bite_is_refused(tmp_path: Path, what: str) -> None:
    entries, said = TAR_REFUSED[what]
    assert said in refused(tarred(tmp_path / "s.tar.gz", entries))


def test_a_tar_that_unpacks_without_end_is_refused_by_counting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_UNPACKED", 8 << 20)
    data = {"data.bin": bytes(9 << 20), "work.py": WORK}
    assert "unpacks to more than 8 MiB" in refused(tarred(tmp_path / "s.tgz", data))
    monkeypatch.setattr(intake, "MAX_TOTAL", 1 << 20)
    many = {f"work/{n}.txt": bytes(1 << 20) for n in range(4)} | {"work/__init__.py": WORK}
    assert "2 MiB of code" in refused(tarred(tmp_path / "t.tgz", many))


def extended(path: Path, bodies: Iterable[bytes]) -> Path:
    """A tar file with extended headers that hold what no program writes."""
    parts = []
    for body in bodies:
        header = tarfile.TarInfo("x")
        header.type, header.size = tarfile.XHDTYPE, len(body)
        parts += [header.tobuf(tarfile.USTAR_FORMAT), body, bytes(-len(body) % 512)]
        parts.append(tarfile.TarInfo(f"a{len(parts)}").tobuf())
    path.write_bytes(gzip.compress(b"".join([*parts, bytes(1024)])))
    return path


def test_a_tar_whose_headers_take_long_to_search_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.process_time()
    assert "32 KiB of attributes" in refused(extended(tmp_path / "s.tgz", [b"1" * 200_000]))
    assert time.process_time() - began < 2.0
    monkeypatch.setattr(intake, "ARCHIVE_SECONDS", 0.5)
    many = extended(tmp_path / "t.tgz", [b"1" * 30_000] * 100)
    began = time.process_time()
    assert "takes too long to read" in refused(many)
    assert time.process_time() - began < 8.0


@pytest.mark.parametrize("cut", [0, 30, 100, 400])
def test_a_damaged_tar_is_refused(tmp_path: Path, cut: int) -> None:
    whole = tarred(tmp_path / "s.tgz", {"work.py": os.urandom(2000)}).read_bytes()
    (tmp_path / "s.tgz").write_bytes(whole[:cut])
    said = refused(tmp_path / "s.tgz")
    assert "damaged" in said or "is empty" in said
    (tmp_path / "t.tar.gz").write_bytes(os.urandom(3000))
    assert "this is no tar file" in refused(tmp_path / "t.tar.gz")
