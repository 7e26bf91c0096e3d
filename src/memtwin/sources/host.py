"""What a view must know of a machine that no single /proc file says: page size, clock tick, kernel, when.

A snapshot that memtwin took says it in ``snapshot.json``. Elsewhere the page size follows from rows that only one page
size has (the direct map of x86, the default huge page of arm64), or from two files that count the same pages in
different units: ``MemTotal`` of meminfo in kB, and ``managed`` of zoneinfo in pages.

>>> page_size(8_053_064, 2_013_266)
4096
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.sources.source import SNAPSHOT, load
from memtwin.units import bytes_of, kib_of

if TYPE_CHECKING:
    from memtwin.sources.source import Source

USER_HZ: Final = 100
"""Clock ticks a second of /proc on every architecture but alpha and ia64."""
PAGE_SIZES: Final = (4096, 8192, 16384, 32768, 65536)


_TOLERANCE: Final = 0.02
"""MemTotal is the sum of the zones' managed pages; two files that differ by more are not of one machine."""
_HUGE_PAGE_KIB: Final = {32768: 16384, 524288: 65536, 16384: 65536}
"""Default sizes of huge pages that only one page size has: arm64 with 16 and 64 KiB, ppc64."""


class Host(NamedTuple):
    """The facts; None is not known."""

    page_bytes: int | None
    ticks_per_s: int = USER_HZ
    kernel: str | None = None

    @property
    def page_kib(self) -> int:
        """The page size in KiB; 4, as on x86-64, where it is not known."""
        return kib_of(self.page_bytes or PAGE_SIZES[0])


def host(source: Source) -> Host:
    """Return what is known of the machine that *source* shows."""
    if source.is_live:
        return _live()
    facts = _facts(source)
    if facts.get("page_bytes") not in PAGE_SIZES:
        return Host(_page_bytes(source), kernel=_kernel(source))
    ticks, kernel = facts.get("ticks_per_s"), facts.get("kernel")
    return Host(
        facts["page_bytes"],
        ticks if isinstance(ticks, int) and ticks > 0 else USER_HZ,
        kernel if isinstance(kernel, str) else None,
    )


def taken_unix_ms(source: Source) -> int | None:
    """Return when the files of *source* were read, in milliseconds since 1970: now, of this host; None of a model."""
    if source.is_live:
        import time

        return time.time_ns() // 1_000_000
    taken = _facts(source).get("taken_unix_ms")
    return taken if isinstance(taken, int) else None


def page_size(total_kib: int, managed_pages: int) -> int | None:
    """Return the page size that makes *managed_pages* the machine's *total_kib*; None if none comes near."""
    if managed_pages <= 0:
        return None
    near = min(PAGE_SIZES, key=lambda size: abs(bytes_of(total_kib) - managed_pages * size))
    return near if abs(bytes_of(total_kib) / managed_pages - near) < near * _TOLERANCE else None


def _live() -> Host:
    import os

    return Host(os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK"), os.uname().release)


def _facts(source: Source) -> dict[str, Any]:
    """Return what ``snapshot.json`` says; nothing if there is none, or it is not one."""
    import json

    try:
        facts = json.loads(source.read(SNAPSHOT) or "{}")
    except (ValueError, RecursionError):  # no JSON, or nested too deeply
        return {}
    return facts if isinstance(facts, dict) else {}


def _page_bytes(source: Source) -> int | None:
    from memtwin.procfs import meminfo, zoneinfo

    memory = load(source, meminfo)
    if memory is None:
        return None
    if "DirectMap4k" in memory:  # x86 alone has these rows
        return PAGE_SIZES[0]
    known = _HUGE_PAGE_KIB.get(memory.get("Hugepagesize", 0))
    if known is not None:
        return known
    zones = load(source, zoneinfo)
    if zones is None or "MemTotal" not in memory:
        return None
    return page_size(memory["MemTotal"], sum(zone.managed for zone in zones.zones))


def _kernel(source: Source) -> str | None:
    """Return the release that /proc names, or the ``uname -a`` of a sosreport."""
    release = source.read("proc/sys/kernel/osrelease")
    if release and release.strip():
        return release.strip()
    words = (source.read("proc/version") or "").split()
    if words[:2] == ["Linux", "version"] and len(words) > 2:
        return words[2]
    for path in ("sos_commands/kernel/uname_-a", "uname"):
        words = (source.read(path) or "").split()
        if words[:1] == ["Linux"] and len(words) > 2:
            return words[2]
    return None
