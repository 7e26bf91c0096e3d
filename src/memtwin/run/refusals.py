"""The rule by which the kernel refused what an operation asked for, in words with its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.ipc import shm
from memtwin.linux.mm import filemap, shmem, util
from memtwin.linux.records import Outcome, Refusal
from memtwin.units import kib

if TYPE_CHECKING:
    from memtwin.machine.machine import Machine

SIGNALS: dict[int, int] = {Outcome.SIGBUS: 7, Outcome.SIGSEGV: 11}
"""Outcomes of a touch that end its process, and the signals."""
REFUSALS = {
    Refusal.NOT: "no page was free, and none could be freed",
    Refusal.LENGTH: "a mapping has a length",
    Refusal.TASK_SIZE: "a process has 128 TiB of addresses, and so much is not left of them",
    Refusal.GUARD_GAP: "a stack keeps 1 MiB from what lies below it",
    Refusal.HOLE: "the range has pages that are not mapped",
    Refusal.RLIMIT_AS: "its own limit of address space (RLIMIT_AS) does not allow that",
    Refusal.RLIMIT_DATA: "its own limit of private writable memory (RLIMIT_DATA) does not allow that",
    Refusal.RLIMIT_STACK: "its own limit of stack (RLIMIT_STACK) does not allow that",
    Refusal.RLIMIT_MEMLOCK: "its own limit of locked memory (RLIMIT_MEMLOCK) does not allow that",
    Refusal.READ_ONLY: "the file was opened for reading only, so that a shared mapping of it is never writable",
    Refusal.BOUNDARY: "the range is not part of one area",
    Refusal.NEIGHBOUR: "what lies behind it is in the way, and it may not move",
    Refusal.FOREIGN: "it is another user's process, and only who may trace a process may read its memory",
    Refusal.SWAPOFF: "what lies in the area would find no room",
}
"""Rules that refuse without numbers, by Refusal."""
OF_USERS: dict[int, str] = {
    Outcome.EACCES: "it is another user's, who alone may have that, beside root",
    Outcome.EPERM: "root alone, or who owns it, may do that",
    Outcome.EBADF: "it is open for reading only, as for everybody who neither owns it nor is root",
}
"""What refuses other users, by Outcome."""


def signal_of(machine: Machine, code: int) -> str:
    """Return which signal a fault sent, and why."""
    if code == Outcome.SIGSEGV:
        why = {Refusal.RLIMIT_STACK, Refusal.GUARD_GAP} & {machine.state.refused_by}
        return f"SIGSEGV: {refusal(machine) if why else 'no mapping of its allows that'}"
    full = machine.state.refused_by in {Refusal.TMPFS, Refusal.DISK}
    return f"SIGBUS: {refusal(machine) if full else 'the page lies beyond the end of what is mapped'}"


def refusal(machine: Machine) -> str:
    """Return the rule of the kernel that refused, with its numbers."""
    state = machine.state
    said = {**REFUSALS, **_with_numbers(machine)}
    if state.refused_by != Refusal.OVERCOMMIT:
        return said[Refusal(state.refused_by)]
    if machine.sysctl["overcommit_memory"] == "2":
        limit, promised = kib(util.commit_limit(state)), kib(state.committed_pages)
        return (
            f"overcommit_memory is 2: {promised:,} kB are promised and CommitLimit is {limit:,} kB "
            "(less a reserve for recovery)"
        )
    total = kib(state.memory_total + state.swap_pages[0])
    return f"overcommit_memory is 0: one request may not exceed all RAM and swap, {total:,} kB"


def _with_numbers(machine: Machine) -> dict[Refusal, str]:
    """Return the rules that refuse with one number."""
    shmmax, shmall, _ = shm.segment_limits(machine.state)
    map_count = machine.sysctl["max_map_count"]
    tmpfs = kib(shmem.tmpfs_usage(machine.state, shmem.full_tmpfs(machine.state))[1])
    disk = kib(filemap.disk_usage(machine.state)[1])
    return {
        Refusal.MAP_COUNT: f"a process may not have more areas than vm.max_map_count, {map_count}",
        Refusal.TMPFS: f"the tmpfs is full: its size is {tmpfs:,} kB",
        Refusal.DISK: f"the data disk is full: {disk:,} kB were free on it",
        Refusal.SHMMAX: f"a System V segment may not be larger than kernel.shmmax, {shmmax:,} bytes",
        Refusal.SHMALL: f"all System V segments together may not exceed kernel.shmall, {shmall:,} pages",
    }
