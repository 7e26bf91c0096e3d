"""What is said of operations that run beside others, and of waiting for them."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from memtwin.render.words import count, seconds
from memtwin.scenario import Op, Wait, WorkerOp
from memtwin.story.phrases import phrase

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.run.done import Done
    from memtwin.story.story import Step


def runs(op: Op) -> bool:
    """Return whether an operation runs beside those that follow."""
    return isinstance(op, WorkerOp) and op.beside


def sentence(op: Op, done: Done) -> str:
    """Return what an operation came to that ran beside others; what it counts is the whole machine's."""
    if done.outcome == "error":
        return f"{phrase(op)}, beside what follows, and fails ({errno.errorcode[done.errno]})."
    faults = count(done.deltas.get("pgfault", 0), "page fault")
    return f"{phrase(op)}, beside what follows, in {seconds(done.us * 1000)}: {faults} of all processes meanwhile."


def _waited(op: Wait, what: Step) -> str:
    who = " and ".join(op.names) or "All that runs beside"
    return f"{who} {'are' if len(op.names) > 1 else 'is'} waited for: {seconds(what.done.us * 1000)}."


TELLERS: dict[type[Op], Callable[..., str]] = {Wait: _waited}
