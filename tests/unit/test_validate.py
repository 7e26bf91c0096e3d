"""Are the errors of a twin's figures what the rule says, for figures made by hand?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtwin.sources.recording import Recording
from memtwin.study.stalls import Stall, error, huge_pages, stalls
from memtwin.study.validate import Figure, control, figures, pool, quantile, score

if TYPE_CHECKING:
    from pathlib import Path

SCENARIO = "proc A\ncheckpoint end\n"
BOOT = {
    "proc/meminfo": "MemTotal: 100000 kB\nMemFree: 50000 kB\n",
    "proc/vmstat": "pgfault 1000\npgscan_kswapd 0\npgscan_direct 0\n",
}


def write_run(path: Path, end: dict[str, str], boot: dict[str, str] = BOOT, killed: tuple[str, ...] = ()) -> Recording:
    deaths = [{"name": name, "pid": 9, "signal": 9} for name in killed]
    ops = [
        {
            "i": 0,
            "op": "proc A",
            "outcome": "ok",
            "errno": 0,
            "d": {"oom_kill": len(killed)},
            "deaths": deaths,
        },
        {"i": 1, "op": "checkpoint end", "outcome": "ok", "errno": 0, "d": {}, "deaths": []},
    ]
    files = {
        "scenario.txt": SCENARIO,
        "run.json": json.dumps({"complete": True, "scenario": "hand-made"}),
        "ops.jsonl": "".join(json.dumps(op) + "\n" for op in ops),
        **{f"boot/{name}": text for name, text in boot.items()},
        **{f"end/{name}": text for name, text in end.items()},
    }
    for name, text in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Recording(path)


def meminfo(free: int) -> str:
    return f"MemTotal: 100000 kB\nMemFree: {free} kB\n"


def test_every_kind_of_figure_is_read(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "r",
        {
            "proc/meminfo": "MemTotal: 100000 kB\nMemFree: 7 kB\nHugePages_Total: 3\n",
            "proc/vmstat": "pgfault 5\npgscan_kswapd 2\npgscan_direct 3\nnr_dirty 4\nallocstall_normal 9\n",
            "proc/buddyinfo": "Node 0, zone   Normal  9 0 0 0 2 0 0 0 0 1 1\nNode 0, zone  DMA  0 0 0 0 1\n",
            "sys/block/zram0/mm_stat": "8192 4096 16384 0 0 0 0 0 0\n",
            "workers/A/status": "Name:\tA\nVmRSS:\t 12 kB\nVmSwap:\t 3 kB\n",
            "workers/A/smaps_rollup": "10000-20000 ---p 00000000 00:00 0 [rollup]\nPss: 11 kB\n",
            "workers/A/oom_score": "667\n",
            "workers/B/oom_score": "",
        },
    )
    assert figures(run, "end") == {
        "MemFree": Figure("size", 7),
        "Dirty": Figure("size", 16),
        "pgfault": Figure("count", 5),
        "pgscan": Figure("count", 5),
        "free>=order4": Figure("size", 3 * 64 + 2048 + 4096),
        "free>=order9": Figure("size", 2048 + 4096),
        "zram_orig": Figure("size", 8),
        "zram_compr": Figure("size", 4),
        "zram_used": Figure("size", 16),
        "A.VmRSS": Figure("size", 12),
        "A.VmSwap": Figure("size", 3),
        "A.Pss": Figure("size", 11),
        "A.oom_score": Figure("score", 667),
    }


@pytest.mark.parametrize(
    ("twin", "error"),
    [(40000, 0.0), (42000, 0.0), (50000, 0.0), (51000, 0.02), (36000, 0.1), (0, 1.0), (200000, 3.0)],
)
def test_inside_the_real_range_is_exact_and_outside_counts_from_the_nearest(
    tmp_path: Path, twin: int, error: float
) -> None:
    reals = [write_run(tmp_path / name, {"proc/meminfo": meminfo(free)}) for name, free in [("a", 40000), ("b", 50000)]]
    one = score(reals, write_run(tmp_path / "t", {"proc/meminfo": meminfo(twin)}))
    assert [row.error for row in one.rows] == [pytest.approx(error)]
    assert one.mean == pytest.approx(min(error, 1.0))
    assert one.exact == (error == 0)
    assert one.scenario == "hand-made"


def test_what_is_below_its_floor_on_all_sides_is_left_out_and_a_small_real_is_divided_by_the_floor(
    tmp_path: Path,
) -> None:
    real = write_run(tmp_path / "a", {"proc/meminfo": meminfo(10)})  # the floor is 1 % of 100000 kB
    quiet = score([real], write_run(tmp_path / "q", {"proc/meminfo": meminfo(999)}))
    assert (quiet.compared, quiet.below_floor) == (0, 1)
    assert not quiet.meets(mean=1, p90=1)
    loud = score([real], write_run(tmp_path / "l", {"proc/meminfo": meminfo(1010)}))
    assert loud.rows[0].error == pytest.approx(1.0)


def test_counters_count_since_boot_and_a_sum_replaces_its_parts(tmp_path: Path) -> None:
    vmstat = "pgfault 3000\npgscan_kswapd {}\npgscan_direct {}\n"
    real = write_run(tmp_path / "a", {"proc/vmstat": vmstat.format(1000, 0)})
    boot = {**BOOT, "proc/vmstat": "pgfault 5000\npgscan_kswapd 0\npgscan_direct 0\n"}
    twin = write_run(tmp_path / "t", {"proc/vmstat": vmstat.replace("3000", "7000").format(0, 1000)}, boot)
    one = score([real], twin)
    assert {row.figure: (row.low, row.twin, row.error) for row in one.rows} == {
        "pgfault": (2000, 2000, 0.0),
        "pgscan": (1000, 1000, 0.0),
    }


def test_a_figure_that_the_twin_lacks_is_missing_and_fails_the_bars(tmp_path: Path) -> None:
    real = write_run(tmp_path / "a", {"proc/meminfo": meminfo(40000) + "Cached: 9000 kB\nDirty: 3 kB\n"})
    one = score([real], write_run(tmp_path / "t", {"proc/meminfo": meminfo(40000)}))
    assert (one.missing, one.compared, one.mean) == (1, 1, 0.0)
    assert not one.meets(mean=0.02, p90=0.05)


@pytest.mark.parametrize(
    ("real", "twin", "matched", "asked"),
    [((), (), 0, 0), (("A",), ("A",), 1, 1), (("A",), ("B",), 0, 1), (("A",), (), 0, 1), ((), ("A",), 0, 1)],
)
def test_victims_are_compared_by_name_and_order(
    tmp_path: Path, real: tuple[str, ...], twin: tuple[str, ...], matched: int, asked: int
) -> None:
    end = {"proc/meminfo": meminfo(40000)}
    kernel = write_run(tmp_path / "a", end, killed=real)
    one = score([kernel], write_run(tmp_path / "t", end, killed=twin))
    assert (one.victims_matched, one.victims_asked) == (matched, asked)
    assert one.meets(mean=0, p90=0) == (matched == asked)


def test_victims_on_which_the_real_runs_differ_are_not_asked(tmp_path: Path) -> None:
    end = {"proc/meminfo": meminfo(40000)}
    reals = [write_run(tmp_path / name, end, killed=(name,)) for name in "ab"]
    assert score(reals, write_run(tmp_path / "t", end)).victims_asked == 0


def test_a_pool_of_nothing_is_empty() -> None:
    empty = pool([])
    assert (empty.compared, empty.mean, empty.p90) == (0, 0.0, 0.0)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_quantile_lies_between_least_and_greatest(values: list[float], q: float) -> None:
    assert min(values) <= quantile(values, q) * (1 + 1e-12)
    assert quantile(values, q) <= max(values) * (1 + 1e-12)
    assert quantile(values, 0) == min(values)
    assert quantile(values, 1) == max(values)


def waited(path: Path, allocstall: int, some_us: int = 0) -> Recording:
    vmstat = f"allocstall_dma32 {allocstall - 5}\nallocstall_normal 5\npgscan_direct 10\n"
    pressure = f"some avg10=0.00 avg60=0.00 avg300=0.00 total={some_us}\nfull avg10=0.00 avg60=0.00 total=0\n"
    return write_run(path, {"proc/vmstat": vmstat, "proc/pressure/memory": pressure})


def test_a_stall_counts_from_the_range_over_its_middle_and_beside_the_control(tmp_path: Path) -> None:
    """The control is each real run against the others; what happened nowhere is no figure."""
    reals = [waited(tmp_path / str(n), n, 1_000_000) for n in (80, 100, 120)]
    found = stalls(reals, waited(tmp_path / "twin", 150, 1_000_000))
    control = (20 / 110 + 0 + 20 / 90) / 3
    assert found[0] == Stall("allocstall", 1, pytest.approx(0.3), pytest.approx(control), 80, 120, 150)
    assert not found[0].within
    assert found[1] == Stall("psi_some", 1, 0.0, 0.0, 1_000_000, 1_000_000, 1_000_000)
    assert [one.figure for one in found] == ["allocstall", "psi_some"]


def test_one_real_run_has_no_control_and_stalls_of_nobody_are_nothing(tmp_path: Path) -> None:
    assert stalls([waited(tmp_path / "quiet", 10)], waited(tmp_path / "twin", 5)) == ()
    (only,) = stalls([waited(tmp_path / "a", 100)], waited(tmp_path / "b", 90))
    assert only.control is None
    assert only.within
    assert error(0, 0, 10**9, 16.0) == 1.0


def test_a_checkpoint_that_the_twin_lacks_is_not_compared(tmp_path: Path) -> None:
    real = waited(tmp_path / "real", 100)
    twin = write_run(tmp_path / "twin", {"proc/meminfo": meminfo(1)})
    assert stalls([real], twin) == ()


def test_each_real_run_is_held_against_the_others(tmp_path: Path) -> None:
    """The control: of three runs, those at the ends are outside the others' range, the middle one is not."""
    runs = [write_run(tmp_path / str(free), {"proc/meminfo": meminfo(free)}) for free in (40_000, 50_000, 60_000)]
    assert [round(one.mean, 4) for one in control(runs)] == [0.2, 0.0, 0.2]
    assert control(runs[:1]) == ()


def test_huge_pages_are_compared_from_eight_of_them_on(tmp_path: Path) -> None:
    """A fallback or two are chance; a hundred faults are not."""
    ends = [
        {"proc/vmstat": f"thp_fault_alloc {faults}\nthp_fault_fallback {few}\n"} for faults, few in ((100, 1), (80, 2))
    ]
    boot = {"proc/vmstat": "thp_fault_alloc 0\nthp_fault_fallback 0\n"}
    real, twin = (write_run(tmp_path / str(i), end, boot) for i, end in enumerate(ends))
    (found,) = huge_pages([real], twin)
    assert (found.figure, found.twin, found.own) == ("thp_fault_alloc", 0.2, 80)
