"""The report as JSON: nothing is lost on the way, and nothing unknown is let in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sample_reports import REPORTS, buggy, hostile

from grader.errors import GraderError
from grader.report.json import SCHEMA, from_json, schema, to_json

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", [name for name in REPORTS if name != "hostile"])
def test_round_trip(name: str) -> None:
    """What is read is what was written, to the last digit."""
    report = REPORTS[name]()
    assert report == from_json(to_json(report))


def test_a_report_of_the_time_before_flags_is_read() -> None:
    """What was stored without the key is a report without flags."""
    stored = json.loads(to_json(buggy()))
    del stored["flags"]
    assert from_json(json.dumps(stored).encode()) == buggy()


def test_hostile_text_becomes_stable() -> None:
    """A lone surrogate, which UTF-8 cannot hold, is an escape after the first writing; nothing else moves."""
    written = to_json(hostile())
    assert written == to_json(from_json(written))
    assert b"\\\\ud800" in written
    assert hostile().checks[0] == from_json(written).checks[0]


def test_top_level_keys_come_in_order() -> None:
    """Version and score are read first, by people and by scripts."""
    keys = list(json.loads(to_json(buggy())))
    assert keys[0] == "schema"
    assert (
        keys.index("score") < keys.index("tasks") < keys.index("checks") < keys.index("provenance")
    )


def test_inputs_stay_in_the_order_of_the_question() -> None:
    """A view of a stored report tells a case as the live one did, also where text had to be escaped."""
    for report in (buggy(), hostile()):
        check = next(check for check in report.checks if check.counterexample is not None)
        assert check.counterexample is not None
        inputs = {"shape": "(2,)", "a": "1.0", "upstream": "[1.0]"}
        example = msgspec.structs.replace(check.counterexample, inputs=inputs)
        check = msgspec.structs.replace(check, counterexample=example)
        report = msgspec.structs.replace(report, checks=(check,))
        (read,) = from_json(to_json(report)).checks
        assert read.counterexample is not None
        assert list(read.counterexample.inputs) == list(inputs)


def changed(*path: str | int, to: Any) -> bytes:
    """The JSON of a good report with one value changed."""
    tree = json.loads(to_json(buggy()))
    place = tree
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(tree).encode()


REFUSED = {
    "no JSON": (b"{", "not valid JSON"),
    "too deep": (b"[" * 100_000, "not valid JSON"),
    "no UTF-8": (b'{"schema": "\xff"}', "not valid JSON"),
    "no object": (b"[]", "no key `schema`"),
    "no schema": (b"{}", SCHEMA),
    "another schema": (changed("schema", to="otter/results/1"), "'otter/results/1'"),
    "schema of another type": (changed("schema", to=1), SCHEMA),
    "a newer schema": (changed("schema", to="backcheck/report/2"), "Upgrade backcheck"),
    "an older schema": (changed("schema", to="backcheck/report/0"), "Grade again"),
    "an unknown key": (changed("grade", to=1), "unknown key $.grade"),
    "an unknown key below": (
        changed("checks", 2, "counterexample", "mismatch", "why", to=""),
        "unknown key $.checks[2].counterexample.mismatch.why",
    ),
    "a wrong type": (changed("checks", 0, "weight", to="much"), "$.checks[0].weight"),
    "an unknown outcome": (changed("checks", 0, "outcome", to="won"), "$.checks[0].outcome"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    """What is no report of this version is refused with what is wrong and what is expected."""
    data, said = REFUSED[name]
    with pytest.raises(GraderError) as refusal:
        from_json(data)
    assert said in str(refusal.value)
    assert refusal.value.exit_code == 2


def test_newer_schema_names_both_versions() -> None:
    """The message says what it found and what it can read."""
    with pytest.raises(GraderError, match=r"report/12.*report/1 is the newest"):
        from_json(changed("schema", to="backcheck/report/12"))


def test_an_error_in_place_of_a_report_is_told_as_it_is() -> None:
    stored = b'{"schema": "backcheck/error/1", "error": "work.zip: it is empty", "exit_code": 3}'
    with pytest.raises(GraderError, match=r"ended with an error: work\.zip: it is empty"):
        from_json(stored)


def test_committed_schema_agrees() -> None:
    """docs/report.schema.json is what the records say."""
    committed = json.loads((DOCS / "report.schema.json").read_text(encoding="utf-8"))
    assert committed == schema(), "write json.dumps(schema(), indent=2) to docs/report.schema.json"


@pytest.mark.parametrize("name", REPORTS)
def test_reports_follow_the_schema(name: str) -> None:
    """A validator that knows nothing of ours accepts every report."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(json.loads(to_json(REPORTS[name]())), schema())


def test_schema_refuses_unknown_keys() -> None:
    """The schema is as strict as the reader."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(changed("grade", to=1)), schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(changed("schema", to="backcheck/report/2")), schema())
