"""Snapshots that cannot be a machine: a SnapshotError that says what contradicts what; nothing reaches the core."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from overlaid import Overlaid

from memtwin.errors import MemtwinError, NotModelledError, SnapshotError
from memtwin.linux.check import invariants
from memtwin.linux.mm import swapon
from memtwin.machine import describe
from memtwin.machine.build import build
from memtwin.procfs import swaps

if TYPE_CHECKING:
    from collections.abc import Callable


def swapped(size_kib: int, used_kib: int, priority: int = -2) -> str:
    return f"{swaps.HEADING}\n{'/dev/vdb':40}partition\t{size_kib}\t\t{used_kib}\t\t{priority}\n"


def number(name: str, value: int) -> Callable[[str], str]:
    """Return what replaces the first number after *name*."""
    return lambda text: re.sub(rf"({re.escape(name)} +)\d+", rf"\g<1>{value}", text, count=1)


def cut(rows: int) -> Callable[[str], str]:
    return lambda text: "".join(text.splitlines(keepends=True)[:rows])


def doubled(text: str) -> str:
    return text * 2


WRONG: tuple[tuple[str, Callable[[str], str], str], ...] = (
    ("proc/swaps", lambda _: swapped(65532, 65536), "contradicts itself: proc/swaps, '/dev/vdb' uses 65,536 of 65,532"),
    ("proc/swaps", lambda _: swapped(65532, 4 << 30), "contradicts itself: proc/swaps"),
    ("proc/swaps", lambda _: swapped(0, 0), "proc/swaps, '/dev/vdb' has 0 kB"),
    ("proc/swaps", lambda _: swapped(65532, 0, 40000), "has priority 40000"),
    ("proc/zoneinfo", doubled, "contradicts itself: proc/zoneinfo has zone 'DMA' of node 0 twice"),
    ("proc/zoneinfo", lambda _: "", "proc/zoneinfo has no zone with memory"),
    ("proc/zoneinfo", number("spanned", 1), "contradicts itself: proc/zoneinfo, zone DMA has"),
    ("proc/zoneinfo", number("pages free", 1 << 40), "contradicts itself: proc/zoneinfo, zone DMA has"),
    ("proc/zoneinfo", number("batch:", 0), "filled by 0"),
    ("proc/zoneinfo", number("high", 3), "has the marks"),
    ("proc/vmstat", cut(44), "proc/vmstat has no "),
    ("proc/vmstat", lambda _: "", "proc/vmstat has no nr_free_pages"),
    ("proc/vmstat", number("pgfault", 10**19), "proc/vmstat: pgfault 10000000000000000000 is more than 63 bits hold"),
    ("proc/vmstat", number("nr_mapped", 1 << 40), "contradicts itself: nr_mapped is"),
    ("proc/meminfo", lambda _: "", "proc/meminfo has no MemTotal"),
    ("proc/buddyinfo", doubled, "contradicts itself: proc/buddyinfo has the free blocks of zone DMA twice"),
    ("proc/buddyinfo", lambda text: re.sub(r" +\d+ *\n", "\n", text), "10 orders of free blocks"),
    ("proc/uptime", lambda _: "99999999999999.00 1.00\n", "proc/uptime says"),
    ("proc/loadavg", lambda _: "0.00 0.00 0.00 1/99999999999 80\n", "proc/loadavg has 99999999999 threads"),
    ("sysctl_vm", number("vm.max_map_count =", 0), "its settings forbid what it has mapped"),
)


@pytest.mark.parametrize(("path", "change", "says"), WRONG)
def test_a_snapshot_that_contradicts_itself_is_refused(path: str, change: Callable[[str], str], says: str) -> None:
    text = describe.ground().read(path)
    assert text is not None
    changed = change(text)
    assert changed != text
    for ram_bytes in (None, 256 << 20):
        with pytest.raises(SnapshotError, match=re.escape(says)):
            build(Overlaid({path: changed}), ram_bytes=ram_bytes)


def test_a_machine_whose_cpus_are_not_all_online_is_built() -> None:
    """CPU 2 alone is there: its lists are those of the first that the model has."""
    text = (describe.ground().read("proc/zoneinfo") or "").replace("    cpu: 0\n", "    cpu: 2\n")
    built = build(Overlaid({"proc/zoneinfo": text}))
    assert built.state.cpu_count == 1
    invariants.validate(built.state)


LACKING = (
    ("proc/zoneinfo", lambda text: text.replace("zone    DMA32", "zone  HighMem"), "a zone 'HighMem'"),
    ("proc/buddyinfo", lambda text: text.replace("\n", " 7 7 7\n"), "free blocks of 14 orders"),
    ("snapshot.json", lambda _: '{"page_bytes": 16384}', "pages of 16384 bytes"),
)


@pytest.mark.parametrize(("path", "change", "says"), LACKING)
def test_what_the_model_lacks_is_refused_by_name(path: str, change: Callable[[str], str], says: str) -> None:
    with pytest.raises(NotModelledError, match=re.escape(says)):
        build(Overlaid({path: change(describe.ground().read(path) or "")}))


def test_zones_must_lie_one_behind_the_other() -> None:
    text = (describe.ground().read("proc/zoneinfo") or "").replace(
        "start_pfn:           4096", "start_pfn:           8"
    )
    with pytest.raises(SnapshotError, match="zone DMA32 begins before the zone below it ends"):
        build(Overlaid({"proc/zoneinfo": text}))


def test_two_nodes_are_folded_into_one_with_a_note() -> None:
    """The second node's zones, free blocks and counters are the one node's, and the machine says what that hides."""
    ground = describe.ground()
    zones, buddies = ground.read("proc/zoneinfo") or "", ground.read("proc/buddyinfo") or ""
    first = build(ground)
    second = (zones[zones.index("Node 0, zone    DMA32") :]).replace("Node 0", "Node 1").replace(
        "start_pfn:           4096", "start_pfn:           1048576"
    ).replace("zone    DMA32", "zone   Normal")  # fmt: skip
    second = second[: second.index("Node 1, zone   Normal", 10)]
    row = next(line for line in buddies.splitlines() if "DMA32" in line)
    built = build(Overlaid({
        "proc/zoneinfo": zones.replace("Node 0, zone  Movable", second + "Node 0, zone  Movable"),
        "proc/buddyinfo": buddies + row.replace("Node 0", "Node 1").replace("zone    DMA32", "zone   Normal") + "\n",
        "proc/pagetypeinfo": None,
    }))  # fmt: skip
    assert any("2 NUMA nodes" in note for note in built.notes)
    assert built.state.memory_total > first.state.memory_total * 1.9
    invariants.validate(built.state, ())


def test_the_core_holds_no_more_slots_than_an_area_has() -> None:
    """Whoever calls it: what is beyond the map is never written."""
    built = build(Overlaid({"proc/swaps": swapped(65532, 65532)}))
    assert swapon.area_info(built.state, built.areas[0].number).inuse == 16383
    with pytest.raises(ValueError, match="16384 slots of an area that has 16383"):
        swapon.hold_slots(built.state, built.areas[0].number, 16384)
    with pytest.raises(MemtwinError):
        build(Overlaid({"proc/swaps": swapped(4 << 40, 0)}))
