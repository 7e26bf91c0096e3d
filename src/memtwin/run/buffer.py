"""Where a process's reads and writes of files have their data: its buffer of 1 MiB, or a region."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.records import Outcome
from memtwin.machine import program
from memtwin.run.space import is_free, unmapped
from memtwin.units import PAGE_BYTES

if TYPE_CHECKING:
    from memtwin.run.processes import Processes
    from memtwin.run.worker import Worker
    from memtwin.scenario import Fread, Fwrite


def page_of_data(processes: Processes, process: Worker, op: Fread | Fwrite) -> int:
    """Return the page number of each call's data, or minus an Outcome; the buffer is mapped at its first use."""
    if op.into:
        region = process.regions.get(op.into.region)
        if region is None:
            return -Outcome.ENOENT
        is_inside = op.into.offset_pages + -(-op.chunk_bytes // PAGE_BYTES) <= region.pages
        return region.start + op.into.offset_pages if is_inside else -Outcome.ERANGE
    return buffer_of(processes, process)


def buffer_of(processes: Processes, process: Worker) -> int:
    """Return the page number of a process's buffer, mapped at its first use, or minus an Outcome."""
    if process.buffer:
        return process.buffer
    at, pages = processes.program.io_buffer, processes.program.io_buffer_pages
    if not process.runs_program:
        at = process.next_region
        process.next_region += program.region_step(pages)
    elif process.heap is not None or not is_free(processes, process, at, pages):  # malloc or mremap were there first
        at = unmapped(processes, process, pages)
    code = kernel_fork.mmap(processes.state, process.task, at, pages, program.RW)
    if code != Outcome.OK:
        return -code
    process.buffer = at
    return at
