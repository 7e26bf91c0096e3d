"""A damaged snapshot is a machine whose invariants hold, or an error that says what is wrong: never anything else.

MEMTWIN_MUTATIONS sets how many are tried; the debug build has the address sanitizer under them.
"""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest
from mutations import BOOTS, WORK, damage, outcome, recorded

MUTATIONS = int(os.environ.get("MEMTWIN_MUTATIONS", "800"))
WITH_WORK = 10
"""One of so many runs a small workload as well."""


@pytest.mark.parametrize("name", BOOTS)
def test_a_damaged_snapshot_is_a_sound_machine_or_an_error(name: str) -> None:
    texts, seen = recorded(name), Counter[str]()
    assert outcome(texts) == "machine"
    for number in range(MUTATIONS // len(BOOTS)):
        rng = random.Random(f"{name} {number}")
        damaged = damage(texts, rng.randrange)
        ram = ("machine.ram=268435456",) if rng.randrange(4) == 0 else ()
        work = WORK if rng.randrange(WITH_WORK) == 0 else ""
        try:
            seen[outcome(damaged, ram, work)] += 1
        except BaseException as problem:
            changed = [path for path in texts if damaged[path] != texts[path]]
            problem.add_note(f"{name} {number} {ram}, with work: {bool(work)}; changed: {changed}")
            raise
    assert seen["machine"] > MUTATIONS // 100
    assert seen["SnapshotError"] > MUTATIONS // 100
