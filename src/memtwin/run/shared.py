"""Shared memory by its keys, and the names of the tmpfs's files.

A process shares memory with those whom it lets: a child of its fork (anonymous shared memory), who has its key (System
V segments, which stay until they are removed), whom it has given the descriptor of (memfd, which goes with the last
process that has it). Who is another user's, and not root, has no use of a key: what it stands for is its maker's alone.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from memtwin.linux.ipc import shm
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.mm import shmem
from memtwin.linux.records import Outcome
from memtwin.machine.machine import FileName
from memtwin.scenario import MEMFD, TMPFS
from memtwin.units import PAGE_SHIFT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.machine.machine import Machine
    from memtwin.run.worker import Worker

KERNEL_DEVICE = (0, 1)
"""Major and minor number of the kernel's own tmpfs, which is mounted nowhere and has no limit."""
FIRST_TMPFS_DEVICE = 29
"""Minor number of the device before that of the first tmpfs."""


class Shared:
    """What is shared in a run: System V segments and memfds by key, files of the tmpfs by name."""

    def __init__(self, machine: Machine, mounts: Mapping[str, int]) -> None:
        self.machine = machine
        self.state = machine.state
        self.segments: dict[str, int] = {}
        self.memfds: dict[str, int] = {}
        self.tmpfs: dict[str, int] = {}
        self.owners: dict[str, int] = {}
        self._inode = 0
        sizes = {TMPFS: self.state.memory_total // 2, **{name: size >> PAGE_SHIFT for name, size in mounts.items()}}
        self.mounts = {name: number for number, name in enumerate(sizes, 1)}
        for name, pages in sizes.items():
            shmem.mount(self.state, self.mounts[name], pages)

    def _name(self, file: int, path: str, device: tuple[int, int]) -> None:
        self._inode += 1
        self.machine.file_names[file] = FileName(path, *device, self._inode)

    def anonymous(self, task: int, size_bytes: int) -> tuple[int, int]:
        """Make memory for one shared mapping; returns (Outcome, open file)."""
        code, file = shmem.create(self.state, task, size_bytes >> PAGE_SHIFT, promised=True)
        if code != Outcome.OK:
            return code, 0
        self._name(file, "/dev/zero (deleted)", KERNEL_DEVICE)
        return code, self._opened(task, file)

    def _opened(self, task: int, file: int) -> int:
        """Open a file that has no name but this: it goes with its last mapping."""
        filp = kernel_fork.open_file(self.state, task, file)
        shmem.put(self.state, file)
        return filp

    def find(self, process: Worker, key: str, size_bytes: int | None) -> tuple[int, int]:
        """Find what a key stands for, or make it if it has a size; returns (Outcome, file)."""
        known = self.memfds if key.startswith(MEMFD) else self.segments
        if key in known:
            if process.uid not in {0, self.owners[key]}:
                return Outcome.EACCES, 0
            there = shmem.figures(self.state, known[key]).pages
            if size_bytes is not None and size_bytes >> PAGE_SHIFT > there:
                return Outcome.EINVAL, 0
            return Outcome.OK, known[key]
        if size_bytes is None:
            return Outcome.ENOENT, 0
        if key.startswith(MEMFD):
            return self._memfd(process, key, size_bytes)
        code, file = shm.create_segment(self.state, process.task, size_bytes)
        if code == Outcome.OK:
            self.segments[key], self.owners[key] = file, process.uid
            self._name(file, f"/SYSV{zlib.crc32(key.encode()):08x} (deleted)", KERNEL_DEVICE)
        return code, file

    def _memfd(self, process: Worker, key: str, size_bytes: int) -> tuple[int, int]:
        """Make a memfd, which its maker keeps open."""
        code, file = shmem.create(self.state, process.task, size_bytes >> PAGE_SHIFT, promised=False)
        if code == Outcome.OK:
            self.memfds[key], self.owners[key] = file, process.uid
            self._name(file, f"/memfd:{key.removeprefix(MEMFD)} (deleted)", KERNEL_DEVICE)
            process.files[key] = self._opened(process.task, file)
        return code, file

    def descriptor(self, process: Worker, key: str, file: int) -> int:
        """Return the open file of a memfd in a process that it was given to; 0: a segment has none."""
        if key.startswith(MEMFD) and key not in process.files:
            process.files[key] = kernel_fork.open_file(self.state, process.task, file)
        return process.files.get(key, 0)

    def look_up(self, task: int, name: str) -> int:
        """Return the number of a file of the tmpfs, made if it is not there."""
        if name not in self.tmpfs:
            mount = self.mounts[name.partition("/")[0]]
            _, self.tmpfs[name] = shmem.create(self.state, task, 0, promised=False, tmpfs=mount)
            self._name(self.tmpfs[name], f"/{name}", (0, FIRST_TMPFS_DEVICE + mount))
        return self.tmpfs[name]

    def unlink(self, uid: int, name: str) -> int:
        """Remove the name of a file, or a key, for a user; returns an Outcome (EPERM: it is another's)."""
        known = self.tmpfs if "/" in name else self.segments
        if name not in known:
            return Outcome.ENOENT
        if uid not in {0, self.owners.get(name, 0)}:
            return Outcome.EPERM
        file = known.pop(name)
        if "/" in name:
            shmem.put(self.state, file)
        else:
            shm.remove_segment(self.state, file)
        return Outcome.OK

    def forget(self, alive: list[Worker]) -> None:
        """Forget the memfds that no living process has open any more."""
        self.memfds = {key: file for key, file in self.memfds.items() if any(key in p.files for p in alive)}
