"""What a view must know of a machine that no single /proc file says: page size, clock tick, kernel, when.

A snapshot that memtwin took says it in ``snapshot.json``. Elsewhere the page size follows from two files that
count the same pages in different units: ``MemTotal`` of meminfo in kB, and ``managed`` of zoneinfo in pages.

>>> page_size(8_053_064, 2_013_266)
4096
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.source import SNAPSHOT, load

if TYPE_CHECKING:
    from memtwin.source import Source

USER_HZ: Final = 100
"""Clock ticks a second of /proc on every architecture but alpha and ia64."""
PAGE_SIZES: Final = (4096, 8192, 16384, 32768, 65536)


class Host(NamedTuple):
    """The facts; None is not known."""

    page_bytes: int | None
    ticks_per_s: int = USER_HZ
    kernel: str | None = None
    taken_unix_ms: int | None = None


def host(source: Source) -> Host:
    """Return what is known of the machine that *source* shows."""
    if source.is_live:
        return _live()
    told = source.read(SNAPSHOT)
    if told is not None:
        found = _told(told)
        if found is not None:
            return found
    return Host(_page_bytes(source), kernel=_kernel(source))


def page_size(total_kib: int, managed_pages: int) -> int | None:
    """Return the page size that makes *managed_pages* the machine's *total_kib*; None if none comes near."""
    if managed_pages <= 0:
        return None
    near = min(PAGE_SIZES, key=lambda size: abs(total_kib * 1024 - managed_pages * size))
    return near if abs(total_kib * 1024 / managed_pages - near) < near / 4 else None


def _live() -> Host:
    import os  # noqa: PLC0415
    import time  # noqa: PLC0415

    return Host(
        os.sysconf("SC_PAGE_SIZE"),
        os.sysconf("SC_CLK_TCK"),
        os.uname().release,
        time.time_ns() // 1_000_000,
    )


def _told(text: str) -> Host | None:
    """Return what a ``snapshot.json`` says, or None if it is not one."""
    import json  # noqa: PLC0415 - the live host has none

    try:
        facts = json.loads(text)
    except ValueError:
        return None
    if not isinstance(facts, dict) or facts.get("page_bytes") not in PAGE_SIZES:
        return None
    ticks, kernel, taken = (facts.get(key) for key in ("ticks_per_s", "kernel", "taken_unix_ms"))
    return Host(
        facts["page_bytes"],
        ticks if isinstance(ticks, int) and ticks > 0 else USER_HZ,
        kernel if isinstance(kernel, str) else None,
        taken if isinstance(taken, int) else None,
    )


def _page_bytes(source: Source) -> int | None:
    from memtwin.procfs import meminfo, zoneinfo  # noqa: PLC0415

    memory, zones = load(source, meminfo), load(source, zoneinfo)
    if memory is None or zones is None or "MemTotal" not in memory:
        return None
    return page_size(memory["MemTotal"], sum(zone.managed for zone in zones.zones))


def _kernel(source: Source) -> str | None:
    """Return the release that /proc/version or /proc/sys/kernel/osrelease names."""
    release = source.read("proc/sys/kernel/osrelease")
    if release:
        return release.strip()
    words = (source.read("proc/version") or "").split()
    return words[2] if words[:2] == ["Linux", "version"] and len(words) > 2 else None
