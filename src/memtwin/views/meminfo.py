"""``meminfo``: /proc/meminfo as the kernel prints it, and in bytes for JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.procfs.meminfo import render
from memtwin.render.table import clean

if TYPE_CHECKING:
    from memtwin.procfs.meminfo import Meminfo
    from memtwin.render.openmetrics import Metric


def text(meminfo: Meminfo) -> str:
    """Return the file's text, rows that are not known among it."""
    return "".join(f"{clean(line)}\n" for line in render(meminfo).split("\n")[:-1])


def data(meminfo: Meminfo) -> dict[str, int]:
    """Return each row under its label and unit: ``MemTotal_bytes``, but ``HugePages_Total_count``."""
    told: dict[str, int] = {}
    for (label, value), line in zip(meminfo.items(), meminfo.lines(), strict=True):
        if line.endswith(" kB"):
            told[f"{label}_bytes"] = value * 1024
        else:
            told[f"{label}_count"] = value
    return told


def metrics(meminfo: Meminfo) -> list[Metric]:
    """Return each row under node_exporter's name: ``node_memory_MemTotal_bytes``, ``node_memory_Active_anon_bytes``."""
    from memtwin.render.openmetrics import gauge  # noqa: PLC0415 - when asked for

    told = []
    for (label, value), line in zip(meminfo.items(), meminfo.lines(), strict=True):
        name = "".join(char if char.isalnum() and char.isascii() else "_" for char in label.rstrip(")"))
        field = f"Memory information field {label}"
        if line.endswith(" kB"):
            told.append(gauge(f"node_memory_{name}_bytes", f"{field}, in bytes.", value * 1024))
        else:
            told.append(gauge(f"node_memory_{name}", f"{field}.", value))
    return told
