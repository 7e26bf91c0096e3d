"""A report as it is put together, line by line; :meth:`Builder.event` makes the frozen event of it."""

from __future__ import annotations

from typing import NamedTuple

from memtwin.oom.event import (
    CERTAIN,
    CPUSET,
    GLOBAL,
    KILLED,
    MEMCG,
    MEMPOLICY,
    NO_VICTIM,
    POSSIBLE,
    PROBABLE,
    UNKNOWN,
    HugePages,
    Kill,
    Memcg,
    Node,
    OomEvent,
    Reaped,
    Swap,
    Task,
    Trigger,
    Zone,
)

_CONSTRAINTS = {
    "CONSTRAINT_NONE": GLOBAL,
    "CONSTRAINT_MEMCG": MEMCG,
    "CONSTRAINT_CPUSET": CPUSET,
    "CONSTRAINT_MEMORY_POLICY": MEMPOLICY,
}
_PAGE_SIZES_KIB = (4, 8, 16, 32, 64, 256)
"""Of any architecture that Linux runs on."""


class PageSize(NamedTuple):
    """The page size, and where it stands."""

    kib: int = 4
    source: str | None = None


class Builder:
    """The parts of one event that were found so far."""

    def __init__(self, first_line: int, stamp: str | None) -> None:
        self.first_line = self.last_line = first_line
        self.stamp = self.last_stamp = stamp
        self.has_header = self.has_table = self.has_totals = self.has_dump = False
        self.is_snipped = self.is_certain = False
        self.unread: set[str] = set()
        self.section = ""
        self.before = self.prefix = ""
        self.trigger = Trigger()
        self.kernel: str | None = None
        self.trace: list[str] = []
        self.counts: dict[str, int] = {}
        self.nodes: list[Node] = []
        self.zones: list[Zone] = []
        self.zone_places: dict[tuple[int | None, str], int] = {}
        self.huge_pages: list[HugePages] = []
        self.slabs: dict[str, tuple[int, int]] = {}
        self.swap = Swap()
        self.memcg: Memcg | None = None
        self.memcg_stats: dict[str, int] = {}
        self.columns: tuple[str, ...] = ()
        self.tasks: list[Task] = []
        self.constraint_printed: str | None = None
        self.task_memcg: str | None = None
        self.outcome: str | None = None
        self.message: str | None = None
        self.chosen: tuple[int, str] | None = None
        self.score: int | None = None
        self.panic: str | None = None
        self.condemned: Kill | None = None
        """The victim as the ``oom-kill:`` line names it."""
        self.kills: list[Kill] = []
        self.is_group_kill = False
        self.reaped: list[Reaped] = []

    @property
    def has_whole_dump(self) -> bool:
        """Whether the text has Mem-Info with its zones: an event, possibly, though nothing else is there."""
        return self.has_dump and bool(self.zones) and bool(self.counts)

    def add_zone(self, zone: Zone) -> None:
        """Add a zone; the first of its node and name is where its free blocks go."""
        self.zone_places.setdefault((zone.node, zone.name), len(self.zones))
        self.zones.append(zone)

    def event(self, killed_before: tuple[tuple[int, str], ...] = ()) -> OomEvent:
        """Return the event; *killed_before*: pids and names of earlier victims of the same text."""
        page = self._page_size()
        memcg = self.memcg._replace(stats=self.memcg_stats) if self.memcg is not None else None
        missing = self._missing()
        kills = self.kills or ([self.condemned] if self.condemned is not None else [])
        is_guess = not kills and self.chosen is not None  # before 5.1 a child of it may have died
        if is_guess and self.chosen is not None:
            kills = [Kill(*self.chosen)]
        confidence = PROBABLE if is_guess else CERTAIN if self.is_certain else POSSIBLE
        names = {(task.pid, task.name) for task in self.tasks}
        before = tuple(pid for pid, name in killed_before if (pid, name) in names)
        return OomEvent(
            trigger=self.trigger, kernel=self.kernel, constraint=self._constraint(),
            constraint_printed=self.constraint_printed, complete=not missing, missing=missing,
            unread=tuple(sorted(self.unread)), confidence=confidence,
            outcome=self.outcome or (KILLED if kills else None), message=self.message, panic=self.panic,
            victim=kills[0] if kills else None,
            chosen_pid=self.chosen[0] if self.chosen else None, chosen_name=self.chosen[1] if self.chosen else None,
            score=self.score, also_killed=tuple(self.kills[1:]), reaped=tuple(self.reaped),
            task_memcg=self.task_memcg, tasks=tuple(self.tasks), columns=self.columns, counts=self.counts,
            nodes=tuple(self.nodes), zones=tuple(self.zones), huge_pages=tuple(self.huge_pages), slabs=self.slabs,
            swap=self.swap, memcg=memcg, page_kib=page.kib, page_size_from=page.source, trace=tuple(self.trace),
            sysrq=self.trigger.order == -1, killed_before=before,
            stamp=self.stamp, first_line=min(self.first_line, self.last_line),
            last_line=max(self.first_line, self.last_line),
        )  # fmt: skip

    def _constraint(self) -> str:
        printed = self.constraint_printed
        is_memcg = self.memcg is not None or (self.message or "").startswith("Memory cgroup")
        if printed is not None and not (is_memcg and printed == "CONSTRAINT_NONE"):
            return _CONSTRAINTS.get(printed, printed)
        if is_memcg or any(name.startswith("mem_cgroup_out_of_memory") for name in self.trace):
            return MEMCG
        is_told = self.message is not None and (self.outcome != NO_VICTIM or self.panic is not None)
        return GLOBAL if self.has_dump or is_told or printed else UNKNOWN

    def _missing(self) -> tuple[str, ...]:
        missing = [] if self.has_header else ["header"]
        if self.has_header and self.kernel is None:
            missing.append("kernel version")
        is_memcg = self._constraint() == MEMCG
        if is_memcg and (self.memcg is None or self.memcg.usage is None) and not self.has_dump:
            missing.append("usage of the cgroup")
        if not is_memcg and not self.has_dump and (self.memcg is None or self.memcg.usage is None):
            missing.append("Mem-Info")
        elif not is_memcg and self.has_dump and not self.has_totals:
            missing.append("end of Mem-Info")
        missing += self._missing_rows()
        if self.outcome is None:
            missing.append("kill line")
        elif self.outcome == KILLED and not self.kills:
            missing.append("line of the killed process")
        if self.is_snipped:
            missing.append("lines that were cut out")
        return tuple(missing)

    def _missing_rows(self) -> list[str]:
        if not self.columns:
            return ["head of the task table"] if self.tasks else ["task table"]
        pids = {task.pid for task in self.tasks} | {task.tgid for task in self.tasks}
        victims = {kill.pid for kill in self.kills[:1]} | ({self.chosen[0]} if self.chosen else set())
        victims |= {self.condemned.pid} if self.condemned is not None else set()
        if victims and not self.tasks:
            return ["task rows"]
        return ["row of the victim"] if victims and not victims & pids else []

    def _page_size(self) -> PageSize:
        sizes = [zone.blocks[0][1] for zone in self.zones if zone.blocks]
        if sizes and min(sizes) in _PAGE_SIZES_KIB:
            return PageSize(min(sizes), "buddy lines")
        for kill in self.kills[:1]:
            total = kill.sizes.get("total-vm")
            pages = next((task.total_vm for task in self.tasks if task.pid == kill.pid), None)
            if total and pages and total % pages == 0 and total // pages in _PAGE_SIZES_KIB:
                return PageSize(total // pages, "victim")
        return PageSize()
