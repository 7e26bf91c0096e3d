"""Figures of a machine by name, read of its files, and conditions on them.

``MemFree`` is a row of /proc/meminfo in bytes, ``pgscan_kswapd`` a counter of /proc/vmstat, ``psi.memory.full`` the
percent of the last ten seconds, ``RES:812`` a size of process 812 (VIRT, RES, PSS, SWAP) in bytes.

A condition is ``MemFree`` (it changes), ``MemFree<200M`` or ``pgscan_direct>0`` (it becomes true).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.errors import UsageError
from memtwin.procfs import meminfo, pressure, vmstat
from memtwin.procfs.pid import smaps_rollup, status
from memtwin.sources.processes import processes
from memtwin.sources.source import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.sources.source import Source

_UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}
_WORDS: Final = re.compile(r"\s*([A-Za-z_][\w.():]*)\s*(?:(<=|>=|<|>|=)\s*([0-9]+(?:\.[0-9]+)?)([KMGT]?))?\s*")
_ROWS: Final = {"VIRT": "VmSize", "RES": "VmRSS", "SWAP": "VmSwap"}
_TESTS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
}  # fmt: skip


class Condition(NamedTuple):
    """A figure, and a comparison with *bound*; without one the condition is that the figure changes."""

    figure: str
    comparison: str = ""
    bound: float = 0.0

    def is_met(self, before: float | None, now: float | None) -> bool:
        """Whether it comes true between two values; what is not known meets nothing."""
        if now is None:
            return False
        if not self.comparison:
            return before is not None and before != now
        holds = _TESTS[self.comparison]
        return holds(now, self.bound) and not (before is not None and holds(before, self.bound))


def condition(words: str) -> Condition:
    """Read a condition.

    >>> condition("MemFree < 1.5G")
    Condition(figure='MemFree', comparison='<', bound=1610612736.0)
    """
    match = _WORDS.fullmatch(words)
    if match is None:
        raise UsageError(
            f"{words}: no condition", hint="for example MemFree<200M, pgscan_direct>0, or SwapFree (changes)"
        )
    figure, comparison, number, unit = match.groups()
    return Condition(figure, comparison or "", float(number or 0) * (1 << _UNITS[unit or ""]))


def value(source: Source, name: str) -> float | None:
    """Return a figure of a machine now; None is not known."""
    field, colon, pid = name.partition(":")
    if colon:
        return _of_process(source, field, pid)
    if name.startswith("psi."):
        return _of_pressure(source, name)
    rows = load(source, meminfo)
    if rows is not None and name in rows:
        return rows[name] << 10
    counters = load(source, vmstat)
    return None if counters is None else counters.get(name)


def _of_process(source: Source, field: str, pid: str) -> float | None:
    process = next((one for one in processes(source) if str(one.pid) == pid or one.name == pid), None)
    if process is None:
        return None
    if field in _ROWS:
        record = process.load(status)
        size = None if record is None else record.kib(_ROWS[field])
        return None if size is None else size << 10
    rollup = process.load(smaps_rollup) if field == "PSS" else None
    share = None if rollup is None else rollup.rows.get("Pss")
    return None if share is None else share << 10


def _of_pressure(source: Source, name: str) -> float | None:
    words = name.split(".")
    if len(words) != 3 or words[2] not in {"some", "full"}:
        return None
    record = load(source, pressure, resource=words[1])
    stall = None if record is None else getattr(record, words[2])
    return None if stall is None else stall.avg10_hundredths / 100
