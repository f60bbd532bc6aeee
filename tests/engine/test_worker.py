"""How the worker puts a student's exception into words, whatever that says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from grader.box.faults import Missing
from grader.box.wire import Raised
from grader.box.worker import describe


class Text(str):
    """A text that raises wherever it is touched."""

    def __str__(self) -> str:
        raise KeyboardInterrupt

    __len__ = __getitem__ = __iter__ = __format__ = startswith = __str__  # type: ignore[assignment]


class Stubborn(Exception):
    def __str__(self) -> str:
        return Text("odd")


class Silent(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


class Traceless(Exception):
    @property
    def __traceback__(self) -> Any:  # type: ignore[override]
        raise KeyboardInterrupt


class Impostor(Exception):
    @property
    def __class__(self) -> Any:  # type: ignore[override]
        return NotImplementedError


class Broken(SyntaxError):
    msg = filename = lineno = property(lambda self: exec("raise KeyboardInterrupt"))  # type: ignore[assignment]


CASES = [
    (Stubborn(), Raised("Stubborn", "odd", (), "error")),
    (Silent(), Raised("Silent", "(its message cannot be shown: __str__ raises)", (), "error")),
    (Traceless("odd"), Raised("Traceless", "odd", (), "error")),
    (Impostor("odd"), Raised("Impostor", "odd", (), "error")),
    (Broken("odd"), Raised("Broken", "odd", (), "error")),
    (type(Text("Odd"), (Exception,), {})("odd"), Raised("Odd", "odd", (), "error")),
    (Missing("no such name"), Raised("Missing", "no such name", (), "missing")),
]


@pytest.mark.parametrize(("error", "told"), CASES, ids=lambda value: value.type if type(value) is Raised else "")  # fmt: skip
def test_an_exception_that_lies_is_read_by_the_means_of_its_base(error: Any, told: Raised) -> None:
    assert describe(error, "/root") == told


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ("def f():\n    raise ValueError('x')\nf()", ("a.py:2 in f", "a.py:3 in <module>")),
        ("1 +", ("a.py:1",)),
    ],
)
def test_where_it_was_raised_is_read_from_the_student_s_own_frames(
    source: str, where: tuple[str, ...]
) -> None:
    with pytest.raises((ValueError, SyntaxError)) as caught:
        exec(compile(source, "/root/a.py", "exec"))
    assert describe(caught.value, "/root").where == where
