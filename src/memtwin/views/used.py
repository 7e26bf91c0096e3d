"""The formulas of "used": one meminfo, seven programs, five answers.

Each is what the named program prints for the same bytes. procps 3.3.17, 4.0.2 and 4.0.4, htop 3.0.5, 3.2.2 and 3.4.1
and sar 12.6.1 were asked with one meminfo (tests/unit/test_free.py has what they printed); between these versions of
htop, and for older procps, it is what their change logs and manual pages say. Those that are installed are asked again
by tests/oracle/test_used_agrees.py and test_views_agree.py::

    procps-4        total - available                                     free, top, vmstat of procps 4.0.1 and later
    procps-3.3      total - free - buffers - cache                        procps 3.3.12 to 4.0.0
    procps-3.3.10   total - free - buffers - Cached - Slab                procps 3.3.10 and 3.3.11
    procps-3.2      total - free                                          free before 3.3.10
    htop            total - free - buffers - cache + shared               htop 3.3 and later, and before 3.1
    htop-3.2        total - free - buffers - cache                        htop 3.1 to 3.2: shared is drawn, not counted
    sar             total - free - buffers - Cached - Slab                sar -r of sysstat 12

with cache = Cached + SReclaimable. Where a subtraction would go below 0, the programs print total - free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.units import Kib

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Rows = "Mapping[str, int]"


class Formula(NamedTuple):
    """One way to say "used": *programs* that print it, its *text*, and *why* it is as it is."""

    programs: str
    text: str
    why: str
    used: Callable[[Mapping[str, int]], int]


def _cache(m: Mapping[str, int]) -> int:
    return m["Cached"] + m.get("SReclaimable", 0)


def _classic(m: Mapping[str, int]) -> int:
    return m["MemTotal"] - m["MemFree"] - m["Buffers"] - _cache(m)


def _no_slab(m: Mapping[str, int]) -> int:
    return m["MemTotal"] - m["MemFree"] - m["Buffers"] - m["Cached"] - m.get("Slab", 0)


def _available(m: Mapping[str, int]) -> int:
    available = m.get("MemAvailable", 0)
    if not available or available > m["MemTotal"]:
        available = m["MemFree"]
    return m["MemTotal"] - available


FORMULAS: Final = {
    "procps-4": Formula(
        "free, top (procps 4.0.1 and later)",
        "total - available",
        "what a new program could not get, by the kernel's own estimate: it includes reserves and recently used cache",
        _available,
    ),
    "procps-3.3": Formula(
        "free, top (procps 3.3.12 to 4.0.0)",
        "total - free - buffers - cache",
        "cache counts as unused, with shared memory and tmpfs, though these cannot be dropped",
        _classic,
    ),
    "procps-3.3.10": Formula(
        "free (procps 3.3.10, 3.3.11)",
        "total - free - buffers - Cached - Slab",
        "counts all slab as cache, even what cannot be reclaimed",
        _no_slab,
    ),
    "procps-3.2": Formula(
        "free (before procps 3.3.10)",
        "total - free",
        "counts cache as used: near 100 % on any machine that has been up for a day",
        lambda m: m["MemTotal"] - m["MemFree"],
    ),
    "htop": Formula(
        "htop (3.3 and later, before 3.1)",
        "total - free - buffers - cache + shared",
        "as procps-3.3, but shared memory and tmpfs count as used",
        lambda m: _classic(m) + m.get("Shmem", 0),
    ),
    "htop-3.2": Formula(
        "htop (3.1 to 3.2)",
        "total - free - buffers - cache",
        "shows shared memory in a colour of its own and leaves it out of the number",
        _classic,
    ),
    "sar": Formula(
        "sar -r (sysstat 12)",
        "total - free - buffers - Cached - Slab",
        "counts all slab as cache",
        _no_slab,
    ),
}
"""By the word that ``--as`` takes."""

DEFAULT: Final = "procps-4"
_NEEDED: Final = ("MemTotal", "MemFree", "Buffers", "Cached")


def used(meminfo: Mapping[str, int], formula: str = DEFAULT) -> Kib | None:
    """Return "used" as the programs of *formula* print it; None if the kernel does not print what it takes.

    >>> used({"MemTotal": 100, "MemFree": 10, "MemAvailable": 60, "Buffers": 5, "Cached": 50, "Shmem": 9}, "htop")
    44
    """
    needed = _NEEDED if formula not in {"procps-4", "procps-3.2"} else _NEEDED[:2]
    if any(label not in meminfo for label in needed):
        return None
    found = FORMULAS[formula].used(meminfo)
    return Kib(found if found >= 0 else meminfo["MemTotal"] - meminfo["MemFree"])


def used_swap(meminfo: Mapping[str, int]) -> Kib | None:
    """Return the swap that is taken; a container's filter may show more free than there is: then none is."""
    total, free = meminfo.get("SwapTotal"), meminfo.get("SwapFree")
    return None if total is None or free is None else Kib(max(total - free, 0))


def cache(meminfo: Mapping[str, int], formula: str = DEFAULT) -> Kib | None:
    """Return the cache column: Cached and reclaimable slab; procps 3.3.10 counted all slab there."""
    if "Cached" not in meminfo:
        return None
    slab = "Slab" if formula == "procps-3.3.10" else "SReclaimable"
    return Kib(meminfo["Cached"] + meminfo.get(slab, 0))
