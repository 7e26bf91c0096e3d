"""The words for shared memory: who maps what another has, and what that has cost so far."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from memtwin.render.words import capital, size
from memtwin.scenario import Shm, Unlink
from memtwin.story.phrases import PAGE_KIB

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.scenario import Op
    from memtwin.story.story import Step

MEMORY: Final = ":shm"
"""Stands for the file behind a region of shared memory, which has no name of its own."""


def shared(op: Shm, what: Step) -> str:
    """Say that a process maps shared memory, or why it cannot."""
    asked = "" if op.size_bytes is None else f"{size(op.size_bytes >> 10)} of "
    if what.done.errno == errno.ENOENT:
        return f"{op.proc} asks for the shared memory {op.key!r}: nothing has this key (ENOENT)."
    said = f"{op.proc} maps {asked}shared memory ({op.region})"
    if what.done.errno:
        because = capital(what.done.why or "what has this key is smaller")
        return f"{said} and is refused ({errno.errorcode[what.done.errno]}). {because}."
    promised = what.change["Committed_AS"]
    who = f"who has the key {op.key!r} may map it too" if op.key else "a child of its fork will share it"
    return f"{said}: {size(promised)} more promised, none of it in memory by that; {who}."


def unlinked(op: Unlink, what: Step) -> str:
    """Say that a name went away, and what came free."""
    if what.done.errno:
        because = what.done.why or "there is none"
        return f"{op.proc} removes {op.name!r}: {because} ({errno.errorcode[what.done.errno]})."
    freed = what.change["MemFree"]
    came = f"{size(freed)} more free" if freed > 0 else "nothing is freed yet"
    return f"{op.proc} removes {op.name!r}: {came}; what is still mapped stays until the last unmaps it."


def new_pages(what: Step) -> int:
    """KiB of anonymous and shared memory that there are more than before, in memory or in swap."""
    went_out = (what.done.deltas["pswpout"] - what.done.deltas["pswpin"]) * PAGE_KIB
    return what.change["AnonPages"] + what.change["Shmem"] + went_out


def faults(what: Step) -> str:
    """What faults on shared memory came to: pages made, brought back, or found where another had put them."""
    major, made = what.done.deltas["pgmajfault"], new_pages(what)
    parts = [f"{major:,} of which waited for swap"] if major else []
    parts.append(f"{size(made)} of new pages, shared" if made > PAGE_KIB else "the pages were there, shared")
    return f", {', '.join(parts)}, {size(what.change['PageTables'])} of page tables"


TELLERS: dict[type[Op], Callable[..., str]] = {Shm: shared, Unlink: unlinked}
