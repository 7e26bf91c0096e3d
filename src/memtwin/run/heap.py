"""The heap of a scenario's process: the allocator's calls become brk, mmap, mprotect, madvise and touches of pages."""

from __future__ import annotations

from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from memtwin.linux import touch
from memtwin.linux.core import mm_types
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.mm import madvise as mm_madvise
from memtwin.linux.mm import mm_init
from memtwin.linux.mm import mprotect as mm_mprotect
from memtwin.linux.records import Outcome
from memtwin.machine import program
from memtwin.run.malloc import Malloc
from memtwin.run.malloc_arena import Thread
from memtwin.run.space import end_of_data, remap, unmapped
from memtwin.units import PAGE_BYTES, PAGE_SHIFT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from memtwin.run.processes import Processes
    from memtwin.run.worker import Worker
    from memtwin.scenario import Free, MallocTrim, Mallopt, Realloc, ThreadStart
    from memtwin.scenario import Malloc as MallocOp

DONTNEED = 0
STACK_PAGES = 2048
STACK_TOUCHED = 3
"""Pages of a thread's stack that starting it writes: its descriptor, thread-local data and first frames."""
ARENA_PAGES = 16384
"""64 MiB: a thread's arena, aligned to its own size."""
AT_ONCE = 8
"""Pages that are read at once where malloc would read and write one after another."""

READ, WRITE = 1, 2
LINK = 8
"""Bytes at the start of each block that lead to the next of its tag: who goes through a tag reads them."""


class HeapFigures(NamedTuple):
    """What malloc says of itself after an operation, in bytes: of the system, free of that, what a trim would free."""

    system: int
    free: int
    trimmable: int
    mapped: int


class Refused(Exception):  # noqa: N818 - an outcome of the kernel's, not an error of anybody
    """The kernel refused; *code* is the Outcome."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ProcessMemory:
    """What the allocator asks of the kernel, for one process; it reads and writes a few pages at a time."""

    def __init__(self, processes: Processes, process: Worker) -> None:
        self.processes, self.process, self.state = processes, process, processes.state
        self.end = end_of_data(processes, process) << PAGE_SHIFT
        self.noted: dict[int, int] = {}
        """Pages that are to be read (READ), written (WRITE), or both in this order."""
        self.index = 0

    def _map(self, start: int, pages: int, flags: int) -> None:
        code = kernel_fork.mmap(self.state, self.process.task, start, pages, flags)
        if code != Outcome.OK:
            raise Refused(code)

    def sbrk(self, delta: int) -> int:
        """Move the end of the heap; returns where it was."""
        old = self.end
        if delta > 0:
            self._map(old >> PAGE_SHIFT, delta >> PAGE_SHIFT, program.RW)
        else:
            self.forget(old + delta, -delta)
            kernel_fork.munmap(self.state, self.process.task, (old + delta) >> PAGE_SHIFT, -delta >> PAGE_SHIFT)
        self.end += delta
        return old

    def mmap(self, size: int) -> int:
        """Map anonymous memory; returns its address."""
        pages = size >> PAGE_SHIFT
        start = unmapped(self.processes, self.process, pages)
        self._map(start, pages, program.RW)
        return start << PAGE_SHIFT

    def munmap(self, address: int, size: int) -> None:
        """Unmap it."""
        self.forget(address, size)
        kernel_fork.munmap(self.state, self.process.task, address >> PAGE_SHIFT, size >> PAGE_SHIFT)

    def mremap(self, address: int, size: int, wanted: int) -> int:
        """Give a mapping another size; returns its address."""
        self.flush()
        code, start = remap(
            self.processes, self.process, address >> PAGE_SHIFT, size >> PAGE_SHIFT, wanted >> PAGE_SHIFT, may_move=True
        )
        if code != Outcome.OK:
            raise Refused(code)
        return start << PAGE_SHIFT

    def heap(self) -> int:
        """Reserve the address space of a thread's arena."""
        start = -(-unmapped(self.processes, self.process, 2 * ARENA_PAGES) // ARENA_PAGES) * ARENA_PAGES
        self._map(start, ARENA_PAGES, mm_types.VM_NORESERVE)
        return start << PAGE_SHIFT

    def allow(self, address: int, size: int) -> None:
        """Make a part of it readable and writable."""
        rights = (True, True, False)
        code = mm_mprotect.mprotect(self.state, self.process.task, address >> PAGE_SHIFT, size >> PAGE_SHIFT, *rights)
        if code != Outcome.OK:
            raise Refused(code)

    def dontneed(self, address: int, size: int) -> None:
        """Give pages up."""
        self.flush()
        mm_madvise.madvise(self.state, self.process.task, address >> PAGE_SHIFT, size >> PAGE_SHIFT, DONTNEED)

    def read(self, address: int, size: int) -> None:
        """Note that memory is read, unless it is written before: what comes from swap for that stays cached."""
        for page in _pages(address, size):
            self.noted.setdefault(page, READ)

    def write(self, address: int, size: int) -> None:
        """Note that memory is written."""
        for page in _pages(address, size):
            self.noted[page] = self.noted.get(page, 0) | WRITE

    def keep_up(self) -> None:
        """Use what was noted as soon as it is a few pages, so that pages are used as the program works."""
        if len(self.noted) >= AT_ONCE:
            self.flush()

    def copy(self, source: int, target: int, size: int) -> None:
        """Note that memory is read, and written elsewhere, from start to end."""
        here, there = _pages(source, size), _pages(target, size)
        for at in range(0, max(len(here), len(there)), AT_ONCE):
            for page in here[at : at + AT_ONCE]:
                self.noted.setdefault(page, READ)
            for page in there[at : at + AT_ONCE]:
                self.noted[page] = self.noted.get(page, 0) | WRITE
            self.keep_up()

    def forget(self, address: int, size: int) -> None:
        """Write what is to be written before a part goes away."""
        del address, size
        self.flush()

    def flush(self) -> None:
        """Use the pages that were noted, in order of address."""
        noted, self.noted = sorted(self.noted.items()), {}
        first = 0
        for at in range(1, len(noted) + 1):
            page, how = noted[first]
            goes_on = at < len(noted) and noted[at] == (page + at - first, how)
            if goes_on and not (how & READ and at - first == AT_ONCE):
                continue
            for what in (READ, WRITE):
                if how & what:
                    self._touch(page, at - first, write=what == WRITE)
            first = at

    def _touch(self, first: int, count: int, *, write: bool) -> None:
        run = touch.Touch(
            self.state, self.process.task, first, count, write=write, opno=self.index, first_page=first
        )  # fmt: skip
        code = self.processes.by_seconds(run)
        if code != Outcome.OK:
            raise Refused(code)

    def thread_stack(self) -> None:
        """Map a thread's stack with its guard page, and write its top."""
        start = unmapped(self.processes, self.process, STACK_PAGES + 1)
        self._map(start, STACK_PAGES + 1, 0)
        self.allow((start + 1) << PAGE_SHIFT, STACK_PAGES * PAGE_BYTES)
        top = start + 1 + STACK_PAGES
        self.write((top - STACK_TOUCHED) << PAGE_SHIFT, STACK_TOUCHED * PAGE_BYTES)


def _pages(address: int, size: int) -> range:
    """Return the numbers of the pages in which memory lies."""
    return range(address >> PAGE_SHIFT, ((address + size - 1) >> PAGE_SHIFT) + 1)


class Heap:
    """A process's allocator, and its blocks by tag."""

    def __init__(self, processes: Processes, process: Worker) -> None:
        self.memory = ProcessMemory(processes, process)
        self.malloc = Malloc(self.memory, processes.state.cpu_count)
        self.blocks: dict[str, list[int]] = {}

    def figures(self) -> HeapFigures:
        """What malloc says of itself."""
        malloc = self.malloc
        return HeapFigures(malloc.system_bytes, malloc.free_bytes, malloc.trimmable_bytes, sum(malloc.mapped.values()))

    def forked(self, processes: Processes, child: Worker) -> Heap:
        """Return the allocator as a forked child has it: the same blocks, the calling thread alone."""
        twin = copy(self)
        twin.memory = copy(self.memory)
        twin.memory.process, twin.memory.noted = child, {}
        twin.memory.processes = processes
        twin.malloc = _copied(self.malloc, twin.memory)
        twin.blocks = {tag: list(blocks) for tag, blocks in self.blocks.items()}
        return twin


def _copied(malloc: Malloc, memory: ProcessMemory) -> Malloc:
    """Return an allocator of its own, in the same state."""
    twin = copy(malloc)
    twin.system, twin.settings = memory, copy(malloc.settings)
    twin.sizes, twin.mapped = dict(malloc.sizes), dict(malloc.mapped)
    arenas = {id(arena): arena.copied(twin) for arena in malloc.arenas}
    twin.arenas, twin.main = list(arenas.values()), arenas[id(malloc.main)]
    twin.owners = {chunk: arenas[id(arena)] for chunk, arena in malloc.owners.items()}
    main = malloc.threads[""]
    caches = {size: list(chunks) for size, chunks in main.cache.items()}
    twin.threads = {"": Thread(arenas[id(main.arena)], caches, main.started)}
    return twin


@contextmanager
def system_calls(processes: Processes) -> Iterator[None]:
    """What malloc asks of the kernel costs a system call each, not what an operation of a scenario does."""
    costs = processes.machine.costs
    mm_init.set_costs(processes.state, replace(costs, syscall=costs.call).as_table())
    try:
        yield
    finally:
        mm_init.set_costs(processes.state, costs.as_table())


def heap_of(processes: Processes, process: Worker) -> Heap:
    """Return a process's allocator, made at the first call."""
    if process.heap is None:
        process.heap = Heap(processes, process)
    return process.heap


def malloc(processes: Processes, process: Worker, op: MallocOp) -> int:
    """Allocate blocks, and write them unless they stay untouched; returns an Outcome."""
    heap = heap_of(processes, process)
    heap.memory.index = op.index
    if op.thread not in heap.malloc.threads:
        return Outcome.ESRCH  # a fork leaves a child the calling thread alone
    blocks = heap.blocks.setdefault(op.tag, [])
    try:
        with system_calls(processes):
            for _ in range(op.count):
                chunk = heap.malloc.malloc(op.size_bytes, op.thread)
                blocks.append(chunk)
                if not op.untouched and op.size_bytes:
                    heap.memory.write(chunk + 16, op.size_bytes)
                heap.memory.keep_up()
            heap.memory.flush()
    except Refused as refused:
        return processes.end_by_signal(process, refused.code)
    return Outcome.OK


def _go_through(processes: Processes, process: Worker, op: Realloc | Free, use: Callable[[Heap, int], int]) -> int:
    """Go through a tag's blocks, use each *op.every*-th, and keep what *use* returns for it (0: nothing).

    Returns an Outcome (ENOENT: no block is left).
    """
    heap = heap_of(processes, process)
    heap.memory.index = op.index
    blocks = heap.blocks.get(op.tag, [])
    if not blocks or op.thread not in heap.malloc.threads:
        return Outcome.ENOENT if not blocks else Outcome.ESRCH
    try:
        with system_calls(processes):
            for number, block in enumerate(blocks):
                heap.memory.read(block + 16, LINK)
                if number % op.every == 0:
                    blocks[number] = use(heap, block)
                heap.memory.keep_up()
            heap.memory.flush()
    except Refused as refused:
        return processes.end_by_signal(process, refused.code)
    heap.blocks[op.tag] = [block for block in blocks if block]
    return Outcome.OK


def realloc(processes: Processes, process: Worker, op: Realloc) -> int:
    """Give blocks another size, and write what is new of them unless it stays untouched; returns an Outcome."""

    def resize(heap: Heap, block: int) -> int:
        old = heap.malloc.usable(block)
        chunk = heap.malloc.realloc(block, op.size_bytes, op.thread)
        if not op.untouched and op.size_bytes > old:
            heap.memory.write(chunk + 16 + old, op.size_bytes - old)
        return chunk

    return _go_through(processes, process, op, resize)


def free(processes: Processes, process: Worker, op: Free) -> int:
    """Free blocks; returns an Outcome (ENOENT: none is left)."""

    def give_up(heap: Heap, block: int) -> int:
        heap.malloc.free(block, op.thread)
        return 0

    return _go_through(processes, process, op, give_up)


def malloc_trim(processes: Processes, process: Worker, op: MallocTrim) -> int:
    """Free whole pages within the heap and at its end; returns an Outcome."""
    heap = heap_of(processes, process)
    heap.memory.index = op.index
    try:
        with system_calls(processes):
            heap.malloc.trim()
            heap.memory.flush()
    except Refused as refused:
        return processes.end_by_signal(process, refused.code)
    return Outcome.OK


def mallopt(processes: Processes, process: Worker, op: Mallopt) -> int:
    """Set a parameter; returns an Outcome."""
    heap_of(processes, process).malloc.set(op.parameter, op.value)
    return Outcome.OK


def thread(processes: Processes, process: Worker, op: ThreadStart) -> int:
    """Start a thread: its stack; its arena comes with its first malloc. Returns an Outcome."""
    heap = heap_of(processes, process)
    heap.memory.index = op.index
    try:
        with system_calls(processes):
            heap.memory.thread_stack()
            heap.memory.flush()
    except Refused as refused:
        return refused.code
    heap.malloc.start_thread(op.thread)
    return Outcome.OK
