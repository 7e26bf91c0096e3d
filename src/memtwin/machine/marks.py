"""What reclaim and readers left on pages: which ones are marked no file says, the counters since boot say how many.

========================  ===========================================================================================
anonymous, inactive       a scan keeps a page that was in use and marks it, the next frees it; one that must be written
                          to a device is scanned once more, when that is done; one that becomes active was scanned
                          twice. So of all that was scanned those are marked still that neither went nor waited for a
                          write nor were activated: scanned - 2 (taken + activated) - written. They are the oldest;
                          while fewer were scanned than the list has pages they are the newest, for what is kept goes
                          to its head. Of a process that uses its memory here and there some were used since: as
                          large a share as came back of what was in swap
anonymous, active         unused since reclaim activated them, but for the same share
by generations            the youngest pages count as active; page tables say which were used, and those that came
                          back of a workingset are marked as that
several processes         each with pages in swap, and with others that never were there: they took their memory at the
                          same time, and their pages stand by turns
pages of files            read() marks a page; what was written by write() is not marked. Of those that are neither
                          dirty nor mapped as many as were read, in proportion to what was written
active pages of files     a second use activates a page and takes its mark away; one that came back too soon
                          (workingset_activate_file) is active at once, and marked when it is read
workingset                a page that was active once; as many as were deactivated, at most all
tmpfs                     what is written to its files is marked, what is touched where it is mapped is not
costs                     of reclaim, anonymous pages and files: see ``costs`` and ``restore_lru.start_costs``
========================  ===========================================================================================

How many of a process's pages have neither mark nor bit its smaps_rollup says (Rss - Referenced).

Follows mm/vmscan.c (page_check_references, snapshot_refaults), mm/swap.c (mark_page_accessed, lru_note_cost) and
mm/workingset.c of Linux 6.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux import features, restore_lru
from memtwin.linux.core import mm_types as t
from memtwin.machine.families import LEAST_SHARED
from memtwin.units import PAGE_KIB

if TYPE_CHECKING:
    from memtwin.machine.draft import Draft
    from memtwin.machine.processes import BootProcess

SMALLEST_PART = 16
"""Of a process's pages: what is less than this part of them, in swap or in memory, says nothing of its age."""


def mark_pages(d: Draft) -> None:
    """Mark the pages of all lists."""
    restore_lru.interleave(d.state, side_by_side(d))
    if d.has_generations:
        restore_lru.mark_young(d.state, _count(d, "workingset_restore_anon"))
    else:
        mark_by_scans(d)
    restore_lru.mark_shared(d.state)
    restore_lru.start_costs(
        d.state, *costs(d), *(_count(d, f"workingset_activate_{kind}") for kind in ("anon", "file"))
    )
    pages = d.state.node_stats()["nr_inactive_file"]
    restore_lru.mark_files(d.state, active=False, count=round(pages * share_read(d)), flag=t.PG_REFERENCED)
    restore_lru.mark_files(d.state, active=True, count=_count(d, "workingset_activate_file"), flag=t.PG_REFERENCED)
    restore_lru.mark_files(d.state, active=False, count=_count(d, "pgdeactivate"), flag=t.PG_WORKINGSET)


def mark_by_scans(d: Draft) -> None:
    """Mark anonymous pages as scans of the active and the inactive list leave them."""
    is_first_round = _count(d, "pgscan_anon") < d.state.node_stats()["nr_inactive_anon"]
    restore_lru.mark_kept(d.state, kept(d), is_first_round)
    restore_lru.rest_active(d.state)
    for booted in d.booted:
        share = share_used(booted.read)
        if share:
            restore_lru.touch_kept(d.state, booted.task, share)


def costs(d: Draft) -> tuple[int, int]:
    """Return how much I/O reclaim of anonymous pages and of files has caused since boot, by its counters.

    Pages that it wrote out, but for those that madvise() had it write, which are not scanned; and pages of a workingset
    that came back. Since 6.2 I/O weighs 32 times as much, and a page that was scanned and kept counts too.
    """
    written, swapped = _count(d, "nr_vmscan_write"), _count(d, "pswpout") + _count(d, "zswpout")
    anon = min(written, swapped, _count(d, "pgscan_anon")) + _count(d, "workingset_restore_anon")
    file = max(written - swapped, 0) + _count(d, "workingset_restore_file")
    if "rotations_cost" not in features.features_of(d.boot.release):
        return anon, file
    kept_of = [max(_count(d, f"pgscan_{kind}") - _count(d, f"pgsteal_{kind}"), 0) for kind in ("anon", "file")]
    return t.SWAP_CLUSTER_MAX * anon + kept_of[0], t.SWAP_CLUSTER_MAX * file + kept_of[1]


def side_by_side(d: Draft) -> list[int]:
    """Return the tasks that took their memory at the same time, by which of it is in swap.

    Reclaim takes the oldest pages: had one of two processes taken all its memory first, no page of the other would be
    in swap before the last of its own. Of a fork that says nothing: what is shared was taken by one of them.
    """
    found = []
    alone = [booted for booted in d.booted if max(booted.read.shared_anon, booted.read.shared_swap) < LEAST_SHARED]
    for booted in alone:
        areas = [area for area in booted.read.areas if area.is_private_memory and not area.is_file and not area.locked]
        swap, resident = sum(area.swap for area in areas), sum(area.anon - area.returned for area in areas)
        if min(swap, resident) * SMALLEST_PART >= swap + resident > SMALLEST_PART:
            found.append(booted.task)
    return found if len(found) > 1 else []


def kept(d: Draft) -> int:
    """Return how many inactive anonymous pages reclaim has scanned and kept, by its counters."""
    scanned, taken = _count(d, "pgscan_anon"), _count(d, "pgsteal_anon")
    otherwise = _count(d, "workingset_activate_anon") + d.shmem_left  # when they came back; by read() and write()
    activated = max(_count(d, "nr_active_anon") - otherwise, 0)
    return max(round(scanned - 2 * (taken + activated) - on_devices(d) * _count(d, "pswpout")), 0)


def share_used(process: BootProcess) -> float:
    """Return which share of its pages a process has used here and there since reclaim has seen them.

    As many as have come back of those that were in swap; 0 of one that goes through its memory in order.
    """
    areas = [area for area in process.areas if area.returned and not area.in_order]
    back, away = (sum(getattr(area, name) for area in areas) for name in ("returned", "swap"))
    return back / (back + away) if back else 0.0


def share_read(d: Draft) -> float:
    """Return how much of what passed between files and the page cache was read, not written; 1 of nothing."""
    swap_kib = PAGE_KIB * on_devices(d)
    read = max(_count(d, "pgpgin") - swap_kib * _count(d, "pswpin"), 0)
    written = max(_count(d, "pgpgout") - swap_kib * _count(d, "pswpout"), 0)
    return read / (read + written) if read + written else 1.0


def on_devices(d: Draft) -> float:
    """Return how much of what is in swap lies on a device, not in zram, which compresses within the call."""
    used = {shown.filename: int(shown.used_kib) for shown in d.boot.swaps.areas}
    on_disks = sum(size for name, size in used.items() if not name.startswith("/dev/zram"))
    return on_disks / sum(used.values()) if any(used.values()) else 1.0


def _count(d: Draft, name: str) -> int:
    return d.boot.vmstat.get(name) or 0
