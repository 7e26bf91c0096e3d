"""An event in words: who asked, whose memory it was, why there was none, who died by what margin, who had it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.oom import gfp
from memtwin.oom.event import CPUSET, GLOBAL, KILLED, MEMCG, MEMPOLICY, NO_VICTIM, PANIC, POSSIBLE, PROBABLE, UNKNOWN
from memtwin.oom.why import sheet as sheets
from memtwin.oom.why.causes import forbidden_kib, is_false_alarm, is_fragmented, why_not
from memtwin.oom.why.culprit import GROUP, MEMORY
from memtwin.oom.why.generation import is_child
from memtwin.oom.why.total import UNLIMITED_KIB, ram_pages, swap_used_kib
from memtwin.render.words import capital, listed, size

if TYPE_CHECKING:
    from memtwin.oom.badness import Rule
    from memtwin.oom.event import Kill, Memcg, OomEvent, Task
    from memtwin.oom.why.analysis import Analysis
    from memtwin.oom.why.culprit import Culprit
    from memtwin.oom.why.rows import RankedTask


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
    """Return the answers in the order in which they are asked by who was woken by it."""
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
    """Return the summary, why there was no memory, and who died by what margin: a paragraph."""
    died = [] if found.event.victim is None else [_died(found)]
    return [sentence for sentence in (summary(found), why_not(found), *died) if sentence]


def summary(found: Analysis) -> str:
    """Return the event in two sentences: who died and whose memory was out; what filled it and what would help."""
    lead = _lead(found)
    if found.event.sysrq:
        return lead
    return f"{lead} {filled}" if (filled := _filled(found)) else lead


def headline(found: Analysis) -> str:
    """Return the event in one sentence, for a list of many."""
    return _lead(found)


def _lead(found: Analysis) -> str:
    event = found.event
    where, victim = _where(found), event.victim
    if event.outcome in {PANIC, NO_VICTIM}:
        return _nobody_died(event, where)
    if event.confidence == POSSIBLE:
        return (
            "The text has the memory of the machine as the OOM killer prints it, and no other line of it: possibly an"
            " OOM event, possibly a failed allocation."
        )
    if victim is None:
        return f"{capital(where)}; who was killed is not in the text."
    return _victim_died(event, victim, where)


def _nobody_died(event: OomEvent, where: str) -> str:
    if event.outcome == PANIC:
        return f"The kernel panicked, as vm.panic_on_oom asks of it: {where}."
    if event.panic is not None:
        return f"No process could be killed, and the kernel panicked: {where}."
    return f"No process could be killed: {where}." + ("" if event.constraint == MEMCG else " No panic is in the text.")


def _victim_died(event: OomEvent, victim: Kill, where: str) -> str:
    name = who(victim.name, victim.pid)
    if event.sysrq:
        return f"{name} was killed because SysRq+f was pressed."
    if event.confidence == PROBABLE:
        return f"{name} was chosen, and it or a child of it was killed: {where}."
    if not victim.sizes and "kill line" in event.missing:
        return f"{name} was chosen to be killed: {where}. Its kill line is not in the text."
    return f"{name} was killed: {where}."


def _filled(found: Analysis) -> str:
    """Return what filled the memory, and what would help, as one sentence."""
    holder = _largest(found)
    helps = "; ".join(f"({number}) {clause}" for number, clause in enumerate(found.advice, 1))
    if len(found.advice) == 1:
        helps = found.advice[0]
    if holder and helps:
        return f"{holder}; what would help: {helps}."
    return f"{holder}." if holder else f"What would help: {helps}." if helps else ""


def who(name: str | None, pid: int | None) -> str:
    """Return a process with its pid, where that is known."""
    return f"{name or 'a process'} ({pid})" if pid is not None else name or "a process"


def _where(found: Analysis) -> str:
    event = found.event
    if event.constraint == MEMCG:
        return _where_cgroup(event.memcg)
    if event.constraint == GLOBAL and is_false_alarm(found):
        free = sum(view.free for view in found.zones)
        return f"a page fault failed, though {size(free)} were free on the machine: a false alarm of a global OOM"
    if event.constraint == GLOBAL and is_fragmented(found):
        piece = size(event.page_kib << max(event.trigger.order or 0, 0))
        free = sum(view.free for view in found.zones if view.why_not is None)
        block = f"no usable block of {piece} (order {event.trigger.order})"
        return f"{size(free)} were free where the request may take it, but {block}: fragmentation"
    if event.constraint == GLOBAL and (free := forbidden_kib(found)):
        highest = gfp.highest_zone(event.trigger)
        return (
            f"the request may use zone {highest} and below only, which were out of memory; {size(free)} were free above"
        )
    if event.constraint == GLOBAL:
        ram = ram_pages(event)
        of = f" ({size(ram * event.page_kib)} of RAM, {_swap(event)})" if ram is not None else ""
        return f"the machine{of} was out of memory"
    answer = {
        CPUSET: f"the nodes of its cpuset ({event.trigger.mems_allowed}) were out of memory",
        MEMPOLICY: f"the nodes of its memory policy ({event.trigger.nodemask}) were out of memory",
        UNKNOWN: "memory was out, and whose is not in the text",
    }
    return answer.get(event.constraint, f"memory was out ({event.constraint})")


def _where_cgroup(memcg: Memcg | None) -> str:
    path = f"cgroup {short_path(memcg.path)}" if memcg and memcg.path else "its cgroup"
    if memcg and memcg.limit is not None and memcg.limit < UNLIMITED_KIB:
        return f"{path} had reached its limit of {size(memcg.limit)}"
    return f"{path} was out of memory"


def _largest(found: Analysis) -> str:
    """Return what had the most, as a clause."""
    culprit, event = found.culprit, found.event
    is_elsewhere = is_false_alarm(found) or is_fragmented(found) or forbidden_kib(found)
    if culprit is None or (event.constraint == GLOBAL and is_elsewhere):
        return ""
    if culprit.kind == MEMORY:
        return f"{size(culprit.kib)} of it were {_kind(found, culprit)}, which no process holds"
    if culprit.kind == GROUP:
        return f"{culprit.processes} processes named {culprit.name} had the most, up to {size(culprit.kib)} together"
    if culprit.is_victim:
        return f"It had the most, {size(culprit.kib)} in RAM and swap"
    if found.sheet is not None and culprit.kib * 5 < found.sheet.total_kib:
        return f"No process of the table has a fifth of it; the largest, {culprit.name}, has {size(culprit.kib)}"
    verb = "had the most" if event.victim is None else "had more"
    return f"{who(culprit.name, culprit.pid)} {verb}, {size(culprit.kib)} in RAM and swap"


def _kind(found: Analysis, culprit: Culprit) -> str:
    """Return what memory it is that no process holds."""
    answer = NAMES.get(culprit.name, culprit.name)
    is_machine = culprit.name == sheets.UNNAMED and found.event.constraint != MEMCG
    return f"{answer} (drivers, vmalloc, zram, a balloon)" if is_machine else answer


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
        return "No request for memory: a process was killed by hand with SysRq+f (or echo f > /proc/sysrq-trigger)."
    name = who(trigger.name, trigger.pid)
    if trigger.gfp_mask == 0:
        return f"{name}, whose page fault came back for lack of memory; the report does not say which request failed."
    pages = 1 << max(trigger.order or 0, 0)
    what = size(pages * event.page_kib) + (
        "" if pages == 1 else f" in one piece ({pages} pages, order {trigger.order})"
    )
    purpose = gfp.purpose(event)
    if trigger.order is None:
        return f"{name}; what for is not in the text."
    answer = f"{name} asked for {what}" + (f", {purpose}." if purpose else ".")
    highest = gfp.highest_zone(trigger)
    text = gfp.flags(trigger)
    if text:
        answer += f" Flags {text}" + ("." if event.constraint == MEMCG else f": from zone {highest} or below.")
    return answer


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
        allowed = event.trigger.mems_allowed if event.constraint == CPUSET else event.trigger.nodemask
        return f"That of nodes {allowed or '(not in the text)'}; other nodes may have had free memory."
    if event.constraint == MEMCG:
        return "A cgroup's; its name is not in the text."
    return "" if event.constraint == "unknown" else f"The kernel's word for it is {event.constraint}."


def _cgroup(event: OomEvent, memcg: Memcg) -> str:
    answer = f"That of cgroup {memcg.path}" if memcg.path else "A cgroup's (its name is not in the text)"
    if memcg.usage is not None and memcg.limit is not None:
        limit = size(memcg.limit) if memcg.limit < UNLIMITED_KIB else "no limit"
        answer += f": {size(memcg.usage)} used of {limit}"
    swap = _cgroup_swap(memcg)
    answer += f"; {swap}." if swap else "."
    if event.task_memcg and memcg.path and event.task_memcg != memcg.path:
        answer += f" The victim was in {event.task_memcg}, below it: its own limit was not the one that was reached."
    if event.constraint_printed == "CONSTRAINT_NONE":
        answer += " (The kernel printed CONSTRAINT_NONE, which is wrong: the lines are those of a cgroup's limit.)"
    return f"{answer} The machine as a whole may have had free memory: this report does not show it."


def _cgroup_swap(memcg: Memcg) -> str:
    if memcg.memsw_usage is not None and memcg.memsw_limit is not None:
        swap = swap_used_kib(memcg)
        if swap is None:
            return "what it has in swap was not counted (swap accounting is off)"
        limit = size(memcg.memsw_limit) if memcg.memsw_limit < UNLIMITED_KIB else "no limit"
        return f"{size(swap) if swap > 0 else 'nothing'} in swap, with {limit} for both together"
    if memcg.swap_usage is None or memcg.swap_limit is None:
        return ""
    if memcg.swap_limit == 0:
        return "it may not use swap"
    limit = size(memcg.swap_limit) if memcg.swap_limit < UNLIMITED_KIB else "no limit"
    return f"{size(memcg.swap_usage) if memcg.swap_usage else 'nothing'} in swap, with {limit}"


def _died(found: Analysis) -> str:
    event, ranking = found.event, found.ranking
    if event.outcome == PANIC:
        return f"No process: {event.message}."
    if event.outcome == NO_VICTIM:
        return "No process: none was left that may be killed."
    if event.victim is None:
        return "Not in the text."
    victim = event.victim
    sizes = [f"{size(victim.sizes[name])} {word}" for name, word in _SIZES if victim.sizes.get(name)]
    resident = f" with {listed(sizes)} resident" if sizes else ""
    if is_child(event):
        return _child_died(found, f"{who(victim.name, victim.pid)}{resident}")
    uid = f", uid {victim.uid}" if victim.uid else ""
    answer = f"{victim.name} ({victim.pid}{uid}){resident}"
    if ranking.chosen is not None and ranking.chosen.points is not None:
        answer += f": {_points(ranking.chosen, ranking.rule)}"
    answer += "."
    answer += _margin(found) + _reaped(event)
    if event.also_killed:
        answer += f" With it died {listed(who(kill.name, kill.pid) for kill in event.also_killed[:5])}"
        answer += f" and {len(event.also_killed) - 5} more" if len(event.also_killed) > 5 else ""
        answer += " (memory.oom.group, or they shared its memory)."
    return answer


def _child_died(found: Analysis, child: str) -> str:
    """Return who was chosen, and who died for it."""
    event, chosen = found.event, found.ranking.chosen
    answer = f"{who(event.chosen_name, event.chosen_pid)} was chosen"
    if chosen is not None and chosen.points is not None:
        answer += f": {_points(chosen, found.ranking.rule)}"
    return f"{answer}.{_margin(found)} In its place died a child of it, {child}, as before 5.1.{_reaped(event)}"


def _reaped(event: OomEvent) -> str:
    """Return what the reaper did to the victim, where a line says so."""
    victim = event.victim
    line = next((line for line in event.reaped if victim is not None and line.pid == victim.pid), None)
    if line is None:
        return ""
    left = sum(kib for name, kib in line.sizes.items() if name.endswith("-rss"))
    rest = f"; {size(left)} could not be taken at once" if left else ""
    return f" Its memory was taken before it could end (oom_reaper){rest}."


_SIZES: Final = (("anon-rss", "of its own"), ("file-rss", "of files"), ("shmem-rss", "shared"))


def _points(row: RankedTask, rule: Rule | None) -> str:
    charge = row.low
    parts = [f"{charge.rss:,} pages resident"]
    if charge.swapents:
        parts.append(f"{charge.swapents:,} in swap")
    if charge.page_tables:
        parts.append(f"{charge.page_tables:,} of page tables")
    if rule is not None and rule.permille:
        return f"{row.points} of 1,000 points, from {listed(parts)}"
    answer = f"{row.points:,} {'point' if row.points == 1 else 'points'}, from {listed(parts)}"
    base = charge.rss + charge.swapents + charge.page_tables
    if charge.oom_score_adj and row.points is not None:
        answer += f", and {row.points - base:+,} for oom_score_adj {charge.oom_score_adj}"
    elif row.points is not None and row.points < base and charge.root:
        answer += f", less {base - row.points:,} since it is root's"
    return answer


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
    if not event.tasks and event.score is None:
        return ""
    lead = {True: "Yes, by the kernel's rule: ", False: "No: ", None: "It cannot be known from this text: "}
    answer = lead[ranking.follows] + ranking.why + "."
    check = ranking.score_check
    if check is not None:
        if check.equal:
            answer += f" The printed score, {check.printed}, is the computed one, {check.why}."
        elif check.computed is None:
            answer += f" The printed score, {check.printed}, cannot be checked: {check.why}."
        else:
            answer += (
                f" The printed score is {check.printed}, what the table shows makes {check.computed}: {check.why}."
            )
    if event.page_size_from is None and event.tasks:
        answer += " The page size is not in the text: 4 KiB is assumed."
    return answer


def _had(found: Analysis) -> str:
    culprit = found.culprit
    if culprit is None or (found.event.constraint == GLOBAL and is_false_alarm(found)):
        return ""
    answer = f"{size(culprit.kib)}"
    if culprit.kind == MEMORY:
        return f"No process: {answer} are {_kind(found, culprit)}. Killing processes does not give them back."
    if culprit.kind == GROUP:
        at_most = f"at most {answer} together (what they share counts in each)"
        victim = "" if found.event.victim is None else f" The victim was {_ONE[culprit.is_victim]}."
        return f"{culprit.processes} processes named {culprit.name}, {at_most}.{victim}"
    if culprit.is_victim:
        return f"The victim: {who(culprit.name, culprit.pid)} was the largest, with {answer} in RAM and swap."
    if found.event.victim is None:
        return f"{who(culprit.name, culprit.pid)} was the largest, with {answer} in RAM and swap."
    adj = _adj_of(found, culprit.pid)
    spared = f" Its oom_score_adj of {adj} kept it alive." if adj is not None and adj < 0 else ""
    return f"Not the victim: {who(culprit.name, culprit.pid)} had more, {answer} in RAM and swap.{spared}"


_ONE: Final = {True: "one of them", False: "another"}


def _adj_of(found: Analysis, pid: int | None) -> int | None:
    row: Task | None = next((task for task in found.event.tasks if task.pid == pid), None)
    return row.oom_score_adj if row else None
