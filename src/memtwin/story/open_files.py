"""The words for files that are replaced: emptied, written again, closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.render.words import seconds, size
from memtwin.scenario import Close, Truncate
from memtwin.story.phrases import named

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.scenario import Op
    from memtwin.story.story import Step


def truncated(op: Truncate, what: Step) -> str:
    """Say that a file became empty, and what that freed."""
    if "/" in op.file:
        freed, slots = max(-what.change["Shmem"], 0), max(what.change["SwapFree"], 0)
        back = " and ".join(
            f"{size(kib)} of {where}" for kib, where in ((freed, "memory"), (slots, "swap")) if kib
        )  # fmt: skip
        return f"{op.proc} truncates {named(op.file)} to nothing: {back or 'nothing'} is free again."
    cached, dirty = -what.change["Cached"], -what.change["Dirty"]
    dropped = f"{size(cached)} of page cache dropped" if cached > 0 else "none of it was in memory"
    lost = f", {size(dirty)} of it never written" if dirty > 0 else ""
    return f"{op.proc} truncates {named(op.file)} to nothing: {dropped}{lost}."


def closed(op: Close, what: Step) -> str:
    """Say that a file was closed, and what its file system wrote for that."""
    if what.done.errno:
        return f"{op.proc} closes {named(op.file)}, which it has not opened (EBADF)."
    written = what.change["pgpgout"]
    if not written:
        return f"{op.proc} closes {named(op.file)}: what is dirty of it stays in memory."
    return (
        f"{op.proc} closes {named(op.file)}, which was truncated before: the file system queues {size(written)} for "
        f"the disk at once, in {seconds(what.done.us * 1000)}."
    )


TELLERS: dict[type[Op], Callable[..., str]] = {Truncate: truncated, Close: closed}
