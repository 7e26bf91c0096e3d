"""All that a screen shows of a machine at one moment: a sample, and more of the tasks that are on the screen.

A record of a task that costs little (``statm``, ``status``) is read again when its ``stat`` has changed; PSS costs the
kernel a walk over page tables, 21 µs for a small process and milliseconds for a large one, so ``smaps_rollup`` is read
of the tasks on the screen alone, the longest unread first, for at most :data:`PSS_BUDGET_S` a look. What is not read
yet is not known.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.procfs import buddyinfo, pressure, slabinfo, vmstat, zoneinfo
from memtwin.sources import cgroups
from memtwin.sources.processes import SourceProcess
from memtwin.sources.sampler import Sampler, record_of
from memtwin.sources.source import load
from memtwin.sysfs import lru_gen
from memtwin.sysfs.zram import mm_stat

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memtwin.procfs.buddyinfo import Buddyinfo
    from memtwin.procfs.pressure import Pressure
    from memtwin.procfs.slabinfo import Slabinfo
    from memtwin.procfs.vmstat import Vmstat
    from memtwin.procfs.zoneinfo import Zoneinfo
    from memtwin.sources.cgroups import Group
    from memtwin.sources.frame_map import FrameMap
    from memtwin.sources.sampler import Sample, Task
    from memtwin.sources.source import Source
    from memtwin.sources.time_line import TimeLine
    from memtwin.sysfs.lru_gen import LruGen
    from memtwin.sysfs.zram.mm_stat import MmStat

SLOW: Final = "smaps_rollup"
PSS_BUDGET_S: Final = 0.005
_AGAIN_S: Final = {SLOW: 3.0, "cmdline": 30.0, "cgroup": 30.0}
"""How long a record serves although its task has run since."""
_LONGEST_S: Final = 30.0
"""How long any record serves: who else maps a sleeping task's pages may change."""
_RESOURCES: Final = ("memory", "io", "cpu")


class Wants(NamedTuple):
    """What a look is to have: *of_all* are files of every task, *of_shown* those of the tasks at *shown*."""

    of_all: frozenset[str] = frozenset()
    of_shown: frozenset[str] = frozenset()
    shown: tuple[str, ...] = ()
    threads: bool = False
    detail: bool = False
    map_order: int | None = None

    def has(self, other: Wants) -> bool:
        """Whether what *other* wants is among this."""
        return (
            self.of_all >= other.of_all and self.of_shown >= other.of_shown and self.detail >= other.detail
            and set(self.shown) >= set(other.shown) and (other.map_order is None or self.map_order == other.map_order)
        )  # fmt: skip


class Detail(NamedTuple):
    """The files of the memory manager; None is not known."""

    zones: Zoneinfo | None
    blocks: Buddyinfo | None
    slab: Slabinfo | None
    counters: Vmstat | None
    generations: LruGen | None


class Look(NamedTuple):
    """One moment. *group* is the nearest cgroup with a limit around this program, of this host alone."""

    sample: Sample
    pressure: dict[str, Pressure]
    zram: dict[str, MmStat]
    group: Group | None
    detail: Detail | None
    frames: FrameMap | None = None
    time: TimeLine | None = None


class _Kept:
    """Records of one task and when each was read."""

    __slots__ = ("ages", "records", "start")

    def __init__(self, start: int | None) -> None:
        self.start = start
        self.records: dict[str, Any] = {}
        self.ages: dict[str, float] = {}


class Looker:
    """Looks at *source* again and again; *pids* limits the tasks."""

    def __init__(self, source: Source, *, pids: Sequence[int] = ()) -> None:
        self.sampler = Sampler(source, pids=pids)
        self._kept: dict[str, _Kept] = {}
        self._moment: Sample | None = None
        """The sample of a source that stands still."""

    @property
    def source(self) -> Source:
        """What is read."""
        return self.sampler.source

    def turn_to(self, source: Source, *, is_later: bool) -> None:
        """Read the same machine at another moment from now on; one that is not later has no interval."""
        self.sampler.turn_to(source, is_later=is_later)
        self._kept.clear()
        self._moment = None

    def look(self, wants: Wants) -> Look:
        """Return the machine as it is now."""
        source = self.source
        self.sampler.threads = wants.threads
        if self._moment is None:
            sample = self.sampler.sample()
            self._carry(sample.tasks)
            self._moment = None if source.is_live else sample
        else:
            sample = self._moment
        self.fill(sample.tasks, wants)
        found = {kind: load(source, pressure, resource=kind) for kind in _RESOURCES}
        devices = [area.filename.rpartition("/")[2] for area in (sample.swaps.areas if sample.swaps else ())]
        stats = {name: load(source, mm_stat, device=name) for name in devices if name.startswith("zram")}
        return Look(
            sample,
            {kind: record for kind, record in found.items() if record is not None},
            {name: record for name, record in stats.items() if record is not None},
            self._group(),
            self._detail() if wants.detail else None,
            self._frames(wants),
        )

    def refill(self, look: Look, wants: Wants) -> Look:
        """Return *look*, the newest, with what *wants* names too."""
        self.fill(look.sample.tasks, wants)
        detail = look.detail or (self._detail() if wants.detail else None)
        has_map = look.frames is not None and look.frames.order == wants.map_order
        return look._replace(detail=detail, frames=look.frames if has_map else self._frames(wants))

    def fill(self, tasks: Sequence[Task], wants: Wants) -> None:
        """Read what *wants* names of *tasks* and is not fresh; PSS as far as the budget goes."""
        now = time.monotonic()
        shown = set(wants.shown)
        slow: list[tuple[float, bool, Task]] = []
        for task in tasks:
            is_shown = task.process.root in shown
            for name in wants.of_all | wants.of_shown if is_shown else wants.of_all:
                age = self._age(task, name, now)
                if name == SLOW and age is not None:
                    slow.append((-age, not is_shown, task))
                elif age is not None:
                    self._read(task, name, now)
        slow.sort(key=lambda one: (one[1], one[0]))
        end = time.perf_counter() + PSS_BUDGET_S
        for _, _, task in slow:
            if self.source.is_live and time.perf_counter() > end:
                break
            self._read(task, SLOW, now)

    def close(self) -> None:
        """Close what is open."""
        self.sampler.close()

    def _carry(self, tasks: Iterable[Task]) -> None:
        """Give each task the records that it had in the look before."""
        kept: dict[str, _Kept] = {}
        for task in tasks:
            root, start = task.process.root, task.stat.field("starttime")
            known = self._kept.get(root)
            if known is None or known.start != start:
                known = _Kept(start)
            kept[root] = known
            task.records = known.records
        self._kept = kept

    def _age(self, task: Task, name: str, now: float) -> float | None:
        """Return how old the record is, infinite if there is none; None: it serves."""
        read_at = self._kept[task.process.root].ages.get(name)
        if read_at is None:
            return float("inf")
        age = now - read_at
        if not self.source.is_live:
            return None
        serves = age < _AGAIN_S.get(name, 0.0) or task.before is task.stat
        return None if serves and age < _LONGEST_S else age

    def _read(self, task: Task, name: str, now: float) -> None:
        """Read a record; looks that have the old one keep it."""
        known = self._kept[task.process.root]
        known.records = known.records | {name: record_of(task.process, name, {})}
        known.ages[name] = now
        task.records = known.records

    def _group(self) -> Group | None:
        if not self.source.is_live:
            return None
        here = SourceProcess(self.source, os.getpid(), "proc/self")
        groups = [group for group in cgroups.of_process(self.source, here) if group.limit_bytes is not None]
        return min(groups, key=lambda group: group.limit_bytes or 0, default=None)

    def _frames(self, wants: Wants) -> FrameMap | None:
        return None if wants.map_order is None else self.source.frame_map(wants.map_order)

    def _detail(self) -> Detail:
        source = self.source
        return Detail(*(load(source, one) for one in (zoneinfo, buddyinfo, slabinfo, vmstat, lru_gen)))
