"""The views of a report: one function each, Report -> text.

A view reads the report and nothing else: no student code, no file of the course. Importing this
package loads none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from grader.model import Report


def _view(name: str) -> Callable[[Report], str]:
    def render(report: Report) -> str:
        module = import_module(f"grader.report.{name}")
        return cast(Callable[[Report], str], module.render)(report)

    render.__name__ = render.__qualname__ = name
    render.__doc__ = f"The report as `grader.report.{name}` tells it."
    return render


VIEWS: dict[str, Callable[[Report], str]] = {
    name: _view(name)
    for name in ("terminal", "html", "json", "gradescope", "markdown", "junit", "annotations")
}
