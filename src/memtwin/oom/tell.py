"""An event in words: who asked, whose memory it was, why it could not be had, who died by what margin, who had it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.oom import gfp
from memtwin.oom.event import CPUSET, GLOBAL, KILLED, MEMCG, MEMPOLICY, NOBODY, PANIC, UNKNOWN
from memtwin.oom.why import sheet as sheets
from memtwin.oom.why.causes import why_not
from memtwin.oom.why.culprit import GROUP, MEMORY
from memtwin.oom.why.total import UNLIMITED_KIB, ram_pages
from memtwin.render.words import capital, listed, size

if TYPE_CHECKING:
    from memtwin.oom.badness import Rule
    from memtwin.oom.event import Memcg, OomEvent, Task
    from memtwin.oom.why.analysis import Analysis
    from memtwin.oom.why.culprit import Culprit
    from memtwin.oom.why.rows import Row


class Part(NamedTuple):
    """A question, and the sentences that answer it."""

    question: str
    answer: str


NAMES: Final = {
    sheets.SLAB: "kernel slab that cannot be reclaimed",
    sheets.SHMEM: "shared memory and files on tmpfs",
    sheets.HUGE: "huge pages set aside by vm.nr_hugepages",
    sheets.UNNAMED: "memory that no counter names",
    sheets.KERNEL: "kernel memory other than slab, stacks and page tables",
    sheets.FILE: "page cache of files, which reclaim could not drop in time",
    sheets.TABLES: "page tables",
    sheets.UNEVICTABLE: "memory locked in RAM",
}


def tell(found: Analysis) -> tuple[Part, ...]:
    """Return the answers in the order in which somebody asks who was woken by it."""
    event = found.event
    parts = [
        Part("Who asked", _asked(event)),
        Part("Whose memory", _whose(event)),
        Part("Why not", why_not(found)),
        Part("Who died", _died(found)),
        Part("Is it right", _right(found)),
        Part("Who had it", _had(found)),
    ]
    return tuple(part for part in parts if part.answer)


def brief(found: Analysis) -> list[str]:
    """Return the summary, why the memory could not be had, and who died by what margin: a paragraph."""
    died = [] if found.event.victim is None else [_died(found)]
    return [sentence for sentence in (summary(found), why_not(found), *died) if sentence]


def summary(found: Analysis) -> str:
    """Return the event in one sentence."""
    event = found.event
    where = _where(event)
    if event.outcome == PANIC:
        return f"The kernel panicked, as vm.panic_on_oom tells it to: {where}."
    if event.outcome == NOBODY:
        return (
            f"Nobody could be killed, and the kernel panicked: {where}."
            if event.constraint != MEMCG
            else (f"Nobody could be killed: {where}.")
        )
    if event.victim is None:
        return f"{capital(where)}; the text ends before it says who was killed."
    if event.sysrq:
        return f"{who(event.victim.name, event.victim.pid)} was killed because somebody asked for it with SysRq+f."
    return f"{who(event.victim.name, event.victim.pid)} was killed: {where}.{_largest(found)}"


def who(name: str | None, pid: int | None) -> str:
    """Return a process as a sentence has it."""
    return f"{name or 'a process'} ({pid})" if pid is not None else name or "a process"


def _where(event: OomEvent) -> str:
    if event.constraint == MEMCG:
        return _where_cgroup(event.memcg)
    if event.constraint == GLOBAL:
        ram = ram_pages(event)
        of = f" ({size(ram * event.page_kib)} of RAM, {_swap(event)})" if ram is not None else ""
        return f"the machine{of} was out of memory"
    told = {
        CPUSET: f"the nodes of its cpuset ({event.trigger.mems_allowed}) were out of memory",
        MEMPOLICY: f"the nodes of its memory policy ({event.trigger.nodemask}) were out of memory",
        UNKNOWN: "memory was out",
    }
    return told.get(event.constraint, f"memory was out ({event.constraint})")


def _where_cgroup(memcg: Memcg | None) -> str:
    path = f"cgroup {short_path(memcg.path)}" if memcg and memcg.path else "its cgroup"
    if memcg and memcg.limit is not None and memcg.limit < UNLIMITED_KIB:
        return f"{path} had reached its limit of {size(memcg.limit)}"
    return f"{path} was out of memory"


def _largest(found: Analysis) -> str:
    """Return who had the most, where that is not the victim, as the second sentence of a summary."""
    culprit = found.culprit
    if culprit is None or culprit.is_victim:
        return ""
    if culprit.kind == MEMORY:
        return f" {size(culprit.kib)} of it were {_kind(found, culprit)}, which no process holds."
    if culprit.kind == GROUP:
        return f" {culprit.processes} processes named {culprit.name} had more: up to {size(culprit.kib)} together."
    return f" {who(culprit.name, culprit.pid)} had more: {size(culprit.kib)}."


def _kind(found: Analysis, culprit: Culprit) -> str:
    """Return what memory it is that no process holds."""
    told = NAMES.get(culprit.name, culprit.name)
    is_machine = culprit.name == sheets.UNNAMED and found.event.constraint != MEMCG
    return f"{told} (drivers, vmalloc, zram, a balloon)" if is_machine else told


def short_path(path: str) -> str:
    """Return a cgroup's path as its last two names, where it is long.

    >>> short_path("/kubepods.slice/kubepods-burstable.slice/pod5931aa75.slice/cri-containerd-25a38b.scope")
    '.../pod5931aa75.slice/cri-containerd-25a38b.scope'
    """
    parts = path.split("/")
    return path if len(path) <= 60 or len(parts) < 4 else f".../{'/'.join(parts[-2:])}"


def _swap(event: OomEvent) -> str:
    if event.swap.total_kib is None:
        return "swap unknown"
    return f"{size(event.swap.total_kib)} of swap" if event.swap.total_kib else "no swap"


def _asked(event: OomEvent) -> str:
    trigger = event.trigger
    if trigger.name is None and trigger.order is None:
        return ""
    if event.sysrq:
        return "Nobody needed memory: somebody had a process killed with SysRq+f (or echo f > /proc/sysrq-trigger)."
    name = who(trigger.name, trigger.pid)
    if trigger.gfp_mask == 0:
        return f"{name}, whose page fault came back for want of memory; the report does not say which request failed."
    pages = 1 << max(trigger.order or 0, 0)
    what = size(pages * event.page_kib) + (
        "" if pages == 1 else f" in one piece ({pages} pages, order {trigger.order})"
    )
    purpose = gfp.purpose(event)
    told = f"{name} asked for {what}" + (f", {purpose}." if purpose else ".")
    highest = gfp.highest_zone(trigger)
    text = gfp.flags(trigger)
    if text:
        told += f" Flags {text}" + ("." if event.constraint == MEMCG else f": from zone {highest} or below.")
    return told


def _whose(event: OomEvent) -> str:
    if event.constraint == MEMCG and event.memcg is not None:
        return _cgroup(event, event.memcg)
    if event.constraint == GLOBAL:
        ram = ram_pages(event)
        if event.sysrq or ram is None:
            return "" if event.sysrq else "The whole machine's; the text does not say how large it is."
        has = f"{size(ram * event.page_kib)} of RAM, {_swap(event)}"
        return f"The whole machine's: {has}. No cgroup's limit had a part in it."
    if event.constraint in {CPUSET, MEMPOLICY}:
        return f"{capital(_where(event))}; other nodes may have had free memory."
    return "" if event.constraint == "unknown" else f"The kernel's word for it is {event.constraint}."


def _cgroup(event: OomEvent, memcg: Memcg) -> str:
    told = f"That of cgroup {memcg.path or '(not named)'}"
    if memcg.usage is not None and memcg.limit is not None:
        limit = size(memcg.limit) if memcg.limit < UNLIMITED_KIB else "no limit"
        told += f": {size(memcg.usage)} used of {limit}"
    told += f"; {_cgroup_swap(memcg)}."
    if event.task_memcg and memcg.path and event.task_memcg != memcg.path:
        told += f" The victim was in {event.task_memcg}, below it: its own limit was not the one that was reached."
    if event.constraint_printed == "CONSTRAINT_NONE":
        told += " (The kernel printed CONSTRAINT_NONE, which is wrong: the lines are those of a cgroup's limit.)"
    return f"{told} The machine as a whole may have had free memory: this report does not show it."


def _cgroup_swap(memcg: Memcg) -> str:
    if memcg.memsw_usage is not None and memcg.memsw_limit is not None:
        swap = memcg.memsw_usage - (memcg.usage or 0)
        limit = size(memcg.memsw_limit) if memcg.memsw_limit < UNLIMITED_KIB else "no limit"
        return f"{size(swap) if swap > 0 else 'nothing'} in swap, with {limit} for both together"
    if memcg.swap_usage is None or memcg.swap_limit is None:
        return "its use of swap is not told"
    if memcg.swap_limit == 0:
        return "it may not use swap"
    limit = size(memcg.swap_limit) if memcg.swap_limit < UNLIMITED_KIB else "no limit"
    return f"{size(memcg.swap_usage) if memcg.swap_usage else 'nothing'} in swap, with {limit}"


def _died(found: Analysis) -> str:
    event, ranking = found.event, found.ranking
    if event.outcome == PANIC:
        return f"Nobody: {event.message}."
    if event.outcome == NOBODY:
        return "Nobody: no process was left that may be killed."
    if event.victim is None:
        return "The text does not say."
    victim = event.victim
    told = f"{who(victim.name, victim.pid)}"
    sizes = [f"{size(victim.sizes[name])} {word}" for name, word in _SIZES if victim.sizes.get(name)]
    told += f" with {listed(sizes)} resident" if sizes else ""
    if ranking.chosen is not None and ranking.chosen.points is not None:
        told += f": {_points(ranking.chosen, ranking.rule)}"
    told += "."
    told += _margin(found) + _reaped(event)
    if event.also_killed:
        told += f" With it died {listed(who(kill.name, kill.pid) for kill in event.also_killed[:5])}"
        told += f" and {len(event.also_killed) - 5} more" if len(event.also_killed) > 5 else ""
        told += " (memory.oom.group, or they shared its memory)."
    return told


def _reaped(event: OomEvent) -> str:
    """Return what the reaper did to the victim, where a line tells of it."""
    victim = event.victim
    line = next((line for line in event.reaped if victim is not None and line.pid == victim.pid), None)
    if line is None:
        return ""
    left = sum(kib for name, kib in line.sizes.items() if name.endswith("-rss"))
    rest = f"; {size(left)} could not be taken at once" if left else ""
    return f" Its memory was taken before it could end (oom_reaper){rest}."


_SIZES: Final = (("anon-rss", "of its own"), ("file-rss", "of files"), ("shmem-rss", "shared"))


def _points(row: Row, rule: Rule | None) -> str:
    charge = row.low
    parts = [f"{charge.rss:,} pages resident"]
    if charge.swapents:
        parts.append(f"{charge.swapents:,} in swap")
    if charge.page_tables:
        parts.append(f"{charge.page_tables:,} of page tables")
    if rule is not None and rule.permille:
        return f"{row.points} of 1,000 points, from {listed(parts)}"
    told = f"{row.points:,} points, from {listed(parts)}"
    base = charge.rss + charge.swapents + charge.page_tables
    if charge.oom_score_adj and row.points is not None:
        told += f", and {row.points - base:+,} for oom_score_adj {charge.oom_score_adj}"
    elif row.points is not None and row.points < base and charge.root:
        told += f", less {base - row.points:,} since it is root's"
    return told


def _margin(found: Analysis) -> str:
    ranking, page = found.ranking, found.event.page_kib
    other, margin = ranking.runner_up, ranking.margin
    if other is None or margin is None or ranking.rule is None or other.points is None:
        return ""
    if ranking.rule.permille:
        return f" Next was {who(other.task.name, other.task.pid)}."
    lead = f"{abs(margin):,} {'point' if abs(margin) == 1 else 'points'} ({size(abs(margin) * page)})"
    if margin >= 0:
        return f" Next was {who(other.task.name, other.task.pid)}, {lead} behind."
    return f" {who(other.task.name, other.task.pid)} had {lead} more."


def _right(found: Analysis) -> str:
    event, ranking = found.event, found.ranking
    if event.outcome == PANIC or (event.outcome != KILLED and not event.tasks):
        return ""
    lead = {True: "Yes, by the kernel's rule: ", False: "No: ", None: "It cannot be known from this text: "}
    told = lead[ranking.follows] + ranking.why + "."
    check = ranking.score_check
    if check is not None:
        if check.equal:
            told += f" The printed score, {check.printed}, is the computed one, {check.why}."
        elif check.computed is None:
            told += f" The printed score, {check.printed}, cannot be checked: {check.why}."
        else:
            told += f" The printed score is {check.printed}, what the table shows makes {check.computed}: {check.why}."
    if event.page_size_from is None and event.tasks:
        told += " The page size is not in the text: 4 KiB is assumed."
    return told


def _had(found: Analysis) -> str:
    culprit = found.culprit
    if culprit is None:
        return ""
    told = f"{size(culprit.kib)}"
    if culprit.kind == MEMORY:
        return f"No process: {told} are {_kind(found, culprit)}. Killing processes does not give them back."
    if culprit.kind == GROUP:
        at_most = f"at most {told} together (what they share counts in each)"
        victim = "" if found.event.victim is None else f" The victim was {_ONE[culprit.is_victim]}."
        return f"{culprit.processes} processes named {culprit.name}, {at_most}.{victim}"
    if culprit.is_victim:
        return f"The victim: {who(culprit.name, culprit.pid)} was the largest, with {told} in RAM and swap."
    if found.event.victim is None:
        return f"{who(culprit.name, culprit.pid)} was the largest, with {told} in RAM and swap."
    adj = _adj_of(found, culprit.pid)
    spared = f" Its oom_score_adj of {adj} kept it alive." if adj is not None and adj < 0 else ""
    return f"Not the victim: {who(culprit.name, culprit.pid)} had more, {told} in RAM and swap.{spared}"


_ONE: Final = {True: "one of them", False: "another"}


def _adj_of(found: Analysis, pid: int | None) -> int | None:
    row: Task | None = next((task for task in found.event.tasks if task.pid == pid), None)
    return row.oom_score_adj if row else None
