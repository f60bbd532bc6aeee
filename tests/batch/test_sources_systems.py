"""What course systems let a teacher download is read for who, when and what, whatever is odd about it."""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path

import pytest

from grader.batch import sources
from grader.errors import NotGradable, UsageError
from grader.intake import MAX_ARCHIVE, read_submission

METADATA = """\
---
submission_11:
  :submitters:
  - :name: Ada Lovelace
    :sid: '0101'
    :email: ada@example.org
  - :name: Emmy Noether
    :sid: '0102'
    :email: =
  :created_at: 2026-10-01 21:59:00.123456789 Z
  :score: 3.0
  :history:
  - :created_at: 2026-09-30 10:00:00 Z
    :score: 1.0
  :status: :graded
submission_12:
  :submitters:
  - :name: Ada Lovelace
    :sid: '0999'
  :created_at: !ruby/object:ActiveSupport::TimeWithZone
    utc: 2026-10-01 22:30:00.000000000 Z
    zone: !ruby/object:ActiveSupport::TimeZone
      name: UTC
submission_13:
  :submitters: []
  :created_at: 0001-01-01 00:00:00 +05:00
../evil:
  :submitters: []
"""


def work(folder: Path, text: str = "x = 1\n") -> Path:
    folder.mkdir(parents=True)
    (folder / "warmup.py").write_text(text)
    return folder


def zipped(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return held.getvalue()


def export(folder: Path) -> Path:
    for name in ("submission_11", "submission_12", "submission_14"):
        work(folder / name)
    (folder / "submission_metadata.yml").write_text(METADATA)
    return folder


def test_a_gradescope_export_tells_groups_times_and_attempts(tmp_path: Path) -> None:
    found = sources.read(export(tmp_path / "assignment_1_export"))
    assert found.kind == "gradescope"
    by_folder = {Path(h.path).name: h for h in found.hand_ins}
    group = by_folder["submission_11"]
    assert [(s.id, s.name) for s in group.students] == [
        ("0101", "Ada Lovelace"),
        ("0102", "Emmy Noether"),
    ]
    assert group.students[0].email == "ada@example.org"
    assert (group.received, group.attempt) == ("2026-10-01T21:59:00+00:00", 2)
    assert group.id == "ada-lovelace-emmy-noether"
    assert by_folder["submission_12"].received == "2026-10-01T22:30:00+00:00"
    assert "missing" in by_folder["submission_13"].problem
    assert by_folder["submission_14"].students == ()
    assert len(found.hand_ins) == 4
    assert any("submission_14" in line for line in found.warnings)
    assert any("evil" in line for line in found.warnings)


def test_a_zip_is_unpacked_and_reads_as_its_folder(tmp_path: Path) -> None:
    folder = export(tmp_path / "assignment_1_export")
    files = {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}
    (folder / "submission_15").mkdir()
    files["assignment_1_export/submission_15/"] = b""
    (tmp_path / "a.zip").write_bytes(zipped(files))
    found = sources.read(tmp_path / "a.zip", scratch=tmp_path / "scratch")
    plain = sources.read(folder)
    told = [
        [(h.id, h.students, h.received, h.problem) for h in one.hand_ins] for one in (found, plain)
    ]
    assert told[0] == told[1]
    assert "the folder is empty" in told[0][-1][-1]
    assert all(Path(h.path).is_relative_to(tmp_path / "scratch") for h in found.hand_ins)
    with pytest.raises(UsageError, match="unpack"):
        sources.read(tmp_path / "a.zip")


def test_metadata_that_is_broken_is_said(tmp_path: Path) -> None:
    export(tmp_path / "in")
    (tmp_path / "in" / "submission_metadata.yml").write_text("a: [1\nb: {")
    with pytest.raises(UsageError, match="cannot be read"):
        sources.read(tmp_path / "in")


def test_metadata_makes_no_object(tmp_path: Path) -> None:
    export(tmp_path / "in")
    touched = tmp_path / "touched"
    (tmp_path / "in" / "submission_metadata.yml").write_text(
        f"s: !!python/object/apply:os.mkdir ['{touched}']\n"
    )
    with pytest.raises(UsageError, match="cannot be read"):
        sources.read(tmp_path / "in")
    assert not touched.exists()


CANVAS = {
    "lovelaceada_LATE_12345_67890_warmup-2.zip": zipped({"warmup.py": b"x = 1\n"}),
    "noetheremmy_777_1_warmup-1.py": b"x = 2\n",
    "noetheremmy_777_2_notes_on_it.txt": b"see warmup",
    "gödelkurt_888_3_warmup.py": b"x = 3\n",
    "lovelaceada_999_4_work.zip": b"this is no zip",
    "\u202elive_1000_5_warmup.py": b"",
}


def test_a_canvas_download_is_read_from_its_names(tmp_path: Path) -> None:
    (tmp_path / "submissions.zip").write_bytes(zipped(CANVAS))
    found = sources.read(tmp_path / "submissions.zip", scratch=tmp_path / "scratch")
    assert found.kind == "canvas"
    by_student = {h.students[0].id: h for h in found.hand_ins}
    assert sorted(by_student) == ["1000", "12345", "777", "888", "999"]
    late = by_student["12345"]
    assert (late.students[0].name, late.attempt) == ("lovelaceada", 3)
    assert any("late" in note for note in late.notes)
    assert read_submission(Path(late.path), ["warmup"]).files == {"warmup.py": b"x = 1\n"}
    # A module has its own name again, and what belongs together lies together.
    assert (
        read_submission(Path(by_student["777"].path), ["warmup"]).files["warmup.py"] == b"x = 2\n"
    )
    assert (Path(by_student["777"].path) / "notes_on_it.txt").is_file()
    assert by_student["888"].attempt == 1
    # Two people of one name have ids of their own, which stay as they are.
    assert len({by_student[s].id for s in ("12345", "999")}) == 2
    assert all(by_student[s].id.startswith("lovelaceada-") for s in ("12345", "999"))
    assert all(h.id.isprintable() for h in found.hand_ins)
    again = sources.read(tmp_path / "submissions.zip", scratch=tmp_path / "scratch")
    assert again == found


def test_a_canvas_folder_keeps_a_zip_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    name = "lovelaceada_12345_67890_w.zip"
    (tmp_path / "in" / name).write_bytes(CANVAS["lovelaceada_LATE_12345_67890_warmup-2.zip"])
    (hand_in,) = sources.read(tmp_path / "in").hand_ins
    assert hand_in.path == str(tmp_path / "in" / name)


def test_a_moodle_download_in_folders(tmp_path: Path) -> None:
    work(tmp_path / "in" / "Ada Lovelace_12345_assignsubmission_file_")
    zip_in = tmp_path / "in" / "Emmy Noether_22_assignsubmission_file_"
    zip_in.mkdir()
    (zip_in / "w.zip").write_bytes(zipped({"warmup.py": b"x = 1\n"}))
    (tmp_path / "in" / "Emmy Noether_22_assignsubmission_onlinetext_").mkdir()
    (tmp_path / "in" / "حنّا_33_assignsubmission_onlinetext_").mkdir()
    found = sources.read(tmp_path / "in")
    assert found.kind == "moodle"
    by_student = {h.students[0].id: h for h in found.hand_ins}
    assert by_student["12345"].students[0].name == "Ada Lovelace"
    assert by_student["12345"].id == "ada-lovelace"
    assert by_student["22"].path == str(zip_in / "w.zip")
    assert by_student["22"].notes
    assert "text" in by_student["33"].problem


@pytest.mark.parametrize("around", ["", "hand-ins/"], ids=["as it came", "zipped again"])
def test_a_moodle_download_without_folders(tmp_path: Path, around: str) -> None:
    flat = {
        "Ada Lovelace_12_assignsubmission_file_warmup.py": b"x = 1\n",
        "Ada Lovelace_12_assignsubmission_file_more.py": b"x = 2\n",
        "Emmy Noether_13_assignsubmission_file_w.zip": zipped({"warmup.py": b""}),
    }
    (tmp_path / "m.zip").write_bytes(zipped({around + name: data for name, data in flat.items()}))
    found = sources.read(tmp_path / "m.zip", scratch=tmp_path / "scratch")
    ada, emmy = found.hand_ins
    assert sorted(p.name for p in Path(ada.path).iterdir()) == ["more.py", "warmup.py"]
    assert emmy.path.endswith("w.zip")


def test_names_of_a_zip_lead_nowhere_else(tmp_path: Path) -> None:
    evil = {"../../out.py": b"1", "/abs/warmup.py": b"2", "a\\..\\..\\b.py": b"3", "a": b"4"}
    evil |= {"ok/warmup.py": b"5", f"{'n' * 250}/warmup.py": b"6"}
    (tmp_path / "e.zip").write_bytes(zipped(evil))
    sources.read(tmp_path / "e.zip", scratch=tmp_path / "deep" / "scratch")
    written = [p for p in tmp_path.rglob("*.py") if p.is_file()]
    assert len(written) == 5
    assert all(p.is_relative_to(tmp_path / "deep" / "scratch") for p in written)


def test_what_is_too_large_is_refused_by_its_size_and_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    work(folder / "ada")
    with (folder / "emmy.zip").open("wb") as file:
        file.truncate(2 << 30)  # of which the disk holds nothing
    ada, emmy = sources.read(folder).hand_ins
    assert not ada.problem
    assert "2048 MiB" in emmy.problem


def test_what_is_too_large_in_a_zip_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grader.batch.unpack.MAX_ARCHIVE", 1000)
    assert MAX_ARCHIVE > 1000
    large = {"noetheremmy_777_1_w.zip": b"x" * 2000, "a_1_2_w.zip": zipped({"warmup.py": b""})}
    (tmp_path / "s.zip").write_bytes(zipped(large))
    one, other = sources.read(tmp_path / "s.zip", scratch=tmp_path / "scratch").hand_ins
    assert (one.problem, "allowed" in other.problem) == ("", True)
    assert not list((tmp_path / "scratch").rglob("*777*"))


def test_a_damaged_download_costs_only_what_is_damaged(tmp_path: Path) -> None:
    files = {"a_1_2_w.zip": b"payload one", "b_3_4_w.zip": zipped({"warmup.py": b""})}
    data = zipped(files).replace(b"payload one", b"payload two")
    (tmp_path / "s.zip").write_bytes(data)
    one, other = sources.read(tmp_path / "s.zip", scratch=tmp_path / "scratch").hand_ins
    assert "damaged" in one.problem
    assert not other.problem


@pytest.mark.parametrize("name", [b"\xff_1_2_w.py", b"a_1_2_w.py"])
def test_a_zip_with_names_that_are_no_text_is_said_to_be_damaged(
    tmp_path: Path, name: bytes
) -> None:
    data = zipped({"x" * len(name): b"1"}).replace(b"x" * len(name), name)
    # Both headers say that the name is UTF-8.
    data = data.replace(b"PK\x03\x04\x14\x00\x00\x00", b"PK\x03\x04\x14\x00\x00\x08")
    data = data.replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x00\x08"
    )
    (tmp_path / "s.zip").write_bytes(data)
    if name.isascii():
        assert len(sources.read(tmp_path / "s.zip", scratch=tmp_path / "scratch").hand_ins) == 1
    else:
        with pytest.raises(UsageError, match="damaged"):
            sources.read(tmp_path / "s.zip", scratch=tmp_path / "scratch")


def test_a_folder_of_plain_names_is_still_a_folder(tmp_path: Path) -> None:
    for name in ("ada_1_2_x", "module_2_3_x", "emmy"):
        work(tmp_path / "in" / name)
    assert sources.read(tmp_path / "in").kind == "folder"


def test_what_was_written_to_canvas_in_place_of_a_file_is_a_hand_in(tmp_path: Path) -> None:
    files = {
        "lovelaceada_12_34_w.zip": zipped({"warmup.py": b""}),
        "noetheremmy_LATE_56_text.html": b"<p>see my page",
        "gödelkurt_78_link.html": b"<a href='https://example.org'>",
    }
    (tmp_path / "s.zip").write_bytes(zipped(files))
    found = sources.read(tmp_path / "s.zip", scratch=tmp_path / "scratch")
    by_student = {h.students[0].id: h for h in found.hand_ins}
    assert (found.kind, sorted(by_student), found.warnings) == ("canvas", ["12", "56", "78"], ())
    assert "a text" in by_student["56"].problem
    assert any("late" in note for note in by_student["56"].notes)
    assert "an address" in by_student["78"].problem


def test_files_of_one_name_are_all_kept(tmp_path: Path) -> None:
    files = {
        "noetheremmy_7_10_warmup-1.py": b"x = 2\n",
        "noetheremmy_7_9_warmup.py": b"x = 1\n",
        "noetheremmy_7_11_warmup.py": b"x = 3\n",
    }
    (tmp_path / "s.zip").write_bytes(zipped(files))
    (hand_in,) = sources.read(tmp_path / "s.zip", scratch=tmp_path / "scratch").hand_ins
    kept = {p.name: p.read_text() for p in Path(hand_in.path).iterdir()}
    assert kept == {
        "warmup.py": "x = 1\n",
        "warmup-1.py": "x = 2\n",
        "noetheremmy_7_11_warmup.py": "x = 3\n",
    }


@pytest.mark.parametrize(
    "pattern", ["noetheremmy_7_{}_{}", "Emmy Noether_7_assignsubmission_file_/{1}"]
)
def test_a_report_beside_the_archive_is_no_matter(tmp_path: Path, pattern: str) -> None:
    files = {
        pattern.format(1, "report.pdf"): b"%PDF",
        pattern.format(2, "w.zip"): zipped({"warmup.py": b"x = 1\n"}),
    }
    (tmp_path / "s.zip").write_bytes(zipped(files))
    (hand_in,) = sources.read(tmp_path / "s.zip", scratch=tmp_path / "scratch").hand_ins
    assert read_submission(Path(hand_in.path), ["warmup"]).files == {"warmup.py": b"x = 1\n"}
    assert any("report.pdf was not looked at" in note for note in hand_in.notes)
    files[pattern.format(3, "warmup.py")] = b"x = 2\n"
    (tmp_path / "t.zip").write_bytes(zipped(files))
    (hand_in,) = sources.read(tmp_path / "t.zip", scratch=tmp_path / "scratch").hand_ins
    assert read_submission(Path(hand_in.path), ["warmup"]).files == {"warmup.py": b"x = 2\n"}


def test_the_one_archive_in_a_students_folder_is_opened_wherever_it_comes_from(
    tmp_path: Path,
) -> None:
    work = zipped({"warmup.py": b"x = 1\n"})
    for name in ("ada", "emmy", "kurt"):
        (tmp_path / "class" / name).mkdir(parents=True)
    (tmp_path / "class" / "ada" / "w.zip").write_bytes(work)
    (tmp_path / "class" / "ada" / "report.pdf").write_bytes(b"%PDF")
    (tmp_path / "class" / "emmy" / "data.zip").write_bytes(work)
    (tmp_path / "class" / "emmy" / "warmup.py").write_text("x = 2\n")
    (tmp_path / "class" / "kurt" / "w.zip").symlink_to(tmp_path / "class" / "ada" / "w.zip")
    (tmp_path / "class" / "linked").symlink_to(tmp_path / "class" / "ada")
    (tmp_path / "list.txt").write_text("class/ada\nclass/emmy\nclass/kurt\n")

    def taken(source: Path) -> dict[str, dict[str, bytes]]:
        found = {}
        for hand_in in sources.read(source, scratch=tmp_path / "scratch").hand_ins:
            with contextlib.suppress(NotGradable):
                if not hand_in.problem:
                    read = read_submission(Path(hand_in.path), ["warmup"])
                    found[hand_in.id] = dict(read.files)
        return found

    wanted = {"ada": {"warmup.py": b"x = 1\n"}, "emmy": {"warmup.py": b"x = 2\n"}}
    for source in (tmp_path / "class", tmp_path / "list.txt"):
        assert taken(source) == wanted
    (tmp_path / "class" / "submission_metadata.yml").write_text(
        "".join(f"{n}:\n  :submitters:\n  - :name: {n}\n    :sid: s-{n}\n" for n in wanted)
    )
    exported = taken(tmp_path / "class")
    assert {name: exported[name] for name in wanted} == wanted


def test_one_file_is_no_class_and_nothing_to_unpack(tmp_path: Path) -> None:
    (tmp_path / "warmup.py").write_text("x = 1\n")
    with pytest.raises(UsageError, match="grade it alone: grade MODULE --submission"):
        sources.read(tmp_path / "warmup.py")


class Unsaid(zipfile.ZipInfo):
    """An entry whose name is UTF-8 without the flag that says so, as the Finder writes it."""

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:
        return self.filename.encode(), self.flag_bits & ~0x800


@pytest.mark.parametrize("around", ["", "down/"])
def test_names_in_utf_8_are_read_where_the_zip_does_not_say_so(tmp_path: Path, around: str) -> None:
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        name = f"{around}Kurt Gödel 王芳_7_assignsubmission_file_/warmup.py"
        archive.writestr(Unsaid(name), b"x = 1\n")
    found = sources.read(tmp_path / "s.zip", scratch=tmp_path / "scratch")
    assert found.kind == "moodle"
    assert [(h.students[0].id, h.students[0].name) for h in found.hand_ins] == [
        ("7", "Kurt Gödel 王芳")
    ]


def test_an_archive_that_cannot_be_opened_and_a_notebook_are_hand_ins(tmp_path: Path) -> None:
    work(tmp_path / "in" / "ada")
    for name in ("emmy.rar", "hedy.7z", "kurt.py.gz", "pat.ipynb", "notes.txt", "mary.py"):
        (tmp_path / "in" / name).write_bytes(b"something")
    found = sources.read(tmp_path / "in")
    assert [h.id for h in found.hand_ins] == ["ada", "emmy", "hedy", "kurt-py", "mary", "pat"]
    (line,) = found.warnings
    assert "notes.txt" in line
    told = {}
    for hand_in in found.hand_ins[1:]:
        with pytest.raises(NotGradable) as error:
            read_submission(Path(hand_in.path), ["warmup"])
        told[hand_in.id] = str(error.value)
    assert "named warmup.py" in told.pop("mary")
    assert all("expected a folder, a zip or a tar" in told[name] for name in ("emmy", "hedy"))


def test_what_a_download_has_lost_costs_nobody_a_point(tmp_path: Path) -> None:
    files = {
        "ada/warmup.py": b"payload one",
        "emmy/warmup.py": b"x = 1\n",
        "Kurt_1_assignsubmission_file_/warmup.py": b"x = 2\n",
    }
    data = zipped(files).replace(b"payload one", b"payload two")
    (tmp_path / "s.zip").write_bytes(data)
    found = sources.read(tmp_path / "s.zip", scratch=tmp_path / "scratch")
    problems = {h.id: h.problem for h in found.hand_ins}
    assert "warmup.py was left out: it is damaged in the download" in problems.pop("ada")
    assert set(problems.values()) == {""}
    (tmp_path / "s.zip").write_bytes(zipped(files))
    again = sources.read(tmp_path / "s.zip", scratch=tmp_path / "scratch")
    assert {h.problem for h in again.hand_ins} == {""}


def test_an_archive_of_a_class_that_cannot_be_unpacked_is_told_as_such(tmp_path: Path) -> None:
    whole = zipped({"ada/warmup.py": b"x = 1\n"})
    locked = whole.replace(b"PK\x03\x04\x14\x00\x00\x00", b"PK\x03\x04\x14\x00\x01\x00")
    locked = locked.replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")
    told = {"cut.zip": (whole[:60], "its end is missing"), "locked.zip": (locked, "is encrypted")}
    told["class.tar.gz"] = (b"\x1f\x8b", "Unpack this")
    for name, (data, said) in told.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError, match=said):
            sources.read(tmp_path / name, scratch=tmp_path / "scratch")


def test_an_anonymous_canvas_download_is_one_hand_in_for_each_letters(tmp_path: Path) -> None:
    folder = tmp_path / "submissions"
    folder.mkdir()
    for name in (
        "anon_Xk3b2_678_hw.zip",
        "LATE_anon_xK3b2_679_work.py",
        "LATE_anon_xK3b2_680_99_1_more.py",
        "anon_23456_LATE_681_hw.zip",
        "LATE_anonymous_Zz9yy_682_hw.zip",
        "LATE_anon_QQqqq_link.html",
    ):
        (folder / name).write_bytes(zipped({"warmup.py": b""}))
    found = sources.read(folder, scratch=tmp_path / "scratch")
    assert (found.kind, found.warnings) == ("canvas", ())
    by_name = {h.students[0].id: h for h in found.hand_ins}
    assert sorted(by_name) == [
        "anon_23456",
        "anon_QQqqq",
        "anon_Xk3b2",
        "anon_xK3b2",
        "anonymous_Zz9yy",
    ]
    assert len({h.id for h in found.hand_ins}) == 5
    late = ("Canvas marks it as late",)
    assert [name for name, h in sorted(by_name.items()) if h.notes == late] == [
        "anon_23456",
        "anon_QQqqq",
        "anon_xK3b2",
        "anonymous_Zz9yy",
    ]
    several = Path(by_name["anon_xK3b2"].path)
    assert sorted(p.name for p in several.iterdir()) == ["99_1_more.py", "work.py"]
    assert "no file was handed in" in by_name["anon_QQqqq"].problem
