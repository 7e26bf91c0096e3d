"""``diff``: what changed between two moments: a machine then and now, two checkpoints of a run, a model and its host.

Amounts (meminfo, swap areas, slab caches, processes) are compared as they are; events of /proc/vmstat, which count
since boot, only within one boot: the later uptime is known to be of the same boot when no counter went back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.render.table import Column, Table, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from memtwin.procfs.meminfo import Meminfo
    from memtwin.procfs.slabinfo import Slabinfo
    from memtwin.procfs.swaps import Swaps
    from memtwin.procfs.uptime import Uptime
    from memtwin.procfs.vmstat import Vmstat

_EVENTS_NAMED_NR: Final = ("nr_dirtied", "nr_written", "nr_vmscan_", "nr_foll_pin_", "nr_throttled_written")
_AMOUNTS: Final = ("workingset_nodes", "nr_")


class Moment(NamedTuple):
    """One side: the records that its source has."""

    meminfo: Meminfo | None
    vmstat: Vmstat | None
    swaps: Swaps | None
    slabinfo: Slabinfo | None
    uptime: Uptime | None
    resident_bytes: Mapping[str, int]
    """Resident memory of each process, by ``PID NAME``."""


class Change(NamedTuple):
    """One figure on both sides; None where it is not known there."""

    name: str
    before: int | None
    after: int | None

    @property
    def change(self) -> int | None:
        """How much more it is now."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def size(self) -> int:
        """How large the change is, what came or went counted whole."""
        return abs((self.after or 0) - (self.before or 0))


class Diff(NamedTuple):
    """All changes. Events are None if both sides are not of one boot (or one has no vmstat); else they are counts."""

    elapsed_s: float | None
    memory: tuple[Change, ...]
    events: tuple[Change, ...] | None
    swaps: tuple[Change, ...]
    slabs: tuple[Change, ...]
    processes: tuple[Change, ...]


def diff(before: Moment, after: Moment) -> Diff:
    """Return what is unlike between two moments."""
    events = _events(before.vmstat, after.vmstat)
    elapsed = None
    if before.uptime is not None and after.uptime is not None and after.uptime.up_cs >= before.uptime.up_cs:
        elapsed = (after.uptime.up_cs - before.uptime.up_cs) / 100
    one_boot = elapsed is not None and events is not None and all((one.change or 0) >= 0 for one in events)
    return Diff(
        elapsed if one_boot else None,
        _changes(_meminfo(before.meminfo), _meminfo(after.meminfo)),
        tuple(one for one in events or () if one.change) if one_boot else None,
        _changes(_swaps(before.swaps), _swaps(after.swaps)),
        _largest_first(_changes(_slabs(before.slabinfo), _slabs(after.slabinfo))),
        _largest_first(_changes(before.resident_bytes, after.resident_bytes)),
    )


def told(found: Diff, *, rows: int | None) -> str:
    """Return the changes as text, at most *rows* slab caches and processes (None: all)."""
    parts = [_section("memory, KiB", found.memory, 1024)]
    if found.events is None:
        parts.append("events: not compared, the two are not of one boot (or one has no proc/vmstat)\n")
    else:
        parts.append(_event_section(found.events, found.elapsed_s or 0.0))
    parts.append(_section("swap areas, KiB used", found.swaps, 1024))
    parts.append(_section("slab caches, KiB", found.slabs[:rows], 1024, left=len(found.slabs[rows:]) if rows else 0))
    left = len(found.processes[rows:]) if rows else 0
    parts.append(_section("processes, KiB resident", found.processes[:rows], 1024, left=left))
    return "\n".join(part for part in parts if part) or "no change\n"


def data(found: Diff) -> dict[str, Any]:
    """Return the changes for JSON: sizes in bytes, events as counts."""
    return {
        "elapsed_s": found.elapsed_s,
        "memory": _told(found.memory, "_bytes"),
        "events": None if found.events is None else _told(found.events, "_count"),
        "swaps": _told(found.swaps, "_bytes"),
        "slabs": _told(found.slabs, "_bytes"),
        "processes": _told(found.processes, "_bytes"),
    }


def rows_of(found: Diff) -> list[dict[str, Any]]:
    """Return the changes as flat rows for CSV."""
    whole = data(found)
    return [
        {"section": section} | row for section in whole if isinstance(whole[section], list) for row in whole[section]
    ]


def is_event(name: str) -> bool:
    """Return whether the vmstat row *name* counts events since boot, not an amount of now.

    >>> is_event("pgfault"), is_event("nr_dirty"), is_event("nr_dirtied")
    (True, False, True)
    """
    return name.startswith(_EVENTS_NAMED_NR) or not name.startswith(_AMOUNTS)


def _events(before: Vmstat | None, after: Vmstat | None) -> tuple[Change, ...] | None:
    if before is None or after is None:
        return None
    return tuple(Change(name, before[name], after[name]) for name in after if name in before and is_event(name))


def _changes(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[Change, ...]:
    names = dict.fromkeys((*before, *after))
    pairs = (Change(name, before.get(name), after.get(name)) for name in names)
    return tuple(one for one in pairs if one.before != one.after)


def _largest_first(changes: Iterable[Change]) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda one: -one.size))


def _meminfo(record: Meminfo | None) -> dict[str, int]:
    if record is None:
        return {}
    sizes = zip(record.items(), record.lines(), strict=True)
    return {label: value * 1024 for (label, value), line in sizes if line.endswith(" kB")}


def _swaps(record: Swaps | None) -> dict[str, int]:
    return {area.filename: area.used_kib * 1024 for area in record.areas} if record else {}


def _slabs(record: Slabinfo | None) -> dict[str, int]:
    return {cache.name: cache.num_objs * cache.objsize for cache in record.caches} if record else {}


def _told(changes: Iterable[Change], unit: str) -> list[dict[str, Any]]:
    return [
        {"name": one.name, f"before{unit}": one.before, f"after{unit}": one.after, f"change{unit}": one.change}
        for one in changes
    ]


def _section(title: str, changes: tuple[Change, ...], unit: int, *, left: int = 0) -> str:
    if not changes:
        return ""
    columns = (Column(title), Column("BEFORE", "right"), Column("AFTER", "right"), Column("CHANGE", "right"))
    rows = tuple(
        (one.name, *(_amount(side, unit) for side in (one.before, one.after)), _signed(one, unit)) for one in changes
    )
    return text(Table(columns, rows)) + (f"and {left} more\n" if left else "")


def _event_section(changes: tuple[Change, ...], elapsed_s: float) -> str:
    if not changes:
        return ""
    columns = (Column(f"events in {elapsed_s:.2f} s"), Column("COUNT", "right"), Column("A SECOND", "right"))
    rows = tuple(
        (one.name, str(one.change), f"{(one.change or 0) / elapsed_s:.1f}" if elapsed_s else "-") for one in changes
    )
    return text(Table(columns, rows))


def _amount(size: int | None, unit: int) -> str:
    return "-" if size is None else str(size // unit)


def _signed(one: Change, unit: int) -> str:
    if one.before is None:
        return "new"
    if one.after is None:
        return "gone"
    return f"{(one.after - one.before) // unit:+d}"
