"""Signals and nice values, sent to several tasks; what came of it, in words."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from memtwin.render.words import count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def send(name: str, pids: Sequence[int]) -> str:
    """Send the signal *name*."""
    return _each(pids, lambda pid: os.kill(pid, signal.Signals[name]), f"{name} sent to")


def renice(step: int, pids: Sequence[int]) -> str:
    """Change nice values by *step*."""

    def change(pid: int) -> None:
        os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid) + step)

    return _each(pids, change, "reniced")


def _each(pids: Sequence[int], do: Callable[[int], None], done: str) -> str:
    failed = []
    for pid in pids:
        try:
            do(pid)
        except OSError as problem:
            failed.append(f"{pid}: {problem.strerror}")
    good = len(pids) - len(failed)
    return "; ".join([*([f"{done} {count(good, 'task')}"] if good else []), *failed])
