"""Files that a process has open: truncating one to nothing, and closing it.

In: a process and an operation. Out: an Outcome. Never here: when a file system writes what was replaced
(``linux/fs/fs_writeback.release_file``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.fs import fs_writeback
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.mm import truncate as mm_truncate
from memtwin.linux.records import Outcome

if TYPE_CHECKING:
    from memtwin.run.processes import Processes
    from memtwin.run.worker import Worker
    from memtwin.scenario import Close, Truncate


def truncate(processes: Processes, process: Worker, op: Truncate) -> int:
    """Make a file empty; returns an Outcome (EINVAL: it is open for reading only)."""
    filp = processes.open(process, op.file)
    if filp < 0 or op.file in process.read_only:
        return -filp if filp < 0 else Outcome.EINVAL
    return mm_truncate.truncate(processes.state, process.task, kernel_fork.file_of(processes.state, filp))


def close(processes: Processes, process: Worker, op: Close) -> int:
    """Close a file, which may have to be written first; returns an Outcome (EBADF: it is not open)."""
    if op.file not in process.files:
        return Outcome.EBADF
    fs_writeback.release(processes.state, process.task, process.files[op.file], may_wait=True)
    forget(processes, process, op.file)
    return Outcome.OK


def forget(processes: Processes, process: Worker, name: str) -> None:
    """Drop a descriptor for which the file system has nothing left to do."""
    kernel_fork.close_file(processes.state, process.files.pop(name))
    process.read_only.discard(name)
    processes.forget_memfds()


def close_all(processes: Processes, process: Worker) -> None:
    """Close every file of a process that ends; what has to be written is queued, and not waited for."""
    for filp in process.files.values():
        fs_writeback.release(processes.state, process.task, filp, may_wait=False)
        kernel_fork.close_file(processes.state, filp)
    process.files.clear()
