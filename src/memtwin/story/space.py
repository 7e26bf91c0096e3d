"""The words for a process's address space: the length of regions and of its data, and reads of another's memory."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from memtwin.render.words import capital, count, size
from memtwin.scenario import Brk, Mremap, VmRead
from memtwin.story.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.scenario import Op
    from memtwin.story.story import Step


def _refused(op: Op, what: Step, otherwise: str) -> str:
    """Say why an operation was refused."""
    because = capital(what.done.why or otherwise)
    return f"{phrase(op)} and is refused ({errno.errorcode[what.done.errno]}). {because}."


def remapped(op: Mremap, what: Step) -> str:
    """Say how a region came to its length."""
    if what.done.errno:
        return _refused(op, what, f"{op.region} is not mapped")
    promised = what.change["Committed_AS"]
    if promised < 0:
        return f"{phrase(op)}: what lay behind its new end is unmapped, {size(-promised)} less promised."
    grown = f"{size(promised)} more promised" if promised else "nothing more is promised"
    return f"{phrase(op)}: {grown}, none of it in memory by that; where it has to move its pages are not copied."


def broken(op: Brk, what: Step) -> str:
    """Say where the end of the data is."""
    if what.done.errno:
        return _refused(op, what, "the heap keeps its length")
    freed = what.change["MemFree"]
    return f"{phrase(op)}{f': {size(freed)} more free' if freed > 0 else ': none of it is in memory by that'}."


def read(op: VmRead, what: Step) -> str:
    """Say whether a process could read another's memory."""
    if what.done.errno:
        return _refused(op, what, f"{op.other} has no such pages, or has ended")
    faults, major = what.done.deltas["pgfault"], what.done.deltas["pgmajfault"]
    came = f", {major:,} of them from swap or a file" if major else ""
    return (
        f"{phrase(op)}, as root or the same user may: {count(faults, 'page fault')}{came}; {op.other} does not notice."
    )


TELLERS: dict[type[Op], Callable[..., str]] = {Mremap: remapped, Brk: broken, VmRead: read}
