r"""``/proc/vmstat``: every counter of the memory manager, summed over zones, nodes and CPUs.

Layout: ``name value``. ``nr_*`` are amounts of now, in pages (``nr_kernel_stack`` in kB, transparent huge
pages in huge pages); the rest are events since boot (``pgpgin`` and ``pgpgout`` in kB). Which names exist,
and their order, is a matter of version and configuration: an absent one is None.

>>> counters = parse("nr_free_pages 3788\npgfault 12\n")
>>> counters["pgfault"], counters.get("zswpin")
(12, None)
"""

from __future__ import annotations

import re

from memtwin.procfs.table import Row, Table

SOURCE = ("mm/vmstat.c", "v6.1")
PATH = "proc/vmstat"
LINES_STAND_ALONE = True


class Vmstat(Table):
    """The counters in file order."""

    __slots__ = ()

    LINE = re.compile(r"([^ \n]+ )( *)([0-9]{1,20})()", re.ASCII)
    CLOSE = " "

    @classmethod
    def row(cls, label: str) -> Row:
        """Return how vmstat prints *label*: as all rows."""
        return Row(label, f"{label} ", 0, "")

    @classmethod
    def known(cls, label: str) -> bool:
        """Return whether *label* is a counter's name, so that a number must follow."""
        return label.isascii() and label.isidentifier()


def parse(text: str, path: str = PATH) -> Vmstat:
    """Read vmstat; *path* names it in errors."""
    return Vmstat.parse(text, path)


def render(record: Vmstat) -> str:
    """Return the text that the kernel prints, as vmstat_show() does."""
    return record.render()
