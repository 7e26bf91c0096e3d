"""From the middle of a recording, does the twin go on as the real kernel did?

Which pages are resident or cached then few recordings say, so the bars are wider than those of a run from boot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from future import future, middle, place_of, resumed, run_until

from memtwin.linux.check import testing
from memtwin.sources.recording import Recording, runs_in
from memtwin.study.validate import score

if TYPE_CHECKING:
    from pathlib import Path

MEAN, P90 = 0.06, 0.20
WITHIN = (
    "02-anon-fits", "06-zram-random", "103-zram-lz4-classes", "107-oom-four-adj", "165-thp-compact-612",
    "11-file-reread-fits", "120-zram-two-prios-128m", "22-fork-cow", "26-oom-noswap", "29-fragmentation",
    "117-rot-mixed-files", "254-thp-collapse-swapin", "270-mprotect-files", "30-drop-caches", "33-overcommit2",
    "90-forks", "91-many-regions", "100-two-disks-fill", "97-swap-fork", "118-oom-zram-text", "204-tmpfs-full",
    "214-mremap", "221-malloc-mmap", "244-replaced-file", "109-ram-2g", "94-swapoff", "190-pages-random-ssd",
    "230-beside-two-allocators", "151-lists-hot-then-stream", "150-gen-hot-then-stream", "156-gen-ram-2g",
    "205-shm-oom", "240-beside-four-readers", "264-shm-many", "265-shm-rights", "268-mprotect-many",
    "275-tmpfs-beyond-ram", "277-tmpfs-truncate",
)  # fmt: skip


@pytest.mark.parametrize("name", WITHIN)
def test_the_rest_of_a_recording_from_its_middle(recordings: Path, tmp_path: Path, name: str) -> None:
    reals = [Recording(path) for path in runs_in(recordings / name)]
    label = middle(reals[0])
    future(reals[0], label).write(tmp_path / "run")
    verdict = score(reals, Recording(tmp_path / "run", partial=True), since=label)
    assert verdict.compared
    assert verdict.meets(mean=MEAN, p90=P90), (verdict.mean, verdict.p90, verdict.victims)


@pytest.mark.parametrize("name", ["109-ram-2g", "130-normal-anon", "119-ssd-two-working-sets"])
def test_what_reclaim_has_cost_follows_from_its_counters(recordings: Path, name: str) -> None:
    real = Recording(runs_in(recordings / name)[0])
    ops = real.scenario().ops
    there = run_until(real, real.scenario(), ops[: place_of(real.scenario(), middle(real)) + 1])
    costs = testing.costs(resumed(real, middle(real), ()).machine.state)
    assert costs == pytest.approx(testing.costs(there.machine.state), rel=0.1)


@pytest.mark.parametrize("name", ["191-pages-zram-hot", "165-thp-compact-612", "271-limits-swap"])
def test_it_is_worth_something_to_know_where_each_page_is(recordings: Path, tmp_path: Path, name: str) -> None:
    reals = [Recording(path) for path in runs_in(recordings / name)]
    label, means = middle(reals[0]), {}
    for known in (False, True):
        future(reals[0], label, with_pages=known).write(tmp_path / f"{known}")
        means[known] = score(reals, Recording(tmp_path / f"{known}", partial=True), since=label).mean
    assert means[True] < means[False] * 0.9
