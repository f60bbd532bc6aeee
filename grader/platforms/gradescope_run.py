"""One grading on Gradescope: what lies below /autograder goes in, `results/results.json` comes out.

A results file is there from the first moment and again after each check, so that whatever ends the run early (its
time, its memory) leaves what is known. Lateness is computed from the metadata, never from the clock. Nothing here
prints, and no fault is raised: it is told in the results.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import math
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from grader.bank import write_whole
from grader.course import load_course
from grader.errors import GraderError, NotGradable
from grader.intake import ARCHIVES, SKIPPED_FOLDERS, read_submission
from grader.model import Outcome, Report, Visibility
from grader.platforms.gradescope import Settings
from grader.report.gradescope import results
from grader.report.text import count, visible
from grader.setting import Progress, grade_one, load_banks, open_box
from grader.signals import heard
from grader.terms import Dates, Terms, settle

MARGIN = 60.0  # seconds of the allowed time that are left for starting, ending and the platform's own work
SHARE = 0.5  # of the allowed time that is for grading, however short it is
MOST_TOLD = 5  # names of checks in one line
NO_GRADE = "The 0 is not your grade yet. Submit again, or tell your instructor."
UNFINISHED = f"Grading did not finish: it ran out of time or of memory before the first check was done. {NO_GRADE}"

WITHOUT_LATE_DAYS = (
    "Late days are not counted here: your instructor does that over all modules together."
)


class OutOfTime(BaseException):
    """The time for grading is over. No Exception, so that no fault handler on the way keeps it."""


def run(root: Path, progress: Progress) -> None:
    """Grades `root/submission` with what lies in `root/source`, and leaves `root/results/results.json`."""
    target = root / "results" / "results.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    written(target, told(UNFINISHED, held=True))
    used: int | None = None
    try:
        for private in (root / "submission_metadata.json", target.parent):
            # An earlier attempt's results stand in them, what hidden checks said included.
            if private.exists():
                private.chmod(0o700 if private.is_dir() else 0o600)
        settings = msgspec.json.decode(
            (root / "source/gradescope.json").read_bytes(), type=Settings
        )
        metadata = read_metadata(root / "submission_metadata.json")
        kept = over_limit(metadata, settings.attempts)
        if kept is not None:
            written(target, kept)
            return
        used = attempts_used(metadata)
        written(target, told(UNFINISHED, held=True, used=used))
        graded(root, target, settings, metadata, progress)
    except NotGradable as error:
        # A command line is of no use there, and an upload is no folder.
        useless = "grade MODULE" in error.advice or error.advice.startswith("Name the folder")
        said = error.what if useless else str(error)
        said = said.replace(f"{root / 'submission'}: ", "")
        said = said.replace(f"{root / 'submission'}/", "")
        written(target, told(f"This upload cannot be graded: {visible(said)}", used=used))
    except GraderError as error:
        written(
            target,
            told(
                f"The grader is not set up rightly. Tell your instructor: {error}",
                held=True,
                used=used,
            ),
        )
    except Exception as error:
        said = f"The grader failed ({type(error).__name__}), through no fault of yours. Tell your instructor."
        written(target, told(said, held=True, used=used))


def graded(
    root: Path, target: Path, settings: Settings, metadata: dict[str, Any], progress: Progress
) -> None:
    """Grades, with the results written after each check. Ends early, with what is known, when time is over."""
    course = load_course(root / "source" / "course")
    terms = terms_for(settings, metadata)
    latest: list[Report] = []
    ended = ""

    def record(report: Report) -> dict[str, Any]:
        under = standing(report, terms, settings.module, metadata)
        # Where every check is shown, the standing tells it.
        due = due_of(terms, settings.module, metadata)
        lines = [] if under.standing and not hides(report) else late_lines(due, metadata)
        if under.standing and under.standing.late_seconds and terms and terms.late.tokens:
            lines.append(WITHOUT_LATE_DAYS)
        return sent(under, metadata, [ended, *lines] if ended else lines)

    def so_far(report: Report) -> None:
        latest[:] = [report]
        with contextlib.suppress(OSError):  # student code may have filled the disk
            written(target, record(report))

    box = None
    try:
        with ended_after(settings.minutes * 60):
            ready = load_banks(course, settings.module, None, progress)
            assignment = ready.assignment
            submission = read_submission(
                handed_in(root / "submission"), assignment.expects, assignment.also
            )
            box = open_box(None, course, ready, progress)
            latest[:] = [
                grade_one(
                    course,
                    ready,
                    submission,
                    box,
                    seed=None,
                    progress=progress,
                    so_far=so_far,
                    paced=settings.leaderboard,
                )
            ]
    except OutOfTime:
        allowed = f"{settings.minutes:g} minutes"
        if latest:
            ended = f"Grading had to end after {allowed}: what was not reached counts as 0."
        else:
            ended = f"Grading ended after {allowed}, before the first check was done. {NO_GRADE}"
    finally:
        if box is not None:
            box.close()  # which gives back what student code has filled
    used = attempts_used(metadata)
    written(target, record(latest[0]) if latest else told(ended, held=True, used=used))


def handed_in(folder: Path) -> Path:
    """What was uploaded: the folder, or the one archive in it."""
    found = [
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name not in SKIPPED_FOLDERS
    ]
    alone = found[0] if len(found) == 1 else folder
    return alone if alone.is_file() and alone.suffix.lower() in ARCHIVES else folder


@contextlib.contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """Raises OutOfTime in what is done here shortly before `seconds` are over, and where the process is told
    to end."""

    def over(number: int, frame: object) -> None:
        raise OutOfTime

    before = {number: signal.signal(number, over) for number in (signal.SIGALRM, signal.SIGTERM)}
    hook = sys.unraisablehook
    heard(signal.SIGALRM, over, OutOfTime)
    signal.setitimer(signal.ITIMER_REAL, max(seconds - MARGIN, seconds * SHARE))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


# The results


def written(target: Path, record: dict[str, Any]) -> None:
    """Writes the results whole."""
    write_whole(target, json.dumps(record, indent=2).encode())


def told(text: str, *, held: bool = False, used: int | None = None) -> dict[str, Any]:
    """Results without a test: a 0 and why. held: whether it is no grade; used: how many attempts were graded before,
    which this one does not add to."""
    extra: dict[str, Any] = {"held": held, "complete": False}
    if used is not None:
        extra["attempts"] = used
    return {"score": 0, "output": text, "output_format": "text", "extra_data": extra}


def sent(report: Report, metadata: dict[str, Any], lines: list[str]) -> dict[str, Any]:
    """The results of a report, with what is told beside it first."""
    record = results(report, whole=True)
    record["extra_data"]["attempts"] = attempts_used(metadata) + (report.score is not None)
    beside = [*lines, *since_last(report, metadata)]
    if beside:
        record["output"] = "\n".join([*beside, "", record["output"]])
    return record


# What Gradescope says of the submission: read leniently, its form may change


def read_metadata(path: Path) -> dict[str, Any]:
    """The submission's metadata; empty where they cannot be read."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = json.loads(
            path.read_bytes(), parse_float=finite, parse_int=whole, parse_constant=finite
        )
        if isinstance(found, dict):
            return found
    return {}


def finite(text: Any) -> float | None:
    """A number, or a text of one; None for what is none, or has no end: results.json may not hold it."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        value = float(text)
        return value if math.isfinite(value) else None
    return None


def whole(text: str) -> int | None:
    """A whole number; None for one that is larger than any float."""
    return int(text) if len(text) < 300 else None


def moment(text: Any) -> dt.datetime | None:
    """A time as Gradescope writes it; None for anything else, a time of no known zone, or one of no course."""
    with contextlib.suppress(TypeError, ValueError):
        found = dt.datetime.fromisoformat(text)
        return found if found.tzinfo is not None and 1970 < found.year < 9999 else None
    return None


def due_dates(metadata: dict[str, Any]) -> Dates:
    """The assignment's dates on Gradescope."""
    assignment = metadata.get("assignment")
    found = assignment if isinstance(assignment, dict) else {}
    return Dates(moment(found.get("due_date")), moment(found.get("late_due_date")))


def terms_for(settings: Settings, metadata: dict[str, Any]) -> Terms | None:
    """The terms in force, with Gradescope's dates where the course gives none; None where there are none."""
    if settings.terms is None or settings.module in settings.terms.dates:
        return settings.terms
    return msgspec.structs.replace(settings.terms, dates={settings.module: due_dates(metadata)})


def standing(report: Report, terms: Terms | None, module: str, metadata: dict[str, Any]) -> Report:
    """The report with what counts under the terms. What is held has no standing."""
    if terms is None or report.score is None:
        return report
    came = moment(metadata.get("created_at"))
    found = settle(
        report.score,
        report.max_score,
        terms=terms,
        module=module,
        received=came.isoformat() if came else "",
    )
    return msgspec.structs.replace(report, standing=found)


def hides(report: Report) -> bool:
    """Whether a check is not shown to students: then they are not told what counts either."""
    return any(verdict.visibility is not Visibility.VISIBLE for verdict in report.checks)


def due_of(terms: Terms | None, module: str, metadata: dict[str, Any]) -> dt.datetime | None:
    """The due date in force, or the one that Gradescope knows."""
    return (terms.dates[module] if terms else due_dates(metadata)).due


def late_lines(due: dt.datetime | None, metadata: dict[str, Any]) -> list[str]:
    """How late the work is, in one line; none where it is in time or that is not known."""
    came = moment(metadata.get("created_at"))
    if due is None or came is None or came <= due:
        return []
    minutes = int((came - due).total_seconds() // 60)
    hours, rest = divmod(minutes, 60)
    after = f"{count(hours, 'hour')} and {count(rest, 'minute')}"
    return [f"Handed in {after} after the due date ({due.isoformat(timespec='minutes')})."]


def earlier(metadata: dict[str, Any]) -> list[dict[str, Any]]:
    """The earlier submissions that were graded, the latest last. In which order they are listed is not documented."""
    found = metadata.get("previous_submissions")
    listed = found if isinstance(found, list) else []
    told = [one for one in listed if isinstance(one, dict) and not one.get("autograder_error")]
    times = [moment(one.get("submission_time")) for one in told]
    known = [time for time in times if time is not None]
    if len(known) < len(told):
        return told
    return [told[place] for place in sorted(range(len(told)), key=known.__getitem__)]


def attempts_used(metadata: dict[str, Any]) -> int:
    """How many earlier submissions were graded: as the last results say, else as many as are listed. An upload that
    held nothing to grade is none of them."""
    before = earlier(metadata)
    said = extra_of(before).get("attempts")
    return said if isinstance(said, int) and 0 <= said <= len(before) else len(before)


def extra_of(before: list[dict[str, Any]]) -> dict[str, Any]:
    """What the last results said for the next run; empty where there are none of ours."""
    last = before[-1].get("results") if before else None
    extra = last.get("extra_data") if isinstance(last, dict) else None
    return extra if isinstance(extra, dict) else {}


def over_limit(metadata: dict[str, Any], attempts: int) -> dict[str, Any] | None:
    """The last results once more, where no attempt is left; None where this one is graded."""
    if not attempts or attempts_used(metadata) < attempts:
        return None
    before = earlier(metadata)
    said = f"{count(attempts, 'attempt')} may be graded, and you have used all. Your last score stands."
    last = before[-1].get("results")
    if extra_of(before).get("held"):
        return None  # the last score is none, through no fault of the student
    if isinstance(last, dict) and understood(last):
        output = str(last.get("output", "")).removeprefix(f"{said}\n\n")
        return {**last, "output": f"{said}\n\n{output}"}
    return told(said) | {"score": finite(before[-1].get("score")) or 0}


def understood(last: dict[str, Any]) -> bool:
    """Whether results are such as this program writes, so that they may be sent once more."""
    tests = last.get("tests")
    return (
        isinstance(last.get("score"), (int, float))
        and isinstance(tests, list)
        and all(isinstance(test, dict) and isinstance(test.get("name"), str) for test in tests)
    )


def since_last(report: Report, metadata: dict[str, Any]) -> list[str]:
    """What is better and what is worse than at the last attempt, of the checks that students see."""
    before = earlier(metadata)
    last = before[-1].get("results") if before else None
    tests = last.get("tests") if isinstance(last, dict) else None
    known: dict[tuple[Any, Any], Any] = {}
    for test in tests if isinstance(tests, list) else []:
        extra = test.get("extra_data") if isinstance(test, dict) else None
        if isinstance(extra, dict):
            known[str(extra.get("task")), str(test.get("name"))] = extra.get("outcome")
    better, worse = [], []
    for verdict in report.checks:
        was = known.get((verdict.task, verdict.title))
        if was is None or verdict.visibility is not Visibility.VISIBLE:
            continue
        passed = verdict.outcome is Outcome.PASSED
        if passed and was != Outcome.PASSED.value:
            better.append(f"{verdict.task} {visible(verdict.title)}")
        elif not passed and was == Outcome.PASSED.value:
            worse.append(f"{verdict.task} {visible(verdict.title)}")
    return [
        f"{count(len(names), 'check')} {text}: {'; '.join(names[:MOST_TOLD])}{'; ...' * (len(names) > MOST_TOLD)}."
        for names, text in (
            (better, "better than last time"),
            (worse, "passed last time and not now"),
        )
        if names
    ]
