"""Zones: their watermarks, what they hold back, and the sizes of their per-cpu lists.

A zone keeps some pages free so that those who may not wait (interrupts, and reclaim itself) can allocate.  Three
marks divide its free pages::

    free pages
      │  plenty
    high ──────── kswapd stops here
      │
    low  ──────── below: an allocation wakes kswapd
      │
    min  ──────── below: an allocation reclaims for itself (direct reclaim)
      │  the reserve: only for reclaim, atomic allocations and the OOM killer's victim
      0

::

    pages_min = min_free_kbytes / 4
    min  = pages_min * managed / sum(managed)
    low  = min + max(min / 4, managed * watermark_scale_factor / 10000)
    high = low + the same

A zone also defends itself against requests that could use a higher zone: ``lowmem_reserve[j]`` is added to every mark
for a request whose highest zone is *j*.

Follows mm/page_alloc.c of Linux 6.1 (``__setup_per_zone_wmarks``, ``setup_per_zone_lowmem_reserve``,
``calculate_totalreserve_pages``, ``zone_batchsize``, ``zone_highsize``, ``boost_watermark``).

Not modelled: highmem zones, the ``promo`` mark of memory tiering.
"""

import cython
from cython.cimports.memtwin.linux.core.state import State, zone_at

SOURCE = "mm/page_alloc.c", "v6.1"

MIN_HIGH_FRACTION = cython.declare(u64, 8)
"""The least vm.percpu_pagelist_high_fraction; per-cpu lists that are tuned grow up to that share of their zone."""


def min_wmark_pages(s: State, zone: u32) -> u64:
    """Free pages below which an allocation must reclaim for itself, boost included."""
    return zone_at(s, zone).wmark_min + zone_at(s, zone).wmark_boost


def low_wmark_pages(s: State, zone: u32) -> u64:
    """Free pages below which an allocation wakes kswapd, boost included."""
    return zone_at(s, zone).wmark_low + zone_at(s, zone).wmark_boost


def high_wmark_pages(s: State, zone: u32) -> u64:
    """Free pages at which kswapd is content, boost included."""
    return zone_at(s, zone).wmark_high + zone_at(s, zone).wmark_boost


def setup_per_zone_wmarks(s: State):
    """Compute every zone's marks from ``min_free_kbytes``; takes the boost away (mm/page_alloc.c).

    For example: managed 3840 and 1270000 of 2033840, min_free_kbytes 67584: min 31 low 38 high 45 in DMA
    """
    z: u32
    lowmem: u64 = 0
    gap: u64
    pages_min: u64 = cython.cast(u64, s.sysctl.min_free_kbytes) >> 2
    for z in range(MAX_NR_ZONES):
        lowmem += zone_at(s, z).managed
    for z in range(MAX_NR_ZONES):
        if not lowmem:
            break
        zone_at(s, z).wmark_boost = 0
        zone_at(s, z).wmark_min = pages_min * zone_at(s, z).managed // lowmem
        gap = max(
            zone_at(s, z).wmark_min >> 2,
            zone_at(s, z).managed * cython.cast(u64, s.sysctl.watermark_scale_factor) // 10000,
        )
        zone_at(s, z).wmark_low = zone_at(s, z).wmark_min + gap
        zone_at(s, z).wmark_high = zone_at(s, z).wmark_low + gap
    calculate_totalreserve_pages(s)
    for z in range(MAX_NR_ZONES):
        zone_set_pageset_high_and_batch(s, z)


def setup_per_zone_lowmem_reserve(s: State):
    """Compute what each zone keeps from requests that could use a higher one."""
    i: u32
    j: u32
    managed: u64
    ratio: i64
    for i in range(MAX_NR_ZONES):
        ratio = s.sysctl.lowmem_reserve_ratio[i]
        managed = 0
        for j in range(i + 1, MAX_NR_ZONES):
            managed += zone_at(s, j).managed
            if ratio <= 0 or zone_at(s, i).managed == 0:
                zone_at(s, i).lowmem_reserve[j] = 0
            else:
                zone_at(s, i).lowmem_reserve[j] = managed // cython.cast(u64, ratio)
    calculate_totalreserve_pages(s)


def calculate_totalreserve_pages(s: State):
    """Sum what is not meant for page cache and user space: the reserves and high marks of all zones."""
    z: u32
    j: u32
    largest: u64
    total: u64 = 0
    for z in range(MAX_NR_ZONES):
        largest = 0
        for j in range(z, MAX_NR_ZONES):
            largest = max(largest, zone_at(s, z).lowmem_reserve[j])
        total += min(largest + high_wmark_pages(s, z), zone_at(s, z).managed)
    s.totalreserve_pages = total


def zone_batchsize(managed: u64) -> i32:
    """Pages that go between a zone and a per-cpu list at once: 63 for zones of 1 GiB and more, 1 for tiny ones."""
    batch: u64 = max(min(managed >> 10, 256) >> 2, 1)
    power: u64 = 1
    batch += batch >> 1
    while power * 2 <= batch:
        power *= 2
    return cython.cast(i32, max(power, 2) - 1)


def zone_set_pageset_high_and_batch(s: State, zone: u32):
    """Size the zone's per-cpu lists: they hold up to the low mark, shared out to the cpus."""
    cpu: u32
    high: u64
    fraction: u64 = cython.cast(u64, s.sysctl.percpu_pagelist_high_fraction)
    pcp: cython.pointer(PerCpuPages)
    if not zone_at(s, zone).managed:
        return
    high = zone_at(s, zone).managed // fraction if fraction else low_wmark_pages(s, zone)
    for cpu in range(s.nr_cpus):
        pcp = cython.address(s.cpus[cpu].pcp[zone])
        pcp.batch = zone_batchsize(zone_at(s, zone).managed)
        pcp.high = max(cython.cast(i32, high // s.nr_cpus), pcp.batch * 4)
        set_pageset_limits(s, zone, pcp)


def set_pageset_limits(s: State, zone: u32, pcp: cython.pointer(PerCpuPages)):
    """Between what a per-cpu list's size is tuned, since 6.7: its old size and an eighth of the zone."""
    fraction: u64 = cython.cast(u64, s.sysctl.percpu_pagelist_high_fraction)
    low: u64 = zone_at(s, zone).managed // fraction if fraction else low_wmark_pages(s, zone)
    most: u64 = zone_at(s, zone).managed // (fraction if fraction else MIN_HIGH_FRACTION)
    pcp.high_min = max(cython.cast(i32, low // s.nr_cpus), pcp.batch * 4)
    pcp.high_max = max(cython.cast(i32, most // s.nr_cpus), pcp.batch * 4)


def boost_watermark(s: State, zone: u32, kswapd: cython.bint):
    """Raise the marks for a while because a fallback broke into a pageblock of another type; kswapd is woken for it
    if the request may do that.

    One step is a pageblock (512 pages), the most is 150 % of the high mark at the default factor; zones smaller than
    four pageblocks are left alone.
    """
    most: u64
    if not s.sysctl.watermark_boost_factor or zone_at(s, zone).managed < PAGEBLOCK_NR * 4:
        return
    most = zone_at(s, zone).wmark_high * cython.cast(u64, s.sysctl.watermark_boost_factor) // 10000
    if not most:
        return
    most = max(most, PAGEBLOCK_NR)
    zone_at(s, zone).wmark_boost = min(zone_at(s, zone).wmark_boost + PAGEBLOCK_NR, most)
    zone_at(s, zone).boosted |= kswapd
