"""What fragments memory and what mends it: blocks that the kernel allocates and frees, and ``vm.compact_memory``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.mm import blocks, compaction
from memtwin.linux.records import Outcome

if TYPE_CHECKING:
    from memtwin.linux.core.state import State
    from memtwin.scenario import Kalloc, Kfree


class Blocks:
    """The blocks that the kernel holds by ``kalloc``: their order and first frames, by name."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._held: dict[str, tuple[int, list[int]]] = {}

    def compact(self) -> int:
        """Compact every zone; returns an Outcome."""
        compaction.compact_memory(self._state)
        return Outcome.OK

    def allocate(self, op: Kalloc) -> int:
        """Allocate the blocks that *op* asks for, until one is refused; returns an Outcome."""
        got = blocks.allocate(self._state, op.order, op.count, op.kind)
        self._held[op.name] = (op.order, got)
        return Outcome.OK if len(got) == op.count else Outcome.ENOMEM

    def free(self, op: Kfree) -> int:
        """Free every K-th block of a name; returns an Outcome."""
        order, held = self._held[op.name]
        blocks.release(self._state, order, held[:: op.every])
        del held[:: op.every]
        return Outcome.OK
