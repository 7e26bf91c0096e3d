r"""``/proc/PID/stat``: one process in numbers, as ``ps`` and ``top`` read it.

Layout: the pid, the name in parentheses, a letter for the state, and 49 numbers (other versions: more or
fewer) on one line. The name may itself hold blanks, parentheses and newlines, so it ends at the last ``)``.

>>> process = parse("7 (a) b) S 1 7 7 0 -1 4194560 192042 0 45153\n")
>>> process.comm, process.field("majflt"), process.field("rss")
('a) b', 45153, None)
>>> render(process)
'7 (a) b) S 1 7 7 0 -1 4194560 192042 0 45153\n'
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from memtwin.procfs.text import Lines, join

SOURCE = ("fs/proc/array.c", "v6.1")
PATH = "proc/{pid}/stat"

FIELDS = (
    "ppid",
    "pgrp",
    "session",
    "tty_nr",
    "tpgid",
    "flags",
    "minflt",
    "cminflt",
    "majflt",
    "cmajflt",
    "utime",
    "stime",
    "cutime",
    "cstime",
    "priority",
    "nice",
    "num_threads",
    "itrealvalue",
    "starttime",
    "vsize",
    "rss",
    "rsslim",
    "startcode",
    "endcode",
    "startstack",
    "kstkesp",
    "kstkeip",
    "signal",
    "blocked",
    "sigignore",
    "sigcatch",
    "wchan",
    "nswap",
    "cnswap",
    "exit_signal",
    "processor",
    "rt_priority",
    "policy",
    "delayacct_blkio_ticks",
    "guest_time",
    "cguest_time",
    "start_data",
    "end_data",
    "start_brk",
    "arg_start",
    "arg_end",
    "env_start",
    "env_end",
    "exit_code",
)
"""The numbers after the state, as in proc(5): *vsize* in bytes, *rss* in pages, times in 1/100 s."""
_EXPECTED = "a pid, (a name), a state and numbers"
_TAIL = re.compile(r"([A-Za-z])((?: -?[0-9]{1,20})*)")


@dataclass(frozen=True, slots=True)
class PidStat:
    """One process; *rest* is what follows the state, in the order of :data:`FIELDS`."""

    pid: int
    comm: str
    state: str
    rest: tuple[int, ...]

    def field(self, name: str) -> int | None:
        """Return the field of this name, or None if the kernel does not print it."""
        index = FIELDS.index(name)
        return self.rest[index] if index < len(self.rest) else None


def parse(text: str, path: str = PATH) -> PidStat:
    """Read stat; *path* names it in errors."""
    lines = Lines(text, path)
    line = "\n".join([lines.next(_EXPECTED), *lines])
    head, closed, tail = line.rpartition(") ")
    pid, opened, comm = head.partition(" (")
    numbers = _TAIL.fullmatch(tail)
    if not closed or not opened or numbers is None:
        raise lines.bad(_EXPECTED)
    return PidStat(lines.number(pid, _EXPECTED), comm, numbers[1], tuple(map(int, numbers[2].split())))


def render(record: PidStat) -> str:
    """Return the text that the kernel prints, as do_task_stat() does."""
    rest = "".join([f" {number}" for number in record.rest])
    return join([f"{record.pid} ({record.comm}) {record.state}{rest}"])
