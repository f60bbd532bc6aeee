"""The command that grades many submissions: `grade batch MODULE SOURCE --out DIR`."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import shlex
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from grader.cli.console import (
    COLOUR,
    COURSE,
    Progress,
    Within,
    columns,
    complete_module,
    fitting,
    put,
    terminal_width,
)
from grader.errors import OutputFault, UsageError
from grader.setting import load_banks

if TYPE_CHECKING:
    from grader.bank import Module
    from grader.batch.cluster import Cluster
    from grader.batch.model import Class, HandIn, Row
    from grader.batch.roster import Roster
    from grader.batch.run import Done, Options
    from grader.course import Course
    from grader.terms import Standing, Terms

PLAIN_SECONDS = 30.0  # between two lines where there is no terminal
MOST_LINES = 16  # jobs that are shown at work at once
RECENT = 10  # of the latest, by whose pace it is told how long the others take
LOOK_SECONDS = 3.0  # between two looks at a source that is watched


@click.command("batch", short_help="Grade a whole class.")
@click.argument("module", shell_complete=complete_module)
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    help="The folder for the gradebook and the reports; made where it is not there.",
)
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(1),
    help="How many at once (default: by cores and memory, or by the threads of the cluster).",
)
@click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Grade on the workers of a Dask cluster: its scheduler's address, tcp://HOST:PORT, or file.",
)
@click.option("--resume", is_flag=True, help="Go on with a batch: --out must hold its gradebook.")
@click.option("--force", is_flag=True, help="Grade again what is known already.")
@click.option("--detect", is_flag=True, help="Say what SOURCE is taken for, and grade nothing.")
@click.option("--dry-run", is_flag=True, help="Say what would be graded, and write nothing.")
@click.option(
    "--preview",
    is_flag=True,
    help="Say who would gain and who would lose, in DIR/preview, and change nothing else.",
)
@click.option("--watch", is_flag=True, help="Stay, and grade what comes or changes, until Ctrl-C.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the summary (or what --detect and --dry-run say) as JSON; with --watch a line for it, and one for "
    "each that lands.",
)
@click.option(
    "--fail-under",
    type=Within(0, 100),
    metavar="PERCENT",
    help="End with 1 when a submission has less of the points than this, or cannot be graded.",
)
@click.option(
    "--roster",
    "roster_csv",
    type=click.Path(path_type=Path),
    metavar="CSV",
    help="Who is in the course: who is who in SOURCE, and who is missing.",
)
@click.option(
    "--deadline",
    metavar="TIME",
    default="",
    help="Of repositories: grade the last commit before it, such as 2026-10-01T23:59+02:00.",
)
@click.option("--sandbox", type=click.Choice(["auto", "docker", "jail", "process"]))
@click.option("--seed", type=int, help="Draw other cases than the course's.")
@COURSE
@COLOUR
def batch(
    module: str,
    source: Path,
    out: Path | None,
    jobs: int | None,
    cluster: str | None,
    resume: bool,
    force: bool,
    detect: bool,
    dry_run: bool,
    preview: bool,
    watch: bool,
    as_json: bool,
    fail_under: float | None,
    roster_csv: Path | None,
    deadline: str,
    sandbox: str | None,
    seed: int | None,
    course_dir: Path | None,
    color: str,
) -> None:
    """Grades every submission to MODULE in SOURCE: a folder of them, a file that lists them, clones, or what
    Gradescope, Canvas or Moodle lets a teacher download.

    Below DIR stand gradebook.sqlite, index.html (the page of the class) and reports/MODULE/ID.html and .json. What
    was graded before is not graded again: the same command goes on where it was ended.
    """
    from grader.course import find_course, load_terms

    if out is not None:
        check_apart(out, source)
    progress = Progress(color)
    scratch = None if detect or dry_run else out
    try:
        found = read(source, scratch, out, roster_csv, deadline, progress)
    finally:
        progress.clear()
    for line in found.warnings:
        click.echo(f"note: {line}", err=True)
    if watch and preview:
        raise UsageError("--watch: a preview is of what is there now. Leave one of the two out")
    if watch and found.kind not in ("folder", "list"):
        raise UsageError(
            f"--watch: only a folder or a list of paths can be watched: {found.detail}"
        )
    if detect:
        put(detected_json(found) if as_json else "\n".join(detected(found)))
        return
    if out is None:
        raise UsageError("--out: name a folder for the gradebook and the reports: --out results")
    book_path = out / "gradebook.sqlite"
    for asked, name in ((resume, "--resume"), (preview, "--preview")):
        if asked and not book_path.is_file():
            without = "to go on with" if resume else "to compare with"
            raise UsageError(
                f"{name}: there is no {book_path} {without}. Begin without {name}, or name another --out"
            )
    course = find_course(Path.cwd(), course_dir)
    terms = load_terms(course)
    if cluster is not None and not dry_run:
        joined = click.get_current_context().with_resource(join(cluster, jobs))
    else:
        joined = None
    try:
        ready = load_banks(course, module, seed, progress)
    finally:
        progress.clear()
    if dry_run:
        plan = planned(course, ready, found, book_path, seed=seed, force=force)
        put(plan_json(module, plan) if as_json else "\n".join(plan_lines(plan)))
        return

    from grader.batch import roster, run, summary
    from grader.batch.book import Book
    from grader.batch.diff import compare, frame
    from grader.batch.scratch import swept_files
    from grader.cli.gradebook import counted, diff_json, diff_lines, write_page

    limits = ready.assignment.limits
    options = run.Options(
        jobs=run.jobs_for(limits, jobs),
        patience=run.patience(limits),
        sandbox=sandbox,
        seed=seed,
        force=force,
    )
    if joined is not None:
        joined.prepare(course, ready, options)
    make_folder(out)
    aside = out / "preview"
    place = aside if preview else out
    before: list[Row] = []
    if preview:
        with Book(book_path) as book:
            make_folder(aside)
            before = book.rows(module)
            book.copy(aside / "gradebook.sqlite")
    with Book(place / "gradebook.sqlite") as book:
        if not preview and (aside / "gradebook.sqlite").is_file():
            book.adopt(aside / "gradebook.sqlite")
        swept_files(place)
        people = roster.read(roster_csv) if roster_csv else None
        reports = run.Reports(place / "reports", terms, run.rows_of(book, people), people)
        had = {name for (of, name), row in reports.rows.items() if of == module and row.report}
        dealt: list[Done] = []
        for line in other_people(
            found, [row for row in reports.rows.values() if row.module == module], people
        ):
            click.echo(f"note: {line}", err=True)

        def once(hand_ins: Sequence[HandIn]) -> summary.Summary:
            first, start = len(dealt), time.monotonic()
            with display(len(hand_ins), module, where(options, joined), color) as screen:
                screen.tell = dealt.append
                run.run(course, ready, hand_ins, book, reports, options, screen, joined)
            reports.people = roster.read(roster_csv) if roster_csv else None
            run.bring_up_to_date(reports, course, book, module)
            came = summary.summary(module, dealt[first:], time.monotonic() - start)
            rows = counted(book, module, course.root, raw=False, roster=reports.people, told=True)
            page = str(place / "index.html")
            write_page(rows, module, reports.people, place, page, summary.pace(came))
            return came

        seen = {hand_in.id: marks(hand_in) for hand_in in found.hand_ins} if watch else {}
        try:
            came = once(found.hand_ins)
            kept = book.rows(module)
            told = left_behind(found, kept, module, terms)
            for line in (*told, *beyond(found, kept, module, terms, deadline)):
                click.echo(f"note: {line}", err=True)
            lost = [
                d.hand_in.id for d in dealt if d.kind == run.NOT_GRADABLE and d.hand_in.id in had
            ]
            if lost:
                click.echo(
                    f"note: graded before, and not gradable now: {some(lost)}. Once it lies there as "
                    "before, its grade counts again",
                    err=True,
                )
            away = [done.hand_in.id for done in dealt if done.kind == run.AWAY]
            if away:
                click.echo(
                    f"note: not there now, and kept as graded before: {some(away)}", err=True
                )
            if preview:
                after = book.rows(module)
                changes, around = compare(before, after), frame(before, after)
                if as_json:
                    put(json.dumps(diff_json(module, changes, around), indent=2))
                else:
                    many = len({row.hand_in.id for row in after})
                    put("\n".join(diff_lines(changes, around, many)))
                click.echo(
                    f"{out} is as it was; the new reports are in {aside}. Without --preview they count",
                    err=True,
                )
            else:
                lines = [
                    *summary.lines(came, terms=reports.has_terms),
                    str(place / "index.html"),
                ]
                put(json_of(came, one_line=watch) if as_json else "\n".join(lines))
                forget(aside, module)
            if watch:

                def tell(done: Done) -> None:
                    standing = reports.standing(module, done.hand_in) if reports.has_terms else None
                    put(landed(done, standing, as_json=as_json))

                keep_watching(
                    source,
                    lambda: read(source, out, out, roster_csv, deadline),
                    seen,
                    once,
                    dealt,
                    tell,
                )
        except KeyboardInterrupt:
            many = len({done.hand_in.id for done in dealt})
            total = max(many, len(found.hand_ins))  # while it watches, more come
            click.echo(interrupted(many, total, place / "gradebook.sqlite"), err=True)
            raise
    if any(done.kind == run.HELD for done in dealt):
        raise SystemExit(4)
    if fail_under is not None and any(below(done, fail_under) for done in dealt):
        raise SystemExit(1)


def forget(aside: Path, module: str) -> None:
    """Removes the preview of a module, whose gradings were taken over. Another module's stays for who asked for it."""
    own = aside / "reports" / module
    others = [path for path in aside.glob("reports/*") if path != own]
    shutil.rmtree(own if others else aside, ignore_errors=True)


def join(address: str, jobs: int | None) -> Cluster:
    """The cluster whose scheduler is there. Raises UsageError where it does not answer, or Dask is missing."""
    try:
        from grader.batch.cluster import Cluster
    except ImportError as error:
        raise UsageError(
            f"--cluster needs Dask, which is not installed here ({error}): pip install 'backcheck[cluster]'"
        ) from error
    return Cluster(address, most=jobs)


def read(
    source: Path,
    out: Path | None,
    leave_out: Path | None,
    roster_csv: Path | None,
    deadline: str,
    progress: Progress | None = None,
) -> Class:
    """What a source holds, with the roster's students. What has to be unpacked or fetched goes below `out`,
    and where nothing may stay, to a folder that goes away with the command."""
    import tempfile

    from grader.batch import roster, sources
    from grader.terms import moment

    try:
        moment(deadline)
    except UsageError as error:
        raise UsageError(
            f"--deadline: {deadline!r} is no time with an offset. Write it like 2026-10-01T23:59+02:00"
        ) from error
    people = roster.read(roster_csv) if roster_csv else None
    if out is None:
        passing = tempfile.TemporaryDirectory(prefix="backcheck-")
        scratch = Path(click.get_current_context().with_resource(passing))
    else:
        scratch = out / "sources"
    found = sources.read(
        source, leave_out=leave_out, scratch=scratch, deadline=deadline, progress=progress
    )
    return roster.joined(found, people) if people else found


def check_apart(out: Path, source: Path) -> None:
    """Raises UsageError where the results would lie among the hand-ins as one of them, or in one of them; or in a
    folder called `-`, which elsewhere is standard output."""
    if str(out) == "-":
        raise UsageError("--out -: the results are a folder, and not for standard output. Name one")
    here, there = out.resolve(), source.resolve()
    if not there.is_dir():
        return
    try:
        inside = {path.name for path in here.iterdir()} if here.is_dir() else set()
        # A batch that was ended at once has unpacked `sources`, and no more.
        taken = here.parent == there and "gradebook.sqlite" not in inside and inside - {"sources"}
        if here == there or taken:
            what = "the folder of submissions" if here == there else "one of the submissions"
            raise UsageError(
                f"--out {out}: this is {what}. Name a folder of its own, such as {source / 'results'}"
            )
    except OSError:
        return  # which is said where it is written


def make_folder(out: Path) -> None:
    """Makes the folder for the results. Raises UsageError for what cannot be one."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: this is a file. Name a folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFault(f"--out {out}: cannot be made: {error.strerror}") from error


def detected(found: Class) -> list[str]:
    """What a source is taken for, one line for each hand-in."""
    from grader.batch.names import shown

    lines = [f"{found.kind}: {found.detail}"]
    for hand_in in found.hand_ins:
        who = ", ".join(shown(student.name or student.id) for student in hand_in.students)
        said = f" ({hand_in.problem})" if hand_in.problem else ""
        lines.append(f"  {hand_in.id}: {who}: {shown(hand_in.path)}{said}")
    lines += [f"  no hand-in of {shown(student.name or student.id)}" for student in found.absent]
    return lines


def detected_json(found: Class) -> str:
    """The same for a program."""
    import msgspec

    return json.dumps({"schema": "backcheck/class/1", **msgspec.to_builtins(found)}, indent=2)


WOULD = "would be graded"


def planned(
    course: Course, ready: Module, found: Class, book_path: Path, *, seed: int | None, force: bool
) -> list[tuple[str, str, str]]:
    """What a batch would do with each hand-in: its id, what, and why it cannot be graded. Takes each one in, and runs
    nothing of it."""
    from grader.batch.job import take_in
    from grader.batch.run import protected
    from grader.cli.gradebook import opened

    plan = []
    graded: set[str] = set()
    with contextlib.ExitStack() as stack:
        book = stack.enter_context(opened(book_path)) if book_path.is_file() else None
        for hand_in in found.hand_ins:
            why = hand_in.problem
            if not why:
                taken, said = take_in(course, ready, Path(hand_in.path), seed)
                why = said.text if taken is None else ""
            away = why != "" and not os.path.lexists(hand_in.path)
            if away and book is not None and book.kept_of(ready.assignment.name, hand_in):
                plan.append((hand_in.id, "not there now, and kept as graded before", ""))
                continue
            if why:
                plan.append((hand_in.id, "cannot be graded", why))
                continue
            key = said.text
            if key in graded:
                plan.append((hand_in.id, "the same as another", ""))
            elif book is not None and not force and protected(book.known(key), course):
                plan.append((hand_in.id, "known already", ""))
            else:
                graded.add(key)
                plan.append((hand_in.id, WOULD, ""))
    return plan


def plan_lines(plan: Sequence[tuple[str, str, str]]) -> list[str]:
    """The plan for a person."""
    from grader.batch.names import shown

    many = sum(what == WOULD for _, what, _ in plan)
    lines = [f"  {name}: {what}{f': {shown(why)}' if why else ''}" for name, what, why in plan]
    return [f"{many} of {len(plan)} {WOULD}", *lines]


def plan_json(module: str, plan: Sequence[tuple[str, str, str]]) -> str:
    """The plan for a program."""
    about = [{"hand_in": name, "plan": what, "problem": why} for name, what, why in plan]
    return json.dumps({"schema": "backcheck/plan/1", "module": module, "hand_ins": about}, indent=2)


def some(names: Sequence[str]) -> str:
    """The first of some names."""
    from grader.batch.names import shown

    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(map(shown, names[:5])) + more


def other_people(found: Class, rows: Sequence[Row], people: Roster | None = None) -> list[str]:
    """Whose name another student has in the gradebook, who lies elsewhere: two people of one name in two sources. Whom
    the roster knows by what the gradebook holds is no other one, as where it was not given at first."""
    import msgspec

    from grader.batch import roster
    from grader.batch.names import shown

    held = {row.hand_in.id: row.hand_in for row in rows if row.report is not None}
    if people is not None:
        known = roster.joined(msgspec.structs.replace(found, hand_ins=tuple(held.values())), people)
        joined = {hand_in.id: hand_in for hand_in in known.hand_ins}
    else:
        joined = held
    others = []
    for hand_in in found.hand_ins:
        before = held.get(hand_in.id)
        if before is None or before.path == hand_in.path:
            continue
        was, now = ({s.id for s in one.students} for one in (before, hand_in))
        if was and now and not now & (was | {s.id for s in joined[hand_in.id].students}):
            others.append((hand_in.id, some(sorted(was)), some(sorted(now))))
    if not others:
        return []
    name, theirs, ours = others[0]
    lines = [
        f"{shown(name)}: in the gradebook this is {theirs}, and here {ours}, who takes that place. If these are two "
        "people, give each source an --out of its own"
    ]
    if len(others) > 1:
        lines.append(f"the same is so of {some([name for name, _, _ in others[1:]])}")
    return lines


def left_behind(found: Class, rows: Sequence[Row], module: str, terms: Terms) -> list[str]:
    """What the gradebook still holds and the source does not, and with whom something was agreed that is nobody here:
    somebody may have another name now, or an id may be misspelt."""
    from grader.batch.grades import uneven

    lines = []
    here = {hand_in.id for hand_in in found.hand_ins}
    gone = [row.hand_in.id for row in rows if row.hand_in.id not in here]
    if gone:
        lines.append(f"not in this source, and kept as graded before: {some(gone)}")
    if said := uneven(rows):
        lines.append(said)
    people = {student.id for row in rows for student in row.hand_in.students or ()}
    people |= {student.id for student in found.absent}
    agreed = [
        student
        for told in (terms.extensions, terms.adjustments)
        for student, modules in told.items()
        if module in modules and student not in people
    ]
    if agreed:
        lines.append(
            f"students.yaml: nobody here has the id {some(sorted(set(agreed)))}, so what was agreed for {module} "
            "does nothing yet"
        )
    scored = {
        student.id
        for row in rows
        if row.report is not None and row.report.score is not None
        for student in row.hand_in.students
    }
    unscored = [
        student
        for student, modules in terms.adjustments.items()
        if module in modules and student in people - scored
    ]
    if unscored:
        lines.append(
            f"students.yaml: without a score in {module}, so that what is adjusted does nothing yet: {some(unscored)}"
        )
    return lines


def beyond(
    found: Class, rows: Sequence[Row], module: str, terms: Terms, deadline: str
) -> list[str]:
    """Where the source shows other work than the terms go by: commits after the last date, or none of those that an
    extension allows, and attempts after those that may count."""
    from grader.terms import dates_for, moment

    lines = []
    if found.kind == "git":
        late, cut = [], []
        until = moment(deadline)
        # Where lateness costs what it costs, with no end, work that comes late is work as it was meant.
        own = terms.dates.get(module)
        ending = own is not None and own.late_due is not None
        charged = bool(terms.late.percent_per_day)
        open_ended = charged and (not ending or terms.late.after_late_due == "accept")
        grace = dt.timedelta(minutes=terms.late.grace_minutes)
        for hand_in in found.hand_ins:
            last = [dates_for(terms, module, s.id) for s in hand_in.students]
            ends = [end for dates in last if (end := dates.late_due or dates.due) is not None]
            when = moment(hand_in.received)
            if until is None and not open_ended and when and ends and when > max(ends) + grace:
                late.append(hand_in.id)
            extended = any(module in terms.extensions.get(s.id, {}) for s in hand_in.students)
            if until is not None and extended and ends and max(ends) > until:
                cut.append(f"{hand_in.id} (until {max(ends).isoformat(timespec='minutes')})")
        if cut:
            lines.append(
                f"--deadline leaves out what an extension allows: {some(cut)}. Write the address of that repository, such "
                "as file:///clones/ada, into a file, and grade that with --deadline as it is for them"
            )
        if late:
            whole = (own.late_due or own.due) if own is not None else None
            at = f" {(whole + grace).isoformat(timespec='minutes')}" if whole else ""
            lines.append(
                f"the last commit is after the last date of {some(late)}: --deadline{at} grades what was there then"
            )
    # Of the systems Gradescope alone says which attempt it is; a number in a file's name may be the student's own.
    limit = terms.attempts.limit if found.kind == "gradescope" else 0
    mine: dict[str, int] = {}
    for row in rows:
        for student in row.hand_in.students:
            mine[student.id] = mine.get(student.id, 0) + 1
    over = [
        row.hand_in.id
        for row in rows
        if limit
        and row.hand_in.attempt > limit
        and all(mine[student.id] <= limit for student in row.hand_in.students)
    ]
    if over:
        lines.append(
            f"only the first {limit} attempts may count, and these are later ones of which the source does not hold the "
            f"earlier: {some(over)}. They are counted as what there is"
        )
    return lines


def keep_watching(
    source: Path,
    look: Callable[[], Class],
    seen: dict[str, frozenset[tuple[str, int, int]]],
    once: Any,
    dealt: list[Done],
    tell: Callable[[Done], None],
) -> None:
    """Looks at the source again and again, and grades what has come or changed once it is at rest; `tell` is told of each.

    seen: the marks of what was graded, from before that began. What is not there any more, as when a disk is away for
    a moment, keeps what was graded.
    """
    graded = dict(seen)
    before = dict(seen)
    click.echo(f"watching {source}; Ctrl-C ends it", err=True)
    while True:
        time.sleep(LOOK_SECONDS)
        try:
            found = look()
        except UsageError:  # a source may be away for a moment
            continue
        there = [hand_in for hand_in in found.hand_ins if os.path.lexists(hand_in.path)]
        now = {hand_in.id: marks(hand_in) for hand_in in there}
        # What is still being copied differs from one look to the next.
        at_rest = [
            hand_in
            for hand_in in there
            if now[hand_in.id] != graded.get(hand_in.id)
            and now[hand_in.id] == before.get(hand_in.id)
        ]
        before = now
        if not at_rest:
            continue
        first = len(dealt)
        once(at_rest)
        graded |= {hand_in.id: now[hand_in.id] for hand_in in at_rest}
        for done in dealt[first:]:
            tell(done)


def landed(done: Done, standing: Standing | None, *, as_json: bool) -> str:
    """A line on a hand-in that was graded while its source is watched. standing: what counts under the terms, None
    without any."""
    from grader.batch import run
    from grader.batch.names import shown
    from grader.report.text import points

    report = done.report
    if as_json:
        about = {
            "schema": "backcheck/landed/1",
            "hand_in": done.hand_in.id,
            "kind": done.kind,
            "score": report.score if report else None,
            "max_score": report.max_score if report else None,
            "counts": standing.score if standing else None,
            "problem": done.problem,
        }
        return json.dumps(about)
    if done.kind in (run.NOW, run.KNOWN) and report is not None:
        counts = (
            f", of which {points(standing.score)} count"
            if standing and standing.score != report.score
            else ""
        )
        return f"{done.hand_in.id}: {points(report.score)}/{points(report.max_score)}{counts}"
    return f"{done.hand_in.id}: {done.kind}: {shown(done.problem)}"


def marks(hand_in: HandIn) -> frozenset[tuple[str, int, int]]:
    """What changes when a hand-in does: its files with their sizes and times."""
    seen = set()
    # Folders that lie a thousand deep are refused where they are taken in.
    with contextlib.suppress(RecursionError):
        for folder, _, names in os.walk(hand_in.path):
            for name in names:
                with contextlib.suppress(OSError):
                    at = os.stat(os.path.join(folder, name))
                    seen.add((os.path.join(folder, name), at.st_size, at.st_mtime_ns))
    with contextlib.suppress(OSError):
        at = os.stat(hand_in.path)
        seen.add(("", at.st_size, at.st_mtime_ns))
    return frozenset(seen)


def json_of(found: Any, *, one_line: bool = False) -> str:
    """The summary as JSON."""
    import msgspec

    data = msgspec.json.encode(found)
    return (data if one_line else msgspec.json.format(data, indent=2)).decode()


def below(done: Done, percent: float) -> bool:
    """Whether a hand-in has less than so much of the points; one that cannot be graded has none."""
    if done.report is None or done.report.score is None:
        return True
    return 100 * done.report.score < percent * done.report.max_score


def interrupted(dealt: int, total: int, book_path: Path) -> str:
    """What to say when a batch is ended early: what is kept, and how to go on."""
    words = [word for word in sys.argv[1:] if word != "--resume"]
    again = shlex.join(["grade", *words, "--resume"])
    return f"\n{dealt} of {total} are done and kept in {book_path}. Go on with:\n  {again}"


# Progress


class Plain:
    """Few lines on standard error, for where there is no terminal."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.began = self.last = time.monotonic()
        # When the latest were done: what was known already went by at once, and says nothing of what is left.
        self.recent = deque([self.began], maxlen=RECENT + 1)
        self.counts: dict[str, int] = {}
        self.faulty = 0
        self.doing: dict[int, tuple[str, str]] = {}
        self.lacking = ""
        self.tell: Any = None

    @property
    def finished(self) -> int:
        return sum(self.counts.values())

    def step(self, job: int, hand_in: HandIn | None, text: str) -> None:
        self.doing[job] = (hand_in.id, text) if hand_in is not None else ("", "")

    def note(self, text: str) -> None:
        self.lacking = text
        if text:
            click.echo(text, err=True)

    def done(self, done: Done) -> None:
        self.tell(done)
        self.recent.append(time.monotonic())
        self.counts[done.kind] = self.counts.get(done.kind, 0) + 1
        report = done.report
        if report is not None and report.score is not None:
            self.faulty += report.score < report.max_score
        if time.monotonic() - self.last > PLAIN_SECONDS:
            self.last = time.monotonic()
            click.echo(self.line(), err=True)

    def line(self, *, short: bool = False) -> str:
        """`12 of 20 done, 5 with faults, 1 held: 24 per minute, about 20 s left`; short: how far, and how long yet."""
        told = [f"{self.finished} of {self.total} done"]
        told += [f"{self.faulty} with faults"] if self.faulty else []
        told += [f"{self.counts[kind]} {kind}" for kind in sorted(self.counts) if kind != "graded"]
        seconds = time.monotonic() - self.began
        graded = self.counts.get("graded", 0)
        if not graded:
            return ", ".join(told)
        each = (time.monotonic() - self.recent[0]) / max(len(self.recent) - 1, 1)
        left = each * (self.total - self.finished)
        clock = f"{left / 60:.0f} min" if left > 90 else f"{left:.0f} s"
        if short:
            held = [f"{self.counts['held']} held"] if self.counts.get("held") else []
            return f"{', '.join([told[0], *held])}: about {clock} left"
        return f"{', '.join(told)}: {60 * graded / seconds:.1f} per minute, about {clock} left"


class Live(Plain):
    """A few lines that are drawn again and again: what each job does, and how far all of it is."""

    def __rich__(self) -> Any:
        from rich.text import Text

        width = terminal_width() - 1
        lines = [
            self._at_work(name, text, width) if name else "-"
            for _, (name, text) in sorted(self.doing.items())
        ]
        # What does not fit into the terminal would take the last line with it, which tells how far all of it is.
        most = max(1, min(MOST_LINES, shutil.get_terminal_size((80, 24)).lines - 4))
        if len(lines) > most:
            lines = [line for line in lines if line != "-"][:most]
        lines += [fitting(self.lacking, width)] if self.lacking else []
        last = self.line() if columns(self.line()) <= width else self.line(short=True)
        return Text("\n".join([*lines, fitting(last, width)]))

    def _at_work(self, name: str, text: str, width: int) -> str:
        """What a job does; a long name leaves it half of the line."""
        room = max(width // 2, width - 2 - columns(text))
        return fitting(f"{fitting(name, room)}  {text}", width)

    def note(self, text: str) -> None:
        self.lacking = text


def where(options: Options, cluster: Cluster | None) -> str:
    """What a batch is graded with, in words."""
    if cluster is not None:
        return f"on {cluster.address}"
    return f"with {options.jobs} {'job' if options.jobs == 1 else 'jobs'}"


@contextlib.contextmanager
def display(total: int, module: str, where: str, color: str) -> Iterator[Plain]:
    """The progress of a batch on standard error: live on a terminal, else a few lines."""
    what = "submission" if total == 1 else "submissions"
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        click.echo(f"grading {total} {what} of {module} {where}", err=True)
        yield Plain(total)
        return
    from rich.console import Console
    from rich.live import Live as Drawn

    screen = Live(total)
    console = Console(stderr=True, no_color=color == "never")
    with Drawn(screen, console=console, refresh_per_second=4, transient=True):
        yield screen


COMMANDS = (batch,)
