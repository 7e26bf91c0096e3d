r"""``/proc/uptime``: seconds since boot, and seconds that the CPUs idled, added up over all CPUs.

Layout: two numbers with two decimals on one line; kept in centiseconds, exactly as printed.

>>> parse("23.97 12.85\n")
Uptime(up_cs=2397, idle_cs=1285)
"""

from __future__ import annotations

from dataclasses import dataclass

from memtwin.procfs.text import Lines, decimal

SOURCE = ("fs/proc/uptime.c", "v6.1")
PATH = "proc/uptime"

_EXPECTED = "seconds up and seconds idle"


@dataclass(frozen=True, slots=True)
class Uptime:
    """Hundredths of a second since boot, and idle (summed over the CPUs)."""

    up_cs: int
    idle_cs: int


def parse(text: str, path: str = PATH) -> Uptime:
    """Read uptime; *path* names it in errors."""
    lines = Lines(text, path)
    tokens = lines.only(_EXPECTED).split(" ")
    if len(tokens) != 2:
        raise lines.bad(_EXPECTED)
    return Uptime(lines.hundredths(tokens[0], _EXPECTED), lines.hundredths(tokens[1], _EXPECTED))


def render(record: Uptime) -> str:
    """Return the text that the kernel prints, as uptime_proc_show() does."""
    return f"{decimal(record.up_cs)} {decimal(record.idle_cs)}\n"
