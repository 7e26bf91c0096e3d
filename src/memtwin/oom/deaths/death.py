"""What is known of one death: who died, who killed, how sure that is, and what it rests on."""

from __future__ import annotations

from typing import Final, NamedTuple

from memtwin.oom.event import CERTAIN, GLOBAL, OomEvent

KERNEL: Final = "kernel"
UNKNOWN: Final = "unknown"


class Death(NamedTuple):
    """A line that says that a process died, or was chosen to."""

    by: str
    """Who killed: :data:`KERNEL`, the name of another killer, or :data:`UNKNOWN`."""
    line: int
    stamp: str | None
    who: str
    pid: int | None
    why: str
    """A clause in words: what the line says."""
    event: int | None = None
    """The number of the kernel's event that it belongs to."""
    confidence: str = CERTAIN
    reason: str = ""
    """A clause: why it is given to *by* and to *event*."""
    resource: str = "memory"
    """What was short: ``memory``, ``disk``, ``other``."""


class KernelKill(NamedTuple):
    """What is kept of an event of the kernel's: a long journal has thousands."""

    number: int
    first_line: int
    line: int
    stamp: str | None
    who: str
    pid: int
    group: str
    """The cgroup of the victim, "" where the text does not have it."""
    why: str
    also: tuple[int, ...] = ()


def kernel_kill(number: int, event: OomEvent) -> KernelKill | None:
    """Return what is kept of *event*; None if no process was killed."""
    victim = event.victim
    if victim is None:
        return None
    return KernelKill(
        number, event.first_line, event.last_line, event.stamp, victim.name, victim.pid, event.task_memcg or "",
        _why(event), tuple(kill.pid for kill in event.also_killed[:64]),
    )  # fmt: skip


def _why(event: OomEvent) -> str:
    if event.memcg is not None and event.memcg.path:
        return f"cgroup {event.memcg.path} had reached its limit"
    if event.constraint == GLOBAL:
        return "the machine was out of memory"
    return "memory was out" if event.constraint == "unknown" else f"out of memory ({event.constraint})"
