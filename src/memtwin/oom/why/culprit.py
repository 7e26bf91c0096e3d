"""Who or what had the memory: the largest holder, which need not be the victim."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.oom.why import sheet as sheets
from memtwin.oom.why.rows import charges

if TYPE_CHECKING:
    from memtwin.oom.event import OomEvent, Task
    from memtwin.oom.why.sheet import Sheet

PROCESS, GROUP, MEMORY = "process", "processes", "memory"
_GROUP_OUTWEIGHS: Final = 1.5
"""Processes of one name are named together when they have that many times what the largest process has."""
_HALF: Final = 2
"""Page cache counts as a holder when half of it waits to be written, or when it is half of all that is not free."""
_KINDS: Final = (
    sheets.KERNEL,
    sheets.SLAB,
    sheets.SHMEM,
    sheets.HUGE,
    sheets.UNNAMED,
    sheets.TABLES,
    sheets.UNEVICTABLE,
)
"""Memory that no line of the table of tasks shows."""


class Culprit(NamedTuple):
    """*kind*: one process, several of one name, or memory that no process holds (*name* is its key in the sheet)."""

    kind: str
    name: str
    pid: int | None
    kib: int
    """RAM and swap that it has; for several processes at most, since what they share is counted in each."""
    processes: int
    is_victim: bool


def culprit(event: OomEvent, sheet: Sheet | None) -> Culprit | None:
    """Return the largest holder; None if the text has neither table nor sheet."""
    found = _process(event)
    if sheet is None:
        return found
    files = sheet.kib(sheets.FILE)
    is_stuck = sheets.dirty_kib(event) * _HALF > files or files * _HALF > sheet.total_kib - sheet.kib("free")
    key = max((*_KINDS, sheets.FILE) if is_stuck else _KINDS, key=sheet.kib)
    if sheet.kib(key) > max(found.kib if found else 0, sheet.total_kib // 10):
        return Culprit(MEMORY, key, None, sheet.kib(key), 0, is_victim=False)
    return found


def held_kib(event: OomEvent, task: Task) -> int:
    """Return what a process has in RAM and swap, with its page tables."""
    charge, _ = charges(event, task, None)
    return (charge.rss + charge.swapents + charge.page_tables) * event.page_kib


def _process(event: OomEvent) -> Culprit | None:
    if not event.tasks:
        return None
    victim = event.victim
    hog = max(event.tasks, key=lambda task: held_kib(event, task))
    groups: dict[str, list[Task]] = {}
    for task in event.tasks:
        groups.setdefault(task.name, []).append(task)
    name, largest = max(groups.items(), key=lambda item: sum(_own_kib(event, task) for task in item[1]))
    together = sum(_own_kib(event, task) for task in largest)
    if len(largest) > 1 and together > held_kib(event, hog) * _GROUP_OUTWEIGHS:
        is_one = victim is not None and any(task.pid == victim.pid for task in largest)
        return Culprit(GROUP, name, None, together, len(largest), is_one)
    is_victim = victim is not None and victim.pid in {hog.pid, hog.tgid}
    return Culprit(PROCESS, hog.name, hog.pid, held_kib(event, hog), 1, is_victim)


def _own_kib(event: OomEvent, task: Task) -> int:
    """Return what is a process's own, where the table distinguishes it (6.8 and later), else all that it has."""
    if task.rss_anon is None:
        return held_kib(event, task)
    return held_kib(event, task) - ((task.rss or 0) - task.rss_anon) * event.page_kib
