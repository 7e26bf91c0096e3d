"""How close the twin is to a real kernel, scenario by scenario, from the recordings."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

import pytest

from memtwin.linux.check import invariants
from memtwin.machine.build import build
from memtwin.procfs import pagetypeinfo, vmstat
from memtwin.run import run
from memtwin.run.speed import rerun
from memtwin.sources.recording import Recording, runs_in
from memtwin.sources.source import load
from memtwin.study.agreement import agreed
from memtwin.study.stalls import stalls
from memtwin.study.validate import figures, score
from memtwin.twin.twin import Twin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Rerun = Callable[..., Path]

QUIET = [
    "01-boot-idle", "02-anon-fits", "22-fork-cow", "22-fork-cow.worker", "33-overcommit2", "121-worker-idle",
    "90-forks", "91-many-regions", "244-replaced-file",
]  # fmt: skip
"""Scenarios in which nothing is reclaimed: mean error at most 2 %, p90 at most 5 %.

90 and 91 were written and recorded when the model already ran, and nothing was changed for them.
"""


RECLAIM = [
    "03-anon-swap-disk", "04-anon-swap-ssd", "05-zram-text", "06-zram-random", "07-zram-zero", "10-file-once",
    "11-file-reread-fits",
    "12-mix-swappiness-0", "13-mix-swappiness-10", "14-mix-swappiness-60", "16-mix-swappiness-200", "17-anon-hot-fits",
    "19-file-thrash", "21-dirty-fsync", "23-shared-map", "24-madvise", "26-oom-noswap", "28-mlock", "30-drop-caches",
    "32-min-free", "35-zram-then-disk-small", "36-equal-priorities", "37-disk-over-zram-ssd",
    "92-zram-half", "93-two-disks-priorities", "94-swapoff", "95-swapon-later", "96-zram-lz4", "96-zram-zstd",
    "97-swap-fork", "100-two-disks-fill", "101-three-disks-equal-pair", "102-swapoff-under-load",
    "103-zram-lz4-classes",
    "104-zram-zstd-classes", "105-zram-lzo-classes", "106-zram-lzo-rle-classes", "107-oom-four-adj",
    "108-oom-swap-full", "109-ram-2g",
    "110-mixed-swappiness-100", "111-mlock-madvise-mix",
    "112-zswap-fits", "113-zswap-limit", "114-zswap-random-zero", "115-zswap-classes", "116-zswap-zsmalloc-lz4",
    "117-rot-mixed-files", "118-oom-zram-text", "119-ssd-two-working-sets", "120-zram-two-prios-128m",
    "131-normal-files", "29-fragmentation", "133-frag-compaction-saves", "134-frag-kills", "135-frag-refused",
    "136-atomic-reserve", "137-frag-proactive",
    "138-frag-orders", "139-frag-normal",
    "g06", "mini-freefork", "mini-mlockcow", "161-gen-stream-61", "162-gen-mix-disk-61", "163-gen-zram-61",
]  # fmt: skip
"""Scenarios in which memory runs short: mean error at most 10 %, p90 at most 30 %.

Those from 117 to 120 were recorded when all others were within the bars; nothing was changed for them.
"""


@pytest.mark.parametrize("name", RECLAIM)
def test_reclaim_is_within_the_bars(name: str, recordings: Path, rerun_of: Rerun) -> None:
    """No figure missing, mean error <= 10 %, p90 <= 30 %, every operation ends as it did on the real kernel."""
    reals = [Recording(path) for path in runs_in(recordings / name)]
    verdict = score(reals, Recording(rerun_of(name)), name)
    assert verdict.missing == 0
    assert verdict.mean <= 0.10
    assert verdict.p90 <= 0.30
    assert verdict.outcomes_same == verdict.outcomes_asked > 0


BESIDE = [
    "230-beside-two-allocators", "231-beside-four-allocators", "233-beside-stream-hot-set",
    "234-beside-oom-race", "235-beside-fork-storm", "236-beside-zram", "237-beside-one-cpu",
    "238-beside-one-cpu-files", "239-beside-paced", "240-beside-four-readers", "241-beside-mixed",
    "242-beside-disk-waits", "243-beside-generations", "245-beside-slow-disk",
    "246-beside-slow-disk-four", "g06.c2",
]  # fmt: skip
"""Tasks side by side, on 1 to 4 CPUs: mean error at most 10 %, p90 30 %, of the figures that the real runs agree on."""


@pytest.mark.parametrize("name", BESIDE)
def test_tasks_side_by_side_are_within_the_bars(name: str, recordings: Path, rerun_of: Rerun) -> None:
    """No figure missing, the same victims, every operation ends as it did on the real kernel."""
    reals = [Recording(path) for path in runs_in(recordings / name)]
    twin = Recording(rerun_of(name))
    verdict = score(reals, twin, name)
    found = agreed(reals, twin, verdict)
    assert verdict.missing == 0
    assert found.mean <= 0.10
    assert found.p90 <= 0.30
    assert verdict.victims_matched == verdict.victims_asked
    assert verdict.outcomes_same == verdict.outcomes_asked > 0


WRITER = "232-beside-reader-writer"
"""kswapd meets the writer's pages before they are written, and goes around again, or it does not.

On a host that was busy the real runs scanned from 33,000 to 126,000 pages; on a quiet one none of eight does it.
"""


def test_where_chance_decides_tasks_side_by_side_end_as_on_the_real_kernel_from_all_boots(
    recordings: Path, rerun_of: Rerun
) -> None:
    reals = [Recording(path) for path in runs_in(recordings / WRITER)]
    for number in range(len(reals)):
        verdict = score(reals, Recording(rerun_of(WRITER, number)), WRITER)
        assert verdict.missing == 0
        assert verdict.victims_matched == verdict.victims_asked
        assert verdict.outcomes_same == verdict.outcomes_asked > 0


@pytest.mark.xfail(
    reason="from half of the boots kswapd goes around dirty pages (kernel-map.md, Known differences)", strict=True
)
def test_where_chance_decides_tasks_side_by_side_are_within_the_bars_from_the_boots_of_all_runs(
    recordings: Path, rerun_of: Rerun
) -> None:
    """The mean over the boots of all real runs; mean error <= 10 %, p90 <= 30 %."""
    reals = [Recording(path) for path in runs_in(recordings / WRITER)]
    twins = [Recording(rerun_of(WRITER, run)) for run in range(len(reals))]
    found = [agreed(reals, twin, score(reals, twin, WRITER)) for twin in twins]
    assert fmean(one.mean for one in found) <= 0.10
    assert fmean(one.p90 for one in found) <= 0.30


SIX_TWELVE = [
    "01-boot-idle.k612", "03-anon-swap-disk.k612", "19-file-thrash.k612",
    "22-fork-cow.k612", "150-gen-hot-then-stream", "151-lists-hot-then-stream", "152-gen-mapped-files", "153-gen-zram",
    "154-gen-oom", "155-gen-fork-pressure", "156-gen-ram-2g", "158-lists-mix-zram",
    "159-gen-hot-anon-ssd", "160-lists-first-read", "164-gen-compact-612", "166-zswap-fits-612", "167-zswap-limit-612",
]  # fmt: skip
"""Scenarios on Linux 6.12, with generations but for *lists*: mean error at most 8 %, p90 at most 25 %, or what a real
run that is left out has against the others, where that is more."""


@pytest.mark.parametrize("name", SIX_TWELVE)
def test_six_twelve_is_within_its_bars(name: str, recordings: Path, rerun_of: Rerun) -> None:
    """No figure missing, the same victims, every operation ends as it did, and errors within the bars."""
    reals = [Recording(path) for path in runs_in(recordings / name)]
    verdict = score(reals, Recording(rerun_of(name)), name)
    left_out = [score([other for other in reals if other is not one], one, name) for one in reals]
    mean, p90 = (fmean(getattr(one, bar) for one in left_out) for bar in ("mean", "p90"))
    assert verdict.meets(mean=max(0.08, mean), p90=max(0.25, p90))
    assert verdict.outcomes_same == verdict.outcomes_asked > 0


CHANCE = [
    "14-mix-swappiness-60.k612", "157-gen-mix-disk", "206-tmpfs-several.k612", "276-shm-advice.k612", "g06.k612on",
]  # fmt: skip
"""The oldest generation is near a quarter of all pages, files and anonymous pages come back nearly as often, or kswapd
may run for DMA alone, or reclaim ends just before pages in use: chance decides, but for 157 in the real runs too."""


@pytest.mark.parametrize("name", CHANCE)
def test_where_chance_decides_six_twelve_is_within_its_bars_from_the_boots_of_all_runs(
    name: str, recordings: Path, rerun_of: Rerun
) -> None:
    """The mean over the boots of all real runs; mean error <= 8 %, p90 <= 25 %."""
    reals = [Recording(path) for path in runs_in(recordings / name)]
    verdicts = [score(reals, Recording(rerun_of(name, run)), name) for run in range(len(reals))]
    assert not any(verdict.missing for verdict in verdicts)
    assert all(verdict.outcomes_same == verdict.outcomes_asked > 0 for verdict in verdicts)
    assert fmean(verdict.mean for verdict in verdicts) <= 0.08
    assert fmean(verdict.p90 for verdict in verdicts) <= 0.25


def test_the_classic_policy_fails_the_bars_of_generations(recordings: Path, tmp_path: Path) -> None:
    """The bars can tell: the same machine with active and inactive lists is outside them."""
    reals = [Recording(path) for path in runs_in(recordings / "150-gen-hot-then-stream")]
    rerun(reals[0], tmp_path / "lists", settings=["machine.lru_gen=off"])
    verdict = score(reals, Recording(tmp_path / "lists"), "lists")
    assert verdict.missing == 0
    assert not verdict.meets(mean=0.08, p90=0.25)


@pytest.mark.parametrize(
    ("offered", "asked"), [("12-mix-swappiness-0", "14-mix-swappiness-60"), ("10-file-once", "19-file-thrash")]
)
def test_the_twin_of_another_workload_fails_the_bars(
    offered: str, asked: str, recordings: Path, rerun_of: Rerun
) -> None:
    """The bars can tell: a twin's run of one scenario, offered for another, is outside them or lacks figures."""
    reals = [Recording(path) for path in runs_in(recordings / asked)]
    verdict = score(reals, Recording(rerun_of(offered)), asked)
    assert verdict.missing or verdict.mean > 0.10
    assert not verdict.meets(mean=0.10, p90=0.30)


@pytest.mark.parametrize("settings", [["vm.min_free_kbytes=20000"], ["machine.ram=320M"]])
def test_the_twin_of_another_machine_fails_the_bars(settings: list[str], recordings: Path, tmp_path: Path) -> None:
    """The bars can tell: scenario 19 on a machine with another reserve or size is outside them."""
    reals = [Recording(path) for path in runs_in(recordings / "19-file-thrash")]
    rerun(reals[0], tmp_path / "other", settings=settings)
    verdict = score(reals, Recording(tmp_path / "other"), "19-file-thrash")
    assert verdict.missing == 0
    assert verdict.mean > 0.10
    assert verdict.p90 > 0.30


@pytest.mark.parametrize("name", QUIET)
def test_the_twin_is_within_the_bars(name: str, recordings: Path, rerun_of: Rerun) -> None:
    """No figure missing, mean error <= 2 %, p90 <= 5 %, every operation ends as it did on the real kernel."""
    reals = [Recording(path) for path in runs_in(recordings / name)]
    verdict = score(reals, Recording(rerun_of(name)), name)
    assert verdict.missing == 0
    assert verdict.mean <= 0.02
    assert verdict.p90 <= 0.05
    assert verdict.outcomes_same == verdict.outcomes_asked > 0


SECTION_PAGES = 32768
"""Frames of 128 MiB: a zone with a hole as large has no pageblocks in it, and where it lies the model does not know."""
HIGHATOMIC = 3
FRAGMENTED = ("29-fragmentation", "133-frag-compaction-saves", "138-frag-orders")


@pytest.mark.parametrize("name", FRAGMENTED)
def test_compaction_moves_as_many_pages_as_the_kernel(name: str, recordings: Path, rerun_of: Rerun) -> None:
    """Pages moved and pages taken to be moved lie within 30 % of the real runs' range at every checkpoint."""
    reals = [Recording(path) for path in runs_in(recordings / name)]
    found = {one.figure: one for one in stalls(reals, Recording(rerun_of(name)))}
    assert found["pgmigrate_success"].twin <= 0.30
    assert found["compact_isolated"].twin <= 0.30


@pytest.mark.parametrize("name", ["95-swapon-later", "119-ssd-two-working-sets", "271-limits-swap"])
def test_as_many_pages_stay_in_the_swap_cache_as_in_the_kernels(name: str, recordings: Path, rerun_of: Rerun) -> None:
    """Pages that are in reclaim's hands when their write ends are not moved: the share is at most a third beside."""
    real = [not_rotated(Recording(path)) for path in runs_in(recordings / name)]
    assert min(real) * 0.67 <= not_rotated(Recording(rerun_of(name))) <= max(real) * 1.33


def not_rotated(one: Recording) -> float:
    """Return the share of the pages written to swap that were not moved to the tail of their list."""
    read = load(one.at(one.checkpoints[-1]), vmstat)
    assert read is not None
    return (read["pswpout"] - read["pgrotated"]) / read["pswpout"]


def test_what_is_paged_out_is_rotated_as_often_as_in_the_kernel(recordings: Path, rerun_of: Rerun) -> None:
    """6.12 sends gathered requests by the size of the first: on an SSD sixteen of them together, behind the batch."""
    name = "276-shm-advice.k612"
    counts = []
    for path in (*runs_in(recordings / name), rerun_of(name)):
        read = load(Recording(path).at("pressed"), vmstat)
        assert read is not None
        counts.append(read["pgrotated"])
    *real, twin = counts
    assert min(real) * 0.99 <= twin <= max(real) * 1.01


def test_as_many_pageblocks_are_kept_for_atomic_blocks_as_the_kernel_keeps(recordings: Path, rerun_of: Rerun) -> None:
    """But for one in each zone: made, kept while nothing needs them, and given up under pressure.

    Whether the requests after that are below the low mark again, kswapd's phase decides.
    """
    reals = [Recording(path) for path in runs_in(recordings / "136-atomic-reserve")]
    most = 0
    for label in ("filled", "atomic", "half", "pressed"):
        read = [load(one.at(label), pagetypeinfo) for one in (*reals, Recording(rerun_of("136-atomic-reserve")))]
        *real, twin = [{zone.zone: zone.counts[HIGHATOMIC] for zone in one.blocks} for one in read if one]
        assert any(all(abs(twin[zone] - kept[zone]) <= 1 for zone in kept) for kept in real), label
        most = max(most, twin["DMA32"])
    assert most >= 3


def six_one(recordings: Path) -> list[Path]:
    return sorted(path for path in recordings.iterdir() if "." not in path.name)


def test_every_recorded_boot_becomes_a_machine(recordings: Path) -> None:
    """Built from a boot snapshot, a machine prints the snapshot's own figures and keeps every invariant."""
    for directory in six_one(recordings):
        real = Recording(directory / "run1.tar.xz")
        built = build(real.at("boot"))
        invariants.validate(built.state, (directory.name,))
        twin = Twin(built)
        # meminfo and vmstat were read a moment before buddyinfo and zoneinfo: a few pages may be gone
        ours = twin.meminfo()
        for label, value in built.boot.meminfo.items():
            assert abs(ours[label] - value) <= 64, (directory.name, label)
        assert twin.read("proc/buddyinfo") == real.at("boot").read("proc/buddyinfo"), directory.name
        # pagetypeinfo was read a moment later; buddyinfo is believed for how many blocks are free
        read = load(real.at("boot"), pagetypeinfo)
        assert read is not None
        if not any(zone.spanned - zone.present > SECTION_PAGES for zone in built.boot.zoneinfo.zones):
            assert twin.pagetypeinfo().blocks == read.blocks, directory.name
        assert figures(real, "boot")


def test_another_size_by_setting(recordings: Path) -> None:
    """--set machine.ram changes MemTotal and the watermarks, and the workload still runs."""
    real = Recording(recordings / "02-anon-fits" / "run1.tar.xz")
    done = run.simulate(real.scenario(), real.at("boot"), settings=["machine.ram=2G"])
    assert 1_950_000 < done.machine.state.memory_total * 4 < 2_060_000
    invariants.validate(done.machine.state)
