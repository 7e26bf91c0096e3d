r"""``/proc/pressure/memory`` and ``io``: how much time tasks lost waiting for a resource (PSI).

Layout: a line ``some`` (at least one task waited) and a line ``full`` (all that could run waited), each with
percentages over 10, 60 and 300 seconds with two decimals, and the total in microseconds. ``full`` is missing
where it has no meaning (cpu, before v5.13), ``some`` in ``irq`` (since v6.1). Percentages are kept in hundredths,
exactly as printed.

>>> psi = parse("some avg10=14.66 avg60=5.29 avg300=1.25 total=4176781\n")
>>> psi.some, psi.full
(Stall(avg10_hundredths=1466, avg60_hundredths=529, avg300_hundredths=125, total_us=4176781), None)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memtwin.procfs.text import Lines, decimal

SOURCE = ("kernel/sched/psi.c", "v6.1")
PATH = "proc/pressure/{resource}"

_LINE = re.compile(r"(some|full) avg10=(\S+) avg60=(\S+) avg300=(\S+) total=(\S+)")
_EXPECTED = "some (then perhaps full) avg10=x.xx avg60=x.xx avg300=x.xx total=microseconds"


@dataclass(frozen=True, slots=True)
class Stall:
    """Shares of time lost in hundredths of a percent, and all time lost since boot in microseconds."""

    avg10_hundredths: int
    avg60_hundredths: int
    avg300_hundredths: int
    total_us: int


@dataclass(frozen=True, slots=True)
class Pressure:
    """Time in which some task, and in which every task that could run, waited for the resource."""

    some: Stall | None
    full: Stall | None = None


def parse(text: str, path: str = PATH) -> Pressure:
    """Read one resource's pressure; *path* names it in errors."""
    lines = Lines(text, path)
    if lines.next(_EXPECTED).startswith("full "):
        some, full = None, _stall(lines, "full")
    else:
        some, full = _stall(lines, "some"), None
    if full is None and lines.peek() is not None:
        lines.next(_EXPECTED)
        full = _stall(lines, "full")
    for _line in lines:
        raise lines.bad("nothing after the line full")
    return Pressure(some, full)


def render(record: Pressure) -> str:
    """Return the text that the kernel prints, as psi_show() does."""
    stalls = (("some", record.some), ("full", record.full))
    return "".join(_line(name, stall) for name, stall in stalls if stall is not None)


def _stall(lines: Lines, name: str) -> Stall:
    match = _LINE.fullmatch(lines.line)
    if match is None or match[1] != name:
        raise lines.bad(_EXPECTED)
    ten, sixty, three_hundred = (lines.hundredths(token, _EXPECTED) for token in match.groups()[1:4])
    return Stall(ten, sixty, three_hundred, lines.number(match[5], _EXPECTED))


def _line(name: str, stall: Stall) -> str:
    ten, sixty, three_hundred = (
        decimal(share) for share in (stall.avg10_hundredths, stall.avg60_hundredths, stall.avg300_hundredths)
    )
    return f"{name} avg10={ten} avg60={sixty} avg300={three_hundred} total={stall.total_us}\n"
