"""``meminfo``: /proc/meminfo as the kernel prints it, and in bytes for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.procfs.meminfo import render
from memtwin.render.grid import View, figures
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.procfs.meminfo import Meminfo
    from memtwin.render.openmetrics import Metric


def view(meminfo: Meminfo) -> View:
    """Return the file's text; in JSON each row with its unit: ``MemTotal_bytes``, ``HugePages_Total_count``."""
    values = {
        f"{label}_bytes" if in_kib else f"{label}_count": bytes_of(value) if in_kib else value
        for label, value, in_kib in _rows(meminfo)
    }
    return View("meminfo", (figures(**values),), metrics=lambda: metrics(meminfo), text=render(meminfo))


def metrics(meminfo: Meminfo) -> Iterator[Metric]:
    """Yield each row under node_exporter's name: ``node_memory_MemTotal_bytes``, ``node_memory_Active_anon_bytes``."""
    from memtwin.render.openmetrics import gauge

    for label, value, in_kib in _rows(meminfo):
        name = "".join(char if char.isalnum() and char.isascii() else "_" for char in label.rstrip(")"))
        field = f"Memory information field {label}"
        if in_kib:
            yield gauge(f"node_memory_{name}_bytes", f"{field}, in bytes.", bytes_of(value))
        else:
            yield gauge(f"node_memory_{name}", f"{field}.", value)


def _rows(meminfo: Meminfo) -> Iterator[tuple[str, int, bool]]:
    """Yield label, value, and whether the kernel prints it in kB."""
    for (label, value), line in zip(meminfo.items(), meminfo.lines(), strict=True):
        yield label, value, line.endswith(" kB")
