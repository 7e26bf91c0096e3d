"""The words for malloc: what it asked of the kernel, and why what was freed does not come back."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from memtwin.render.words import count, size
from memtwin.scenario import Free, Malloc, MallocTrim, Mallopt, Realloc, ThreadStart

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.scenario import Op
    from memtwin.story.story import Step

WHOLE = 64 << 10
"""Bytes from which on a size is in KiB."""
LITTLE = 1 << 20
"""Bytes free in a heap below which nothing is said of them."""


def _who(op: Malloc | Realloc | Free) -> str:
    return f"{op.proc}'s thread {op.thread}" if op.thread else op.proc


def allocated(op: Malloc, what: Step) -> str:
    """Say what malloc gave, and where it lies."""
    asked = f"{count(op.count, 'block')} of {_each(op.size_bytes)} ({op.tag})"
    said = f"{_who(op)} allocates {asked}"
    if what.done.errno:
        return f"{said} and fails ({errno.errorcode.get(what.done.errno, what.done.errno)})."
    touched = "untouched" if op.untouched else "and writes them"
    return f"{said} {touched}: {size(what.change['AnonPages'])} more in memory. {_kept(what)}".strip()


def _each(size_bytes: int) -> str:
    """The size of one block."""
    return size(size_bytes >> 10) if size_bytes >= WHOLE else f"{size_bytes:,} B"


def resized(op: Realloc, what: Step) -> str:
    """Say what blocks with another size took or returned."""
    which = "all" if op.every == 1 else f"one in {op.every}"
    said = f"{_who(op)} makes {which} of {op.tag} {_each(op.size_bytes)} long"
    if what.done.errno:
        return f"{said} and fails ({errno.errorcode.get(what.done.errno, what.done.errno)})."
    grown = what.change["AnonPages"]
    became = f"{size(grown)} more in memory" if grown >= 0 else f"{size(-grown)} come back to the kernel"
    return f"{said}: {became}. {_kept(what)}".strip()


def freed(op: Free, what: Step) -> str:
    """Say what came back to the kernel of what was freed, and why the rest did not."""
    which = "all" if op.every == 1 else f"one in {op.every}"
    if what.done.errno:
        return f"{_who(op)} frees {op.tag}: none is left ({errno.errorcode.get(what.done.errno, what.done.errno)})."
    came = -what.change["AnonPages"]
    back = f"{size(came)} come back to the kernel" if came > 0 else "nothing comes back to the kernel"
    return f"{_who(op)} frees {which} of {op.tag}: {back}. {_kept(what)}".strip()


def trimmed(op: MallocTrim, what: Step) -> str:
    """Say what a trim freed."""
    return (
        f"{op.proc} calls malloc_trim: {size(max(-what.change['AnonPages'], 0))} come back to the kernel. {_kept(what)}"
    )


def _kept(what: Step) -> str:
    """Say what of the heap is free, and what of that lies beside blocks in use on the same pages."""
    heap = what.done.heap
    if heap is None or heap.free < LITTLE:
        return ""
    rest = max(heap.free - heap.trimmable, 0)
    said = (
        f"Of {size(heap.system >> 10)} of heap {size(heap.free >> 10)} are free: malloc keeps them for later requests"
    )
    if heap.trimmable >= LITTLE and not isinstance(what.done.op, MallocTrim):
        said += f"; malloc_trim would free {size(heap.trimmable >> 10)}"
    if rest >= LITTLE:
        said += f"; {size(rest >> 10)} lie in pieces smaller than a page beside blocks in use (fragmentation, no leak)"
    return f"{said}."


TELLERS: dict[type[Op], Callable[..., str]] = {
    Malloc: allocated,
    Realloc: resized,
    Free: freed,
    MallocTrim: trimmed,
    Mallopt: lambda op, _what: f"{op.proc} sets malloc's {op.parameter} to {op.value:,}.",
    ThreadStart: lambda op, _what: f"{op.proc} starts a thread, {op.thread}: 8 MiB of address space for its stack.",
}
