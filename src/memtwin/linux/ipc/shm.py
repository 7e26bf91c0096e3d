"""System V segments: shared memory by key, which lives until it is removed.

Each is a file of shared memory (``mm/shmem.py``) without a limit of a tmpfs.  Two settings refuse: ``kernel.shmmax``
the size of one, EINVAL, and ``kernel.shmall`` that of all together, ENOSPC; nothing is refused by default.  All of a
segment is promised when it is made.

Follows ipc/shm.c of Linux 6.1 (``newseg``).

Not modelled: several namespaces, SHM_LOCK, SHM_HUGETLB, SHM_NORESERVE.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, file_at

from memtwin.linux.mm.shmem import create, put


def create_segment(s: State, task: int, size_bytes: int) -> tuple[int, int]:
    """Make a System V segment (shmget), which lives until it is removed; returns (Outcome, file)."""
    pages: u64 = (cython.cast(u64, size_bytes) + 4095) >> 12
    if not size_bytes or size_bytes > s.shm_ctlmax:
        s.refusal = REFUSED_SHMMAX if size_bytes else REFUSED_LENGTH
        return EINVAL, 0
    if s.shm_tot + pages > s.shm_ctlall:
        s.refusal = REFUSED_SHMALL
        return ENOSPC, 0
    code, file = create(s, task, pages, promised=True)
    if code == OK:
        s.shm_tot += pages
        file_at(s, file).sysv = True
    return code, file


def remove_segment(s: State, file: int) -> None:
    """Remove a System V segment (IPC_RMID): it is freed with its last mapping."""
    s.shm_tot -= file_at(s, file).nr_pages
    put(s, file)


def limit_segments(s: State, shmmax: int | None = None, shmall: int | None = None) -> None:
    """Set kernel.shmmax, in bytes, and kernel.shmall, in pages."""
    if shmmax is not None:
        s.shm_ctlmax = shmmax
    if shmall is not None:
        s.shm_ctlall = shmall


def segment_limits(s: State) -> tuple[int, int, int]:
    """(kernel.shmmax in bytes, kernel.shmall in pages, pages of all segments)."""
    return s.shm_ctlmax, s.shm_ctlall, s.shm_tot
