"""How close huge pages are to a real kernel's: every recording of a machine that has them.

At each checkpoint the twin's AnonHugePages and every ``thp_*`` counter of /proc/vmstat, since boot, lie in the range of
the real runs or beside it by no more than a share of its end; fewer than eight say nothing.

What khugepaged has done depends on how long the run took: it scans every ten seconds.  A checkpoint that the twin
reaches after another number of those than a real run is not compared in that.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import pytest

from memtwin.machine import costs
from memtwin.procfs import vmstat
from memtwin.run.speed import rerun
from memtwin.sources.recording import Recording, runs_in
from memtwin.sources.source import load
from memtwin.study.stalls import HUGE_FLOOR
from memtwin.study.validate import score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Ran = Callable[[str], tuple[list[Recording], Recording]]


BOUND = ["31-thp-always"]
"""Mean error at most 10 %."""
RECORDED = [
    "170-thp-fork-unmap", "170-thp-fork-unmap.k612", "171-thp-ssd-pressure", "171-thp-ssd-pressure.k612",
    "172-thp-zram-madvise", "173-thp-khugepaged", "173-thp-khugepaged.k612", "174-thp-madvise-mix", "175-thp-costs",
    "g06.tha", "g06.thm",
]  # fmt: skip
"""Mean error at most 8 %, p90 at most 25 %."""
LATER = [
    "251-thp-collapse-time.k612", "252-thp-madvise-ssd", "253-thp-madvise-rot.k612", "254-thp-collapse-swapin",
    "255-thp-zram-mixed.k612", "165-thp-compact-612",
]  # fmt: skip
"""The same; recorded when the model was done: 2.7, 1.9, 23.1, 3.5, 4.7 and 2.3 % as they came.

253 showed what was wrong with generations and 6.12's run queue (docs/kernel-map.md); the others changed nothing.
"""
SPREAD = ["250-thp-fork-zram"]
"""The real runs are up to 21 % from each other: 21 or 28 huge pages are swapped out, by the twin 43."""
EACH = [*BOUND, *RECORDED, *LATER]

UNPRESSED = [name for name in RECORDED if name[:3] in {"170", "173", "174"}]
"""Nothing is reclaimed: every counter is the kernel's."""
PACED = ["31-thp-always", "171-thp-ssd-pressure", "171-thp-ssd-pressure.k612", "254-thp-collapse-swapin"]
"""Whether a fault finds a free block depends on how far kswapd gets beside it."""
MORE_SWAPPED = {"251-thp-collapse-time.k612": {"thp_swpout", "thp_split_pmd"}}
"""52 huge pages are swapped out and their entries split, of the real runs' 45 and 46."""


THERE = "nr_anon_transparent_hugepages"
ROUND_US = 10_000_000
SHARE, SHARE_THERE = 0.10, 0.05


@pytest.fixture(scope="module")
def ran(recordings: Path, rerun_of: Callable[..., Path]) -> Ran:
    """Give the real runs of a recording and the twin's, which is made once."""

    @lru_cache(None)
    def both(name: str) -> tuple[list[Recording], Recording]:
        return [Recording(path) for path in runs_in(recordings / name)], Recording(rerun_of(name))

    return both


@pytest.mark.parametrize("name", SPREAD)
def test_where_the_real_runs_differ_the_twin_is_as_near_as_the_farthest_of_them(name: str, ran: Ran) -> None:
    reals, twin = ran(name)
    left_out = [score([other for other in reals if other is not one], one, name) for one in reals]
    assert score(reals, twin, name).mean <= max(one.mean for one in left_out)


@pytest.mark.parametrize("name", EACH)
def test_huge_pages_are_within_their_bars(name: str, ran: Ran) -> None:
    """No figure missing, the mean and p90 of all figures, the same victims, every operation ends as it did."""
    reals, twin = ran(name)
    verdict = score(reals, twin, name)
    assert verdict.meets(mean=0.10 if name in BOUND else 0.08, p90=0.25)
    assert verdict.outcomes_same == verdict.outcomes_asked > 0


@pytest.mark.parametrize("name", [name for name in EACH if name not in PACED])
def test_every_counter_of_huge_pages_is_in_the_real_runs_range(name: str, ran: Ran) -> None:
    """Or at most 10 % beside it, AnonHugePages 5 %."""
    known = MORE_SWAPPED.get(name, set())
    assert [found for found in beside(*ran(name)) if found[1] not in known] == []


@pytest.mark.parametrize("name", UNPRESSED)
def test_without_pressure_every_counter_of_huge_pages_is_the_kernels(name: str, ran: Ran) -> None:
    reals, twin = ran(name)
    for label in twin.checkpoints:
        assert since_boot(twin, label) == since_boot(reals[0], label), label


@pytest.mark.parametrize("name", PACED)
def test_how_often_a_fault_falls_back_is_a_matter_of_pace(
    name: str, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where clearing takes as long as at a page's first use, kswapd keeps up: all counters are in range."""
    lab = costs.LAB_TCG
    monkeypatch.setattr(costs, "LAB_TCG", replace(lab, clear_page=lab.clear_page + lab.fresh_page))
    reals = [Recording(path) for path in runs_in(recordings / name)]
    rerun(reals[0], tmp_path / name)
    assert list(beside(reals, Recording(tmp_path / name))) == []


def beside(reals: list[Recording], twin: Recording) -> Iterator[tuple[str, str, list[int], int]]:
    """Yield checkpoint, figure, the real runs' and the twin's, of each figure that is too far beside their range."""
    for label in reals[0].checkpoints:
        runs = [since_boot(one, label) for one in (*reals, twin)]
        skipped = () if same_rounds(reals, twin, label) else by_khugepaged(runs)
        for name in sorted({name for one in runs for name in one}.difference(skipped)):
            *values, own = [one.get(name, 0) for one in runs]
            nearest = min(max(own, min(values)), max(values))
            share = SHARE_THERE if name == THERE else SHARE
            if max(*values, own) >= HUGE_FLOOR and abs(own - nearest) > share * nearest:
                yield label, name, values, own


def same_rounds(reals: list[Recording], twin: Recording, label: str) -> bool:
    """Return whether khugepaged has had as many rounds in each run."""
    return len({reached_us(one, label) // ROUND_US for one in (*reals, twin)}) == 1


def by_khugepaged(runs: list[dict[str, int]]) -> set[str]:
    """Return what it counts, and how many huge pages are there if it has made some."""
    counted = {name for name in runs[0] if name.startswith(("thp_collapse_", "thp_scan_"))}
    return counted | ({THERE} if any(one["thp_collapse_alloc"] for one in runs) else set())


def since_boot(one: Recording, label: str) -> dict[str, int]:
    """Return huge pages that are there, and what each counter has counted since boot."""
    before, now = (load(one.at(at), vmstat) for at in ("boot", label))
    assert before
    assert now
    counted = {name: value - before[name] for name, value in now.items() if name.startswith("thp_")}
    return {THERE: now[THERE], **counted}


def reached_us(one: Recording, label: str) -> int:
    """Return how long the operations before a checkpoint took."""
    done = 0
    for op in one.ops:
        if op.get("op") == f"checkpoint {label}":
            break
        done += op["us"]
    return done
