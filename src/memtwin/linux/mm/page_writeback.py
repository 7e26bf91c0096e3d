"""Dirty pages: counting them, when writing them back begins, and when those who make them must wait.

A page of a file that was written to is **dirty**: its only copy is in memory.  How many there may be depends on what
could become page cache at all::

    dirtyable  = free pages above the reserves + inactive_file + active_file
    background = vm.dirty_background_ratio (10 %) of dirtyable
    limit      = vm.dirty_ratio (20 %) of dirtyable

    0 ───────── background ──── freerun ──────────── limit
    writers run at memory speed │  writers are slowed  │ writers stop
                 the flusher writes                    │
                               freerun = (background + limit) / 2

Anonymous pages lower both marks: the fuller the machine, the sooner writers wait.  Each writer comes to a balance
point after some pages; between freerun and limit it pauses there for as long as the device needs for what it dirtied,
more the nearer to the limit::

    pause = pages dirtied / (base rate * position ratio) - time since the last pause       at most 200 ms
    ratio = 1 + ((setpoint - dirty) / (limit - setpoint))^3      setpoint = (freerun + limit) / 2

The limit of this line falls slowly (``dirty_limits.py``).

What a writer did between two pauses (its *think time*) is part of the next; a pause that comes out short is owed.  The
base rate is what each writer may do so that all together dirty as much as the device writes: every 200 ms it takes a
step towards ``rate now * bandwidth / pages dirtied a second``.

How many are dirty is what the node's counters have: each CPU counts some pages by itself first (``stat_threshold``),
and hands them over once a second. Where the limit has fallen to a page or none, that is what lets a writer go on.

Data also goes out when it is old: 30 s after an inode was first dirtied, checked every 5 s (``fs_writeback.py``).

Follows mm/page-writeback.c of Linux 6.1 (``domain_dirty_limits``, ``balance_dirty_pages``, ``wb_position_ratio``,
``wb_over_bg_thresh``, ``folio_clear_dirty_for_io``), mm/vmstat.c (``__mod_node_page_state``,
``vmstat_update``) and fs/fs-writeback.c (``mark_inode_dirty``).

Not modelled: several devices' shares of the limit, memory cgroups' own limits, laptop mode.
"""

import cython
from cython.cimports.memtwin.linux.core.events import schedule_event
from cython.cimports.memtwin.linux.core.state import (
    EVENT_THREAD,
    State,
    area_of,
    file_at,
    global_node_page_state,
    hooks,
    in_pieces,
    local_clock,
    mod_lruvec_page_state,
    nr_pages,
    slot_of,
    task_at,
    this_cpu,
    this_runner,
    zone_at,
    zone_of,
)
from cython.cimports.memtwin.linux.kernel.sched.wait import wait_until
from cython.cimports.memtwin.linux.lib.xarray import make_chunk, xa_count_dirty
from cython.cimports.memtwin.linux.mm.dirty_limits import (
    BANDWIDTH_INTERVAL_NS,
    background_limit,
    dirty_limit,
    domain_dirty_limit,
    update_dirty_limit,
)
from cython.cimports.memtwin.linux.mm.rmap import page_mkclean
from cython.cimports.memtwin.linux.mm.swap import rotate_reclaimable_page

NS_PER_S = cython.declare(u64, 1_000_000_000)
NS_PER_CENTISEC = cython.declare(u64, 10_000_000)
WB_STAT_BATCH = cython.declare(u64, 8)
JIFFY_NS = cython.declare(u64, 4_000_000)
HZ = cython.declare(u64, 250)
HZ_POWER_OF_TWO = cython.declare(u64, 256)
MAX_PAUSE = cython.declare(u64, 50)  # jiffies, as all pauses: a fifth of a second
PAUSE_DIVISOR = cython.declare(u64, 32)  # an eighth of a second's jiffies, as a power of two
DIRTY_POLL_THRESH = cython.declare(u64, 32)
COMPLETIONS_PERIOD_NS = cython.declare(u64, 3_000_000_000)
RATIO_SHIFT = cython.declare(u32, 10)
FIRST_PAUSE = cython.declare(u32, 32)
PAUSE_WHEN_EXCEEDED = cython.declare(u32, 8)
STAT_DIRTY = cython.declare(u32, 0)
STAT_WRITEBACK = cython.declare(u32, 1)


# --- dirty inodes ----------------------------------------------------------------------------------------------------


def wb_list_del(s: State, file: u32):
    """Take a file off the flusher's list that it stands on."""
    f: cython.pointer(File) = file_at(s, file)
    chain: cython.pointer(WbList) = cython.address(s.bdi.lists[f.wb_list])
    if f.wb_list == WB_CLEAN:
        return
    if f.wb_prev:
        file_at(s, f.wb_prev).wb_next = f.wb_next
    else:
        chain.head = f.wb_next
    if f.wb_next:
        file_at(s, f.wb_next).wb_prev = f.wb_prev
    else:
        chain.tail = f.wb_prev
    f.wb_list = WB_CLEAN
    f.wb_next = f.wb_prev = 0


def wb_list_add(s: State, file: u32, which: u32):
    """Put a file at the end of one of the flusher's lists."""
    f: cython.pointer(File) = file_at(s, file)
    chain: cython.pointer(WbList) = cython.address(s.bdi.lists[which])
    wb_list_del(s, file)
    if which == WB_CLEAN:
        return
    f.wb_list = which
    f.wb_prev = chain.tail
    if chain.tail:
        file_at(s, chain.tail).wb_next = file
    else:
        chain.head = file
    chain.tail = file


def mark_inode_dirty(s: State, file: u32):
    """Note when a file became dirty; the flusher looks for old data some seconds after the first."""
    f: cython.pointer(File) = file_at(s, file)
    if f.wb_list != WB_CLEAN:
        return
    f.dirtied_when_ns = s.now_ns
    wb_list_add(s, file, WB_DIRTY)
    arm_flusher(s)


def arm_flusher(s: State):
    """Let the flusher wake by itself after ``vm.dirty_writeback_centisecs``, unless that is set already."""
    interval: u64 = cython.cast(u64, s.sysctl.dirty_writeback_centisecs) * NS_PER_CENTISEC
    if s.bdi.flusher.state == THREAD_ASLEEP and not s.bdi.flusher.wake_ns and interval:
        s.bdi.flusher.wake_ns = s.now_ns + interval
        schedule_event(s, s.bdi.flusher.wake_ns, EVENT_THREAD, 0)


def wake_flusher(s: State):
    """Set the flusher to work now."""
    if s.bdi.flusher.state == THREAD_ASLEEP:
        s.bdi.flusher.state = THREAD_RUNNING
        s.bdi.flusher.wake_ns = 0
        s.entities[SCHED_FLUSHER].waker_cpu = s.cpu
        s.rq.resched = True


# --- pages -----------------------------------------------------------------------------------------------------------


def stat_threshold(s: State) -> i64:
    """How many pages a CPU counts by itself at most before the node's counter gets them: the largest of its zones'."""
    most: u32 = 0
    zone: u32
    for zone in range(MAX_NR_ZONES):
        if zone_at(s, zone).managed:
            most = max(most, zone_at(s, zone).stat_threshold)
    return most


def vmstat_update(s: State, cpu: cython.pointer(Cpu)):
    """Once a second a CPU hands over what it has counted by itself."""
    if cpu.vm_stat_s != s.now_ns // NS_PER_S:
        cpu.vm_stat_s = s.now_ns // NS_PER_S
        cpu.vm_stat_diff[STAT_DIRTY] = cpu.vm_stat_diff[STAT_WRITEBACK] = 0


def count_by_itself(s: State, item: u32, pages: i64):
    """Note that this CPU has counted pages, which the node's counter gets when there are enough."""
    diff: cython.pointer(i64) = cython.address(this_cpu(s).vm_stat_diff[item])
    most: i64 = stat_threshold(s)
    vmstat_update(s, this_cpu(s))
    diff[0] += pages
    if diff[0] > most or diff[0] < -most:
        diff[0] = 0


def counted(s: State, item: u32) -> u64:
    """Dirty pages, or those under writeback, by the node's counter: what CPUs count by themselves is missing."""
    pages: i64 = global_node_page_state(s, NR_WRITEBACK if item == STAT_WRITEBACK else NR_DIRTY)
    cpu: u32
    for cpu in range(s.nr_cpus):
        vmstat_update(s, cython.address(s.cpus[cpu]))
        pages -= s.cpus[cpu].vm_stat_diff[item]
    return max(pages, cython.cast(i64, 0))


def is_accounted(s: State, file: u32) -> cython.bint:
    """Whether a file's dirty pages are written back and counted: not those that live in memory alone."""
    return file_at(s, file).kind == FILE_REGULAR or file_at(s, file).kind == FILE_BDEV


def set_page_dirty(s: State, pfn: u32):
    """Note that a page differs from its copy on the device."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & PG_DIRTY:
        return
    page.flags |= PG_DIRTY
    if not is_accounted(s, page.mapping):
        return
    mod_lruvec_page_state(s, pfn, NR_DIRTY, nr_pages(s, pfn))
    count_by_itself(s, STAT_DIRTY, nr_pages(s, pfn))
    mod_lruvec_page_state(s, pfn, NR_DIRTIED, nr_pages(s, pfn))
    zone_at(s, zone_of(s, pfn)).stat[NR_ZONE_WRITE_PENDING] += nr_pages(s, pfn)
    xa_count_dirty(s, page.mapping, page.index, 1)
    mark_inode_dirty(s, page.mapping)
    if not s.in_thread:
        task_at(s, this_cpu(s).current).nr_dirtied += nr_pages(s, pfn)
        this_cpu(s).ratelimit += nr_pages(s, pfn)


def clear_dirty(s: State, pfn: u32):
    """Take a page out of the dirty ones; what it holds is something else's business."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    page.flags &= ~cython.cast(u32, PG_DIRTY)
    mod_lruvec_page_state(s, pfn, NR_DIRTY, -nr_pages(s, pfn))
    count_by_itself(s, STAT_DIRTY, -nr_pages(s, pfn))
    xa_count_dirty(s, page.mapping, page.index, -1)


def clear_page_dirty_for_io(s: State, pfn: u32) -> cython.bint:
    """Make a dirty page ready to be written: a write to it through a mapping faults first from now on."""
    if not s.pages[pfn].flags & PG_DIRTY:
        return False
    page_mkclean(s, pfn)
    clear_dirty(s, pfn)
    zone_at(s, zone_of(s, pfn)).stat[NR_ZONE_WRITE_PENDING] -= nr_pages(s, pfn)
    return True


def set_page_writeback(s: State, pfn: u32):
    """Note that a page's content is on its way to the device, as it is now."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    page.flags |= PG_WRITEBACK
    mod_lruvec_page_state(s, pfn, NR_WRITEBACK, nr_pages(s, pfn))
    count_by_itself(s, STAT_WRITEBACK, nr_pages(s, pfn))
    zone_at(s, zone_of(s, pfn)).stat[NR_ZONE_WRITE_PENDING] += nr_pages(s, pfn)
    if page.flags & PG_SWAPCACHE:
        note_slot_content(s, pfn)
        return
    file_at(s, page.mapping).nr_writeback += nr_pages(s, pfn)
    make_chunk(file_at(s, page.mapping), page.index).disk[page.index & (XA_CHUNK - 1)] = page.tag + 1


def note_slot_content(s: State, pfn: u32):
    """Say what the slot of a page of the swap cache holds from now on."""
    entry: u32
    i: u32
    for i in range(pfn, pfn + cython.cast(u32, nr_pages(s, pfn))):
        entry = s.pages[i].private
        make_chunk(file_at(s, area_of(s, entry).file), slot_of(entry)).disk[slot_of(entry) & (XA_CHUNK - 1)] = (
            s.pages[i].tag + 1
        )


def end_page_writeback(s: State, pfn: u32):
    """A page's write has ended; if reclaim waits for it, it is next at the tail of its list."""
    page: cython.pointer(Page) = cython.address(s.pages[pfn])
    if page.flags & PG_RECLAIM:
        page.flags &= ~cython.cast(u32, PG_RECLAIM)
        rotate_reclaimable_page(s, pfn)
    page.flags &= ~cython.cast(u32, PG_WRITEBACK)
    mod_lruvec_page_state(s, pfn, NR_WRITEBACK, -nr_pages(s, pfn))
    count_by_itself(s, STAT_WRITEBACK, -nr_pages(s, pfn))
    mod_lruvec_page_state(s, pfn, NR_WRITTEN, nr_pages(s, pfn))
    zone_at(s, zone_of(s, pfn)).stat[NR_ZONE_WRITE_PENDING] -= nr_pages(s, pfn)
    if page.flags & PG_SWAPCACHE:
        return
    file_at(s, page.mapping).nr_writeback -= nr_pages(s, pfn)
    age_completions(s)
    s.bdi.flusher.completions += 1


# --- the device's share and speed ------------------------------------------------------------------------------------


def age_completions(s: State):
    """Halve the count of recent completions for every 3 s that have passed."""
    f: cython.pointer(Flusher) = cython.address(s.bdi.flusher)
    while f.completions and s.now_ns - f.completions_ns >= COMPLETIONS_PERIOD_NS:
        f.completions >>= 1
        f.completions_ns += COMPLETIONS_PERIOD_NS
    if not f.completions:
        f.completions_ns = s.now_ns


def over_bground_thresh(s: State) -> cython.bint:
    """Whether background writeback has work: over the limit, or dirty on a device that has no share of it yet.

    A device's share is its part of the writes that ended lately; with none lately, any dirty page is too many.
    """
    if cython.cast(u64, global_node_page_state(s, NR_DIRTY)) > background_limit(s):
        return True
    age_completions(s)
    return not s.bdi.flusher.completions and global_node_page_state(s, NR_DIRTY) > 0


def update_bandwidth(s: State):
    """Measure the device's writing speed, at most every 200 ms, and let the estimate follow slowly."""
    f: cython.pointer(Flusher) = cython.address(s.bdi.flusher)
    elapsed: u64 = s.now_ns - f.bandwidth_ns
    written: u64 = global_node_page_state(s, NR_WRITTEN)
    period: u64 = 3 * NS_PER_S
    rate: u64
    if elapsed < BANDWIDTH_INTERVAL_NS:
        return
    if elapsed < NS_PER_S:
        rate = (written - f.bandwidth_written) * NS_PER_S
        f.bandwidth = (rate + f.bandwidth * (period - elapsed)) // period
    f.bandwidth_ns = s.now_ns
    f.bandwidth_written = written
    f.bandwidth_dirtied = global_node_page_state(s, NR_DIRTIED)


def update_dirty_ratelimit(s: State, dirty: u64, setpoint: u64, ratio: u64):
    """Let the base rate of writers follow the rate at which all together dirty what the device writes."""
    f: cython.pointer(Flusher) = cython.address(s.bdi.flusher)
    elapsed: u64 = s.now_ns - f.bandwidth_ns
    dirty_rate: u64
    balanced: u64
    task_rate: u64 = (f.ratelimit * ratio >> RATIO_SHIFT) + 1
    aim: u64
    step: u64 = 0
    shift: u64
    if not BANDWIDTH_INTERVAL_NS <= elapsed < NS_PER_S:
        return
    dirty_rate = (global_node_page_state(s, NR_DIRTIED) - f.bandwidth_dirtied) * NS_PER_S // elapsed
    balanced = min(task_rate * f.bandwidth // (dirty_rate | 1), f.bandwidth)
    if dirty < setpoint:
        aim = min(f.balanced_ratelimit, balanced, task_rate)
        step = aim - f.ratelimit if aim > f.ratelimit else 0
    else:
        aim = max(f.balanced_ratelimit, balanced, task_rate)
        step = f.ratelimit - aim if aim < f.ratelimit else 0
    shift = f.ratelimit // (2 * step + 1)
    step = ((step >> shift) + 7) // 8 if shift < 64 else 0
    f.ratelimit = max(f.ratelimit + step if f.ratelimit < balanced else f.ratelimit - step, 1)
    f.balanced_ratelimit = balanced


# --- writers ---------------------------------------------------------------------------------------------------------


def position_ratio(dirty: u64, freerun: u64, limit: u64) -> u64:
    """How fast a writer may be relative to the device, in 1/1024: 2 at freerun, 1 at the setpoint, 0 at the limit."""
    setpoint: i64 = (freerun + limit) // 2
    x: i64
    ratio: i64
    if dirty >= limit:
        return 0
    x = ((setpoint - cython.cast(i64, dirty)) << RATIO_SHIFT) // (cython.cast(i64, limit) - setpoint + 1)
    ratio = x * x >> RATIO_SHIFT
    ratio = ratio * x >> RATIO_SHIFT
    ratio += 1 << RATIO_SHIFT
    return min(max(ratio, 0), 2 << RATIO_SHIFT)


def balance_dirty_pages_ratelimited(s: State):
    """Where a writer comes after each page: every so many, its own or its cpu's, it is held against the limits."""
    t: cython.pointer(Task) = task_at(s, this_cpu(s).current)
    pause: u32 = t.nr_dirtied_pause if t.nr_dirtied_pause else FIRST_PAUSE
    domain_dirty_limit(s)
    if s.bdi.flusher.dirty_exceeded:
        pause = min(pause, PAUSE_WHEN_EXCEEDED)
    if t.nr_dirtied < pause and this_cpu(s).ratelimit < s.ratelimit_pages:
        return
    this_cpu(s).ratelimit = 0
    balance_dirty_pages(s, this_cpu(s).current)


def balance_dirty_pages(s: State, task: u32):
    """Wake the flusher if there is enough to write, and let the writer wait as long as it must."""
    t: cython.pointer(Task) = task_at(s, task)
    dirty: u64
    limit: u64
    background: u64
    room: u64
    while True:
        dirty = counted(s, STAT_DIRTY) + counted(s, STAT_WRITEBACK)
        limit = dirty_limit(s)
        background = background_limit(s)
        s.bdi.flusher.dirty_exceeded = dirty > limit
        if counted(s, STAT_DIRTY) > background:
            s.bdi.flusher.background = True
            wake_flusher(s)
        if dirty <= (limit + background) // 2:
            t.nr_dirtied_pause = 1
            room = (limit - dirty) >> 2
            while room:
                t.nr_dirtied_pause <<= 1
                room >>= 2
            t.nr_dirtied = 0
            t.paused_when = local_clock(s) // JIFFY_NS
            break
        s.bdi.flusher.background = True
        wake_flusher(s)
        if not pause_writer(s, task, dirty, limit, (limit + background) // 2) or dirty <= wb_stat_error(s):
            break


def wb_stat_error(s: State) -> u64:
    """How far off the count of a device's dirty pages may be: with fewer no writer waits a second time."""
    batches: u64 = 1
    while s.nr_cpus >> batches:
        batches += 1
    return s.nr_cpus * WB_STAT_BATCH * batches


def max_pause(s: State, dirty: u64) -> u64:
    """How many jiffies a writer sleeps at most: an eighth of what the device needs for what is dirty, 200 ms at most.

    For example: 25,600 pages/s: 2 dirty pages 4 ms, 4,096 pages 24 ms, 40,060 and more 200 ms
    """
    return min(dirty // (1 + s.bdi.flusher.bandwidth // PAUSE_DIVISOR) + 1, MAX_PAUSE)


def log2_of(value: u64) -> u64:
    """The number of the highest bit that is set."""
    found: u64 = 0
    while value >> (found + 1):
        found += 1
    return found


def min_pause(s: State, rate: u64, longest: u64, pages: cython.pointer(u64)) -> u64:
    """How many jiffies a pause has at least, for fewer are left out; *pages*: how many a writer dirties between two."""
    f: cython.pointer(Flusher) = cython.address(s.bdi.flusher)
    high: u64 = log2_of(f.bandwidth)
    low: u64 = log2_of(f.ratelimit)
    aim: u64 = max(HZ // 100, 1)
    if high > low:
        aim += (high - low) * (10 * HZ) // 1024
    aim = min(aim, 1 + longest // 2)
    pages[0] = f.ratelimit * aim // HZ_POWER_OF_TWO
    if pages[0] < DIRTY_POLL_THRESH:
        aim = longest
        pages[0] = f.ratelimit * aim // HZ_POWER_OF_TWO
        if pages[0] > DIRTY_POLL_THRESH:
            pages[0] = DIRTY_POLL_THRESH
            aim = HZ * DIRTY_POLL_THRESH // f.ratelimit
    if HZ * pages[0] // (rate + 1) > longest:
        aim = longest
        pages[0] = rate * aim // HZ_POWER_OF_TWO
    return 1 + aim // 2 if pages[0] >= DIRTY_POLL_THRESH else aim


def pause_writer(s: State, task: u32, dirty: u64, limit: u64, freerun: u64) -> cython.bint:
    """Let a writer sleep for what it dirtied; returns whether it must be checked again: it is over the limit."""
    t: cython.pointer(Task) = task_at(s, task)
    hard_limit: u64 = max(limit, domain_dirty_limit(s))
    ratio: u64 = position_ratio(dirty, freerun, hard_limit)
    now: u64 = local_clock(s) // JIFFY_NS
    longest: u64
    rate: u64
    pages: u64
    shortest: u64
    period: i64
    pause: i64
    update_dirty_limit(s, limit, dirty)
    update_dirty_ratelimit(s, dirty, (freerun + hard_limit) // 2, ratio)
    update_bandwidth(s)
    longest = max_pause(s, dirty)
    rate = s.bdi.flusher.ratelimit * ratio >> RATIO_SHIFT
    shortest = min_pause(s, rate, longest, cython.address(pages))
    period = pause = HZ * t.nr_dirtied // rate if rate else longest
    if rate and t.paused_when:
        pause -= now - t.paused_when
    if rate and pause < cython.cast(i64, shortest):
        owe_pause(t, now, period, pause)
        return False
    if pause > cython.cast(i64, longest):
        now += min(cython.cast(u64, pause) - longest, longest)
        pause = longest
    t.paused_when = now + pause
    t.nr_dirtied = 0
    t.nr_dirtied_pause = max(pages, 1)
    if in_pieces(s):
        wait_until(s, local_clock(s) + pause * JIFFY_NS, True, False)
        this_runner(s).rebalance = rate == 0 and dirty > wb_stat_error(s)
        return False
    hooks.io_schedule_timeout(s, s.now_ns + pause * JIFFY_NS)
    return rate == 0


def owe_pause(t: cython.pointer(Task), now: u64, period: i64, pause: i64):
    """A pause is too short to be made: it is owed, unless the writer has thought for more than a second."""
    if pause < -cython.cast(i64, HZ):
        t.paused_when = now
        t.nr_dirtied = 0
    elif period:
        t.paused_when += period
        t.nr_dirtied = 0
    elif t.nr_dirtied_pause <= t.nr_dirtied:
        t.nr_dirtied_pause += t.nr_dirtied
