"""What each operation of a scenario does: one function for each type, which returns an Outcome.

A process does those of :data:`OF_PROCESS`; the rest concern the whole machine, in the name of the task that looks
after it. To add an operation: its type in ``scenario/lines.py``, a row here, and one in ``story/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from memtwin.linux.fs import drop_caches, fs_writeback, jbd2
from memtwin.linux.records import Outcome
from memtwin.machine import swap_areas
from memtwin.run import heap, open_files, protection, space
from memtwin.run.processes import Processes
from memtwin.run.settings import write
from memtwin.scenario import (
    Attach,
    Brk,
    Checkpoint,
    ClearRefs,
    Close,
    Compact,
    DropCaches,
    Exit,
    Fmap,
    Fork,
    Fread,
    Free,
    Fsync,
    Fwrite,
    Kalloc,
    Kfree,
    Kill,
    Limit,
    Madvise,
    Malloc,
    MallocTrim,
    Mallopt,
    Mlock,
    Mmap,
    Mprotect,
    Mremap,
    Munlock,
    Munmap,
    Op,
    Proc,
    Realloc,
    SetSysctl,
    Shm,
    Sleep,
    Stack,
    SwapOff,
    SwapOn,
    Sync,
    ThreadStart,
    Touch,
    Truncate,
    Unlink,
    Until,
    VmRead,
    Wait,
    WorkerOp,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.run.run import Run
    from memtwin.run.worker import Worker


def _proc(run: Run, op: Proc) -> int:
    return run.processes.start(op.name, op.adj, op.uid, op)


def _attach(run: Run, op: Attach) -> int:
    return run.processes.attach(op)


def _sleep(run: Run, op: Sleep) -> int:
    run.processes.idle(run.machine.state.clock_ns + op.sleep_ns)
    return Outcome.OK


def _until(run: Run, op: Until) -> int:
    begun = run.samples[0].time_ns
    if op.is_strict and begun + op.run_ns < run.machine.state.clock_ns:
        return Outcome.ETIME
    run.processes.idle(begun + op.run_ns)
    return Outcome.OK


def _wait(run: Run, op: Wait) -> int:
    return run.processes.wait(op.names)


def _sync(run: Run, _: Sync) -> int:
    jbd2.commit(run.machine.state)
    fs_writeback.sync(run.machine.state)
    return Outcome.OK


def _drop_caches(run: Run, op: DropCaches) -> int:
    drop_caches.drop_caches(run.machine.state, op.value)
    return Outcome.OK


def _checkpoint(run: Run, op: Checkpoint) -> int:
    run.checkpoint(op.label)
    return Outcome.OK


def _set_sysctl(run: Run, op: SetSysctl) -> int:
    return write(run.machine, op)


def _swapon(run: Run, op: SwapOn) -> int:
    swap = next(swap for swap in run.scenario.swaps if swap.name == op.area)
    prio = swap.prio if op.prio is None else op.prio
    return swap_areas.switch_on(run.machine, run.scenario.swap_devices[op.area], swap.size_bytes, prio)


def _swapoff(run: Run, op: SwapOff) -> int:
    return swap_areas.switch_off(run.machine, run.scenario.swap_devices[op.area], run.machine.rest)


def _compact(run: Run, _: Compact) -> int:
    return run.blocks.compact()


def _kalloc(run: Run, op: Kalloc) -> int:
    return run.blocks.allocate(op)


def _kfree(run: Run, op: Kfree) -> int:
    return run.blocks.free(op)


OF_PROCESS: Final[dict[type[WorkerOp], Callable[[Processes, Worker, Any], int]]] = {
    Mmap: Processes.mmap, Fmap: space.fmap, Munmap: Processes.munmap, Madvise: Processes.madvise,
    Mlock: Processes.mlock, Munlock: Processes.mlock, Touch: Processes.touch, Fread: Processes.io,
    Fwrite: Processes.io, Shm: Processes.shm, Unlink: Processes.unlink, Fsync: Processes.fsync,
    Truncate: open_files.truncate, Close: open_files.close,
    Malloc: heap.malloc, Realloc: heap.realloc, Free: heap.free, MallocTrim: heap.malloc_trim, Mallopt: heap.mallopt,
    ThreadStart: heap.thread,
    Mprotect: protection.mprotect, Limit: protection.limit, Stack: protection.stack,
    Mremap: space.mremap, Brk: space.brk, VmRead: space.vm_read,
    ClearRefs: Processes.clear_refs, Fork: Processes.fork, Exit: Processes.exit, Kill: Processes.kill,
}  # fmt: skip
OF_MACHINE: Final[dict[type[Op], Callable[[Run, Any], int]]] = {
    Proc: _proc, Attach: _attach, Sleep: _sleep, Until: _until, Wait: _wait, Sync: _sync, DropCaches: _drop_caches,
    SetSysctl: _set_sysctl, SwapOn: _swapon, SwapOff: _swapoff, Compact: _compact, Kalloc: _kalloc, Kfree: _kfree,
    Checkpoint: _checkpoint,
}  # fmt: skip
IDLE: Final = (Sleep, Until, Wait)
"""Operations in which only the machine's own threads run."""
ON_FILES: Final = (Fread, Fwrite, Fmap, Fsync, Truncate)
ON_HEAP: Final = (Malloc, Realloc, Free, MallocTrim)
"""Operations after which malloc is asked for its figures."""
