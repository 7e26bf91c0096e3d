"""What fragments memory and what mends it: blocks that the kernel allocates and frees, and ``vm.compact_memory``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.linux.core import mm_types as t
from memtwin.linux.mm import blocks, compaction
from memtwin.scenario import Compact, Kalloc, Kfree

if TYPE_CHECKING:
    from memtwin.linux.core.state import State


class Blocks:
    """The blocks that the kernel holds by ``kalloc``: their order and first frames, by name."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._held: dict[str, tuple[int, list[int]]] = {}

    def do(self, op: Compact | Kalloc | Kfree) -> int:
        """Carry out an operation; returns an Outcome."""
        if isinstance(op, Compact):
            compaction.compact_memory(self._state)
        elif isinstance(op, Kfree):
            order, held = self._held[op.name]
            blocks.release(self._state, order, held[:: op.every])
            del held[:: op.every]
        else:
            got = blocks.allocate(self._state, op.order, op.count, op.kind)
            self._held[op.name] = (op.order, got)
            return t.OK if len(got) == op.count else t.ENOMEM
        return t.OK
