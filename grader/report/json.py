"""The report as JSON: the truth that every other view is made from.

Reading is strict: what this version does not know is refused by name rather than dropped.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec

from grader.errors import UsageError
from grader.model import Report
from grader.report.text import encodable, visible

SCHEMA: str = next(f.default for f in msgspec.structs.fields(Report) if f.name == "schema")
_FAMILY, _, _VERSION = SCHEMA.rpartition("/")


def to_json(report: Report) -> bytes:
    """The report as UTF-8 JSON: indented, fields in the order of the records, mappings in their own: a case's inputs
    are told as the question takes them, by every view, of a stored report as well.

    Lone surrogates, which UTF-8 cannot hold, are written as escapes.
    """
    try:
        compact = msgspec.json.encode(report)
    except UnicodeEncodeError:
        tree = _encodable(msgspec.to_builtins(report))
        compact = msgspec.json.encode(tree)
    return msgspec.json.format(compact, indent=2) + b"\n"


def tree(report: Report) -> dict[str, Any]:
    """The report as plain data that any JSON library can write."""
    found: dict[str, Any] = msgspec.json.decode(to_json(report))
    return found


def render(report: Report) -> str:
    """The report as JSON text."""
    return to_json(report).decode("utf-8")


def from_json(data: bytes) -> Report:
    """Read a report back, also out of a results.json that was written for Gradescope.

    Raises UsageError for what is no JSON, no report, of another schema version, of a wrong type (with
    its path), or has a key that this version does not know.
    """
    with contextlib.suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        report = msgspec.json.decode(data, type=Report)
        # What comes out as it went in lost nothing: so a gradebook's reports, which are many, are not searched for keys.
        if report.schema == SCHEMA and to_json(report) == data:
            return report
    try:
        raw = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"This is not a report: it is not valid JSON ({error}).") from error
    if isinstance(raw, dict) and isinstance(raw.get("extra_data"), dict):
        raw = raw["extra_data"].get("report", raw)
    if isinstance(raw, dict) and str(raw.get("schema")).startswith("backcheck/error/"):
        said = visible(str(raw.get("error")))
        raise UsageError(f"There is no report in it, for grading ended with an error: {said}")
    _check_version(raw.get("schema") if isinstance(raw, dict) else None)
    try:
        report = msgspec.convert(raw, Report)
    except msgspec.ValidationError as error:
        raise UsageError(f"This report does not follow {SCHEMA}: {error}.") from error
    for path in _unknown(raw, msgspec.to_builtins(report), "$"):
        raise UsageError(
            f"This report does not follow {SCHEMA}: unknown key {path}. "
            "Remove it, or read the report with the version that wrote it."
        )
    return report


def schema() -> dict[str, Any]:
    """The JSON Schema of a report; `docs/report.schema.json` is a copy."""
    found = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(Report)))
    found["$defs"]["Report"]["properties"]["schema"] = {"const": SCHEMA}
    found["$defs"]["Report"]["required"].insert(0, "schema")
    for definition in found["$defs"].values():
        if "description" in definition:
            definition["description"] = " ".join(definition["description"].split())
        if definition.get("type") == "object":
            definition["additionalProperties"] = False
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        **found,
    }


def _check_version(found: object) -> None:
    if not isinstance(found, str) or not found.startswith(f"{_FAMILY}/"):
        said = f"its schema is {found!r}" if found is not None else "it has no key `schema`"
        raise UsageError(f"This is not a report: {said}, and {SCHEMA!r} is expected.")
    if found == SCHEMA:
        return
    version = found.removeprefix(f"{_FAMILY}/")
    if version.isdecimal() and int(version) > int(_VERSION):
        raise UsageError(
            f"This report is newer than this grader: its schema is {found}, and {SCHEMA} is the "
            "newest known here. Upgrade backcheck to read it."
        )
    raise UsageError(f"This report's schema is {found}, and {SCHEMA} is expected. Grade again.")


def _unknown(raw: Any, known: Any, path: str) -> Iterator[str]:
    """The paths of keys that the reading dropped."""
    if isinstance(raw, dict) and isinstance(known, dict):
        for key, value in raw.items():
            if key not in known:
                yield f"{path}.{key}"
            else:
                yield from _unknown(value, known[key], f"{path}.{key}")
    elif isinstance(raw, list) and isinstance(known, list | tuple):
        for index, (one, other) in enumerate(zip(raw, known, strict=True)):
            yield from _unknown(one, other, f"{path}[{index}]")


def _encodable(tree: Any) -> Any:
    if isinstance(tree, str):
        return encodable(tree)
    if isinstance(tree, dict):
        return {encodable(key): _encodable(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_encodable(item) for item in tree]
    return tree
