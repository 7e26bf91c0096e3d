"""``diff``: what changed between two moments: a machine then and now, two checkpoints of a run, a model and its host.

Amounts (meminfo, swap areas, slab caches, processes) are compared as they are; events of /proc/vmstat, which count
since boot, only within one boot: the later uptime is known to be of the same boot when no counter went back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.render.amount import KIB, KIB_CHANGE, TENTHS
from memtwin.render.grid import ABSENT, NUMBER, Column, Form, Grid, Sentence, Value, View, figures
from memtwin.units import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from memtwin.procfs.meminfo import Meminfo
    from memtwin.procfs.slabinfo import Slabinfo
    from memtwin.procfs.swaps import Swaps
    from memtwin.procfs.uptime import Uptime
    from memtwin.procfs.vmstat import Vmstat
    from memtwin.render.openmetrics import Metric

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


def view(found: Diff, *, rows: int | None = None) -> View:
    """Return the changes, in a terminal at most *rows* slab caches and processes (None: all)."""
    shown = [_section("memory, KiB", found.memory)]
    notes = []
    if found.events is None:
        notes.append(Sentence("Events are not compared: the two are not of one boot, or one has no proc/vmstat.", ()))
    else:
        shown.append(_event_section(found.events, found.elapsed_s or 0.0))
    shown += [
        _section("swap areas, KiB used", found.swaps),
        _section("slab caches, KiB", found.slabs, rows),
        _section("processes, KiB resident", found.processes, rows),
    ]
    grids = [grid for grid in shown if grid.rows]
    text = None if grids or notes else "no change\n"
    return View("diff", (*grids, *_data(found)), tuple(notes), lambda: metrics(found), text=text)


def metrics(found: Diff) -> Iterator[Metric]:
    """Yield how much each figure changed: amounts in bytes, events as counts."""
    from memtwin.render.openmetrics import Metric

    amounts = (("memory", found.memory), ("swaps", found.swaps), ("slabs", found.slabs), ("processes", found.processes))
    samples = tuple(({"section": name, "name": one.name}, one.change) for name, part in amounts for one in part)
    yield Metric("memtwin_diff_change_bytes", "gauge", "Change of an amount between two moments.", samples)
    events = tuple(({"name": one.name}, one.change) for one in found.events or ())
    yield Metric("memtwin_diff_events", "gauge", "Events between two moments of one boot.", events)


def _data(found: Diff) -> Iterator[Grid]:
    """Yield the changes for JSON, sizes in bytes and events as counts, and all of them as flat rows for CSV."""
    yield figures(elapsed_s=found.elapsed_s)
    flat: list[dict[str, Any]] = []
    for name, unit in (("memory", "_bytes"), ("events", "_count"), ("swaps", "_bytes"), ("slabs", "_bytes"),
                       ("processes", "_bytes")):  # fmt: skip
        changes: tuple[Change, ...] | None = getattr(found, name)
        columns = (Column("name"), *(Column(f"{side}{unit}") for side in ("before", "after", "change")))
        rows = None if changes is None else tuple((*one, one.change) for one in changes)
        grid = Grid(columns, rows, name, form=Form.JSON)
        flat += [{"section": name} | row for row in grid.objects()]
        yield grid
    keys = tuple(dict.fromkeys(key for row in flat for key in row))
    cells = tuple(tuple(row.get(key, ABSENT) for key in keys) for row in flat)
    yield Grid(tuple(map(Column, keys)), cells, form=Form.CSV)


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
    return {label: bytes_of(value) for (label, value), line in sizes if line.endswith(" kB")}


def _swaps(record: Swaps | None) -> dict[str, int]:
    return {area.filename: bytes_of(area.used_kib) for area in record.areas} if record else {}


def _slabs(record: Slabinfo | None) -> dict[str, int]:
    return {cache.name: cache.num_objs * cache.objsize for cache in record.caches} if record else {}


def _section(title: str, changes: Sequence[Change], most: int | None = None) -> Grid:
    columns = (
        Column(None, title),
        Column(None, "BEFORE", KIB),
        Column(None, "AFTER", KIB),
        Column(None, "CHANGE", KIB_CHANGE),
    )
    rows: list[tuple[Value, ...]] = [(one.name, one.before, one.after, _change(one)) for one in changes[:most]]
    left = len(changes) - len(rows)
    if left:
        rows.append((f"and {left} more",))
    return Grid(columns, tuple(rows), form=Form.TERMINAL)


def _event_section(changes: Sequence[Change], elapsed_s: float) -> Grid:
    columns = (
        Column(None, f"events in {elapsed_s:.2f} s"), Column(None, "COUNT", NUMBER), Column(None, "A SECOND", TENTHS)
    )  # fmt: skip
    rows = tuple((one.name, one.change, (one.change or 0) / elapsed_s if elapsed_s else None) for one in changes)
    return Grid(columns, rows, form=Form.TERMINAL)


def _change(one: Change) -> Value:
    if one.before is None:
        return "new"
    return "gone" if one.after is None else one.change
