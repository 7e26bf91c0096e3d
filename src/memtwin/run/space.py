"""A process's address space, and another's: the length of regions, of data, and who may read what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.core import mm_types as t
from memtwin.linux.features import features_of
from memtwin.linux.fs.proc import task_mmu
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.mm import filemap, process_vm_access
from memtwin.linux.mm import mremap as mm_mremap
from memtwin.linux.records import Outcome
from memtwin.machine import program
from memtwin.run.worker import Region
from memtwin.units import PAGE_BYTES

if TYPE_CHECKING:
    from memtwin.run.processes import Processes
    from memtwin.run.worker import Worker
    from memtwin.scenario import Brk, Fmap, Mremap, VmRead

RIGHTS = (("r", t.VM_READ), ("w", t.VM_WRITE), ("x", t.VM_EXEC))
HUGE_PAGES = 512
"""Pages of a huge page."""
LAST_MAPPING = 0x700000000
"""Below which an attached process gets what the kernel places: above lie its own libraries and stack."""
ROOM_OF_HEAP = 1 << 24
"""Pages that an attached process's heap may take: it has no brk of the program's."""


def unmapped(processes: Processes, process: Worker, pages: int) -> int:
    """Return the page number at which the kernel maps so much anonymous memory: in the highest gap that has room.

    Kernels that let mappings begin where a huge page does, do so where the length is whole huge pages.
    """
    if pages % HUGE_PAGES or "thp_aligned_maps" not in features_of(processes.machine.boot.release):
        return _highest(processes, process, pages)
    start = _highest(processes, process, pages + HUGE_PAGES)
    return start + HUGE_PAGES - start % HUGE_PAGES


def _highest(processes: Processes, process: Worker, pages: int) -> int:
    """Return the first page of the highest gap's end that has room."""
    top = next((area.start for area in processes.program.areas if area.source == "vvar"), 0)
    end = top if process.runs_program else LAST_MAPPING
    for start, last, *_ in reversed(task_mmu.areas(processes.state, process.task)):
        if end - last >= pages:
            break
        end = min(end, start)
    return end - pages


def end_of_data(processes: Processes, process: Worker) -> int:
    """Return the page number behind a program's data, where its heap begins to grow."""
    heaps = [area for area in processes.program.areas if area.name == "[heap]"]
    if process.runs_program and heaps:
        return heaps[-1].start + heaps[-1].pages
    start = process.next_region
    process.next_region += ROOM_OF_HEAP
    return start


def fmap(processes: Processes, process: Worker, op: Fmap) -> int:
    """Map a whole file at the process's next address; an Outcome (EINVAL: it is empty, EACCES: not to write)."""
    filp = processes.open(process, op.file)
    if filp < 0:
        return -filp
    file = kernel_fork.file_of(processes.state, filp)
    pages = filemap.file_info(processes.state, file).pages
    processes.prepare_mmap(process, op)
    flags = sum(flag for right, flag in RIGHTS if right in op.rights) | (t.VM_SHARED if op.shared else 0)
    if not pages:
        return Outcome.EINVAL
    if op.shared and op.file in process.read_only:
        if flags & t.VM_WRITE:
            return Outcome.EACCES
        flags |= t.VM_MAYNOTWRITE
    code = kernel_fork.mmap(processes.state, process.task, process.next_region, pages, flags, file, filp)
    if code == Outcome.OK:
        processes.keep_region(process, op.region, pages)
    return code


def mremap(processes: Processes, process: Worker, op: Mremap) -> int:
    """Change the length of a region; returns an Outcome (ENOMEM: it cannot grow there, EFAULT: it is several areas)."""
    region = process.regions.get(op.region)
    if region is None:
        return Outcome.ENOENT
    pages = op.size_bytes // PAGE_BYTES
    code, start = remap(processes, process, region.start, region.pages, pages, may_move=op.may_move)
    if code == Outcome.OK:
        process.regions[op.region] = grown = Region(start, pages)
        if grown.start < process.next_region:
            process.next_region = max(process.next_region, grown.start + program.region_step(pages))
    return code


def remap(
    processes: Processes, process: Worker, start: int, pages: int, wanted: int, *, may_move: bool
) -> tuple[int, int]:
    """Give *pages* at *start* another length; returns the Outcome, and where they are then."""
    to = unmapped(processes, process, wanted) if may_move and wanted > pages else 0
    code = mm_mremap.mremap(processes.state, process.task, start, pages, wanted, to)
    moved = code == Outcome.OK and to and is_free(processes, process, start, 1)
    return code, to if moved else start


def is_free(processes: Processes, process: Worker, page: int, pages: int) -> bool:
    """Whether nothing of a process is mapped in a range."""
    areas = task_mmu.areas(processes.state, process.task)
    return not any(start < page + pages and page < end for start, end, *_ in areas)


def brk(processes: Processes, process: Worker, op: Brk) -> int:
    """Let the region behind a program's data have a length; returns an Outcome."""
    process.brk = process.brk or end_of_data(processes, process)
    region = process.regions.setdefault(op.region, Region(process.brk, 0))
    old, new = region.start + region.pages, region.start + op.size_bytes // PAGE_BYTES
    code = kernel_fork.brk(processes.state, process.task, old, new)
    if code == Outcome.OK:
        region.pages = new - region.start
    return code


def vm_read(processes: Processes, process: Worker, op: VmRead) -> int:
    """Read a part of another process's region into the buffer; an Outcome (ESRCH: it has ended or not begun, EPERM)."""
    other = processes.by_name.get(op.other)
    if other is None or not other.alive:
        return Outcome.ESRCH
    buffer = processes.buffer_of(process)
    if buffer < 0:
        return -buffer
    size = processes.program.io_buffer_pages
    if not process_vm_access.may_access(processes.state, process.task, other.task):
        return Outcome.EPERM
    start = processes.part(other, op)
    if start < 0:
        return -start
    return process_vm_access.process_vm_readv(processes.state, process.task, other.task, start, op.npages, buffer, size)
