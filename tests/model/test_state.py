"""The State itself: whether a copy has everything, what a notice keeps of a moment, what must be set before it."""

from __future__ import annotations

import re
from pathlib import Path

from memtwin.linux.check import invariants
from memtwin.linux.check.testing import pool_addresses
from memtwin.linux.core import mm_types
from memtwin.linux.core.notices import take_notices
from memtwin.linux.core.state import State
from memtwin.linux.mm import oom_kill, slub
from memtwin.linux.records import NoticeKind, Outcome, Refusal
from memtwin.run import run, settings
from memtwin.scenario import parse

CORE = Path(run.__file__).parents[1] / "linux" / "core"
DIES = "machine ram=192M\n" + "".join(
    f"proc {name}\n{name} mmap h 110M\n{name} touch h 0 110M w seq content=random\n" for name in "AB"
)
BORROWED = {"cpu_now"}
"""Pointers that point into an array which another pointer owns."""


def begun(text: str) -> run.Run:
    scenario = parse(text)
    return run.Run(scenario, settings.prepare(scenario, None, settings.settings_of(())))


def pointers(header: str) -> set[str]:
    """Fields of structs and of State that point to memory."""
    found = re.findall(r"^    (?:cdef )?[A-Za-z]\w* \*{1,2}(\w+)(?:\[\w+\])?(?: *#.*)?$", header, re.MULTILINE)
    return set(found) - {"items"}


def test_every_pointer_is_copied_and_freed() -> None:
    """A pointer field of a header that the walk over all arrays leaves out would be shared by a copy."""
    walk = (CORE / "state.py").read_text()
    walk = walk[walk.index("def on_arrays") : walk.index("def free_arrays")]
    walked = set(re.findall(r"\.(\w+)", walk))
    owned = pointers((CORE / "state.pxd").read_text()) | pointers((CORE / "mm_types.pxd").read_text())
    assert len(owned) > 20
    assert owned - BORROWED <= walked, owned - BORROWED - walked


def test_pools_stand_side_by_side() -> None:
    """The walk takes them for an array of NR_POOLS."""
    header = (CORE / "state.pxd").read_text()
    lines = [
        line.strip()
        for line in header[header.index("    cdef Pool tasks") : header.index("    cdef Table ")].splitlines()
    ]
    pools = [line for line in lines if line.startswith("cdef Pool ")]
    count = re.search(r"NR_POOLS = (\d+)", (CORE / "mm_types.pxd").read_text())
    assert count
    assert lines[: len(pools)] == pools
    assert len(pools) == int(count[1])


def test_what_is_pointed_to_stays_where_it_is_while_its_array_grows() -> None:
    """A task that waits for memory keeps pointers to its areas; another may make the arrays of all of them longer."""
    forks = "".join(f"A fork c{number}\n" for number in range(700))
    scenario = parse(
        f"machine ram=256M\nfile f 1M\nproc A\nA mmap h 1M\nA touch h 0 1M w seq\nA fmap m f private\n{forks}"
    )
    done = run.Run(scenario, settings.prepare(scenario, None, settings.settings_of(())))
    before = pool_addresses(done.machine.state)
    done.execute()
    after = pool_addresses(done.machine.state)
    assert [at for at, _ in after.values()] == [at for at, _ in before.values()]
    assert sum(now > 500 > then for (_, now), (_, then) in zip(after.values(), before.values(), strict=True)) >= 5
    assert not {at for at, _ in after.values()} & {at for at, _ in pool_addresses(done.machine.state.copy()).values()}


def test_a_frame_is_48_bytes() -> None:
    few, many = (len(State(pages, 1).fingerprint()) for pages in (100, 1100))
    assert (many - few) / 1000 == 48


def test_an_allocation_on_a_bare_state_is_refused_not_a_crash() -> None:
    """Whoever imports a part of the core has all calls upwards set: the slow path is there, and says no."""
    state = State(1 << 12, 1)
    cache = slub.create_cache(state, 64, 64, 0, False)
    assert slub.allocate_object(state, cache) == 0


def test_a_notice_has_the_machine_as_it_was() -> None:
    """The counters of the moment before the kill, and the victim's memory that is gone by now."""
    under_way = begun(DIES)
    state = under_way.machine.state
    *before, last = under_way.scenario.ops
    for op in before:
        under_way.do(op)
    assert take_notices(state) == []
    under_way._carry_out(last)
    twin = state.copy()
    (notice,) = take_notices(state)
    assert notice.kind == NoticeKind.OOM
    assert notice.then.events_by_name()["oom_kill"] == 0
    assert state.events_by_name()["oom_kill"] == 1
    rows = {row[0]: row[2] for row in oom_kill.task_rows(notice.then)}
    assert rows[oom_kill.pid_of(notice.then, notice.victim)] > 20_000
    assert notice.time_ns <= state.clock_ns
    assert take_notices(state) == []
    (copied,) = take_notices(twin)
    assert (copied.time_ns, copied.victim) == (notice.time_ns, notice.victim)
    assert copied.then.node_stats() == notice.then.node_stats()
    invariants.validate(twin)


def test_notices_wait_for_each_other() -> None:
    """More than there is room for at first: none is lost, the oldest comes first."""
    text = "machine ram=256M\n" + "".join(
        f"proc P{i} adj=500\nP{i} mmap h 20M\nP{i} touch h 0 20M w seq content=random\n" for i in range(8)
    )
    under_way = begun(text + "proc Z adj=-900\nZ mmap h 190M\nZ touch h 0 190M w seq content=random\n")
    *before, last = under_way.scenario.ops
    for op in before:
        under_way.do(op)
    under_way._carry_out(last)
    notices = take_notices(under_way.machine.state.copy())
    assert len(notices) > 4
    assert [n.time_ns for n in notices] == sorted(n.time_ns for n in notices)
    assert [n.then.events_by_name()["oom_kill"] for n in notices] == list(range(len(notices)))


def test_results_have_the_cores_numbers() -> None:
    """Plain Python's names of them are read by callers; the core has its own."""
    own = {Outcome: "", Refusal: "REFUSED_"}
    for kind, prefix in own.items():
        for member in kind:
            assert getattr(mm_types, f"{prefix}{member.name}", member) == member
    assert {name for name in dir(mm_types) if name.startswith("REFUSED_")} == {
        f"REFUSED_{kind.name}" for kind in Refusal
    }
