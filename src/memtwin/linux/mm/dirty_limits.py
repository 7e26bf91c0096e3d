"""How many pages may be dirty: the thresholds of now, and the limit that follows them down slowly.

Both thresholds are a share of the pages that dirty data could come to fill (``vm.dirty_ratio``,
``vm.dirty_background_ratio``). The **domain's limit**, which slows writers, follows its threshold up at once and down
by a 32nd of the distance every 200 ms, never below what is dirty: when memory fills and the threshold drops, those who
write are not stopped all at once. It is set early at boot, when of the last zone only the first sections of 128 MiB are
initialised (the others are *deferred*), and only the kernel's own memory of them is in use::

    512 MiB: DMA32 begins at 16 MiB, 128 MiB behind that at 144 MiB, the next section at 256 MiB: a fifth of 256 MiB
    256 MiB: none is deferred

It moves only where writers come near the threshold.  No file says what it is now: here it is that of the boot.

Follows mm/page-writeback.c of Linux 6.1 (``domain_dirty_limits``, ``hard_dirty_limit``, ``update_dirty_limit``,
``writeback_set_ratelimit``), mm/page_alloc.c (``defer_init``).
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, zone_at
from cython.cimports.memtwin.linux.mm.page_alloc_fast import node_dirtyable_memory

SOURCE = "mm/page-writeback.c", "v6.1"

MIN_RATELIMIT = cython.declare(u64, 16)
PAGES_PER_SECTION = cython.declare(u64, 32_768)
PAGES_PER_MEMMAP_PAGE = cython.declare(u64, 64)
INIT_PAGES = cython.declare(u64, 2_048)
"""The kernel's own init sections, 6 to 8 MiB in Debian's kernels: they are freed at the end of the boot."""


def dirty_limit_of(s: State, dirtyable: u64) -> u64:
    """Dirty pages at which writers stop where so many could become page cache."""
    if s.sysctl.dirty_bytes:
        return cython.cast(u64, s.sysctl.dirty_bytes + 4095) // 4096
    return cython.cast(u64, s.sysctl.dirty_ratio * 4096 // 100) * (dirtyable + 1) // 4096


def dirty_limit(s: State) -> u64:
    """Dirty pages at which writers stop (nr_dirty_threshold)."""
    return dirty_limit_of(s, node_dirtyable_memory(s))


def set_ratelimit(s: State, dirtyable: u64):
    """Derive what the writers of a cpu may dirty together, a 32nd of the limit over all cpus; the domain's limit."""
    s.bdi.dirty_limit = dirty_limit_of(s, dirtyable)
    s.ratelimit_pages = max(s.bdi.dirty_limit // (32 * s.nr_cpus), MIN_RATELIMIT)


def early_pages(s: State) -> u64:
    """Pages that are free when the limit is set at boot.

    Of the last zone they end at a section, once more than one is there.  Below 4 GiB it has the kernel's image, and its
    init sections; the array of pages lies at its end.
    """
    zone: u32 = MAX_NR_ZONES - 1
    below: u64 = 0
    z: cython.pointer(Zone)
    early: u64
    image: u64
    lower: u32
    while zone and not zone_at(s, zone).managed:
        zone -= 1
    for lower in range(zone):
        below += zone_at(s, lower).managed
    z = zone_at(s, zone)
    early = (z.start_pfn + 2 * PAGES_PER_SECTION - 1) // PAGES_PER_SECTION * PAGES_PER_SECTION - z.start_pfn
    if early >= z.spanned:
        return below + z.managed
    if zone < ZONE_NORMAL:
        image = max(z.present - z.managed, z.present // PAGES_PER_MEMMAP_PAGE) - z.present // PAGES_PER_MEMMAP_PAGE
        early -= min(early, image + INIT_PAGES)
    return below + early


def domain_dirty_limit(s: State) -> u64:
    """The limit that follows the threshold down slowly, that of the boot at first."""
    if not s.ratelimit_pages:
        set_ratelimit(s, early_pages(s))
    return s.bdi.dirty_limit


def update_dirty_limit(s: State, thresh: u64, dirty: u64):
    """Let the domain's limit follow *thresh* every 200 ms: up at once, down by a 32nd, never below what is dirty."""
    if s.now_ns - max(s.bdi.dirty_limit_ns, s.bdi.flusher.bandwidth_ns) < BANDWIDTH_INTERVAL_NS:
        return
    s.bdi.dirty_limit_ns = s.now_ns
    if s.bdi.dirty_limit < thresh:
        s.bdi.dirty_limit = thresh
        return
    thresh = max(thresh, dirty)
    if s.bdi.dirty_limit > thresh:
        s.bdi.dirty_limit -= (s.bdi.dirty_limit - thresh) >> 5


def background_limit(s: State) -> u64:
    """Dirty pages at which the flusher starts (nr_dirty_background_threshold)."""
    limit: u64 = dirty_limit(s)
    background: u64 = cython.cast(u64, s.sysctl.dirty_background_ratio * 4096 // 100)
    background = background * (node_dirtyable_memory(s) + 1) // 4096
    if s.sysctl.dirty_background_bytes:
        background = cython.cast(u64, s.sysctl.dirty_background_bytes + 4095) // 4096
    return background if background < limit else limit // 2


def dirty_thresholds(s: State) -> tuple[int, int]:
    """nr_dirty_threshold and nr_dirty_background_threshold in pages: when writers wait, when writeback begins."""
    return dirty_limit(s), background_limit(s)
