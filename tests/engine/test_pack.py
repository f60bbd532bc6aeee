"""Packs: graded with no course beside them, the same verdicts, nothing in them that is not for their reader."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path

import msgspec
import pytest

from grader import bank, modes, pack, packfile
from grader.box import wire
from grader.course import Course, load_course
from grader.errors import UsageError
from grader.judge.grade import grade
from grader.model import Submission, Visibility
from grader.sandbox.process import ProcessSandbox

from .courses import CHECKS, FILES, REFERENCE, dedented, make_course, write

HIDDEN = CHECKS.replace(
    'function="total")', 'function="total", visibility="hidden", weight=2)'
).replace(', after=["total adds everything up"], weight=2', "")
QUESTIONS = (
    FILES["assignments/sums/questions.py"]
    + """

SECRET_TABLE = {"total": "a word that only the hidden question uses"}


def many(subject, function, values):
    "{function} adds everything up"
    assert_free = SECRET_TABLE[function]
    return subject.call(function, values) if assert_free else None
"""
)
WRONG = dedented(REFERENCE).replace("return x * x", "return 2 * x")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return make_course(
        tmp_path_factory.mktemp("course"),
        {
            "assignments/sums/checks.py": HIDDEN,
            "assignments/sums/questions.py": QUESTIONS,
            "assignments/sums/handout.md": "# Sums\n\nAdd things up.\n",
        },
    )


def made(course: Course, audience: str) -> bytes:
    return pack.make(course, bank.load(course, "sums"), audience)


def elsewhere(folder: Path, data: bytes, settings: str = "") -> Course:
    """A course that is nothing but that pack."""
    text = f"course: Tiny\nmodules: [sums]\nisolation: {{sandbox: process}}\n{settings}"
    return load_course(write(folder, {"grader.yaml": text, "packs/sums.pack": data}))


def verdicts(module: bank.Module, code: str) -> dict[str, tuple[str, float | None]]:
    box = ProcessSandbox()
    try:
        submission = Submission("s", "s", {"work.py": code.encode()}, "0" * 64)
        report = grade(module, submission, box, seed=1)
        return {v.title: (v.outcome.value, v.score) for v in report.checks}
    finally:
        box.close()


def test_a_grader_s_pack_gives_the_verdicts_of_the_course(course: Course, tmp_path: Path) -> None:
    there = elsewhere(tmp_path, made(course, "grader"))
    expected = verdicts(bank.load(course, "sums"), WRONG)
    assert {outcome for outcome, _ in expected.values()} == {"passed", "failed", "held"}
    assert verdicts(pack.ready(there, "sums"), WRONG) == expected


def test_a_student_s_pack_has_the_public_checks_at_the_points_they_are_worth(
    course: Course, tmp_path: Path
) -> None:
    module = pack.ready(elsewhere(tmp_path, made(course, "student")), "sums")
    expected = verdicts(bank.load(course, "sums"), WRONG)
    del expected["total adds everything up"]
    found = verdicts(module, WRONG)
    assert {t: o for t, (o, _) in found.items()} == {t: o for t, (o, _) in expected.items()}
    assert {t: s for t, (_, s) in found.items()} == pytest.approx(
        {t: s for t, (_, s) in expected.items()}
    )
    assert module.assignment.left_out == ("these are the public checks, worth 20 of 40 points",)


def test_a_report_on_public_checks_says_so_also_where_they_are_all(
    course: Course, tmp_path: Path
) -> None:
    """`All passed` says nothing of what else is looked at: who reads it is told what was asked."""
    whole = make_course(tmp_path / "c")
    student = elsewhere(tmp_path / "s", made(whole, "student"))
    assert pack.ready(student, "sums").assignment.left_out == (
        "these are the public checks, worth 40 of 40 points",
    )
    grader = elsewhere(tmp_path / "g", made(whole, "grader"))
    assert pack.ready(grader, "sums").assignment.left_out == ()


def unpacked(data: bytes) -> bytes:
    """All that a reader of a pack can find in it."""
    head = len(packfile.MAGIC) + 4
    (length,) = struct.unpack("<I", data[head - 4 : head])
    return data[: head + length] + zlib.decompress(data[head + length :])


def test_nobody_finds_in_a_pack_what_is_not_theirs(course: Course) -> None:
    student, whole = unpacked(made(course, "student")), unpacked(made(course, "grader"))
    assert b"adds everything up" in whole
    assert b"Add things up." in student
    for secret in (
        b"adds everything up",
        b"only the hidden question",
        b"SECRET_TABLE",
        b"def many",
    ):
        assert secret not in student
    for secret in (b"answer key", b"result += value", b"lists_of", b"reals("):
        assert secret not in student
        assert secret not in whole


def test_the_same_course_gives_the_same_bytes(course: Course) -> None:
    again = load_course(course.root)
    assert made(course, "student") == made(again, "student")
    assert made(course, "student") != made(course, "grader")


def test_limits_of_grader_yaml_hold_for_a_pack(course: Course, tmp_path: Path) -> None:
    there = elsewhere(tmp_path, made(course, "grader"), "limits: {sums: {run_seconds: 7}}\n")
    limits = pack.ready(there, "sums").assignment.limits
    assert limits.run_seconds == 7
    assert limits.check_seconds == 0.5


def changed_header(data: bytes, **changes: object) -> bytes:
    """A pack that was made with another header, so that its digest fits."""
    head = len(packfile.MAGIC) + 4
    (length,) = struct.unpack("<I", data[head - 4 : head])
    header = msgspec.json.decode(data[head : head + length], type=packfile.Header)
    return packfile.written(msgspec.structs.replace(header, **changes), data[head + length :])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda d: b"PK\x03\x04" + d,
            "this is no pack. Students get it again from the course's repository",
        ),
        (lambda d: b"", "this is no pack"),
        (lambda d: d[:-7], "does not fit its digest. Students get it again"),
        (lambda d: d[:-1] + bytes([d[-1] ^ 1]), "is damaged"),
        (lambda d: d[:40], "its header cannot be read"),
        (lambda d: d.replace(b"Sums", b"S\xffms"), "its header cannot be read"),
        (
            lambda d: packfile.MAGIC + packfile.LENGTH.pack(60_000) + b"[" * 60_000,
            "its header cannot be read",
        ),
        (lambda d: d.replace(b'"points":30.0', b'"points":90.0'), "is damaged: it does not fit"),
        (lambda d: d.replace(b'"by":"0', b'"by":"7'), "is damaged: it does not fit"),
        (
            lambda d: changed_header(d, format=3, by="9.1"),
            r"backcheck 9.1 made this pack in format 3, .* reads format 2. Install a newer",
        ),
        (
            lambda d: changed_header(d, format=1, by="0.0.1"),
            "reads format 2. Students get it again",
        ),
        (
            lambda d: changed_header(d, comparisons=["close", "nearly"], by="9.1"),
            "needs the comparison 'nearly', which .* made by backcheck 9.1",
        ),
        (lambda d: changed_header(d, bindings=["forward"]), "needs the binding 'forward'"),
        (lambda d: changed_header(d, module_digest="0" * 64), "its banks are stored as"),
        (lambda d: changed_header(d, module="other"), "is the pack of other, not of sums"),
        (
            lambda d: changed_header(d, settings={"title": 3}, by="9.1"),
            "its settings cannot be read: .* made by backcheck 9.1, .*: install that version",
        ),
    ],
)
def test_a_pack_that_cannot_be_used_says_why(
    change, said: str, course: Course, tmp_path: Path
) -> None:
    there = elsewhere(tmp_path, change(made(course, "grader")))
    with pytest.raises(UsageError, match=said) as refused:
        pack.ready(there, "sums")
    assert str(tmp_path / "packs" / "sums.pack") in str(refused.value)


def test_the_course_s_own_folder_comes_before_its_pack(course: Course, tmp_path: Path) -> None:
    shutil.copytree(course.root, tmp_path / "c")
    write(tmp_path / "c", {"packs/sums.pack": made(course, "student")})
    assert load_course(tmp_path / "c").pack("sums") is None


def test_a_hidden_check_is_not_named_by_what_comes_after_it(tmp_path: Path) -> None:
    checks = CHECKS.replace('function="total")', 'function="total", visibility="hidden")')
    course = make_course(tmp_path / "c", {"assignments/sums/checks.py": checks})
    assert b"total adds" not in unpacked(made(course, "student"))
    assert b"total adds" in unpacked(made(course, "grader"))
    there = elsewhere(tmp_path / "s", made(course, "student"))
    assert verdicts(pack.ready(there, "sums"), WRONG)["later gives the right number"][0] == "passed"


def test_questions_keep_what_is_added_to_what_they_use() -> None:
    source = dedented(
        """
        from __future__ import annotations

        from math import *

        TABLE = {}
        TABLE["a"] = 1.0
        TABLE.update(b=2.0)
        for letter in "cd":
            TABLE[letter] = 3.0
        OTHER = {}
        OTHER["word"] = 4.0

        # A form feed \f ends no line.
        if True:

            def scaled(x: Undefined):
                return floor(TABLE["d"] * x)


        def used(subject, x):
            "used"
            return scaled(x)
        """
    )
    namespace: dict[str, object] = {}
    exec(compile(pack.only(source, {"used"}), "questions", "exec", dont_inherit=True), namespace)
    assert namespace["TABLE"] == {"a": 1.0, "b": 2.0, "c": 3.0, "d": 3.0}
    assert namespace["used"](None, 2.5) == 7  # type: ignore[operator]
    assert "OTHER" not in namespace


def test_questions_keep_what_they_use_and_nothing_else() -> None:
    source = dedented(
        """
        import math
        import os

        SCALE = 2.0
        OTHER = 3.0


        def _scaled(x):
            return SCALE * x


        def used(subject, x):
            "used"
            return math.floor(_scaled(subject.call("f", x)))


        def unused(subject, x):
            "unused"
            return OTHER
        """
    )
    kept = pack.only(source, {"used"})
    namespace: dict[str, object] = {}
    exec(kept, namespace)
    assert {"math", "SCALE", "_scaled", "used"} <= set(namespace)
    assert not {"os", "OTHER", "unused"} & set(namespace)


def test_a_frame_in_a_pack_is_one_like_any_other() -> None:
    """The content is read by the codec that answers of students are read by: no pickle, no code."""
    with pytest.raises(wire.WireError):
        wire.decode(b"cos\nsystem\n(S'true'\ntR.")


def test_what_this_machine_cannot_ask_is_left_out_of_a_pack(
    course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pack may come from a machine that has more than this one."""
    module = bank.load(course, "sums")
    first, *rest = module.assignment.checks
    checks = (msgspec.structs.replace(first, mode="ptx"), *rest)
    assignment = msgspec.structs.replace(module.assignment, checks=checks)
    data = pack.make(course, msgspec.structs.replace(module, assignment=assignment), "grader")
    monkeypatch.setattr(modes, "has_compiler", lambda: False)
    found = pack.ready(elsewhere(tmp_path, data), "sums").assignment
    assert [c.title for c in found.checks] == [c.title for c in rest]
    (note,) = found.left_out
    assert note.startswith(f"not asked here: 1 {first.title}. That takes a CUDA compiler")
    secret = msgspec.structs.replace(checks[0], visibility=Visibility.HIDDEN)
    assignment = msgspec.structs.replace(assignment, checks=(secret, *rest))
    data = pack.make(course, msgspec.structs.replace(module, assignment=assignment), "grader")
    (note,) = pack.ready(elsewhere(tmp_path, data), "sums").assignment.left_out
    assert note.startswith("not asked here: 1 check not shown yet. That takes a CUDA compiler")
