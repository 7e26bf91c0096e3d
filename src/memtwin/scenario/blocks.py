"""The lines ``kalloc`` and ``kfree``: blocks that the kernel allocates and frees."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memtwin.errors import quoted
from memtwin.scenario import lines as kinds
from memtwin.scenario.words import like

if TYPE_CHECKING:
    from memtwin.scenario.parser import _Body
    from memtwin.scenario.words import Line

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,30}")
MOST_BLOCKS: Final = 16_000_000
"""Blocks that one ``kalloc`` may ask for: 64 GiB of single pages."""


def kalloc(body: _Body, line: Line) -> kinds.Op:
    """Parse the kernel's taking of blocks."""
    words = line.counted("kalloc NAME ORDER COUNT movable|unmovable|reclaimable|atomic", 5, 5)
    name = line.named(words[1], "a name", NAME)
    if name in body.blocks:
        raise line.error(f"a new name; {name!r} is already used")
    body.blocks.add(name)
    order = line.integer(words[2], "ORDER", 0, 10)
    count = line.integer(words[3], "COUNT", 1, MOST_BLOCKS)
    kind = line.one_of(words[4], "the pageblocks' type", kinds.BLOCK_KINDS)
    return kinds.Kalloc(line.index, line.lineno, line.text, name, order, count, kind)


def kfree(body: _Body, line: Line) -> kinds.Op:
    """Parse its giving them back."""
    words = line.counted("kfree NAME every:K|all", 3, 3)
    if words[1] not in body.blocks:
        hint = like(words[1], body.blocks)
        raise line.error(f"blocks that were allocated before, not {quoted(words[1])}", hint=hint)
    every = 1
    if words[2] != "all":
        kind, _, number = words[2].partition(":")
        if kind != "every":
            raise line.error(f"`all` or `every:K`, not {quoted(words[2])}")
        every = line.integer(number, "K", 1, MOST_BLOCKS)
    return kinds.Kfree(line.index, line.lineno, line.text, words[1], every)
