"""What would help, in the order in which it would: said at three in the morning, in one or two clauses.

Each clause rests on a line of the sheet, of the table or of the cgroup's limits; where the text has none of them there
is no advice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.oom.event import GLOBAL, MEMCG
from memtwin.oom.why import sheet as sheets
from memtwin.oom.why.causes import forbidden_kib, is_false_alarm, is_fragmented
from memtwin.oom.why.culprit import GROUP, MEMORY, PROCESS
from memtwin.oom.why.sheet import dirty_kib
from memtwin.oom.why.total import UNLIMITED_KIB
from memtwin.render.words import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.oom.why.analysis import Analysis
    from memtwin.oom.why.culprit import Culprit

_LARGE: Final = 5
"""A fifth of all memory is worth a word."""
_MOST: Final = 2


def advice(found: Analysis) -> tuple[str, ...]:
    """Return the one or two changes that would help most, as clauses; () where the text does not say."""
    event = found.event
    if event.sysrq or event.outcome is None:
        return ()
    clauses = (
        _in_cgroup(found) if event.constraint == MEMCG else _on_machine(found) if event.constraint == GLOBAL else ()
    )
    return tuple(clauses)[:_MOST]


def _on_machine(found: Analysis) -> Iterator[str]:
    if is_false_alarm(found):
        yield "look for a cgroup whose limit was reached at that moment"
        return
    if is_fragmented(found):
        piece = size(found.event.page_kib << max(found.event.trigger.order or 0, 0))
        yield f"ask for less than {piece} in one piece, or compact memory (vm.compact_memory, vm.min_free_kbytes)"
        return
    if forbidden_kib(found):
        yield "find what asks for memory of the lower zones, or make zone Movable smaller (movablecore=, kernelcore=)"
        return
    yield from _memory_of_nobody(found, "the machine's")
    yield from _of_holder(found)
    yield from _swap(found)
    if found.sheet is not None:
        yield "add RAM"


def _in_cgroup(found: Analysis) -> Iterator[str]:
    memcg, sheet = found.event.memcg, found.sheet
    yield from _memory_of_nobody(found, "the cgroup's")
    if sheet is not None and dirty_kib(found.event) * _LARGE > sheet.total_kib:
        yield "write files slower, or with less in flight: what waits for the disk counts against the limit"
    if memcg is not None and memcg.limit is not None and memcg.limit < UNLIMITED_KIB:
        holder = found.culprit
        grows = "what grows in it"
        if holder is not None and holder.kind in {PROCESS, GROUP} and holder.kib * _LARGE > memcg.limit:
            grows = f"what makes {holder.name} grow"
        yield f"raise its limit of {size(memcg.limit)}, or find {grows}"
    if memcg is not None and memcg.swap_limit == 0:
        yield "let it use swap"


def _memory_of_nobody(found: Analysis, whose: str) -> Iterator[str]:
    """Yield what to do about memory that no process holds, the largest first."""
    sheet = found.sheet
    if sheet is None or not sheet.total_kib:
        return
    event = found.event
    unused = sum(huge.free * huge.size_kib for huge in event.huge_pages)
    if sheet.kib(sheets.HUGE) * _LARGE > sheet.total_kib or unused * _LARGE * 2 > sheet.total_kib:
        free = f", {size(unused)} of them unused" if unused else ""
        yield f"lower vm.nr_hugepages: {size(sheet.kib(sheets.HUGE))} are set aside as huge pages{free}"
    clauses = {
        sheets.SHMEM: f"delete or limit files on tmpfs and shared memory: {{}} of {whose} memory",
        sheets.SLAB: f"look for a leak in kernel slab (slabtop){_largest_cache(found)}: {{}}",
        sheets.UNEVICTABLE: "find who locks memory (mlock): {}",
        sheets.TABLES: "find who maps so much (page tables): {}",
        sheets.UNNAMED: "look at zram, drivers, the balloon and vmalloc: {} are in no counter",
        sheets.KERNEL: "look at what the kernel holds for it: {}",
    }
    large = [(sheet.kib(key), clause) for key, clause in clauses.items() if sheet.kib(key) * _LARGE > sheet.total_kib]
    for kib, clause in sorted(large, key=lambda pair: -pair[0]):
        yield clause.format(size(kib))


def _largest_cache(found: Analysis) -> str:
    slabs = found.event.slabs
    if not slabs:
        return ""
    name = max(slabs, key=lambda cache: slabs[cache][1])
    return f", of which {name} has {size(slabs[name][1])}"


def _of_holder(found: Analysis) -> Iterator[str]:
    """Yield what to do about the process that has the most."""
    holder = found.culprit
    if holder is None or holder.kind == MEMORY:
        return
    total = found.sheet.total_kib if found.sheet is not None else 0
    if total and holder.kib * _LARGE < total:
        return
    names = f"{holder.processes} x {holder.name}" if holder.kind == GROUP else holder.name
    yield f"limit {names}, or find what makes it grow ({size(holder.kib)}){_spared(found, holder)}"


def _spared(found: Analysis, holder: Culprit) -> str:
    row = next((task for task in found.event.tasks if task.pid == holder.pid), None)
    if holder.is_victim or row is None or not row.oom_score_adj or row.oom_score_adj >= 0:
        return ""
    return f"; its oom_score_adj of {row.oom_score_adj} had others die for it"


def _swap(found: Analysis) -> Iterator[str]:
    swap, sheet = found.event.swap, found.sheet
    anon = sheet.kib(sheets.ANON) + sheet.kib(sheets.SHMEM) if sheet is not None else 0
    if sheet is None or anon * _LARGE < sheet.total_kib:
        return
    if swap.total_kib == 0:
        yield f"add swap: there is none, and {size(anon)} of processes' memory could have gone there"
    elif swap.total_kib and swap.free_kib is not None and swap.free_kib * 20 < swap.total_kib:
        yield f"add swap: its {size(swap.total_kib)} were full"
