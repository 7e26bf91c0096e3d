r"""``/proc/PID/status``: one process, as labels and text.

Layout: the label, a colon, a tab and the value; memory is ``%8lu kB``. A kernel thread has no memory, so
those rows (``VmPeak`` to ``HugetlbPages``) are not printed: they are None, not 0.

>>> process = Status({"Name": "A", "Pid": "132", "VmRSS": memory(Kib(192460))})
>>> render(process)
'Name:\tA\nPid:\t132\nVmRSS:\t  192460 kB\n'
>>> process.kib("VmRSS"), process.number("Pid"), process.kib("VmSwap")
(192460, 132, None)
"""

from __future__ import annotations

import re

from memtwin.procfs.table import TextTable
from memtwin.procfs.text import Lines, is_number
from memtwin.units import Kib

SOURCE = ("fs/proc/array.c", "v6.1")
PATH = "proc/{pid}/status"
LINES_STAND_ALONE = True

MEMORY = (
    "VmPeak",
    "VmSize",
    "VmLck",
    "VmPin",
    "VmHWM",
    "VmRSS",
    "RssAnon",
    "RssFile",
    "RssShmem",
    "VmData",
    "VmStk",
    "VmExe",
    "VmLib",
    "VmPTE",
    "VmPMD",
    "VmSwap",
    "HugetlbPages",
)
"""The rows that are kB, in the order of printing; VmPMD until v4.15."""
_IS_MEMORY = frozenset(MEMORY)
_KB = re.compile(r" *([0-9]{1,20}) kB", re.ASCII)


def memory(kibibytes: Kib) -> str:
    """Return an amount of memory as status prints it, the tab before it left to the row.

    >>> memory(Kib(836))
    '     836 kB'
    """
    return f"{kibibytes:8d} kB"


class Status(TextTable):
    """The rows in file order, values as text (without the tab)."""

    __slots__ = ()

    SEPARATOR = ":\t"

    @classmethod
    def check(cls, label: str, value: str, lines: Lines) -> None:
        """Raise if a row of memory is not a number of kB."""
        if label in _IS_MEMORY and _KB.fullmatch(value) is None:
            raise lines.bad(f"{label}, a tab and a number kB")

    def kib(self, label: str) -> Kib | None:
        """Return a row of memory, or None if it is absent or no amount of memory."""
        match = _KB.fullmatch(self.get(label, ""))
        return Kib(int(match[1])) if match else None

    def number(self, label: str) -> int | None:
        """Return a row that is one unsigned number (``Pid``), or None if it is absent or not one."""
        value = self.get(label, "")
        return int(value) if is_number(value) else None


def parse(text: str, path: str = PATH) -> Status:
    """Read status; *path* names it in errors."""
    return Status.parse(text, path)


def render(record: Status) -> str:
    """Return the text that the kernel prints, as proc_pid_status() does."""
    return record.render()
