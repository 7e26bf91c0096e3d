"""Compaction in words: what moved, who waited for it, and which block the kernel was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.render.words import count, size
from memtwin.scenario import Compact, Kalloc, Kfree

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.run.done import Done
    from memtwin.scenario import Op
    from memtwin.story.story import Step

PAGE_KIB = 4


def compacted(done: Done) -> list[str]:
    """What compaction did while an operation went on: pages moved, and what came of requests that waited for it."""
    deltas = done.deltas
    if isinstance(done.op, Compact):
        return []
    moved, stalls = deltas.get("pgmigrate_success", 0), deltas.get("compact_stall", 0)
    sentences = []
    if stalls:
        won = deltas.get("compact_success", 0)
        sentences.append(
            f"{count(stalls, 'request')} for a large block compacted memory first: {won:,} got one, "
            f"{stalls - won:,} had to reclaim or were refused."
        )
    if moved:
        sentences.append(f"Compaction moved {count(moved, 'page')}.")
    return sentences


def describe_compact(_op: Compact, what: Step) -> str:
    """Sentence of ``vm.compact_memory``."""
    moved = what.done.deltas.get("pgmigrate_success", 0)
    return f"Memory is compacted as a whole: {count(moved, 'page')} moved." if moved else "Nothing could be compacted."


def describe_kalloc(op: Kalloc, what: Step) -> str:
    """Sentence of blocks that the kernel takes."""
    asked = f"The kernel asks for {count(op.count, 'block')} of {size(PAGE_KIB << op.order)} ({op.kind}) as {op.name}"
    if what.done.errno:
        return f"{asked} and is refused before it has all: {what.done.why or 'no block that large was available'}."
    return f"{asked} and gets them: {size(op.count * (PAGE_KIB << op.order))}."


def describe_kfree(op: Kfree, _what: Step) -> str:
    """Sentence of blocks that the kernel frees."""
    how = "all of" if op.every == 1 else f"one in {op.every} of"
    return f"The kernel frees {how} {op.name}."


TELLERS: dict[type[Op], Callable[..., str]] = {
    Compact: describe_compact,
    Kalloc: describe_kalloc,
    Kfree: describe_kfree,
}
