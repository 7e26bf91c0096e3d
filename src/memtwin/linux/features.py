"""What a kernel does otherwise than Linux 6.1, by feature: the model asks for a feature, never for a version.

Each feature names the change that brought it and the first release that has it.  A machine of another version runs as
the nearest profile: it has the features that its version has.  Where a rule differs the difference stands at the line,
and asks ``State.features``.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Feature(NamedTuple):
    """A difference: its name, the release that brought it, and what is other there."""

    name: str
    since: tuple[int, int]
    change: str


FEATURES: Final = (
    Feature("rss_percpu", (6, 2), "resident pages are counted in the address space at once, not by each task"),
    Feature("rotations_cost", (6, 2), "pages that reclaim scans and keeps cost too, and I/O weighs 32 times as much"),
    Feature("zram_bios", (6, 3), "a page that zram stores or has counts as written or read (pgpgout, pgpgin)"),
    Feature("zs_chain_8", (6, 3), "zsmalloc packs objects into groups of up to eight pages, not four"),
    Feature(
        "gen_node_lists", (6, 3), "the multi-gen LRU ages in the pass that finds it due, and ends it by its target"
    ),
    Feature("zs_inuse_ratio", (6, 4), "zsmalloc takes the group that is fullest by tenths"),
    Feature("fault_once", (6, 5), "a fault that waits and is retried counts once"),
    Feature("gen_refaults_all", (6, 5), "the multi-gen LRU counts all refaults, and the recent ones as activations"),
    Feature("eevdf", (6, 6), "the scheduler goes by virtual deadlines: a thread that wakes up rarely preempts"),
    Feature("pcp_auto_high", (6, 7), "per-CPU lists grow and shrink with their use"),
    Feature("thp_aligned_maps", (6, 7), "anonymous memory of whole huge pages is mapped where a huge page begins"),
    Feature("lru_batch_31", (6, 9), "batches in front of the LRU lists hold 31 pages, not 15"),
    Feature("reclaimed_scanned", (6, 9), "what file systems free counts as scanned by kswapd's pass"),
    Feature("zswap_lru", (6, 9), "zswap writes back by a list of its own, to its threshold, and drops what it loads"),
    Feature("full_walk", (6, 10), "direct reclaim that got nothing is made once more, over all groups"),
    Feature(
        "requeue_expired", (6, 10), "the flusher's look for old data leaves a file that is not old yet after one turn"
    ),
    Feature("flush_ratelimited", (6, 11), "reclaim goes by counters of cgroups that are flushed every two seconds"),
    Feature("swapin_writable", (6, 11), "a page that only its task has comes back from swap writable"),
    Feature("swapin_unlocked", (6, 11), "a page read from swap into a locked area is locked when reclaim meets it"),
    Feature(
        "deferred_if_mapped", (6, 12), "new huge pages are queued to be split, and one counts while a part is mapped"
    ),
    Feature("fallback_claims", (6, 12), "an allocation of another type claims a whole pageblock or takes one piece"),
    Feature(
        "highatomic_free",
        (6, 12),
        "what is kept for atomic blocks is held back while it is free, and small zones keep none",
    ),
    Feature("advice_workingset", (6, 12), "an active page that MADV_COLD or MADV_PAGEOUT meets was in real use"),
    Feature("plug_in_order", (6, 12), "gathered requests go out when the first of them is large, not the last"),
    Feature("zeromap", (6, 12), "pages of zeroes are noted in a bitmap, not written to swap"),
)
"""In the order of their releases. Each was read in 6.12 and is absent in 6.1; the release between was not checked."""

OLDEST: Final = (6, 1)
NEWEST: Final = (6, 12)
"""The releases that were read."""


def version_of(text: str) -> tuple[int, int] | None:
    """Return the release that a /proc/version names, as (6, 12); None: it names none."""
    found = re.search(r"version (\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def features_of(version: tuple[int, int]) -> frozenset[str]:
    """Return the names of the features that a release has."""
    return frozenset(feature.name for feature in FEATURES if version >= feature.since)


def profile_of(version: tuple[int, int]) -> str:
    """Return the kernel that a release is followed as.

    >>> profile_of((5, 10)), profile_of((6, 8))
    ('6.1', '6.12')
    """
    return "6.1" if version <= OLDEST else "6.12"


def nearest(version: tuple[int, int]) -> str:
    """Return what a release is followed as, and what of it is not known: a phrase for a note."""
    if version < OLDEST:
        return "Linux 6.1, and where the two differ, 6.1"
    if version > NEWEST:
        return "Linux 6.12, and where the two differ, 6.12"
    lacks = [feature.change for feature in FEATURES if feature.since > version]
    return "Linux 6.12, but for what came later" + (f" ({'; '.join(lacks)})" if lacks else "")
