r"""A flat keyed file: ``memory.stat`` (bytes and events) and ``memory.events`` (counts).

Layout: ``name value``, as /proc/vmstat. Version 1 has rows of the cgroup itself, and ``total_...`` with those below.

>>> parse("anon 4096\nfile 8192\n")["file"]
8192
"""

from __future__ import annotations

from memtwin.procfs.vmstat import Vmstat

SOURCE = ("mm/memcontrol.c", "v6.1")
PATH = "sys/fs/cgroup/{cgroup}/{file}"


class Keyed(Vmstat):
    """The rows in file order."""

    __slots__ = ()


def parse(text: str, path: str = PATH) -> Keyed:
    """Read the file; *path* names it in errors."""
    return Keyed.parse(text, path)


def render(record: Keyed) -> str:
    """Return the text that the kernel prints, as memory_stat_show() does."""
    return record.render()
