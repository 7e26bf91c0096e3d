"""What is wrong with a machine now, the worst first: what was killed, waits, is about to run out, is odd.

A rule asks for the rows that it needs. What is not known is not judged, and is listed as such; what was judged and is
in order is listed too. Settings that are worth changing come last: they are the rules of
:mod:`~memtwin.diagnose.doctor`.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.diagnose import doctor
from memtwin.diagnose.doctor import Machine, Unknown
from memtwin.procfs import buddyinfo, pressure, swaps, zoneinfo
from memtwin.procfs.pid import status
from memtwin.render.amount import column
from memtwin.render.grid import Sentence
from memtwin.render.words import count, listed, size
from memtwin.sources.cgroups import TOP, path_of
from memtwin.sources.processes import processes
from memtwin.sysfs.zram import mm_stat
from memtwin.views import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from memtwin.procfs.pressure import Stall
    from memtwin.procfs.swaps import SwapArea
    from memtwin.sources.cgroups import Group
    from memtwin.sources.source import Source

MOST: Final = 5
"""Findings that a screen has room for."""
_SOME_MATTERS, _FULL_MATTERS = 1000, 500
"""Hundredths of a percent of the last 10 s, as in the view ``pressure``."""
_RECENT_S: Final = 3600.0
_LEFT: Final = 0.05
"""Share of RAM and swap below which little is left."""
_LOW: Final = 0.2
"""Share of RAM that is available, below which what cannot be reclaimed hurts."""
_SOON_S: Final = 600
_FULL: Final = 0.98
_HOLDER: Final = 0.4
_SHARED: Final = 0.4
"""Share of RAM in tmpfs and shared memory; a database's buffers are a quarter by custom."""
_KERNEL: Final = 0.15
_MUCH_FREE: Final = 0.1
_AT_LIMIT: Final = 0.95
_NEEDED_ORDER: Final = 3
"""The kernel itself asks for blocks up to this order: stacks, slabs, network buffers."""
_HIGHEST_ORDER: Final = 9
_HOUR_S, _DAY_S = 3600, 86_400


class Harm(IntEnum):
    """How bad a finding is; the lowest comes first."""

    KILLED = 0
    WAITS = 1
    SOON = 2
    PAST = 3
    ODD = 4
    HARMLESS = 5
    SETTING = 6


class Finding(NamedTuple):
    """One thing that is wrong or worth knowing: *fact*, *since* when, *cause*, and the *command* that says more."""

    name: str
    harm: Harm
    fact: Sentence
    command: str
    since: str | None = None
    cause: str | None = None


class Kill(NamedTuple):
    """The last kill of the OOM killer that a kernel log has, and how long ago it was (None: not known)."""

    text: str
    age_s: float | None


class Facts(NamedTuple):
    """What the rules judge: records, cgroups with a limit, the kernel log's last kill, and counters of before.

    *last_kill* is called where the kernel counts kills; it raises Unknown without a log. *before* are the counters of
    vmstat *seconds* ago; None of a single moment. *earlier* is the machine of that time, where it is recorded.
    """

    machine: Machine
    groups: Sequence[Group]
    page_kib: int
    last_kill: Callable[[], Kill | None]
    log_command: str
    before: Mapping[str, int] | None = None
    seconds: float = 0.0
    earlier: Source | None = None


class Examined(NamedTuple):
    """What was found, the worst first, what is in order, and what could not be judged, with the row that is missing."""

    found: tuple[Finding, ...]
    in_order: tuple[str, ...]
    unknown: tuple[str, ...]


def killed(facts: Facts) -> Finding | None:
    """Find whether the OOM killer has ended a process since boot, and when last."""
    row = "proc/vmstat: oom_kill"
    kills = facts.machine.counter("oom_kill")
    if not kills:
        return None
    try:
        last = facts.last_kill()
    except Unknown:
        last = None
    since_boot = "1 process" if kills == 1 else f"{kills:,} processes"
    if last is None:
        fact = f"The OOM killer ended {since_boot} since boot; when and why is not in the log that was read."
        return Finding("killed", Harm.PAST, Sentence(fact, (row,)), facts.log_command)
    is_recent = last.age_s is not None and last.age_s < _RECENT_S
    since = None if last.age_s is None else f"{ago(last.age_s)} ago"
    more = f"{since_boot} since boot" if kills > 1 else None
    harm = Harm.KILLED if is_recent else Harm.PAST
    return Finding("killed", harm, Sentence(last.text, (row,)), facts.log_command, since, more)


def waits(facts: Facts) -> Finding | None:
    """Find whether tasks wait for memory now."""
    record = facts.machine.record(pressure, resource="memory")
    some, full = record.some, record.full
    if full is not None and full.avg10_hundredths >= _FULL_MATTERS:
        stall, who = full, "All tasks at once waited"
    elif some is not None and some.avg10_hundredths >= _SOME_MATTERS:
        stall, who = some, "Some task waited"
    else:
        return None
    fact = f"{who} for memory {stall.avg10_hundredths / 100:.0f} % of the last 10 s (0 is normal)."
    rests = Sentence(fact, ("proc/pressure/memory",))
    return Finding("waiting for memory", Harm.WAITS, rests, "memtwin pressure", _since(stall), _waited_for(facts))


def nearly_full(facts: Facts) -> Finding | None:
    """Find whether almost nothing is left of RAM and swap."""
    machine = facts.machine
    whole = machine.memory("MemTotal") + machine.memory("SwapTotal")
    left = machine.memory("MemAvailable") + machine.memory("SwapFree")
    if left >= _LEFT * whole:
        return None
    of = "RAM and swap" if machine.memory("SwapTotal") else "RAM; there is no swap"
    fact = f"{size(left)} are left of {size(whole)} of {of}: the OOM killer is near."
    rests = Sentence(fact, ("proc/meminfo: MemAvailable", "proc/meminfo: SwapFree"))
    holders = sorted(_holders(machine.source), reverse=True)[:2]
    if not holders or holders[0][0] < _HOLDER * whole:
        return Finding("memory nearly full", Harm.SOON, rests, "memtwin account")
    kib, pid, name = holders[0]
    cause = f"{name} ({pid}) has {size(kib)} of it, {100 * kib // whole} %"
    return Finding("memory nearly full", Harm.SOON, rests, _watch(machine.source, pid), None, cause)


def filling(facts: Facts) -> Finding | None:
    """Find whether RAM and swap will be full soon if they go on filling as they did since *earlier*."""
    if facts.earlier is None or facts.seconds <= 0:
        return None
    machine, before = facts.machine, Machine(facts.earlier)
    whole = machine.memory("MemTotal") + machine.memory("SwapTotal")
    left = machine.memory("MemAvailable") + machine.memory("SwapFree")
    grown = _demand(machine) - _demand(before)
    if not _LEFT * whole <= left < whole // 2 or grown * _SOON_S < left * facts.seconds:
        return None
    then = {pid: kib for kib, pid, _ in _holders(facts.earlier)}
    growers = [(kib - then.get(pid, 0), pid, name) for kib, pid, name in _holders(machine.source)]
    most, pid, name = max(growers, default=(0, 0, ""))
    if 2 * most < grown:
        return None  # no process accounts for it: what moves between RAM and swap is counted at two moments
    a_second = grown / facts.seconds
    fact = f"RAM and swap fill by {size(int(a_second))} a second: at this rate they are full in {ago(left / a_second)}."
    rows = ("MemAvailable", "SwapFree", "AnonPages", "Shmem", "SUnreclaim")
    rests = Sentence(fact, tuple(f"proc/meminfo: {row}" for row in rows))
    since, cause = f"for {ago(facts.seconds)} at least", f"{name} ({pid}) grew the most, by {size(most)}"
    return Finding("memory filling", Harm.SOON, rests, _watch(machine.source, pid), since, cause)


def _demand(machine: Machine) -> int:
    """Return what needs room and can only go to swap or nowhere, in KiB: each page once, copies in swap left out."""
    in_swap = machine.memory("SwapTotal") - machine.memory("SwapFree") - machine.memory("SwapCached")
    return in_swap + sum(map(machine.memory, ("AnonPages", "Shmem", "SUnreclaim")))


def at_limit(facts: Facts) -> Finding | None:
    """Find whether a cgroup is at its limit."""
    if not facts.machine.source.names(TOP):
        raise Unknown(TOP)
    near = [one for one in nearest(facts.groups) if (one.share or 0) >= _AT_LIMIT]
    if not near:
        return None
    first = near[0]
    group = next(group for group in facts.groups if group.path == first.scope)
    fact = f"{first.scope} uses {size((first.used_bytes or 0) >> 10)} of {size(first.limit_bytes >> 10)} ({first.name})"
    kind = "max" if first.name == "memory.max" else "high"
    hits = group.events.get(kind)
    since = f"{hits:,} times at the limit since it was made" if hits else None
    more = "" if len(near) == 1 else f"; {len(near) - 1} more cgroups are at theirs"
    rests = Sentence(f"{fact}{more}.", first.rows)
    pid = _member(facts.machine.source, group)
    command = f"memtwin limits {pid}" if pid else "memtwin limits PID"
    return Finding("limit reached", Harm.SOON, rests, command, since, first.then)


def area_full(facts: Facts) -> Finding | None:
    """Find whether the swap area is full that is filled first, while memory is short."""
    machine = facts.machine
    areas = sorted(machine.record(swaps).areas, key=lambda area: -area.priority)
    if not areas or machine.memory("MemAvailable") >= _LOW * machine.memory("MemTotal"):
        return None
    first = [area for area in areas if area.priority == areas[0].priority]
    if any(area.used_kib < _FULL * area.size_kib for area in first):
        return None
    names = listed(f"{area.filename}{_in_ram(machine, area)}" for area in first)
    after = next((area for area in areas if area.used_kib < _FULL * area.size_kib), None)
    rests = ("proc/swaps: Filename",)
    if after is None:
        fact = f"Swap is full ({names}): what programs write from now on stays in RAM, whatever it is used for."
        return Finding("swap area full", Harm.SOON, Sentence(fact, rests), "memtwin swapuse")
    fact = f"{names} is full: each further page goes to {after.filename}, and what is in it stays there."
    return Finding("swap area full", Harm.SOON, Sentence(fact, rests), "memtwin swaps --explain")


def in_pieces(facts: Facts) -> Finding | None:
    """Find whether free memory is in pieces too small for the kernel or for huge pages."""
    from memtwin.views.buddyinfo import answers

    machine = facts.machine
    blocks, zones = machine.record(buddyinfo), machine.record(zoneinfo)
    for order in range(1, _HIGHEST_ORDER + 1):
        found = answers(blocks, zones, order)
        if not found or any(one.after for one in found):
            continue
        if not any(one.in_pieces for one in found):
            return None  # too little is free to say: reclaim makes room first
        free = machine.memory("MemFree")
        if order > _NEEDED_ORDER and free < _MUCH_FREE * machine.memory("MemTotal"):
            return None
        block = column(facts.page_kib << order + 10)
        fact = f"No block of order {order} ({block}) is available: the {size(free)} free are in smaller pieces."
        rests = Sentence(fact, ("proc/buddyinfo", "proc/zoneinfo"))
        harm = Harm.SOON if order <= _NEEDED_ORDER else Harm.ODD
        why = "the kernel needs such blocks itself" if harm is Harm.SOON else "huge pages and some drivers need them"
        return Finding("memory in pieces", harm, rests, f"memtwin buddyinfo --order {order}", None, why)
    return None


def shared(facts: Facts) -> Finding | None:
    """Find whether tmpfs and shared memory have much of RAM."""
    machine = facts.machine
    held, total = machine.memory("Shmem"), machine.memory("MemTotal")
    if held < _SHARED * total:
        return None
    fact = f"tmpfs and shared memory have {size(held)}, {100 * held // total} % of RAM: no reclaim can drop them"
    fact += ", and there is no swap." if not machine.memory("SwapTotal") else "; they can only go to swap."
    rests = Sentence(fact, ("proc/meminfo: Shmem", "proc/meminfo: MemTotal"))
    cause = "files on tmpfs (`df -t tmpfs`) or segments (`ipcs -m`); `free` counts them as cache"
    return Finding("tmpfs and shared memory", _if_short(machine), rests, "memtwin account", None, cause)


def kernel_objects(facts: Facts) -> Finding | None:
    """Find whether kernel objects that cannot be reclaimed have much of RAM."""
    machine = facts.machine
    held, total = machine.memory("SUnreclaim"), machine.memory("MemTotal")
    if held < _KERNEL * total:
        return None
    fact = f"Kernel objects that cannot be reclaimed have {size(held)}, {100 * held // total} % of RAM."
    rests = Sentence(fact, ("proc/meminfo: SUnreclaim", "proc/meminfo: MemTotal"))
    cause = _largest_cache(facts)
    return Finding("kernel objects", _if_short(machine), rests, "memtwin slabtop -s c --explain", None, cause)


RULES: Final[Mapping[str, Callable[[Facts], Finding | None]]] = {
    "OOM kills": killed, "waits for memory": waits, "room in RAM and swap": nearly_full, "growth": filling,
    "limits of cgroups": at_limit,
    "swap areas": area_full, "free blocks": in_pieces, "tmpfs": shared, "kernel objects": kernel_objects,
}  # fmt: skip
"""Each rule by what it looks at; those of equal harm are found in this order."""
_SOON: Final = {"commit limit near"}


def examine(facts: Facts) -> Examined:
    """Ask all rules, then those of `doctor`."""
    found: list[Finding] = []
    in_order: list[str] = []
    unknown: list[str] = []
    for name, rule in RULES.items():
        try:
            finding = rule(facts)
        except Unknown as problem:
            unknown.append(f"{name} ({problem})")
            continue
        if finding is None and (rule is not filling or facts.earlier is not None):
            in_order.append(name)
        elif finding is not None:
            found.append(finding)
    advice, lacking = _settings(facts.machine)
    judged = len(doctor.RULES) - 1 - lacking
    if not advice and judged:
        in_order.append(count(judged, "setting"))
    if lacking:
        unknown.append(f"{count(lacking, 'setting')} (memtwin doctor)")
    return Examined(tuple(sorted((*found, *advice), key=lambda one: one.harm)), tuple(in_order), tuple(unknown))


def nearest(groups: Iterable[Group]) -> list[limits.Limit]:
    """Return the limits of *groups* that stop all kinds of memory, the fullest first."""
    found = [one for group in groups for one in limits.of_cgroup(group) if not one.special and one.share is not None]
    return sorted(found, key=lambda one: -(one.share or 0))


def ago(seconds: float) -> str:
    """Return a time in the unit that suits it.

    >>> ago(40), ago(300), ago(7300), ago(90_000), ago(200_000)
    ('40 s', '5 min', '2 h', '1 day', '2 days')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < _HOUR_S:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / _HOUR_S:.0f} h" if seconds < _DAY_S else count(int(seconds // _DAY_S), "day")


def _settings(machine: Machine) -> tuple[list[Finding], int]:
    """Return what `doctor` finds, but for stalls, of which :func:`waits` says more, and how many rules lack a row."""
    found, lacking = [], 0
    for rule in doctor.RULES:
        if rule is doctor.stalled:
            continue
        try:
            advice = rule(machine)
        except Unknown:
            lacking += 1
            continue
        if advice is not None:
            harm = Harm.HARMLESS if advice.level == doctor.HARMLESS else Harm.SETTING
            harm = Harm.SOON if advice.name in _SOON else harm
            found.append(Finding(advice.name, harm, advice.evidence, "memtwin doctor"))
    return found, lacking


def _since(stall: Stall) -> str:
    """Return since when tasks have waited as they do now: how far the slow averages have come towards the fast one.

    An average over T seconds is L * (1 - exp(-t / T)) after t seconds at the level L (kernel/sched/psi.c).
    """
    now = stall.avg10_hundredths
    for average, over_s in ((stall.avg60_hundredths, 60), (stall.avg300_hundredths, 300)):
        share = average / now
        if share < 0.9:
            return f"for about {ago(-over_s * math.log(1 - share))}"
    return "for more than 10 min"


def _waited_for(facts: Facts) -> str | None:
    """Return what was read again instead of once, from the counters: of the last moment, else since boot."""
    names = {
        "workingset_refault_file": "page cache that had been dropped is read again: it has too little room",
        "workingset_refault_anon": "memory that was swapped out is needed again: more is in use than fits",
    }
    counters = facts.machine.counters()
    before = facts.before or {}
    moved = {name: counters[name] - before.get(name, 0) for name in names if name in counters}
    name = max(moved, key=moved.__getitem__, default="")
    if not moved.get(name):
        return None
    pages = count(moved[name], "page")
    when = (
        f"{moved[name] / facts.seconds:,.0f} pages a second"
        if facts.before and facts.seconds
        else f"{pages} since boot"
    )
    return f"{names[name]} ({when})"


def _watch(source: Source, pid: int) -> str:
    """Return the command that says more of a process: whether it leaks, or of a saved machine, what it has."""
    return f"memtwin leak -p {pid} --for 5m" if source.is_live else "memtwin ps --sort -RES -n 5"


def _holders(source: Source) -> Iterator[tuple[int, int, str]]:
    """Yield each process's RAM and swap in KiB, with its pid and name."""
    for process in processes(source):
        record = process.load(status)
        if record is not None and (rss := record.kib("VmRSS")) is not None:
            yield rss + (record.kib("VmSwap") or 0), process.pid, record.get("Name", "?")


def _member(source: Source, group: Group) -> int | None:
    """Return a process that *group* limits."""
    path = group.path.removeprefix("cgroup ")
    for process in processes(source):
        found = path_of(process)
        if found is not None and f"{found[0].rstrip('/')}/".startswith(f"{path.rstrip('/')}/"):
            return process.pid
    return None


def _in_ram(machine: Machine, area: SwapArea) -> str:
    """Return how much of RAM a zram area takes for what it holds."""
    device = area.filename.removeprefix("/dev/")
    try:
        held = machine.record(mm_stat, device=device) if device.startswith("zram") else None
    except Unknown:
        held = None
    if held is None:
        return f" ({column(area.used_kib << 10)})"
    return f" ({column(area.used_kib << 10)} in {column(held.mem_used_total)} of RAM)"


def _if_short(machine: Machine) -> Harm:
    """Return how bad it is that memory cannot be reclaimed: that depends on how much else is available."""
    return Harm.SOON if machine.memory("MemAvailable") < _LOW * machine.memory("MemTotal") else Harm.ODD


def _largest_cache(facts: Facts) -> str | None:
    """Return the largest cache that the kernel cannot shrink; only root may read them."""
    from memtwin.procfs import slabinfo

    try:
        caches = facts.machine.record(slabinfo).caches
    except Unknown:
        return None
    page_bytes = facts.page_kib << 10
    kept = [(one.num_slabs * one.pagesperslab * page_bytes, one.name) for one in caches
            if not slabinfo.is_reclaimable(one.name)]  # fmt: skip
    if not kept:
        return None
    size_bytes, name = max(kept)
    return f"{name} alone has {size(size_bytes >> 10)}"
