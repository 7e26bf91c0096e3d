"""What reclaim takes: batches and requests beside their pages, compressors by algorithm, checkpoints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from memtwin import scenario as sc
from memtwin.linux.kernel.sched import cputime
from memtwin.linux.mm import mm_init
from memtwin.machine.costs import X86_64
from memtwin.run.run import Run, machine_for, simulate
from memtwin.run.speed import looks_ns
from memtwin.sources.recording import Recording, runs_in

RECORDINGS = Path(__file__).parents[1] / "recordings"
DISK = "machine ram=192M\nswap disk size=256M rot=0\nproc A\nA mmap h 240M\nA touch h 0 240M w seq\n"


def system_ns(text: str, **costs: int) -> tuple[float, dict[str, int]]:
    """How long the kernel works, with these costs, and what it counts."""
    scenario = sc.parse(text)
    machine = machine_for(scenario, None)
    mm_init.set_costs(machine.state, replace(machine.costs, **costs).as_table())
    Run(scenario, machine).execute()
    return cputime.cpu_times(machine.state)["system"], machine.state.events_by_name()


def test_a_batch_of_reclaim_costs_beside_its_pages() -> None:
    """Batches have at most 32 pages: so many more times that cost."""
    free, events = system_ns(DISK, shrink=0)
    dear, _ = system_ns(DISK, shrink=1_000_000)
    scanned = events["pgscan_kswapd"] + events["pgscan_direct"]
    assert dear - free > scanned / 32 * 500_000


def test_a_request_costs_its_writer_and_its_interrupt() -> None:
    """A request has at most 254 pages; what it costs passes twice, the second time for who runs when it ends."""
    free, events = system_ns(DISK, swap_request=0)
    dear, _ = system_ns(DISK, swap_request=5_000_000)
    assert events["pswpout"] > 10_000
    assert dear - free > events["pswpout"] / 254 * 5_000_000


@pytest.mark.parametrize("algorithm", ["lzo-rle", "zstd"])
def test_compressing_costs_by_algorithm_and_content(algorithm: str) -> None:
    """What text takes beyond a mark, of 4,096 pages that are put out."""
    took_us = {}
    for content in ("mark", "text"):
        lines = (
            f"machine ram=256M\nswap zram size=128M algo={algorithm}\nproc A\nA mmap h 16M\n"
            f"A touch h 0 16M w seq content={content}\nA madvise h 0 16M pageout\n"
        )
        took_us[content] = simulate(sc.parse(lines), None).done[-1].us
    of_zeroes, of_mark, of_text, *_ = X86_64.compressor(algorithm).compress
    assert of_zeroes < of_mark < of_text
    assert took_us["text"] - took_us["mark"] == pytest.approx(4096 * (of_text - of_mark) / 1000, rel=0.05)


def test_a_checkpoint_takes_its_time() -> None:
    """As long as it is said that the look took, and none without."""
    scenario = sc.parse("machine ram=128M\ncheckpoint a\ncheckpoint b\ncheckpoint c\n")
    run = simulate(scenario, None, looks_ns={"a": 1_500_000_000})
    at_s = {label: float(files["proc/uptime"].split()[0]) for label, files in run.checkpoints.items()}
    assert at_s["b"] - at_s["a"] == pytest.approx(1.5)
    assert at_s["c"] == at_s["b"]


def test_a_recording_says_how_long_its_looks_took() -> None:
    real = Recording(runs_in(RECORDINGS / "96-zram-lz4")[0])
    found = looks_ns(real)
    assert set(found) == set(real.checkpoints) - {"boot"}
    assert all(10_000_000 < ns < 10_000_000_000 for ns in found.values())
