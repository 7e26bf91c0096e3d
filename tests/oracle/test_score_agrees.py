"""Does validate.py give the numbers of the lab's score.py, and do its bars fail what must fail?"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from memtwin.sources.recording import Recording
from memtwin.study.validate import Score, pool, score

RECORDINGS = Path(__file__).parents[1] / "recordings"
LAB_SCORE = Path(__file__).resolve().parents[3] / "shared" / "lab" / "score.py"

MIX_60 = ("14-mix-swappiness-60/run1", "14-mix-swappiness-60/run2")
DISK = ("03-anon-swap-disk/run1", "03-anon-swap-disk/run2")
OOM = ("26-oom-noswap/run1", "26-oom-noswap/run2", "26-oom-noswap/run3")

# (real runs, the run offered as the twin) -> what score.py printed in its last line
PRINTED = {
    (DISK[:1], DISK[1]): "exact 15% median 0.1% p90 4.8% mean 2.3% victims 0/0 missing 0 of 190",
    (DISK, "03-anon-swap-disk.k612/run1"): ("exact 7% median 1.0% p90 90.6% mean 21.0% victims 0/0 missing 0 of 198"),
    (MIX_60, "14-mix-swappiness-60.k612/run1"): (
        "exact 12% median 14.8% p90 101.4% mean 35.2% victims 0/0 missing 0 of 160"
    ),
    (MIX_60, "12-mix-swappiness-0/run1"): ("exact 29% median 6.7% p90 100.0% mean 27.8% victims 0/0 missing 0 of 157"),
    (MIX_60[:1], MIX_60[1]): "exact 29% median 0.1% p90 1.6% mean 0.6% victims 0/0 missing 0 of 157",
    (OOM[:1], OOM[1]): "exact 63% median 0.0% p90 0.6% mean 0.6% victims 2/2 missing 0 of 131",
    (OOM, "22-fork-cow/run2"): "exact 10% median 100.0% p90 567.7% mean 73.2% victims 0/2 missing 111 of 132",
    (OOM[:1], DISK[0]): "exact 6% median 430.7% p90 65497.3% mean 83.9% victims 0/2 missing 111 of 142",
    (("06-zram-random/run1", "06-zram-random/run3"), "06-zram-random/run2"): (
        "exact 60% median 0.0% p90 1.1% mean 0.3% victims 1/1 missing 0 of 89"
    ),
    (("36-equal-priorities/run1",), "36-equal-priorities/run2"): (
        "exact 16% median 1.2% p90 8.3% mean 5.5% victims 0/0 missing 0 of 137"
    ),
}
COUNTS = {  # score.py's other lines: same outcomes, of how many, figures compared, below floor
    (DISK[:1], DISK[1]): (23, 23, 190, 193),
    (MIX_60, "14-mix-swappiness-60.k612/run1"): (20, 20, 160, 156),
    (OOM, "22-fork-cow/run2"): (25, 25, 21, 26),
}

Pair = tuple[tuple[str, ...], str]


@cache
def run(name: str) -> Recording:
    return Recording(RECORDINGS / f"{name}.tar.xz")


@cache
def judged(pair: Pair) -> Score:
    return score([run(name) for name in pair[0]], run(pair[1]))


def as_printed(one: Score) -> str:
    return (
        f"exact {one.exact:.0%} median {one.median:.1%} p90 {one.p90:.1%} mean {one.mean:.1%} "
        f"victims {one.victims_matched}/{one.victims_asked} "
        f"missing {one.missing} of {one.compared + one.missing}"
    )


@pytest.mark.parametrize("pair", PRINTED, ids=lambda pair: f"{pair[0][0]}-{pair[1]}")
def test_a_score_is_what_score_py_printed(pair: Pair) -> None:
    assert as_printed(judged(pair)) == PRINTED[pair]


@pytest.mark.parametrize("pair", COUNTS, ids=lambda pair: f"{pair[0][0]}-{pair[1]}")
def test_counts_are_those_that_score_py_printed(pair: Pair) -> None:
    one = judged(pair)
    assert (one.outcomes_same, one.outcomes_asked, one.compared, one.below_floor) == COUNTS[pair]


@pytest.mark.skipif(not LAB_SCORE.is_file(), reason="the lab's score.py is not beside this checkout")
@pytest.mark.parametrize("pair", PRINTED, ids=lambda pair: f"{pair[0][0]}-{pair[1]}")
def test_every_row_is_score_pys_row(pair: Pair) -> None:
    paths = [str(RECORDINGS / f"{name}.tar.xz") for name in (*pair[0], pair[1])]
    said = subprocess.run(
        [sys.executable, str(LAB_SCORE), "--all", *paths], capture_output=True, text=True, check=True
    ).stdout
    table, _, _ = said.partition("\n\n")
    theirs = [re.split(r"\s+", line.strip()) for line in table.splitlines()[1:]]
    ours = [
        [row.checkpoint, row.figure, str(row.low), str(row.high), str(row.twin),
         "<floor" if row.error is None else f"{row.error:.1%}"]
        for row in judged(pair).rows
    ]  # fmt: skip
    assert ours == theirs
    assert said.splitlines()[-1] == f"score: {as_printed(judged(pair))}"


MUST_FAIL = [
    (DISK, "03-anon-swap-disk.k612/run1"),
    (DISK, "03-anon-swap-disk.k612/run2"),
    (MIX_60, "14-mix-swappiness-60.k612/run1"),
    (MIX_60, "14-mix-swappiness-60.k612/run2"),
    (MIX_60, "12-mix-swappiness-0/run1"),
    (MIX_60, "12-mix-swappiness-0/run2"),
]


@pytest.mark.parametrize("pair", MUST_FAIL, ids=lambda pair: pair[1])
@pytest.mark.parametrize(("mean", "p90"), [(0.02, 0.05), (0.10, 0.30)])
def test_another_kernel_or_swappiness_offered_as_the_twin_fails_the_bars(pair: Pair, mean: float, p90: float) -> None:
    one = judged(pair)
    assert one.mean > mean
    assert one.p90 > p90
    assert not one.meets(mean=mean, p90=p90)


@pytest.mark.parametrize("pair", [(DISK, DISK[1]), (MIX_60, MIX_60[1]), (MIX_60[:1], MIX_60[1]), (OOM[:1], OOM[1])])
def test_a_second_run_of_the_same_kernel_meets_the_bars(pair: Pair) -> None:
    assert judged(pair).meets(mean=0.02, p90=0.05)


def test_one_of_the_real_runs_offered_as_the_twin_has_no_error_at_all() -> None:
    one = judged((DISK, DISK[1]))
    assert (one.exact, one.mean, one.p90, one.missing) == (1.0, 0.0, 0.0, 0)


def test_a_pool_has_the_rows_of_all_its_scores() -> None:
    both = [judged((DISK[:1], DISK[1])), judged((OOM[:1], OOM[1]))]
    pooled = pool(both)
    assert pooled.compared == 190 + 131
    assert (pooled.victims_matched, pooled.victims_asked) == (2, 2)
    assert pooled.mean == pytest.approx((both[0].mean * 190 + both[1].mean * 131) / 321)
