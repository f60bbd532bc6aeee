"""The terms as `grader.yaml` and `students.yaml` write them: their keys, and what is wrong with a value.

It reads no file. Times without an offset are those of the course's time zone.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from grader.terms import Adjustment, Attempts, Dates, Extension, Late

Fault = tuple[tuple[Any, ...], str]  # the keys that lead to it, and what to say

_WORDS: dict[str, tuple[str, ...]] = {
    "per": ("started", "exact"),
    "after_late_due": ("zero", "accept"),
    "counts": ("latest", "best", "all"),
}
_EXAMPLE = "Write it like 2026-10-01 23:59, or with an offset: 2026-10-01 23:59+02:00"


class DatesFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A module's dates: text, or the times that YAML reads by itself."""

    due: Any
    late_due: Any = None
    published: Any = None


class ExtensionFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another date for one student: a time, or a number of days."""

    due: Any = None
    late_due: Any = None
    days: int = 0
    reason: str = ""


class StudentsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`students.yaml`: what was agreed with single students, by id and module. It is no part of the course, for it
    is private."""

    extensions: dict[str, dict[str, ExtensionFile]] = {}
    adjustments: dict[str, dict[str, tuple[Adjustment, ...]]] = {}


def zone(name: str) -> dt.tzinfo | None:
    """The time zone of that name; None where this machine knows none."""
    if name == "UTC":
        return dt.UTC  # also where the machine has no list of time zones, as small containers do
    import zoneinfo  # it looks for the system's time zones as soon as it is imported

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


def time_of(value: Any, where: dt.tzinfo) -> dt.datetime:
    """A time as YAML gave it. Of the two hours that a clock shows twice it is the later one, which harms nobody.

    Raises ValueError, in words for a person, for what is no time, or is one that the clock leaves out.
    """
    if isinstance(value, dt.datetime):
        found = value
    elif isinstance(value, dt.date):
        raise ValueError(f"{value} has no time of day. {_EXAMPLE}")
    elif isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d", value):
        try:
            found = dt.datetime.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is no time. {_EXAMPLE}") from None
    else:
        raise ValueError(f"{value!r} is no time. {_EXAMPLE}")
    if not 1971 <= found.year <= 9990:
        raise ValueError(f"the year {found.year} is out of reach")
    if found.tzinfo is not None:
        return found.astimezone(where)
    local = found.replace(tzinfo=where, fold=1)
    if local.astimezone(dt.UTC).astimezone(where).replace(tzinfo=None) != found:
        raise ValueError(
            f"{found} does not exist in {where}: the clock is put forward then. Take another time"
        )
    return local


def faults(
    timezone: str,
    dates: Mapping[str, DatesFile],
    late: Late,
    attempts: Attempts,
) -> Iterator[Fault]:
    """What is wrong with the terms in `grader.yaml`, where their keys and types are right."""
    where = zone(timezone)
    if where is None:
        yield ("timezone",), f"{timezone!r} is no time zone. Write it like Europe/Berlin, or UTC"
        return
    for module, given in dates.items():
        yield from _time_faults(given, where, "dates", module)
    yield from _number_faults(late, "late")
    if late.at_most_percent > 100:
        said = f"expected 0 to 100, not {late.at_most_percent:g}"
        yield ("late", "at_most_percent"), said
    yield from _number_faults(attempts, "attempts")


def agreed_faults(
    found: StudentsFile, where: dt.tzinfo, dates: Mapping[str, Dates]
) -> Iterator[Fault]:
    """What is wrong with `students.yaml`, where its keys and types are right."""
    for student, modules in found.extensions.items():
        for module, given in modules.items():
            keys = ("extensions", student, module)
            wrong = list(_time_faults(given, where, *keys))
            yield from wrong
            if (given.due is None) == (not given.days):
                yield keys, "give one of `due` and `days`"
            elif not 0 <= given.days <= 3650:
                yield (*keys, "days"), f"expected 1 to 3650, not {given.days}"
            elif given.days and module not in dates:
                yield (*keys, "days"), f"{module} has no due date to count from. Give `due`"
    for student, modules_ in found.adjustments.items():
        for module, adjustments in modules_.items():
            for at, one in enumerate(adjustments):
                keys_ = ("adjustments", student, module, at)
                if not math.isfinite(one.points) or not one.points:
                    yield (*keys_, "points"), f"expected a number other than 0, not {one.points:g}"
                if not one.reason.strip():
                    yield (*keys_, "reason"), "say why, for the student reads it"


def dates_of(given: DatesFile, where: dt.tzinfo) -> Dates:
    """A module's dates. ValueError where one is no time."""
    late_due, published = (
        None if value is None else time_of(value, where)
        for value in (given.late_due, given.published)
    )
    return Dates(time_of(given.due, where), late_due, published)


def extension_of(given: ExtensionFile, where: dt.tzinfo) -> Extension:
    """A student's other dates. ValueError where one is no time."""
    due, late_due = (
        None if value is None else time_of(value, where) for value in (given.due, given.late_due)
    )
    return Extension(due, late_due, given.days, given.reason)


def _time_faults(given: DatesFile | ExtensionFile, where: dt.tzinfo, *keys: str) -> Iterator[Fault]:
    times = {}
    for name in ("due", "late_due", "published"):
        value = getattr(given, name, None)
        if value is None and not (name == "due" and isinstance(given, DatesFile)):
            continue
        try:
            times[name] = time_of(value, where).astimezone(dt.UTC)
        except ValueError as error:
            yield (*keys, name), str(error)
    if "late_due" in times and "due" in times and times["late_due"] < times["due"]:
        yield (*keys, "late_due"), "this is before `due`"


def _number_faults(settings: Late | Attempts, key: str) -> Iterator[Fault]:
    for name, value in msgspec.structs.asdict(settings).items():
        if name in _WORDS:
            if value not in _WORDS[name]:
                known = ", ".join(_WORDS[name])
                yield (key, name), f"expected one of {known}, not {value!r}"
        elif not 0 <= value < math.inf:
            yield (key, name), f"expected 0 or more, not {value:g}"
