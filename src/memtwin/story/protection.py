"""The words for what a process may do with its memory: rights, its own limits, its stack."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from memtwin.render.words import capital, count, size
from memtwin.scenario import ClearRefs, Limit, Mprotect, Stack
from memtwin.story.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.scenario import Op
    from memtwin.story.story import Step

NAMES = {
    "as": "address space (RLIMIT_AS)",
    "data": "private writable memory (RLIMIT_DATA)",
    "stack": "stack (RLIMIT_STACK)",
    "memlock": "locked memory (RLIMIT_MEMLOCK, which does not bind root)",
}


def protected(op: Mprotect, what: Step) -> str:
    """Say which rights a part of a region has from now on."""
    if what.done.errno:
        because = capital(what.done.why or "the region ends before that")
        return f"{phrase(op)} and is refused ({errno.errorcode[what.done.errno]}). {because}."
    wrong = {"none": "touches it", "r": "writes to it", "rx": "writes to it"}.get(op.rights)
    then = f": a thread of its that {wrong} gets SIGSEGV" if wrong else ""
    promised = what.change["Committed_AS"]
    return f"{phrase(op)}{then}{f'; {size(promised)} more promised' if promised > 0 else ''}; its pages stay."


def limited(op: Limit, what: Step) -> str:
    """Say which limit a process has."""
    if what.done.errno:
        return f"{op.proc} may not raise its limit of {NAMES[op.what]}: root alone may (EPERM)."
    if op.size_bytes is None:
        return f"{op.proc} may have as much {NAMES[op.what]} as there is."
    return f"{op.proc} may have {size(op.size_bytes >> 10)} of {NAMES[op.what]} from now on."


def stacked(op: Stack, what: Step) -> str:
    """Say how far a stack grew."""
    faults = what.done.deltas["pgfault"]
    return f"{phrase(op)}: {count(faults, 'page fault')}, and the area grew downwards as far as that."


def cleared(op: ClearRefs, _: Step) -> str:
    """Say what is forgotten."""
    return f"Which pages {op.proc} has touched is forgotten: from now on Referenced of its smaps counts again."


TELLERS: dict[type[Op], Callable[..., str]] = {Mprotect: protected, Limit: limited, Stack: stacked, ClearRefs: cleared}
