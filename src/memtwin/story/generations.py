"""The multi-gen LRU in words: new generations, what was spared, and how old what was taken had become."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.render.words import NS_PER_S, count, seconds

if TYPE_CHECKING:
    from memtwin.run.done import Ages

_NS_PER_MS = NS_PER_S // 1000


def aged(ages: Ages | None) -> list[str]:
    """Return what the generations did while reclaim scanned; nothing of a machine with active and inactive lists."""
    if ages is None or not ages.scanned:
        return []
    made = (
        f"It walked page tables and made {count(ages.made, 'new generation')}"
        if ages.made
        else "It made no new generation"
    )
    spared = f", moved {count(ages.spared, 'page')} up that had been used or may not go yet" if ages.spared else ""
    oldest = f"; the oldest generation began {seconds(ages.oldest_ms * _NS_PER_MS)} before" if ages.oldest_ms else ""
    return [f"{made}{spared}, and took pages of the oldest alone{oldest}."]
