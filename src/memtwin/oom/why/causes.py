"""Why there was no memory, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.oom.event import MEMCG
from memtwin.oom.why import sheet as sheets
from memtwin.oom.why.sheet import dirty_kib
from memtwin.oom.why.total import swap_used_kib
from memtwin.render.words import capital, count, listed, size

if TYPE_CHECKING:
    from memtwin.oom.event import Memcg
    from memtwin.oom.why.analysis import Analysis
    from memtwin.oom.why.sheet import Sheet
    from memtwin.oom.why.zones import ZoneView

_MANY: Final = 3
"""Zones that are put into words; the table has all."""
_LARGE: Final = 0.1
"""Share of all memory from which something that cannot be reclaimed is worth a word."""
_UNRECLAIMABLE: Final = (
    (sheets.SLAB, "kernel slab that cannot be reclaimed"),
    (sheets.HUGE, "huge pages set aside"),
    (sheets.UNEVICTABLE, "locked in RAM"),
    (sheets.TABLES, "page tables"),
    (sheets.KERNEL, "other kernel memory"),
    (sheets.UNNAMED, "in no counter"),
)


def why_not(found: Analysis) -> str:
    """Return the sentences; "" if the text has nothing to go by."""
    event = found.event
    if event.sysrq:
        return "There was no shortage: the report is that of a manual kill."
    if event.constraint == MEMCG:
        return _cgroup(found, event.memcg) if event.memcg is not None else ""
    if is_false_alarm(found):
        return f"{' '.join(_zones(found))} The report is of the whole machine, which was not short of memory."
    sentences = [*_zones(found), *_reclaim(found), *_fixed(found)]
    return " ".join(sentences)


def is_false_alarm(found: Analysis) -> bool:
    """Whether the report is of the machine, and a page fault's error, with more free than every mark.

    A task over a cgroup's limit whose charge fails in a page fault ends there: pagefault_out_of_memory() before 5.16.
    """
    event = found.event
    is_fault = event.trigger.gfp_mask == 0 or any(name.startswith("pagefault_out_of_memory") for name in event.trace)
    return is_fault and any(view.passes and view.free > view.high for view in found.zones)


def is_fragmented(found: Analysis) -> bool:
    """Whether memory was free, in no block that is large enough."""
    views = [view for view in found.zones if view.why_not is None]
    return any(view.short <= 0 and view.has_block is False for view in views) and not any(view.passes for view in views)


def forbidden_kib(found: Analysis) -> int:
    """Return what was free in zones that the request may not use, if that is most of what was free."""
    free = sum(view.free for view in found.zones)
    kept = sum(view.free for view in found.zones if view.why_not)
    return kept if kept * 2 > free else 0


def _zones(found: Analysis) -> list[str]:
    views = [view for view in found.zones if view.why_not is None]
    if not views:
        return []
    order = found.event.trigger.order or 0
    short = [view for view in views if view.short > 0]
    sentences = [_short(view) for view in sorted(short, key=lambda view: -(view.managed or view.free))[:_MANY]]
    if len(short) > _MANY:
        sentences.append(f"{count(len(short) - _MANY, 'more zone')} had too little as well.")
    passing = [view for view in views if view.short <= 0]
    blocked = [view for view in passing if view.has_block is False]
    sentences += [_fragmented(view, found.event.page_kib << order) for view in blocked]
    sentences += _passing(found, [view for view in passing if view.has_block is not False])
    return [*sentences, *_forbidden(found)]


def _forbidden(found: Analysis) -> list[str]:
    """Tell of free memory that the request may not use."""
    free = sum(view.free for view in found.zones)
    views = [view for view in found.zones if view.why_not and view.free * 10 > free]
    return [f"{capital(view.place)} had {kb(view.free)} free, but {view.why_not}." for view in views[:_MANY]]


def _fragmented(view: ZoneView, wanted: int) -> str:
    usable = "that this request may use: it is fragmented"
    return f"{capital(view.place)} had {kb(view.free)} free, but in no block of {kb(wanted)} {usable}."


def _short(view: ZoneView) -> str:
    free = f"{kb(view.free)} free"
    if view.unusable:
        free += f", {kb(view.unusable)} of it not for this request (CMA, or kept for atomic requests),"
    if view.reserve:
        return (
            f"{capital(view.place)} had {free}, but must keep {kb(view.min + view.reserve)}: its min mark of"
            f" {kb(view.min)}, and {kb(view.reserve)} kept for requests that can use no higher zone."
        )
    return f"{capital(view.place)} had {free} with a min mark of {kb(view.min)}: {kb(view.short)} short."


def _passing(found: Analysis, views: list[ZoneView]) -> list[str]:
    """Tell of zones that had enough, which a report shows whenever memory came free in between."""
    if not views:
        return []
    event = found.event
    names = listed(view.place for view in views[:_MANY])
    if event.trigger.gfp_mask == 0 or is_false_alarm(found):
        why = "the page fault failed for another reason, such as a cgroup's limit"
        return [f"Memory was there ({names} had enough free): {why}."]
    enough = f"{capital(names)} had enough when the report was printed"
    if all(view.free < view.high for view in views):
        high = "the high mark at which the kernel makes its last try before it kills"
        return [f"{enough}, but less than {high}: some pages came free in between."]
    if event.killed_before or found.follows_a_kill:
        return [f"{enough}: an earlier victim had just given up its memory."]
    return [
        f"{enough}: memory came free in between, or was not allowed there for a reason that the text does not show."
    ]


def _reclaim(found: Analysis) -> list[str]:
    """Return what reclaim could still have taken: swap and page cache."""
    event, sheet = found.event, found.sheet
    sentences = []
    swap = event.swap
    if swap.total_kib == 0:
        sentences.append("There is no swap, so memory of processes and tmpfs cannot leave RAM.")
    elif swap.total_kib and swap.free_kib is not None:
        if swap.free_kib * 100 < swap.total_kib:
            sentences.append(f"Swap ({size(swap.total_kib)}) was full.")
        else:
            sentences.append(f"Swap was not full: {size(swap.free_kib)} of {size(swap.total_kib)} were free.")
    if sheet is not None:
        sentences.append(_files(found, sheet))
    return sentences


def _files(found: Analysis, sheet: Sheet) -> str:
    files = sheet.kib(sheets.FILE)
    dirty = min(dirty_kib(found.event), files)
    if files * 20 < sheet.total_kib:
        return f"Of page cache {size(files)} were left: nothing worth dropping."
    if dirty * 2 > files:
        return f"Of {size(files)} of page cache {size(dirty)} waited to be written to disk, which reclaim cannot drop."
    return f"{size(files)} of page cache were there, but reclaim got nowhere with it."


def _fixed(found: Analysis) -> list[str]:
    """Return what could not be reclaimed and is large."""
    sheet = found.sheet
    if sheet is None:
        return []
    large = [
        f"{size(sheet.kib(key))} {what}" for key, what in _UNRECLAIMABLE if sheet.kib(key) > sheet.total_kib * _LARGE
    ]
    shmem = sheet.kib(sheets.SHMEM)
    if shmem > sheet.total_kib * _LARGE:
        stuck = " that cannot leave RAM without swap" if found.event.swap.total_kib == 0 else ""
        large.append(f"{size(shmem)} shared memory and tmpfs{stuck}")
    return [f"Large and out of reach: {listed(large)}."] if large else []


def _cgroup(found: Analysis, memcg: Memcg) -> str:
    sheet = found.sheet
    sentences = []
    if memcg.usage is not None and memcg.limit is not None:
        room = memcg.limit - memcg.usage
        free = f": {kb(room)} came free in between" if room >= found.event.page_kib else ""
        sentences.append(f"{kb(memcg.usage)} were charged with a limit of {kb(memcg.limit)}{free}.")
    if sheet is not None:
        sentences.append(_cgroup_anon(memcg, sheet.kib(sheets.ANON)))
        sentences.append(_files(found, sheet))
    sentences += _fixed(found)
    return " ".join(sentence for sentence in sentences if sentence)


def _cgroup_anon(memcg: Memcg, anon: int) -> str:
    if not anon:
        return ""
    if memcg.swap_limit == 0:
        return f"{size(anon)} of processes' memory could not go to swap: the cgroup may use none."
    both = memcg.memsw_limit
    if both is not None and memcg.memsw_usage is not None and memcg.memsw_usage >= both - 1024:
        return f"{size(anon)} of processes' memory could not go to swap: the limit of both together was reached."
    if memcg.swap_limit is not None and memcg.swap_usage is not None and memcg.swap_usage >= memcg.swap_limit:
        return f"{size(anon)} of processes' memory could not go to swap: the cgroup's swap was full."
    in_swap = {
        None: "; what of it is in swap is not in the text",
        0: ", and none of it is in swap: the machine may have none",
    }.get(swap_used_kib(memcg), " that was in use or found no room in swap in time")
    return f"{size(anon)} are processes' memory{in_swap}."


def kb(kib: int) -> str:
    """Return kB to the last one, where a few decide."""
    return f"{kib:,} kB"
