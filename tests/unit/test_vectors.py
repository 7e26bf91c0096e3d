"""Numbers worked by hand from the kernel's rules, and what the compiled model makes of them."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

import memtwin
from memtwin.linux import touch
from memtwin.linux.check import invariants
from memtwin.linux.core import device
from memtwin.linux.core.state import State
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.kernel import softirq
from memtwin.linux.kernel.sched import core as sched
from memtwin.linux.kernel.sched import cputime, loadavg, psi
from memtwin.linux.mm import buddy_info, mm_init, slub
from memtwin.machine import describe
from memtwin.oom import badness
from memtwin.run import run
from memtwin.scenario import Hot, Pow, Rand, Seq, pages, parse

DEFAULT_RATIO = (256, 256, 32, 0, 0)


def machine(managed: dict[int, int], min_free_kbytes: int) -> State:
    """A bare machine with these zones: number -> managed pages."""
    state = State(1 << 16, 1)
    for zone, pages_ in managed.items():
        mm_init.set_zone(state, zone, 1, pages_, pages_, pages_)
    mm_init.set_sysctl(state, "min_free_kbytes", min_free_kbytes)
    mm_init.set_sysctl(state, "watermark_scale_factor", 10)
    mm_init.set_lowmem_reserve_ratio(state, DEFAULT_RATIO)
    mm_init.compute_watermarks(state)
    return state


@pytest.mark.parametrize(
    ("managed", "min_free", "marks", "reserves", "total"),
    [
        (
            {0: 3840, 1: 240000}, 45056, {0: (177, 221, 265), 1: (11086, 13857, 16628)},
            {0: [0, 937, 937, 937, 937]}, 17830,
        ),
        (
            {0: 3840, 1: 500000}, 45056, {0: (85, 106, 127), 1: (11178, 13972, 16766)},
            {0: [0, 1953, 1953, 1953, 1953]}, 18846,
        ),
        (
            {0: 3840, 1: 760000, 2: 262144}, 67584,
            {0: (63, 78, 93), 1: (12515, 15643, 18771), 2: (4317, 5396, 6475)},
            {0: [0, 2968, 3992, 3992, 3992], 1: [0, 0, 1024, 1024, 1024]}, 30110,
        ),
        (
            {0: 3840, 1: 760000, 2: 1270000}, 67584,
            {0: (31, 38, 45), 1: (6313, 7891, 9469), 2: (10550, 13187, 15824)},
            {0: [0, 2968, 7929, 7929, 7929], 1: [0, 0, 4960, 4960, 4960]}, 34093,
        ),
    ],
)  # fmt: skip
def test_watermarks_and_reserves(
    managed: dict[int, int],
    min_free: int,
    marks: dict[int, tuple[int, int, int]],
    reserves: dict[int, list[int]],
    total: int,
) -> None:
    """min, low and high of each zone, its lowmem reserve, and their sum for MemAvailable."""
    state = machine(managed, min_free)
    for zone, (least, low, high) in marks.items():
        info = buddy_info.zone_info(state, zone)
        assert (info.min, info.low, info.high) == (least, low, high)
    for zone, reserve in reserves.items():
        assert buddy_info.zone_info(state, zone).protection == reserve
    assert state.totalreserve == total


@pytest.mark.parametrize(
    ("managed", "zones", "thp", "kbytes"),
    [(243840, 2, True, 45056), (243840, 2, False, 3950), (503840, 2, False, 5678), (3983840, 3, True, 67584)],
)
def test_min_free_kbytes(managed: int, zones: int, thp: bool, kbytes: int) -> None:
    """The root of low memory, or what huge pages ask for."""
    assert describe.min_free_kbytes(managed, zones, thp=thp) == kbytes


def test_load_average() -> None:
    """Two tasks active from 0.00: after 1, 2, 12 and 24 samples."""
    expected = {1: (16, 3, 1), 2: (31, 7, 2), 12: (127, 37, 13), 24: (173, 67, 25)}
    state = State(1 << 10, 1)
    softirq.start(state)
    loadavg.set_active(state, 2)
    for samples in range(1, 25):
        sched.sleep_until(state, samples * loadavg.LOAD_FREQ_NS)
        if samples in expected:
            assert loadavg.averages(state) == expected[samples]


def test_pressure_averages() -> None:
    """Half of every period stalled from 0: after 1, 2, 5 and 30 periods."""
    expected = {1: (905, 163, 34), 2: (1647, 321, 68), 5: (3159, 766, 168), 30: (4987, 3157, 930)}
    state = State(1 << 10, 1)
    for period in range(1, 31):
        psi.stall(state, 0, 0, psi.PSI_PERIOD_NS // 2)
        psi.step(state)
        if period in expected:
            assert psi.lines(state, 0)[0][0] == expected[period]


@pytest.mark.parametrize(
    ("points", "total", "score"),
    [
        (501024, 2558127, 796),
        (5030, 2558127, 667),
        (-2297170, 2558127, 68),
        (2563030, 2558127, 1334),
        (500000, 2000000, 833),
    ],
)
def test_oom_score(points: int, total: int, score: int) -> None:
    """Points to /proc/PID/oom_score, truncating towards zero."""
    assert badness.scaled_score(points, total) == score


@pytest.mark.parametrize(
    ("size", "cpus", "shape"),
    [(8, 2, (0, 512)), (96, 2, (0, 42)), (256, 2, (0, 16)), (512, 2, (1, 16)), (2048, 2, (3, 16)), (8192, 2, (3, 4)),
     (1128, 2, (2, 14)), (5888, 2, (3, 5)), (2112, 2, (3, 15)), (1184, 4, (3, 27)), (584, 4, (2, 28)),
     (256, 8, (1, 32))],
)  # fmt: skip
def test_slab_shapes(size: int, cpus: int, shape: tuple[int, int]) -> None:
    """Order and objects of a slab by object size and processors."""
    assert slub.calculate_order(size, cpus) == shape


def test_slab_pages_come_back_only_when_slabs_are_empty() -> None:
    """Freeing every other object frees no page; freeing all keeps min_partial empty slabs and the cpu's own."""
    done = run.simulate(parse("machine ram=192M\nsleep 0.1\n"), None)
    state = done.machine.state
    cache = slub.create_cache(state, 512, 8, 0, False)
    objects = [slub.allocate_object(state, cache) for _ in range(800)]
    assert slub.cache_info(state, cache).num_slabs == 100
    for slab in objects[::2]:
        slub.free_object(state, slab)
    assert slub.cache_info(state, cache).num_slabs == 100
    frozen = slub.cpu_partial_slabs(512, 8)
    assert slub.cache_info(state, cache).active_objs <= 408 + 4 * frozen
    for slab in objects[1::2]:
        slub.free_object(state, slab)
    assert slub.cache_info(state, cache).num_slabs <= slub.min_partial(512) + frozen + 1
    invariants.validate(state)


def test_what_a_cpu_freed_into_stays_its_own_until_its_list_is_full() -> None:
    """Slabs on a cpu's partial list count as active, keep their pages when empty, and go to the node all at once."""
    done = run.simulate(parse("machine ram=192M\nsleep 0.1\n"), None)
    state = done.machine.state
    cache = slub.create_cache(state, 4096, 8, 3, False)
    assert slub.cpu_partial_slabs(4096, 8) == 2
    objects = [slub.allocate_object(state, cache) for _ in range(40)]
    for slab in objects[:16]:
        slub.free_object(state, slab)
    assert slub.cache_info(state, cache)[:2] == (40, 40)
    slub.free_object(state, objects[16])
    assert slub.cache_info(state, cache)[:2] == (24, 40)
    assert slub.allocate_object(state, cache) == objects[16]
    assert slub.cache_info(state, cache)[:2] == (24, 40)
    invariants.validate(state)


def test_devices_serve_width_requests_at_a_time() -> None:
    """One server: one after another; two: side by side; the third waits for the first to be done."""
    state = State(1 << 10, 1)
    slow = device.add_device(state, 100, 10, 1)
    wide = device.add_device(state, 100, 10, 2)
    assert [device.request(state, slow, 8, False) for _ in range(3)] == [180, 360, 540]
    assert [device.request(state, wide, pages_, False) for pages_ in (8, 1, 1)] == [180, 110, 220]
    sched.sleep_until(state, 1000)
    assert device.request(state, wide, 1, True) == 1110
    with pytest.raises(ValueError, match="32 wide"):
        device.add_device(state, 1, 1, 33)


def test_time_only_rises_and_idle_time_is_counted() -> None:
    """Sleeping until a time that has passed is nothing; every nanosecond of sleep is idle, on each cpu."""
    state = State(1 << 10, 2)
    softirq.start(state)
    sched.sleep_until(state, 12_345_678_901)
    sched.sleep_until(state, 5)
    assert state.clock_ns == 12_345_678_901
    cputime.account_sleep(state, 0)
    assert cputime.cpu_times(state)["idle"] == 2 * 12_345_678_901


PATTERNS = st.one_of(
    st.just(Seq()),
    st.builds(Rand, st.integers(1, 3000), st.integers(0, 2**64 - 1)),
    st.builds(Hot, st.integers(1, 3000), st.integers(0, 100), st.integers(0, 100), st.integers(0, 2**64 - 1)),
    st.builds(Pow, st.integers(1, 3000), st.integers(1, 16), st.integers(0, 2**64 - 1)),
)
REGION = 3000


@given(PATTERNS, st.integers(1, REGION))
def test_the_compiled_patterns_visit_the_same_pages(pattern: Seq | Rand | Hot | Pow, npages: int) -> None:
    """Page for page and in the same order as the language's own generator says."""
    drawn = touch.drawn(*_compiled(pattern), npages)
    assert drawn == list(pages(pattern, npages))


@pytest.mark.parametrize("words", ["rand:2500:5", "hot:2500:20%:90%:7", "pow:2500:3:9", "seq"])
def test_a_touch_makes_exactly_those_pages_resident(words: str) -> None:
    """Anonymous memory grows by the distinct pages of the pattern."""
    text = f"machine ram=192M\nproc A\nA mmap h {REGION}P\n"
    done = run.simulate(parse(text + f"A touch h 0 {REGION}P w {words}\n"), None)
    base = run.simulate(parse(text), None)
    op = done.scenario.ops[-1]
    expected = len(set(pages(op.pattern, REGION)))  # type: ignore[attr-defined]
    grown = [
        task_mmu.smaps_rollup(r.machine.state, r.processes.by_name["A"].task)["Anonymous"] // 4 for r in (base, done)
    ]
    assert grown[1] - grown[0] == expected


def _compiled(pattern: Seq | Rand | Hot | Pow) -> tuple[int, int, int, int, int, int]:
    """Kind, touches, seed, hot percent, probability percent, exponent."""
    if isinstance(pattern, Rand):
        return 1, pattern.n, pattern.seed, 0, 0, 1
    if isinstance(pattern, Hot):
        return 2, pattern.n, pattern.seed, pattern.hot_percent, pattern.prob_percent, 1
    if isinstance(pattern, Pow):
        return 3, pattern.n, pattern.seed, 0, 0, pattern.exponent
    return 0, 0, 0, 0, 0, 1


def test_worked_numbers_in_docstrings() -> None:
    """Every >>> example in the package gives what it says, those of compiled modules too."""
    tried = 0
    for module in pkgutil.walk_packages(memtwin.__path__, "memtwin."):
        if module.name.endswith("__main__"):
            continue
        failed, count = doctest.testmod(importlib.import_module(module.name))
        assert not failed, module.name
        tried += count
    assert tried > 40
