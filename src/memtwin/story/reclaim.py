"""Reclaim in words: what it took from whom, who waited for it, why it chose so, and what was missed afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.core import mm_types as t
from memtwin.render.words import count, listed, size
from memtwin.story.phrases import PAGE_KIB, named

if TYPE_CHECKING:
    from collections.abc import Mapping


def reclaimed(change: Mapping[str, int], taken: Mapping[str, int], reason: str) -> list[str]:
    """Return what reclaim did meanwhile: what it took from whom, who waited, the *reason* for that, what came back."""
    if not change["pgscan"]:
        return []
    if not change["pgsteal"]:
        return [f"Reclaim scanned {count(change['pgscan'], 'page')} and could free none."]
    return [f"To make room reclaim took {from_whom(taken)}{who_waited(change)}.", reason, *missed(change)]


def from_whom(taken: Mapping[str, int]) -> str:
    """Pages by owner, the largest first."""
    owners = sorted(((pages, name) for name, pages in taken.items() if pages), reverse=True)
    if not owners:
        return "nothing but slab"
    return listed(f"{size(pages * PAGE_KIB)} of {name if ' ' in name else named(name)}" for pages, name in owners)


def who_waited(change: Mapping[str, int]) -> str:
    """Return whether tasks had to reclaim themselves, and how often they stalled for it."""
    if not change["allocstall"]:
        return ", all of it by kswapd beside the tasks"
    if not change["pgsteal_direct"]:
        stalls = count(change["allocstall"], "time")
        return f", all of it by kswapd; tasks stalled {stalls} in direct reclaim and reclaimed nothing"
    return (
        f", {size(change['pgsteal_direct'] * PAGE_KIB)} of it by tasks themselves, which stalled "
        f"{count(change['allocstall'], 'time')} for it (direct reclaim)"
    )


def why(balances: tuple[int, ...], swappiness: int, *, swap_free: bool) -> str:
    """Why files or anonymous pages: each reason that decided a tenth of the passes or more, the most frequent first."""
    total = sum(balances)
    said = []
    for passes, reason in sorted(((passes, -reason) for reason, passes in enumerate(balances)), reverse=True):
        if passes and passes * 10 >= total:
            share = "" if passes == total else f" ({passes * 100 // total} % of its passes)"
            said.append(f"{_reason(-reason, swappiness, swap_free=swap_free)}{share}")
    return f"It scanned {'; '.join(said)}." if said else ""


def _reason(reason: int, swappiness: int, *, swap_free: bool) -> str:
    """Where reclaim looked and why, by what decided."""
    if reason == t.SCAN_FILE_NO_SWAP and swap_free:
        return "files only, for it worked off watermarks raised against fragmentation, which is done without swapping"
    if reason == t.SCAN_FRACT and not swappiness:
        return "files only, for vm.swappiness is 0"
    return {
        t.SCAN_FILE_NO_SWAP: "files only, for there is no free swap to put anonymous pages in",
        t.SCAN_EQUAL: "files and anonymous pages alike, as its last resort",
        t.SCAN_ANON_FILE_TINY: "anonymous pages only, for hardly any file is left in the cache",
        t.SCAN_FILE_TRIM: "files only, for plenty of them had been used just once and none was missed lately",
        t.SCAN_FRACT: f"both kinds, in shares by vm.swappiness ({swappiness}) and by what was lately missed of each",
    }[reason]


def missed(change: Mapping[str, int]) -> list[str]:
    """Pages that were taken too early: read again after they had been reclaimed."""
    kinds = {"file data": "workingset_refault_file", "anonymous memory": "workingset_refault_anon"}
    came = [f"{size(change[name] * PAGE_KIB)} of {kind}" for kind, name in kinds.items() if change[name]]
    return [f"{listed(came)} had been reclaimed before and had to be read again (refaults)."] if came else []
