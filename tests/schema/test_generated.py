"""Does parse(render(record)) give back records that no recording holds: zones, processes and zram devices?"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from memtwin.procfs import zoneinfo
from memtwin.procfs.pid import maps, oom_score, oom_score_adj, smaps_rollup, statm, status
from memtwin.procfs.pid import stat as pid_stat
from memtwin.sysfs.zram import io_stat, mm_stat

U64 = st.integers(0, 2**64 - 1)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_()-]{0,30}", fullmatch=True)
STATS = st.dictionaries(NAMES, U64, min_size=1, max_size=6)
PRINTED = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=80)
PATHS = st.none() | PRINTED.map("/{}".format) | st.sampled_from(["[heap]", "[rollup]"])
PERMS = st.from_regex(r"[r-][w-][x-][ps]", fullmatch=True)
MAPPINGS = st.builds(maps.Mapping, U64, U64, PERMS, U64, st.integers(0, 4095), st.integers(0, 2**20 - 1), U64, PATHS)


def assert_comes_back(module: Any, record: object) -> None:
    """Assert that *record* is read back from its own text."""
    assert module.parse(module.render(record)) == record


@st.composite
def pagesets(draw: st.DrawFn) -> zoneinfo.PageSet:
    """A page set; v6.13 prints two bounds more."""
    bounds = draw(st.sampled_from([(), (U64, U64)]))
    threshold = draw(st.none() | U64)
    return zoneinfo.PageSet(*[draw(U64) for _ in range(4)], threshold, *[draw(bound) for bound in bounds])


@st.composite
def zones(draw: st.DrawFn) -> zoneinfo.ZoneInfo:
    """A zone, populated or not, with and without the rows that only some versions print."""
    sizes = {name: draw(U64) for name in ("free", "min", "low", "high", "spanned", "present", "managed")}
    sizes |= {name: draw(st.none() | U64) for name in ("boost", "promo", "cma")}
    protection = tuple(draw(st.lists(U64, min_size=1, max_size=5)))
    rest: dict[str, Any] = {}
    if draw(st.booleans()):
        rest = {"stats": draw(STATS), "pagesets": tuple(draw(st.lists(pagesets(), max_size=3)))}
        rest |= {"node_unreclaimable": draw(st.integers(0, 1)), "start_pfn": draw(U64)}
    node_stats = draw(st.none() | STATS)
    return zoneinfo.ZoneInfo(
        draw(st.integers(0, 99)), draw(NAMES), node_stats=node_stats, protection=protection, **sizes, **rest
    )


@given(st.lists(zones(), max_size=4))
def test_zoneinfo(found: list[zoneinfo.ZoneInfo]) -> None:
    """Any zones come back, of every version's rows."""
    assert_comes_back(zoneinfo, zoneinfo.Zoneinfo(tuple(found)))


@given(st.lists(MAPPINGS, max_size=5))
def test_maps(found: list[maps.Mapping]) -> None:
    """Mappings come back whatever their path holds, and however wide their numbers are."""
    assert_comes_back(maps, maps.Maps(tuple(found)))


@given(MAPPINGS, STATS)
def test_smaps_rollup(mapped: maps.Mapping, rows: dict[str, int]) -> None:
    """The range and any rows come back."""
    assert_comes_back(smaps_rollup, smaps_rollup.SmapsRollup(mapped, smaps_rollup.RollupRows(rows)))


@given(st.dictionaries(NAMES, PRINTED, max_size=6), st.lists(st.sampled_from(status.MEMORY)), U64)
def test_status(rows: dict[str, str], labels: list[str], amount: int) -> None:
    """Rows of text and of memory come back; memory is read as the number that was printed."""
    memory = {label: status.memory(status.Kib(amount)) for label in labels}
    texts = {label: text for label, text in rows.items() if label not in status.MEMORY}
    record = status.Status(texts | memory)
    assert_comes_back(status, record)
    assert all(record.kib(label) == amount for label in labels)


@given(U64, PRINTED, st.sampled_from("RSDTtZXI"), st.lists(st.integers(-(2**63), 2**64 - 1), max_size=52))
def test_pid_stat(pid: int, comm: str, state: str, rest: list[int]) -> None:
    """A process comes back whatever its name is, parentheses and blanks among it."""
    assert_comes_back(pid_stat, pid_stat.PidStat(pid, comm, state, tuple(rest)))


@given(st.lists(U64, min_size=9, max_size=9), st.integers(7, 9), st.integers(-1000, 1000))
def test_lines_of_numbers(numbers: list[int], columns: int, adj: int) -> None:
    """The files that are one line of numbers come back, of each version's length."""
    assert_comes_back(statm, statm.Statm(*numbers[:7]))
    assert_comes_back(mm_stat, mm_stat.MmStat(*numbers[:columns]))
    assert_comes_back(io_stat, io_stat.IoStat(*numbers[:4]))
    assert_comes_back(oom_score, oom_score.OomScore(numbers[0]))
    assert_comes_back(oom_score_adj, oom_score_adj.OomScoreAdj(adj))
