"""The command that looks for similar code in a class: `grade similar MODULE SOURCE -o FILE`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from grader.cli.batch import read
from grader.cli.console import (
    COURSE,
    Progress,
    Within,
    check_outputs,
    complete_module,
    put,
    write_view,
)
from grader.errors import UsageError

if TYPE_CHECKING:
    from grader.batch.similar.found import Found
    from grader.batch.similar.stretches import Span

TOLD = 5  # pairs on the terminal
# From here on the class as a whole is so alike that it may have been given what this course has not.
SUSPICIOUS, FEW_PAIRS = 0.6, 10


@click.command("similar", short_help="Find hand-ins of a class whose code is alike.")
@click.argument("module", shell_complete=complete_module)
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--output", "-o", type=click.Path(), help="The page; - for standard output.")
@click.option(
    "--json",
    "json_to",
    type=click.Path(),
    metavar="FILE",
    help="Write it as JSON; - for standard output.",
)
@click.option(
    "--given",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="FOLDER",
    help="Code that everybody was given, beside the course's template; may be repeated.",
)
@click.option(
    "--before",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="SOURCE",
    help="Hand-ins of an earlier year to compare with, not with each other; may be repeated.",
)
@click.option(
    "--least",
    type=Within(0, 100),
    default=40,
    show_default=True,
    metavar="PERCENT",
    help="The share of like code from which a pair is listed.",
)
@click.option(
    "--most",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    metavar="N",
    help="How many pairs are listed.",
)
@click.option("--no-reference", is_flag=True, help="Do not compare with the answer key.")
@click.option(
    "--roster",
    "roster_csv",
    type=click.Path(path_type=Path),
    metavar="CSV",
    help="Who is in the course: who is who in SOURCE.",
)
@click.option(
    "--deadline",
    metavar="TIME",
    default="",
    help="Of repositories: compare the last commit before it, such as 2026-10-01T23:59+02:00.",
)
@COURSE
def similar(
    module: str,
    source: Path,
    output: str | None,
    json_to: str | None,
    given: tuple[Path, ...],
    before: tuple[Path, ...],
    least: float,
    most: int,
    no_reference: bool,
    roster_csv: Path | None,
    deadline: str,
    course_dir: Path | None,
) -> None:
    """Compares the hand-ins to MODULE in SOURCE, which may be all that `grade batch` takes, each with each.

    What everybody was given does not count. What is found is evidence for a person: no grade is changed, and the
    command ends with 0 whatever it is.

    \b
    grade similar module2 class/ -o similar.html
    grade similar module2 class/ --before last-year.zip -o similar.html
    """
    from grader.course import find_course

    wanted = {"output": output, "json": json_to}
    outputs = {name: to for name, to in wanted.items() if to is not None}
    if not outputs:
        raise UsageError("say what to write: -o similar.html, or --json similar.json")
    check_outputs(outputs)
    course = find_course(Path.cwd(), course_dir)

    from grader.batch.similar import works
    from grader.batch.similar.compare import compare
    from grader.batch.similar.found import found
    from grader.batch.similar.page import left_out, percent, render, too_little

    told = works.material(course, module, given)
    reader = works.Reader(told)
    progress = Progress()
    try:
        hand_ins = read(source, None, None, roster_csv, deadline, progress)
        earlier_years = [read(place, None, None, None, "", progress) for place in before]
    finally:
        progress.clear()
    all_works = reader.works(hand_ins)
    if not told.given:
        reader.notes.append("no template is here to be taken out. Name it: --given FOLDER")
    said = list(hand_ins.warnings)
    for earlier in earlier_years:
        said += earlier.warnings
        all_works += reader.works(earlier, "before")
    if not no_reference:
        all_works += reader.reference()
    came = found(compare(all_works, reader.given), least=least / 100, most=most)
    for line in (*said, *too_little(came), *reader.notes):
        click.echo(f"note: {line}", err=True)
    if output is not None:
        page = render(
            came,
            module,
            title=told.settings.title,
            course=course.settings.course,
            notes=reader.notes,
        )
        write_view(page, output)
    if json_to is not None:
        write_view(json.dumps(as_json(came, module, reader.notes), indent=2) + "\n", json_to)
    if "-" in outputs.values():
        return
    from grader.batch.names import shown
    from grader.report.text import count

    ours = sum(work.group == "class" for work in came.works) - len(came.too_little)
    groups = {work.group for work in came.works}
    others = [
        word
        for group, word in (("reference", "the reference"), ("before", "earlier years"))
        if group in groups
    ]
    beside = f", those with {' and '.join(others)} among them" if others else ""
    put(
        f"{count(ours, 'hand-in')} compared, {count(came.pairs, 'pair')} in the class; "
        f"{came.above} with {percent(came.least)} or more{beside}"
    )

    for alike in came.alike[:TOLD]:
        put(f"  {percent(alike.pair.share)}  {shown(alike.a.name)}, {shown(alike.b.name)}")
    if left_out(came):
        put(left_out(came))
    if came.median is not None and came.median >= SUSPICIOUS and came.pairs >= FEW_PAIRS:
        click.echo(
            f"note: the middle pair of the class shares {percent(came.median)}. Did they start from another template "
            "than this course's? Name it: --given FOLDER",
            err=True,
        )
    put(f"{', '.join(outputs.values())}: evidence for a person to look at, not a judgement")


def as_json(came: Found, module: str, notes: list[str]) -> dict[str, Any]:
    """What was found as plain data."""

    def span(place: Span, work: Any) -> dict[str, Any]:
        return {"file": work.files[place.file].name, "first": place.first, "last": place.last}

    return {
        "schema": "backcheck/similar/1",
        "module": module,
        "notes": notes,
        "works": [
            {
                "id": work.name,
                "group": work.group,
                "students": sorted(work.students),
                "own_tokens": own,
            }
            for work, own in zip(came.works, came.own, strict=True)
        ],
        "too_little": [work.name for work in came.too_little],
        "class": {"pairs": came.pairs, "median": came.median, "spread": list(came.spread)},
        "least": came.least,
        "pairs_from_least": came.above,
        "pairs_folded": came.folded,
        "pairs": [
            {
                "a": alike.a.name,
                "b": alike.b.name,
                "group_of_b": alike.b.group,
                "share": alike.pair.share,
                "share_of_a": alike.pair.share_a,
                "share_of_b": alike.pair.share_b,
                "tokens_of_a": alike.pair.tokens_a,
                "tokens_of_b": alike.pair.tokens_b,
                "seldom": alike.seldom,
                "rank": alike.rank,
                "stretches": [
                    {
                        "a": span(stretch.a, alike.a),
                        "b": span(stretch.b, alike.b),
                        "tokens": stretch.tokens,
                    }
                    for stretch in alike.stretches
                ],
            }
            for alike in came.alike
        ],
        "same_file": [
            {
                "file": one.name,
                "works": [work.name for work in one.works],
                "tokens": one.tokens,
                "exactly": one.exactly,
            }
            for one in came.shared
        ],
    }


COMMANDS = (similar,)
