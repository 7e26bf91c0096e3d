r"""``/proc/PID/statm``: the memory of one process, in pages.

Layout: seven numbers on one line, all 0 for a kernel thread; *lib* and *dirty* are always 0.

>>> render(Statm(102830, 48115, 177, 132, 0, 102646, 0))
'102830 48115 177 132 0 102646 0\n'
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

from memtwin.procfs.text import Lines, join
from memtwin.units import Pages

SOURCE = ("fs/proc/array.c", "v6.1")
PATH = "proc/{pid}/statm"

_EXPECTED = "seven numbers"


@dataclass(frozen=True, slots=True)
class Statm:
    """Address space, resident pages, those of files and shmem among them, code, and data with stack."""

    size: Pages
    resident: Pages
    shared: Pages
    text: Pages
    lib: Pages
    data: Pages
    dirty: Pages


def parse(text: str, path: str = PATH) -> Statm:
    """Read statm; *path* names it in errors."""
    lines = Lines(text, path)
    numbers = lines.numbers(lines.only(_EXPECTED).split(" "), _EXPECTED)
    if len(numbers) != 7:
        raise lines.bad(_EXPECTED)
    return Statm(*map(Pages, numbers))


def render(record: Statm) -> str:
    """Return the text that the kernel prints, as proc_pid_statm() does."""
    return join([" ".join([str(pages) for pages in astuple(record)])])
