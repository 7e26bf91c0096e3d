"""Every array of the model that grows, grown past its first size: under the address sanitizer in the debug build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.check import invariants, testing
from memtwin.linux.mm import mm_init
from memtwin.machine.build import build
from memtwin.run import run
from memtwin.scenario import parse
from memtwin.sources.recording import Recording

if TYPE_CHECKING:
    from pathlib import Path


def test_many_areas_tables_and_processes() -> None:
    """400 areas of one page each (a table each), forked 20 times, half of them unmapped again, all ended."""
    lines = ["machine ram=512M", "sysctl vm.overcommit_memory=1", "proc P0"]
    for number in range(400):
        lines += [f"P0 mmap r{number} 1P", f"P0 touch r{number} 0 1P w seq"]
    lines += [f"P{number} fork P{number + 1}" for number in range(20)]
    lines += [f"P{number} munmap r{number * 2}" for number in range(20)]
    lines += [f"P7 munmap r{number}" for number in range(100, 300)]
    done = run.simulate(parse("\n".join(lines) + "\n"), None)
    invariants.validate(done.machine.state)
    copied = done.machine.state.copy()
    invariants.validate(copied)
    ended = run.simulate(parse("\n".join([*lines, *(f"P{n} exit" for n in range(21)), "checkpoint end"]) + "\n"), None)
    invariants.validate(ended.machine.state)
    first, last = ended.samples[0].figures, ended.samples[-1].figures
    assert last["AnonPages"] == first["AnonPages"]
    assert last["PageTables"] == first["PageTables"]
    assert last["Committed_AS"] == first["Committed_AS"]


def test_a_boot_with_many_page_tables(recordings: Path) -> None:
    """Tables of processes that are not known: more than fit the first chunk, each counted and owned."""
    built = build(Recording(recordings / "02-anon-fits" / "run1.tar.xz").at("boot"))
    before = built.state.node_stats()["nr_page_table_pages"]
    frames = testing.kernel_frames(built.state, 700)
    for pfn in frames:
        mm_init.add_page_table(built.state, pfn)
    assert built.state.node_stats()["nr_page_table_pages"] == before + 700
    invariants.validate(built.state)
