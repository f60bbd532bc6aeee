"""What several parts need: a cache of banks that is nobody else's, and the tiny course."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from grader.course import Course

from .courses import make_course


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Banks of these tests are drawn once and kept apart from the user's."""
    folder = tmp_path_factory.mktemp("banks")
    before = os.environ.get("GRADE_CACHE")
    os.environ["GRADE_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["GRADE_CACHE"]
    else:
        os.environ["GRADE_CACHE"] = before


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """The tiny course, for tests that change nothing in it."""
    return make_course(tmp_path_factory.mktemp("course"))
