"""A Gradescope export: one folder for each submission, and `submission_metadata.yml` beside them.

No official page tells the format: what is not as expected is passed over, and never an error.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import yaml

from grader.batch.entries import Entry, Source, folder_names, hand_ins, refusals
from grader.batch.lms import opened
from grader.batch.model import Class, Student
from grader.batch.names import shown
from grader.errors import UsageError

METADATA = ("submission_metadata.yml", "submission_metadata.yaml")
MAX_METADATA = 512 << 20

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in C is ten times faster


class _Lenient(_Loader):  # type: ignore[misc]
    """Reads the objects of Ruby as the plain maps, lists and texts that they are written as."""


def _plain(loader: Any, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


_Lenient.add_multi_constructor("!", _plain)
_Lenient.add_multi_constructor("tag:yaml.org,2002:value", _plain)  # a name that is `=`


def gradescope(source: Source) -> Class | None:
    """The submissions that the metadata names, and the folders that it does not."""
    if not source.path.is_dir():
        return None
    found = [source.path / name for name in METADATA if (source.path / name).is_file()]
    if not found:
        return None
    told = _metadata(found[0])
    entries: list[Entry] = []
    warnings: list[str] = []
    for name, about in told.items():
        path = source.path / name
        if "/" in name or name in ("", ".", ".."):
            warnings.append(f"left out: {shown(name)} in {found[0].name} is no name of a folder")
            continue
        notes, problem = refusals(source, path)
        path, beside = opened(path)
        notes += beside
        if not path.exists():
            problem = problem or f"{found[0].name} names this submission, and its folder is missing"
        entries.append(
            Entry(
                name,
                _submitters(about.get("submitters"), name),
                path,
                received(about.get("created_at")),
                attempt=_attempt(about),
                notes=notes,
                problem=problem,
            )
        )
    for other in folder_names(source.path):
        if other.is_dir() and other.name not in told:
            warnings.append(
                f"{shown(other.name)} is not in {found[0].name}: nobody is known for it"
            )
            path, beside = opened(Path(other.path))
            entries.append(Entry(other.name, (), path, notes=beside))
    taken = hand_ins(entries)
    return Class(
        "gradescope", f"{len(taken)} submissions of a Gradescope export", taken, (), tuple(warnings)
    )


def _metadata(path: Path) -> dict[str, dict[str, Any]]:
    if path.stat().st_size > MAX_METADATA:
        raise UsageError(f"{path}: larger than {MAX_METADATA >> 20} MiB. Is it the right file?")
    try:
        with path.open("rb") as file:
            read = _Lenient(file).get_single_data()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{path}: cannot be read ({first}). Download the export again") from error
    if read is None:
        return {}
    if not isinstance(read, dict):
        raise UsageError(f"{path}: expected submissions by the names of their folders")
    return {str(name): _symbols(about) for name, about in read.items()}


def _symbols(tree: Any) -> dict[str, Any]:
    """A map by its keys without the colon of Ruby's symbols; {} for what is no map."""
    if not isinstance(tree, dict):
        return {}
    return {str(key).removeprefix(":").lower(): value for key, value in tree.items()}


def _submitters(told: Any, name: str) -> tuple[Student, ...]:
    people: list[Student] = []
    for one in told if isinstance(told, list) else []:
        about = _symbols(one)
        who, email = (str(about.get(key) or "").strip() for key in ("name", "email"))
        number = str(about.get("sid") or about.get("student_id") or email or who or name)
        if number not in [student.id for student in people]:
            people.append(Student(number.strip(), who, email))
    return tuple(people)


def _attempt(about: dict[str, Any]) -> int:
    """The submissions of an entry's history that are older than itself, and one."""
    own = received(about.get("created_at"))
    history = about.get("history")
    times = [received(_symbols(one).get("created_at")) for one in history or [] if one]
    return 1 + len({time for time in times if time and own and time < own})


def received(told: Any) -> str:
    """A time as it is written in the metadata, as ISO 8601 in UTC; "" for what is none."""
    if isinstance(told, dict):  # a time with its zone, as Ruby writes it
        return received(_symbols(told).get("utc"))
    if isinstance(told, str):
        text = told.strip().replace(" UTC", "+00:00").replace(" Z", "+00:00")
        try:
            told = dt.datetime.fromisoformat(text)
        except ValueError:
            return ""
    if not isinstance(told, dt.datetime):
        return ""
    aware = told if told.tzinfo else told.replace(tzinfo=dt.UTC)
    try:
        return aware.astimezone(dt.UTC).isoformat(timespec="seconds")
    except OverflowError:
        return ""
