"""Why the OOM killer struck, and why this process, in words, from the kernel's report.

A process has as many points as it has pages: resident ones, those in swap, and those of its page tables; each 1/1000 of
``oom_score_adj`` adds as much of RAM and swap. Whoever has the most is killed. Rules: mm/oom_kill.c of Linux 6.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.render.words import listed, size

if TYPE_CHECKING:
    from memtwin.oom.layout import Report, TaskRow

PAGE_KIB = 4
PAGE_BYTES = 4096
NEVER = -1000
"""The ``oom_score_adj`` of a process that is never chosen."""


def points(row: TaskRow, total_pages: int) -> int:
    """Points of a process in pages; *total_pages*: RAM and swap.

    25,600 pages, 100 of page tables, adj 100 of 65,536: 25,600 + 100 + 6,500 (65 pages a step).
    """
    return row.rss + row.swapents + row.pgtables_bytes // PAGE_BYTES + row.oom_score_adj * (total_pages // 1000)


def total_pages(report: Report) -> int:
    """Pages of RAM that the kernel manages, and of swap."""
    return report.ram_pages - report.reserved_pages + report.total_swap_kib // PAGE_KIB


def tell(report: Report) -> list[str]:
    """Sentences: who asked for what, what there was, who was killed, and who came close."""
    told = [f"Memory ran out: {report.name} needed {_asked(report)}, and {_there_was(report)}."]
    if report.panic:
        return [*told, "vm.panic_on_oom is set, so the kernel panicked: everything stands still."]
    if report.victim is None:
        return [*told, "Nobody may be killed (oom_score_adj -1000, or no memory of its own): the kernel panicked."]
    return [*told, _victim(report)]


def _asked(report: Report) -> str:
    pages = "a page" if report.order == 0 else f"{1 << report.order} pages in a row"
    return f"{pages} ({report.gfp_text.split('|')[0]})"


def _there_was(report: Report) -> str:
    zone = max(report.zones, key=lambda zone: zone.fields["managed"])
    files = (report.counts["active_file"] + report.counts["inactive_file"]) * PAGE_KIB
    swap = "there is no swap"
    if report.total_swap_kib:
        left = size(report.free_swap_kib) if report.free_swap_kib else "nothing"
        swap = f"of {size(report.total_swap_kib)} of swap {left} is free"
    return (
        f"{size(zone.fields['free'])} were free in zone {zone.name}, whose reserve for emergencies is "
        f"{size(zone.fields['min'])}; {swap}; and in {size(files)} of page cache reclaim found nothing more to take"
    )


def _victim(report: Report) -> str:
    victim = report.victim
    assert victim is not None
    total = total_pages(report)
    rows = sorted(
        (row for row in report.tasks if row.oom_score_adj > NEVER), key=lambda row: points(row, total), reverse=True
    )
    chosen = next((row for row in rows if row.pid == victim.pid), None)
    told = f"{victim.name} (pid {victim.pid}) was killed"
    if "oom_kill_allocating_task" in report.message:
        return f"{told}: it was the one that asked, and vm.oom_kill_allocating_task is set."
    if chosen is None:
        return f"{told}: {size(victim.anon_rss)} of anonymous memory."
    parts = [f"{size(chosen.rss * PAGE_KIB)} resident"]
    if chosen.swapents:
        parts.append(f"{size(chosen.swapents * PAGE_KIB)} in swap")
    parts.append(f"{size(chosen.pgtables_bytes >> 10)} of page tables")
    if chosen.oom_score_adj:
        parts.append(f"{size(chosen.oom_score_adj * (total // 1000) * PAGE_KIB)} for its oom_score_adj")
    others = [row for row in rows if row.pid != victim.pid]
    second = f"; next was {others[0].name} with {max(points(others[0], total), 0):,}" if others else ""
    return f"{told}: it had the most points, {points(chosen, total):,} pages ({listed(parts)}){second}."
