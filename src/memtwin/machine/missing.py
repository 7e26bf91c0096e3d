"""What a booted machine lacks of its snapshot, each with its size: nothing is left out in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.machine.page_cache import processes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.machine.draft import Draft

HUGE_SHIFT = 11
"""A huge page is 2^11 kB."""
LEAST_KIB = 16 << 10
"""Memory of no listed process below which nothing is said: what any first process has."""


def missing(d: Draft) -> tuple[str, ...]:
    """Return a note for each kind of memory that the machine does not have as the snapshot has it."""
    return tuple(_missing(d))


def _missing(d: Draft) -> Iterator[str]:
    name = d.boot.name
    listed = len(processes_of(d))
    if d.anon_left << 2 >= LEAST_KIB:
        whose = f"none of the {listed} processes" if listed else "no process that it lists"
        yield (
            f"{d.anon_left << 2:,} kB of the anonymous memory of {name} belong to {whose} ((unattributed)); "
            "the OOM killer never takes them"
        )
    if d.held << 2 >= LEAST_KIB:
        yield f"{d.held << 2:,} kB in the swap of {name} belong to no process that it lists, and stay there"
    for pages, what in (
        (d.unplaced, "anonymous memory"), (d.unplaced_swap, "swap"), (d.unmapped_files, "mapped files"),
    ):  # fmt: skip
        if pages << 2 >= LEAST_KIB:
            yield (
                f"the processes of {name} have {pages << 2:,} kB more of {what} than it counts in all: "
                "so much of theirs is missing"
            )
    if d.accounts.ownerless << 2 >= LEAST_KIB:
        yield (
            f"{d.accounts.ownerless << 2:,} kB of {name} are on the LRU lists and in no other counter: "
            "they are the kernel's here, and stay"
        )
    huge = (d.boot.meminfo.get("AnonHugePages") or 0) - (d.placed_huge << HUGE_SHIFT)
    if huge > 0:
        yield (
            f"{huge:,} kB of the huge pages of {name} are base pages here: no process's files say that it "
            "has them, or no 2 MiB of frames are left"
        )
    if d.unknown_zswap << 2 >= LEAST_KIB:
        yield f"{d.unknown_zswap << 2:,} kB that zswap holds on {name} stay in it: whose pages they are is not known"
