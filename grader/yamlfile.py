"""YAML files as records, with mistakes told by file, line and key."""

from __future__ import annotations

import re
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from grader.errors import UsageError, unknown

T = TypeVar("T", bound=msgspec.Struct)
ANY_KEY = "[...]"  # what msgspec writes for a key of a dict


def read_yaml(path: Path, kind: type[T]) -> tuple[T, Any]:
    """The file as a record, and a function from a path of keys to the line it stands on.

    Raises UsageError that names file, line, key, what was expected, and the nearest right name.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{path}:{line}: this is not UTF-8 text. Save the file as UTF-8"
        ) from error
    try:
        loader = yaml.SafeLoader(text)
        for event in yaml.parse(text, yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                # A file of a dozen lines of aliases stands for more values than memory holds.
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise UsageError(
                    f"{path}:{line}: *{event.anchor}: write the value out; aliases are not read"
                )
        node = loader.get_single_node()
        tree = loader.construct_document(node) if node is not None else None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = getattr(error, "position", None)
        if isinstance(place, int):
            at = f":{text.count(chr(10), 0, place) + 1}"
        else:
            at = f":{mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{at}: this is not YAML: {_problem(error)}") from error

    def locate(*keys: Any) -> int:
        return _line(node, keys)

    repeated = _repeated(node)
    if repeated is not None:
        raise UsageError(f"{path}:{repeated[1]}: {repeated[0]}: this key is given twice")
    tree = _without_nothing(tree, kind)
    if not isinstance(tree, dict):
        raise UsageError(
            f"{path}:1: expected keys and values, such as {msgspec.structs.fields(kind)[0].name}: ..."
        )
    try:
        return msgspec.convert(tree, kind), locate
    except msgspec.ValidationError as error:
        raise UsageError(f"{path}:{_explain(str(error), node, tree, kind)}") from None


def _without_nothing(tree: Any, kind: type[msgspec.Struct]) -> Any:
    """The values without keys below which every line is a comment; a file of nothing else is no key at all, where
    none is required."""
    fields = msgspec.structs.fields(kind)
    if tree is None and not any(field.required for field in fields):
        return {}
    if not isinstance(tree, dict):
        return tree
    keyed = {f.encode_name for f in fields if typing.get_origin(f.type) is dict and not f.required}
    return {k: v for k, v in tree.items() if v is not None or k not in keyed}


def _problem(error: BaseException) -> str:
    """What the YAML library says, in one line, and what to do where its words do not say it."""
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    if said.startswith("but ") and getattr(error, "context", None):
        said = f"{error.context}, {said}"  # type: ignore[attr-defined]
    if "'\\t'" in said:
        said += ". Indent with spaces, not with tabs"
    return " ".join(said.split())


def _line(node: Any, keys: Any) -> int:
    return _found(node, keys)[0]


def _below(node: Any, keys: Any) -> yaml.MappingNode | None:
    """The mapping that the keys lead to."""
    found = _found(node, keys)[1]
    return found if isinstance(found, yaml.MappingNode) else None


def _found(node: Any, keys: Any) -> tuple[int, Any]:
    """The line that the keys lead to, and the node there, None where they lead to none."""
    line = node.start_mark.line + 1 if node is not None else 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            match = [(k, v) for k, v in node.value if k.value == str(key)]
            if not match:
                return line, None
            line, node = match[0][0].start_mark.line + 1, match[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line + 1
    return line, node


def _repeated(node: Any, known: set[int] | None = None) -> tuple[str, int] | None:
    known = set() if known is None else known
    if id(node) in known:
        return None  # an alias: it may stand in many places, or inside itself
    known.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                return str(key.value), key.start_mark.line + 1
            seen.add(key.value)
            inner = _repeated(value, known)
            if inner:
                return inner
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            inner = _repeated(value, known)
            if inner:
                return inner
    return None


def _explain(message: str, node: Any, tree: Any, kind: type) -> str:
    """`12: limits.check_second: unknown key. Did you mean 'check_seconds'?` from msgspec's words."""
    reason, _, place = message.partition(" - at `")
    parts = re.findall(r"\.[^.\[\]`]+|\[\d+\]|\[\.\.\.\]", place)
    if place.startswith("key` in "):
        parts.append(ANY_KEY)
    keys = _keys(parts, node, tree, kind)
    missing = re.search(r"missing required field `(.+?)`", reason)
    stray = re.search(r"unknown field `(.+?)`", reason)
    if stray:
        keys = [*keys, stray.group(1)]
        known = _fields(kind, keys[:-1])
        return f"{_line(node, keys)}: {dotted(keys)}: {unknown('key', stray.group(1), known)}"
    if missing:
        return f"{_line(node, keys)}: {dotted([*keys, missing.group(1)])}: this key is missing"
    return f"{_line(node, keys)}: {dotted(keys) or 'the file'}: {_typed(reason)}"


def _keys(parts: Sequence[str], node: Any, tree: Any, kind: type) -> list[Any]:
    """The keys that lead to what is wrong. msgspec does not say which key of a dict it was: the first one that is
    wrong by itself. It changes the tree."""
    keys: list[Any] = []
    at = tree
    for part in parts:
        if part != ANY_KEY:
            key: Any = int(part[1:-1]) if part.startswith("[") else part.lstrip(".")
            keys.append(key)
            inside = isinstance(at, list) if isinstance(key, int) else isinstance(at, dict)
            at = at[key] if inside and (isinstance(key, int) or key in at) else None
            continue
        if not isinstance(at, dict):
            break
        alone = list(at.items())
        for place, (key, value) in enumerate(alone):
            at.clear()
            at[key] = value
            if _wrong(tree, kind):
                # As it is written: 0101 is read as the number 65.
                mapping = _below(node, keys)
                keys.append(mapping.value[place][0].value if mapping is not None else str(key))
                at = value
                break
    return keys


def _wrong(tree: Any, kind: type) -> bool:
    try:
        msgspec.convert(tree, kind)
    except msgspec.ValidationError:
        return True
    return False


_WORDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "keys with values",
    "null": "nothing",
    "date": "a date",
    "datetime": "a date",
}


def _typed(reason: str) -> str:
    """`expected a whole number, not text` from msgspec's "Expected `int`, got `str`"."""
    found = re.fullmatch(r"Expected `(.+?)`(?:, got `(.+?)`)?", reason)
    if not found:
        return f"{reason[:1].lower()}{reason[1:]}"
    wanted = [_WORDS.get(word, word) for word in found.group(1).split(" | ") if word != "null"]
    got = f", not {_WORDS.get(found.group(2), found.group(2))}" if found.group(2) else ""
    if found.group(2) == "float" and "a whole number" in wanted:
        got = ", not a fraction"
    advice = ""
    if found.group(1) == "str" and found.group(2) in ("int", "float", "bool", "date", "datetime"):
        advice = ". Write it in quotes"
    return f"expected {' or '.join(wanted)}{got}{advice}"


def dotted(keys: Any) -> str:
    """`limits.check_seconds`, `modules[2]`: a path of keys as it is written."""
    return "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in keys).lstrip(".")


def _fields(kind: Any, keys: Any) -> list[str]:
    """The names of the keys that the record at a path of keys may have."""
    for key in keys:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            kind = typing.get_type_hints(kind).get(key, kind)
        elif args := typing.get_args(kind):  # of a dict or a list
            kind = args[1] if typing.get_origin(kind) is dict else args[0]
        structs = [
            a
            for a in typing.get_args(kind)
            if isinstance(a, type) and issubclass(a, msgspec.Struct)
        ]
        if structs and typing.get_origin(kind) not in (dict, list, tuple):
            kind = structs[0]  # which may be left out
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [f.name for f in msgspec.structs.fields(kind)]
    return []
