"""All attacks, one record each; every module of this folder holds a group of them."""

from __future__ import annotations

from hostile.attack import Attack
from hostile.attacks import (
    endings,
    forged,
    hangs,
    minitorch,
    own_tests,
    patches,
    state,
    steals,
    submissions,
    texts,
    values,
)

GROUPS: dict[str, list[Attack]] = {
    "forged": forged.ATTACKS,
    "endings": endings.ATTACKS,
    "hangs": hangs.ATTACKS,
    "values": values.ATTACKS,
    "texts": texts.ATTACKS,
    "patches": patches.ATTACKS,
    "state": state.ATTACKS,
    "steals": steals.ATTACKS,
    "submissions": submissions.ATTACKS,
    "minitorch": minitorch.ATTACKS,
    "own_tests": own_tests.ATTACKS,
}
ATTACKS: list[Attack] = [attack for group in GROUPS.values() for attack in group]
