"""Steps that give a machine its processes: their areas, pages, shared pages and swap slots.

What the snapshot counts beyond its processes is *the rest*'s, which no snapshot names: a process that never ends and is
never chosen by the OOM killer.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

from memtwin.linux import restore, restore_swap
from memtwin.linux.core import mm_types as t
from memtwin.linux.mm import mm_init, swapon
from memtwin.machine import program
from memtwin.machine.families import families, in_swap
from memtwin.machine.layout import MOVABLE
from memtwin.machine.lists import Listed
from memtwin.machine.machine import Booted
from memtwin.machine.page_cache import key_of, mmap_rest, processes_of, shared_in_swap, slots_left
from memtwin.machine.processes import MOST_UNFOLDED, SPECIAL, by_start
from memtwin.sources.page_runs import SWAPPED
from memtwin.units import PAGE_SHIFT, pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.machine.draft import Draft
    from memtwin.machine.families import Family
    from memtwin.machine.processes import BootProcess

NS_PER_TICK = 10_000_000
REST_START = 0x200000000
"""Page number where *the rest*'s anonymous memory is mapped."""
FLAGS = {"r": t.VM_READ, "w": t.VM_WRITE, "x": t.VM_EXEC, "s": t.VM_SHARED}
FAULT_AROUND_PAGES = 16


# --- processes


def place_processes(d: Draft) -> None:
    """Make every process with memory: its areas, then its pages, oldest first; a fork's share comes from its elder."""
    tasks: dict[int, int] = {}
    locked = sum(area.anon for process in processes_of(d) for area in process.areas if area.locked)
    left = d.accounts.anon - max(d.accounts.anon_locked - locked, 0)
    for process in processes_of(d):
        tasks[process.pid] = _task(d, process)
    for family in families(processes_of(d)):
        for process in family.members:
            spread_returned(d, process, family)
            left -= _place_anonymous(d, process, family, tasks, left)
    for process in processes_of(d):
        _map_files(d, process, tasks[process.pid])
        d.booted.append(Booted(process.name, process.pid, tasks[process.pid], process))
    d.anon_left = left + max(d.accounts.anon_locked - locked, 0)


def _task(d: Draft, process: BootProcess) -> int:
    """Make a process's task and its areas."""
    stack = tuple(d.frames.singles(t.STACK_PAGES))
    task = restore.add_task(d.state, process.pid, process.adj, d.frames.block(1), stack)
    restore.set_user(d.state, task, process.uid, process.limits)
    if process.contents:
        d.contents[task] = process.contents
    for area in by_start(process):
        flags = sum(FLAGS.get(letter, 0) for letter in area.row.perms)
        flags |= t.VM_GROWSDOWN if area.path == "[stack]" else 0
        flags |= t.VM_LOCKED if area.locked else 0
        flags |= t.VM_PFNMAP if area.path in SPECIAL else 0
        key = key_of(d, area)
        file = d.files.get(key, 0) if key else 0
        restore.add_area(d.state, task, area.start, area.pages, flags, file, area.row.offset >> PAGE_SHIFT)
    if process.stat:
        stat = process.stat
        restore.set_times(
            d.state, task, stat.field("minflt") or 0, stat.field("majflt") or 0,
            (stat.field("utime") or 0) * NS_PER_TICK, (stat.field("stime") or 0) * NS_PER_TICK,
            process.start_ticks * NS_PER_TICK,
        )  # fmt: skip
    return task


def _place_anonymous(d: Draft, process: BootProcess, family: Family, tasks: dict[int, int], most: int) -> int:
    """Give a process its anonymous pages; returns how many frames that took, *most* at most."""
    task, elder = tasks[process.pid], tasks[family.elder.pid]
    shared = _shared_with_elder(process, family)
    if any(shared.values()):
        restore.link_areas(d.state, task, elder)
    taken = 0
    for area in by_start(process):
        lazy_left = area.lazy
        for first, resident, huge, active in area.pieces():
            for start, number, is_shared in _by_owner(d, elder, first, resident, shared[huge], swapped=False):
                got = 0
                if is_shared:
                    d.reserve()
                    got = restore.share_anon_pages(d.state, task, elder, start, number, d.tables)
                    shared[huge] -= got
                at, placed = start + got, min(number - got, most - taken)
                d.unplaced += number - got - placed
                taken += placed
                lazy = min(lazy_left, placed)
                lazy_left -= lazy
                is_huge = huge and placed == t.HPAGE_PMD_NR and not lazy and not area.locked
                if not placed or (is_huge and _place_huge(d, task, at)):
                    continue
                place_pages(d, task, at, placed - lazy, locked=area.locked, active=active)
                place_lazily_freed(d, task, at + placed - lazy, lazy)
    return taken


def _by_owner(
    d: Draft, elder: int, first: int, count: int, most: int, *, swapped: bool
) -> Iterator[tuple[int, int, bool]]:
    """Cut a run of pages: yield (first page, pages, whether the elder has them too), of those *most* in all.

    An elder's pages stand where its fork found them. What only the elder of a family has by now is left out.
    """
    at, end = first, first + count
    while at < end and most > 0:
        there = min(restore.next_page_of(d.state, elder, at, end, swapped), end)
        if there > at:
            yield at, there - at, False
        after, limit = there, min(end, there + most)
        while after < limit and restore.next_page_of(d.state, elder, after, end, swapped) == after:
            after += 1
        if after > there:
            yield there, after - there, True
        most -= after - there
        at = after
    if at < end:
        yield at, end - at, False


def _shared_with_elder(process: BootProcess, family: Family) -> dict[bool, int]:
    """Return how many pages a process shares with its family's elder: of huge pages, whole ones, and of the others."""
    shared, huge = family.shared.get(process.pid, 0), sum(area.huge for area in process.areas)
    whole = min(huge // t.HPAGE_PMD_NR, round(shared / t.HPAGE_PMD_NR)) * t.HPAGE_PMD_NR
    return {True: whole, False: max(shared - whole, 0)}


def _place_huge(d: Draft, task: int, at: int) -> bool:
    """Map a huge page at page *at*; False: there is no such block of frames."""
    listed = d.anon_lists.block(t.HPAGE_PMD_ORDER)
    if listed is None:
        return False
    d.reserve()
    _, _, content = next(_by_content(d, task, at, t.HPAGE_PMD_NR))
    restore.add_huge_page(d.state, task, at, listed.pfn, listed.active, content, d.tables)
    d.placed_huge += 1
    return True


def spread_returned(d: Draft, process: BootProcess, family: Family) -> None:
    """Say how many resident pages of each area came back from swap: by major faults, and what a fault reads here.

    Where most of what was read ahead was used, the process went through its areas in order, not here and there; what
    it still shares with others of a fork has not come back then, and all else has.
    """
    names = ("pgmajfault", "pswpin", "zswpin", "swap_ra_hit")
    faults, from_devices, from_zswap, hits = (d.boot.vmstat.get(name) or 0 for name in names)
    read = from_devices + from_zswap
    own = process.stat.field("majflt") or 0 if process.stat else 0
    areas = [area for area in by_start(process) if area.swap and area.anon and not area.locked and not area.lazy]
    back, is_in_order = own * read // faults if faults else 0, 2 * hits > read
    shared = family.shared.get(process.pid) or max(family.shared.values(), default=0)
    if is_in_order and back and shared:
        back = max(process.anon - shared, 0)
    total = sum(area.anon + area.swap for area in areas)
    for area in (area for area in areas if area.path != "[stack]"):
        area.read_back = back * (area.anon + area.swap) // total
        area.returned = min(area.read_back, area.anon)
        area.at_once = max(read // faults, 1) if faults else 1
        area.in_order = is_in_order


def place_pages(d: Draft, task: int, at: int, count: int, *, locked: bool = False, active: bool | None = None) -> None:
    """Map *count* anonymous pages from page *at* on; *active*: on which list, where that is known."""
    if locked:
        for pfn, frames in d.unevictable.take(count, MOVABLE):
            at = _add_pages(d, task, at, Listed(pfn, frames, active=False), restore.LOCKED)
        return
    for listed in d.anon_lists.take(count, active=active):
        at = _add_pages(d, task, at, listed, restore.ACTIVE if listed.active else restore.INACTIVE)


def place_lazily_freed(d: Draft, task: int, at: int, count: int) -> None:
    """Map *count* anonymous pages that were given up with MADV_FREE: they are on the inactive file list."""
    for listed in d.file_lists.take(count, youngest=True):
        at = _add_pages(d, task, at, listed, restore.LAZYFREE)


def _add_pages(d: Draft, task: int, at: int, listed: Listed, where: int) -> int:
    """Map frames from page *at* on; returns the page behind them."""
    d.reserve(listed.frames)
    for first, count, content in _by_content(d, task, at, listed.frames):
        restore.add_anon_pages(d.state, task, first, listed.pfn + first - at, count, where, content, d.tables)
    if listed.batched:
        restore.batch_pages(d.state, listed.pfn, listed.frames)
    return at + listed.frames


def _by_content(d: Draft, task: int, at: int, count: int) -> Iterator[tuple[int, int, int]]:
    """Cut a run of a process's pages by what they hold: yield (first page, pages, Content)."""
    end = at + count
    for first, length, content in d.contents.get(task, ()):
        if first + length <= at or first >= end:
            continue
        if first > at:
            yield at, first - at, d.content
            at = first
        yield at, min(end, first + length) - at, content
        at = min(end, first + length)
    if at < end:
        yield at, end - at, d.content


def place_rest(d: Draft) -> None:
    """Give *the rest* the anonymous pages that no process has: locked ones, as far as there are, and others."""
    count = d.anon_left
    locked = min(sum(d.unevictable.left.values()), count)
    lazy = min(max(d.accounts.lazy - sum(process.lazy for process in processes_of(d)), 0), count - locked)
    mmap_rest(d, REST_START, max(count, 1), program.RW & ~t.VM_WRITE)
    place_pages(d, d.rest, REST_START, locked, locked=True)
    place_pages(d, d.rest, REST_START + locked, count - locked - lazy)
    place_lazily_freed(d, d.rest, REST_START + count - lazy, lazy)


def _map_files(d: Draft, process: BootProcess, task: int) -> None:
    """Map what a process has resident of files and shared memory."""
    mapped = 0
    for area in by_start(process):
        key = key_of(d, area)
        if key is None:
            continue
        offset = 0 if key in {"vdso", "anonymous files"} else area.row.offset >> PAGE_SHIFT
        for at, count in area.file_runs():
            d.reserve(count)
            index = at - area.start + offset
            mapped += restore.map_file_pages(d.state, task, at, d.files[key], index, count, d.tables)
    d.unmapped_files += max(process.file + process.shmem - mapped, 0)


def settle_counts(d: Draft) -> None:
    """Set what each process counts of itself: tables that map nothing, peaks, and pages not folded yet."""
    for booted in d.booted:
        process = booted.read
        d.reserve(process.tables << 9)
        restore.age_pages(d.state, booted.task, process.unused)
        restore.protect_areas(d.state, booted.task)
        restore.add_empty_tables(d.state, booted.task, process.tables, d.tables)
        most = MOST_UNFOLDED * (process.status.number("Threads") or 1) * FAULT_AROUND_PAGES
        exact = (process.anon, process.file, process.swap)
        delays = [real - counted for real, counted in zip(exact, process.counted, strict=True)]
        if all(abs(delay) <= most for delay in delays):  # more is what changed between two reads
            restore.delay_counts(d.state, booted.task, *delays)
        peaks = [pages(process.status.kib(label) or 0) for label in ("VmPeak", "VmHWM")]
        restore.set_peaks(d.state, booted.task, *peaks)


# --- swap


def place_swap(d: Draft) -> None:
    """Give used slots to the processes whose pages lie there, the others without an owner, and fill the swap cache."""
    used = {area.number: int(shown.used_kib) >> 2 for area, shown in zip(d.areas, d.boot.swaps.areas, strict=True)}
    cached = d.accounts.swap_cache - d.accounts.unmapped
    shared = shared_in_swap(d)
    unowned = d.held = max(slots_left(d) - sum(count for _, count in shared.values()) - d.tmpfs_swap, 0)
    for area in sorted(d.areas, key=lambda area: swapon.area_info(d.state, area.number).prio):
        held = min(unowned, used[area.number])
        swapon.hold_slots(d.state, area.number, held)
        unowned -= held
        used[area.number] -= held
    left = _place_slots(d, used)
    for file, (first, count) in [*shared.items(), (d.files["tmpfs"], (0, d.tmpfs_swap))]:
        _place_shared(d, file, first, count, left)
    _cache_mapped(d, left, cached)
    _cache_unmapped(d)


def _place_slots(d: Draft, used: dict[int, int]) -> dict[int, int]:
    """Let the processes' swapped pages hold slots, of the area of the highest priority first; returns what is left."""
    left = {area.number: used[area.number] for area in by_priority(d)}
    d.taken_again = taken_again(d, left)
    for number in list(left)[:1]:
        left[number] -= d.taken_again
    tasks = {booted.pid: booted.task for booted in d.booted}
    _place_known_slots(d, tasks, left)
    for process, elder, common in in_swap([one for one in processes_of(d) if not one.has_runs]):
        task, shared = tasks[process.pid], common
        for area in by_start(process):
            for at, count in area.swapped_runs():
                if shared:
                    restore.link_areas(d.state, task, tasks[elder.pid])
                for first, number, is_shared in _by_owner(d, tasks[elder.pid], at, count, shared, swapped=True):
                    got = 0
                    if is_shared:
                        d.reserve(number)
                        got = restore_swap.share_swapped_pages(d.state, task, tasks[elder.pid], first, number, d.tables)
                        shared -= got
                    d.unplaced_swap += _take_slots(d, task, first + got, number - got, left)
    for number in list(left)[:1]:
        left[number] += d.taken_again
    return left


def taken_again(d: Draft, left: dict[int, int]) -> int:
    """Return how many slots of the area that is used first were free once more, and are those of the newest pages.

    A page that came back gave its slot back, in each area as many as it had of all; with one area that says nothing.
    """
    areas = [area for process in processes_of(d) for area in by_start(process) if not area.in_order]
    returned, used = sum(area.returned for area in areas), list(left.values())
    if len([slots for slots in used if slots]) < 2:
        return 0
    return min(returned * used[0] // sum(used), used[0] // 2)


def _place_known_slots(d: Draft, tasks: dict[int, int], left: dict[int, int]) -> None:
    """Let pages whose slots are known hold slots in their order, and those of a fork the same ones."""
    numbers = [area.number for area in d.areas]
    runs = [
        (numbers[run.area] if run.area < len(numbers) else numbers[0], run.slot, tasks[process.pid], run)
        for process in processes_of(d)
        if process.has_runs
        for area in by_start(process)
        for run in area.runs or ()
        if run.kind == SWAPPED and numbers
    ]
    owner, owned = 0, (0, 0)
    for number, slot, task, run in sorted(runs, key=lambda run: run[:2]):
        got = 0
        if owned[0] == number and slot < owned[1]:
            d.reserve(run.pages)
            restore.link_areas(d.state, task, owner)
            got = restore_swap.share_swapped_pages(
                d.state, task, owner, run.first, min(run.pages, owned[1] - slot), d.tables
            )
        if run.pages > got:
            owner, owned = task, (number, slot + run.pages)
            first = {number: left[number]}
            missing = _take_slots(d, task, run.first + got, run.pages - got, first)
            left.update(first)
            d.unplaced_swap += _take_slots(d, task, run.first + run.pages - missing, missing, left)


def _take_slots(d: Draft, task: int, at: int, count: int, left: dict[int, int]) -> int:
    """Let *count* pages from page *at* on hold slots of the areas that have some left; returns how many found none."""
    for number, slots in left.items():
        taken = min(slots, count)
        if not taken:
            continue
        first = restore_swap.next_slot(d.state, number)
        d.reserve(taken)
        for here, length, content in _by_content(d, task, at, taken):
            restore_swap.add_swapped_pages(d.state, task, here, number, first + here - at, length, content, d.tables)
        d.slots.append((number, first, taken))
        left[number] -= taken
        at, count = at + taken, count - taken
    if count and d.taken_again:
        number, slots = next(iter(left)), min(d.taken_again, count)
        d.taken_again -= slots
        left[number] += slots
        return _take_slots(d, task, at, count, left)
    return count


def _place_shared(d: Draft, file: int, index: int, count: int, left: dict[int, int]) -> None:
    """Let pages *index* … of shared memory hold slots of the areas that have some left."""
    for number, slots in left.items():
        taken = min(slots, count)
        if not taken:
            continue
        first = restore_swap.next_slot(d.state, number)
        taken = restore_swap.add_swapped_shared(d.state, file, index, number, first, taken, d.content)
        d.slots.append((number, first, taken))
        left[number] -= taken
        index, count = index + taken, count - taken


def by_priority(d: Draft) -> list:  # type: ignore[type-arg]
    """Return the swap areas, the one that is used first first."""
    return sorted(d.areas, key=lambda area: -swapon.area_info(d.state, area.number).prio)


def _cache_mapped(d: Draft, left: dict[int, int], count: int) -> None:
    """Give *count* mapped pages a slot that they kept when they came back, as none was written since.

    First those whose slot another process of their family still has, as its page in swap; then of those that came back
    the last ones, where they were read in order, else any of them; then any page.
    """
    count -= _cache_of_family(d, count)
    areas = [(booted.task, area) for booted in d.booted for area in by_start(booted.read) if not area.locked]
    back = [(task, at, size) for task, area in areas for at, size in area.cached_runs()]
    total, in_order = sum(pages for *_, pages in back), any(area.in_order for _, area in areas)
    chosen = _last(back, count) if in_order or total <= count else _evenly(back, total, count)
    others = ((task, at + i) for task, area in areas for at, size, _ in area.resident_runs() for i in range(size))
    for task, vpn in chain(chosen, others):
        number = next((number for number, slots in left.items() if slots), None)
        if count <= 0 or number is None:
            return
        slot = restore_swap.next_slot(d.state, number)
        if restore_swap.cache_mapped_page(d.state, task, vpn, number, slot):
            d.cached_slots.append((number, slot, 1))
            left[number] -= 1
            count -= 1


def _last(runs: list[tuple[int, int, int]], count: int) -> Iterator[tuple[int, int]]:
    """Yield (task, page) of the last *count* pages, the last one first."""
    pages = ((task, at + i) for task, at, size in reversed(runs) for i in reversed(range(size)))
    return islice(pages, max(count, 0))


def _evenly(runs: list[tuple[int, int, int]], total: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield (task, page) of *count* pages of *total*, evenly among them."""
    before = 0
    for task, at, size in runs:
        first, end = before * count // total, (before + size) * count // total
        yield from ((task, at + (i * size) // (end - first)) for i in range(end - first))
        before += size


def _cache_of_family(d: Draft, count: int) -> int:
    """Let pages whose slot another of their family has be in the swap cache; returns how many, *count* at most."""
    tasks = {booted.pid: booted.task for booted in d.booted}
    found = 0
    for process, elder, _ in in_swap([one for one in processes_of(d) if not one.has_runs]):
        if elder is process:
            continue
        others = tasks[elder.pid], tasks[process.pid]
        for one, task, other in ((process, *others[::-1]), (elder, *others)):
            for at, size in (run for area in by_start(one) for run in area.cached_runs()):
                found += restore_swap.cache_pages_of(d.state, task, other, at, size, count - found)
    return found


def _cache_unmapped(d: Draft) -> None:
    """Let pages that were read in and are mapped by no process stand for slots, those taken last first."""
    count = d.accounts.unmapped
    slots = ((number, first + i) for number, first, taken in reversed(d.slots) for i in reversed(range(taken)))
    held = ((area.number, 1 + i) for area in d.areas for i in range(swapon.held_slots(d.state, area.number)))
    chosen = iter([*_first(slots, count), *_first(held, count)])
    for listed in d.anon_lists.take(count, youngest=True):
        for pfn in range(listed.pfn, listed.pfn + listed.frames):
            number, slot = next(chosen, (0, 0))
            if slot:
                restore_swap.cache_swapped_page(d.state, number, slot, pfn, listed.active)
            else:
                mm_init.add_kernel_pages(d.state, pfn, 1)


def _first(items: Iterator[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    return [item for item, _ in zip(items, range(count), strict=False)]
