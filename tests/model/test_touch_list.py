"""A list of pages that the compiled core walks: the order is the language's, and each step is a touch of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtwin.linux import touch_list
from memtwin.linux.check import invariants
from memtwin.linux.core import mm_types as t
from memtwin.linux.core.state import State
from memtwin.run.operations import OF_PROCESS
from memtwin.run.processes import CONTENTS, Processes
from memtwin.run.run import Run, machine_for
from memtwin.scenario import Listed, Seq, Touch, parse

if TYPE_CHECKING:
    from memtwin.run.worker import Worker


@given(st.integers(1, 2**200), st.none() | st.integers(0, 2**64 - 1), st.integers(0, 2**220))
def test_the_order_is_the_languages(bits: int, seed: int | None, read: int) -> None:
    pattern = Listed(bits, seed, read if seed is not None else 0)
    packed = pattern.read.to_bytes(28, "little")
    steps = touch_list.TouchList(State(1 << 10, 1), 1, 64, pattern.runs, True, CONTENTS["text"], 0, 0, seed, packed)
    assert steps.order == list(pattern.steps)


class Stepwise(Processes):
    """Processes of which each step of a list is a touch of its own operation."""

    def touch(self, process: Worker, op: Touch) -> int:
        if not isinstance(op.pattern, Listed):
            return super().touch(process, op)
        code = 0
        for first, pages, is_read in op.pattern.steps:
            where = {"offset_pages": op.offset_pages + first, "npages": pages}
            code = code or super().touch(process, replace(op, **where, pattern=Seq(), write=not is_read))
            self.user_ns += pages * self.costs[t.COST_FILL + CONTENTS[op.content]] if is_read else 0
        return code


TEXT = """machine ram=128M
swap zram size=32M prio=100
swap disk size=160M rot=1
proc A
A mmap h 64M
A touch h 0 64M w seq content=half
proc B
B mmap h 140M
B touch h 0 140M w seq content=half
B touch h 0 140M r hot:9000:20%:80%:3 rate=8M/s &
"""


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_list_is_its_steps_one_after_another(monkeypatch: pytest.MonkeyPatch, cpus: int) -> None:
    """While memory is short, another task runs beside it and seconds pass: every file and every sample is the same."""
    digits = "f0a5" * 500
    lists = [f"set:{digits}", f"set:{digits}:7", f"set:{digits}:9:{'c' * 2000}"]
    text = TEXT.replace("ram=128M", f"ram=128M cpus={cpus}") + "".join(f"A touch h 0 64M w {one}\n" for one in lists)
    scenario = parse(f"{text}wait\ncheckpoint end\n")
    found = []
    for kind in (Processes, Stepwise):
        monkeypatch.setattr("memtwin.run.run.Processes", kind)
        monkeypatch.setitem(OF_PROCESS, Touch, kind.touch)
        run = Run(scenario, machine_for(scenario, None))
        run.execute()
        invariants.validate(run.machine.state)
        found.append((run.files(), run.samples))
    assert found[0] == found[1]
    assert found[0][1][-1].figures["pswpin"] > 0
    assert len(found[0][1]) > len(scenario.ops) + 3
