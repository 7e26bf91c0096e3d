"""Reclaim: when kswapd wakes and stops, how a pass is split, what is activated, what comes back.

Worked numbers are those of the kernel's rules in integers; see `linux/mm/vmscan_node.py` and `workingset.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from streams import PAGE, Stream

from memtwin.linux.check import invariants, testing
from memtwin.linux.core import mm_types as t
from memtwin.linux.kernel.sched import core as sched
from memtwin.linux.mm import buddy_info, filemap, mm_init, swapon
from memtwin.run import run
from memtwin.scenario import parse

if TYPE_CHECKING:
    from memtwin.linux.core.state import State

SECOND = 1_000_000_000
MOVABLE = 3
UNBOOSTED = "sysctl vm.watermark_boost_factor=0"


# --- how a pass is split ---------------------------------------------------------------------------------------------


def mixed(swap: str = "swap disk size=256M") -> State:
    """A machine with 80 MiB of anonymous memory and 64 MiB of files, all inactive."""
    text = (
        f"machine ram=256M\n{swap}\nfile f 64M\nproc A\nA fread f 0 64M 64K seq\nA mmap h 80M\nA touch h 0 80M w seq\n"
    )
    return run.simulate(parse(text), None).machine.state


def lists(state: State) -> tuple[int, ...]:
    """Pages of the four lists, in the order in which a pass looks at them."""
    node = state.node_stats()
    return tuple(node[f"nr_{kind}"] for kind in ("inactive_anon", "active_anon", "inactive_file", "active_file"))


@pytest.mark.parametrize(
    ("swappiness", "costs", "shares"),
    [
        (60, (0, 0), (60, 140)),
        (60, (1000, 0), (89, 419)),
        (60, (0, 1000), (179, 209)),
        (60, (500, 500), (119, 279)),
        (100, (0, 0), (100, 100)),
        (10, (200, 800), (24, 316)),
        (180, (800, 200), (299, 49)),
        (0, (0, 0), (0, 200)),
        (200, (0, 0), (200, 0)),
    ],
)
def test_a_pass_is_split_by_cost_and_swappiness(
    swappiness: int, costs: tuple[int, int], shares: tuple[int, int]
) -> None:
    """get_scan_count with anon and file cost: (anon, file) in shares of both, to the page, at priorities 12 to 1."""
    state = mixed()
    mm_init.set_sysctl(state, "swappiness", swappiness)
    anon, file = shares
    for priority in (12, 6, 1):
        sizes = [size >> priority for size in lists(state)]
        expected = [size * share // (anon + file) for size, share in zip(sizes, (anon, anon, file, file), strict=True)]
        assert list(testing.plan(state, priority, *costs)) == expected


@pytest.mark.parametrize(("kernel", "scans_all"), [("6.1", False), ("6.12", True)])
def test_reclaim_goes_by_the_last_flush(kernel: str, scans_all: bool) -> None:
    """A file is read beside idle anonymous memory: 6.1 takes files first, 6.12 has no file in its counters yet.

    6.1 flushes the counters in each pass; in 6.12 those of up to two seconds ago decide, so anonymous memory is scanned
    more than once, as in recording 160.
    """
    machine = f"machine ram=256M kernel={kernel} lru_gen=off\nswap zram size=192M\nsysctl vm.swappiness=100\n"
    work = "file f 40M\nproc A\nA mmap h 180M\nA touch h 0 180M w seq\nsleep 3\nA fread f 0 40M 64K seq\n"
    scanned = run.simulate(parse(machine + work), None).machine.state.events_by_name()["pgscan_anon"]
    anonymous = 180 * 256
    assert scanned > anonymous if scans_all else scanned < anonymous // 4


def test_at_priority_0_both_are_looked_at_whole() -> None:
    """The last pass splits nothing, unless swappiness is 0: then it is files only."""
    state = mixed()
    assert testing.plan(state, 0, 0, 0) == lists(state)
    mm_init.set_sysctl(state, "swappiness", 0)
    assert testing.plan(state, 0, 0, 0) == (0, 0, *lists(state)[2:])


@pytest.mark.parametrize("swappiness", [0, 60, 200])
def test_without_free_swap_it_is_files(swappiness: int) -> None:
    """No swap, and swap that is full, leave anonymous pages alone whatever vm.swappiness says."""
    for state in (mixed(""), mixed()):
        if state.swap_pages[0]:
            swapon.hold_slots(state, 0, state.swap_pages[0])
        assert state.swap_pages[1] == 0
        mm_init.set_sysctl(state, "swappiness", swappiness)
        assert testing.plan(state, 1, 0, 0) == (0, 0, *(size >> 1 for size in lists(state)[2:]))


@pytest.mark.parametrize(
    ("pages", "ratio"), [(100_000, 1), (262_144, 3), (1_000_000, 5), (4_000_000, 12), (30_000_000, 33)]
)
def test_how_much_of_a_list_must_be_inactive(pages: int, ratio: int) -> None:
    """The root of 10 * GiB: half of what is less than 1 GiB, a fourth of 1 GiB, a 34th of 114 GiB."""
    state, share = Stream(1).state, pages // (ratio + 1)
    assert testing.would_be_low(state, share - 1, pages - share + 1)
    assert not testing.would_be_low(state, share + 1, pages - share - 1)
    invariants.validate(state)


# --- when ------------------------------------------------------------------------------------------------------------


def free_and_marks(state: State) -> list[tuple[int, dict[str, int]]]:
    """Of DMA and DMA32: free pages, and the marks with the reserve for movable pages in them."""
    found = []
    for zone in (0, 1):
        info = buddy_info.zone_info(state, zone)
        marks = {name: getattr(info, name) + info.protection[MOVABLE] for name in ("min", "low", "high")}
        found.append((state.zone_stats(zone)["nr_free_pages"], marks))
    return found


@pytest.mark.parametrize("setting", ["", "\nsysctl vm.min_free_kbytes=20000", "\nsysctl vm.watermark_scale_factor=500"])
def test_kswapd_wakes_when_every_zone_is_at_its_low_mark(setting: str) -> None:
    """A reader of single pages: at the waking no zone has more than low and one window of readahead free."""
    stream = Stream(60_000, UNBOOSTED + setting)
    page = 0
    while not stream.state.reclaim_began_ns:
        before = free_and_marks(stream.state)
        stream.io(page * PAGE, PAGE)
        page += 1
    for free, marks in before:
        assert marks["low"] - 64 <= free <= marks["low"] + 64


@pytest.mark.parametrize("setting", ["", "\nsysctl vm.min_free_kbytes=20000"])
def test_kswapd_stops_when_one_zone_is_over_its_high_mark(setting: str) -> None:
    """An idle moment after pressure some zone is balanced, and nothing is scanned any more.

    kcompactd, which kswapd asks when it sleeps, leaves pages on the per-CPU lists half a second later.
    """
    stream = Stream(60_000, UNBOOSTED + setting)
    for page in range(0, 50_000, 16):
        stream.io(page * PAGE, 16 * PAGE)
    sched.sleep_until(stream.state, stream.state.clock_ns + SECOND // 4)
    assert any(free > marks["high"] for free, marks in free_and_marks(stream.state))
    sched.sleep_until(stream.state, stream.state.clock_ns + 8 * SECOND)
    scanned = stream.events()["pgscan_kswapd"]
    sched.sleep_until(stream.state, stream.state.clock_ns + 20 * SECOND)
    assert stream.events()["pgscan_kswapd"] == scanned
    invariants.validate(stream.state)


def test_a_larger_reserve_makes_reclaim_begin_earlier() -> None:
    """vm.min_free_kbytes 20,000 instead of some 1,600: it begins at least (20,000 - 1,600) / 4 pages earlier."""
    begins = []
    for setting in ("", "\nsysctl vm.min_free_kbytes=20000"):
        stream = Stream(60_000, UNBOOSTED + setting)
        page = 0
        while not stream.state.reclaim_began_ns:
            stream.io(page * PAGE, 16 * PAGE)
            page += 16
        begins.append(page)
    assert begins[0] - begins[1] >= (20_000 - 1_600) // 4


# --- what ------------------------------------------------------------------------------------------------------------


def deltas(text: str) -> list[dict[str, int]]:
    """What each operation of a workload on 192 MiB counted."""
    done = run.simulate(parse(f"machine ram=192M\n{text}"), None)
    invariants.validate(done.machine.state)
    return [op.deltas for op in done.done]


def test_a_file_read_once_goes_before_one_read_twice() -> None:
    """60 MiB read twice and 150 MiB streamed past it: of the first hardly a twentieth is taken."""
    text = (
        "machine ram=192M\nfile hot 60M\nfile cold 150M\nproc A\nA fread hot 0 60M 64K seq\nA fread hot 0 60M 64K seq\n"
        "A fread cold 0 150M 64K seq\n"
    )
    taken = run.simulate(parse(text), None).done[-1].taken
    assert taken["hot"] < 15_360 // 20
    assert taken["cold"] > 20_000


HOT = "file hot 60M\nfile cold {}M\nproc A\nA fread hot 0 60M 64K seq\nA fread hot 0 60M 64K seq\n"


@pytest.mark.parametrize(("cold", "near"), [(100, True), (150, False)])
def test_a_refault_is_activated_if_the_active_list_had_room_for_it(cold: int, near: bool) -> None:
    """About 15,000 active pages: what comes back after 10,000 evictions is activated, after 22,000 not.

    A file of *cold* MiB is streamed past them and its first 20 MiB are read again.
    """
    text = HOT.format(cold) + f"A fread cold 0 {cold}M 64K seq\nA fread cold 0 20M 64K seq\n"
    streamed, again = deltas(text)[-2:]
    evicted = streamed["pgsteal_kswapd"] + streamed.get("pgsteal_direct", 0)
    assert (evicted < 14_000) == near
    assert again["workingset_refault_file"] > 5_000
    activated = again.get("workingset_activate_file", 0)
    assert activated == (again["workingset_refault_file"] if near else 0)


def test_only_what_was_evicted_refaults() -> None:
    """The second pass over a file of 1.5 times the memory: each refault is a page that the first pass lost."""
    first, second = deltas("file f 220M\nproc A\nA fread f 0 220M 64K seq\nA fread f 0 220M 64K seq\n")[-2:]
    assert "workingset_refault_file" not in first
    lost = sum(op.get(f"pgsteal_{who}", 0) for op in (first, second) for who in ("kswapd", "direct"))
    assert 0 < second["workingset_refault_file"] <= min(lost, 220 * 256)


def test_the_active_list_is_shortened_only_while_it_is_longer() -> None:
    """Below 1 GiB the ratio is 1: after 400 MiB of streaming active_file is at most inactive_file and one batch."""
    text = (
        "machine ram=192M\nfile hot 90M\nfile cold 400M\nproc A\nA fread hot 0 90M 64K seq\nA fread hot 0 90M 64K seq\n"
    )
    done = run.simulate(parse(text), None)
    node = done.machine.state.node_stats()
    assert node["nr_active_file"] > 2 * node["nr_inactive_file"]
    done = run.simulate(parse(text + "A fread cold 0 400M 64K seq\n"), None)
    node = done.machine.state.node_stats()
    assert node["nr_active_file"] <= node["nr_inactive_file"] + 64
    assert node["nr_active_file"] > node["nr_inactive_file"] * 0.8


def test_dirty_pages_are_written_before_they_are_dropped() -> None:
    """A file of twice the memory is written: what was reclaimed is on the disk, and comes back as it was written."""
    done = run.simulate(
        parse("machine ram=192M\nproc A\nA fwrite f 0 300M 64K\nsync\nA fread f 0 300M 64K seq\n"), None
    )
    state, number = done.machine.state, done.disk.numbers["f"]
    info = filemap.file_info(state, number)
    assert info.pages == 76_800
    assert info.reclaimed > 40_000
    assert state.node_stats()["nr_written"] >= 76_800
    invariants.validate(state)


def test_mapped_and_used_pages_are_kept_once() -> None:
    """Code and data that a process touches through a mapping all the time survive a stream of twice the memory."""
    text = "machine ram=192M\nfile m 20M\nfile cold 300M\nproc A\nA fmap m m shared\n"
    used = "A touch m 0 20M r seq\n" + "".join(
        f"A fread cold {part * 10}M 10M 64K seq\nA touch m 0 20M r seq\n" for part in range(30)
    )
    done = run.simulate(parse(text + used), None)
    touches = [op for op in done.done if op.op.text.startswith("A touch")]
    assert done.taken()["cold"] > 40_000
    assert sum(op.deltas["pgmajfault"] for op in touches[5:]) == 0


def test_anonymous_memory_without_swap_is_never_taken() -> None:
    """140 MiB of anonymous pages of 150: files make room, pgsteal_anon and pgscan_anon do not move."""
    text = "machine ram=256M\nfile f 100M\nproc A\nA mmap h 140M\nA touch h 0 140M w seq\nA fread f 0 100M 64K seq\n"
    done = run.simulate(parse(text), None)
    events = done.machine.state.events_by_name()
    assert done.taken()["f"] > 5_000
    assert done.taken()["anonymous memory"] == 0
    assert events["pgscan_anon"] == 0


def test_what_is_scanned_and_taken_adds_up() -> None:
    """pgscan and pgsteal by who did it are those by what it was; each page taken is free again."""
    done = run.simulate(parse("machine ram=192M\nfile f 220M\nproc A\nA fread f 0 220M 64K seq\n"), None)
    events = done.machine.state.events_by_name()
    for verb in ("scan", "steal"):
        by_who = events[f"pg{verb}_kswapd"] + events[f"pg{verb}_direct"]
        assert by_who == events[f"pg{verb}_anon"] + events[f"pg{verb}_file"] > 0
    assert events["pgsteal_file"] <= events["pgscan_file"]
    assert events["pgsteal_direct"] >= events["allocstall_movable"] * t.SWAP_CLUSTER_MAX * 0.9
