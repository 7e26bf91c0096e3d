"""Where each page of one of the model's processes is, in runs: no file of /proc, and no run keeps it by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.core import mm_types
from memtwin.linux.fs.proc import task_mmu
from memtwin.sources import page_runs
from memtwin.sources.page_runs import PageRun

if TYPE_CHECKING:
    from memtwin.machine.machine import Machine


def text(machine: Machine, task: int) -> str:
    """Return the page runs of a task, as ``sources/page_runs.py`` reads them; areas are counted as /proc/swaps does."""
    shift = mm_types.SWAP_TYPE_SHIFT
    areas = {area.number: at for at, area in enumerate(machine.areas)}
    runs = [
        PageRun(first, pages, chr(kind), areas.get(entry >> shift, 0), entry & (1 << shift) - 1)
        for first, pages, kind, entry in task_mmu.page_runs(machine.state, task)
    ]
    return page_runs.render(
        (start, [run for run in runs if start <= run.first < end])
        for start, end, *_ in task_mmu.areas(machine.state, task)
    )
