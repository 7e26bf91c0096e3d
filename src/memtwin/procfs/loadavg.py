r"""``/proc/loadavg``: how many tasks ran, waited for a CPU or slept uninterruptibly, averaged, on one line.

Layout: three averages with two decimals (over 1, 5 and 15 minutes), ``running/threads``, the last pid. The
averages are kept in hundredths, exactly as printed.

>>> parse("0.35 0.08 0.03 1/47 83\n").load1_hundredths
35
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memtwin.procfs.text import Lines, decimal

SOURCE = ("fs/proc/loadavg.c", "v6.1")
PATH = "proc/loadavg"

_N = "([0-9]{1,20})"
_LINE = re.compile(rf"(\S+) (\S+) (\S+) {_N}/{_N} {_N}", re.ASCII)
_EXPECTED = "three averages, running/threads, last pid"


@dataclass(frozen=True, slots=True)
class Loadavg:
    """The averages in hundredths of a task, tasks that run now, all threads, and the newest pid."""

    load1_hundredths: int
    load5_hundredths: int
    load15_hundredths: int
    running: int
    threads: int
    last_pid: int


def parse(text: str, path: str = PATH) -> Loadavg:
    """Read loadavg; *path* names it in errors."""
    lines = Lines(text, path)
    match = _LINE.fullmatch(lines.only(_EXPECTED))
    if match is None:
        raise lines.bad(_EXPECTED)
    one, five, fifteen = (lines.hundredths(token, _EXPECTED) for token in match.groups()[:3])
    return Loadavg(one, five, fifteen, int(match[4]), int(match[5]), int(match[6]))


def render(record: Loadavg) -> str:
    """Return the text that the kernel prints, as loadavg_proc_show() does."""
    loads = (record.load1_hundredths, record.load5_hundredths, record.load15_hundredths)
    averages = " ".join([decimal(load) for load in loads])
    return f"{averages} {record.running}/{record.threads} {record.last_pid}\n"
