"""Which anchors are asked in every run: all in the jail, and in each other box those that differ most."""

from __future__ import annotations

import pytest

SELDOM = {
    "process": ("module0", "module1", "module2", "module3", "module4"),
    "docker": ("module0", "module1", "module3", "module4"),
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the others as thorough: they would take a quarter of the time of all tests."""
    for item in items:
        asked = getattr(getattr(item, "callspec", None), "params", {})
        seldom = asked.get("module") in SELDOM.get(asked.get("sandbox", ""), ())
        if seldom and item.path.name == "test_anchors.py":
            item.add_marker(pytest.mark.thorough)
