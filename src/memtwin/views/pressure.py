"""``pressure``: how much time tasks lose waiting for CPU, memory and I/O (PSI), in numbers and in words.

some: the share of time in which at least one task waited; full: in which all tasks that were not idle waited at once,
so that nothing was done. Memory waits are reclaim, refaults and swap-in. The averages follow the last 10, 60 and 300
seconds; between two samples the share is exact. Source: kernel/sched/psi.c, Documentation/accounting/psi.rst (v6.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from memtwin.procfs.text import decimal
from memtwin.render.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from memtwin.procfs.pressure import Pressure, Stall
    from memtwin.render.openmetrics import Metric

RESOURCES: Final = ("cpu", "memory", "io", "irq")
_SOME_MATTERS: Final = 1000
_FULL_MATTERS: Final = 500
_WHAT: Final = {
    "cpu": ("waits for a CPU", "more tasks want to run than there are CPUs, or a cgroup's cpu.max stops them"),
    "memory": (
        "waits for memory",
        "reclaim, refaults or swap-in: `memtwin vmstat --explain 1 5` says which, `memtwin account` where RAM is",
    ),
    "io": ("waits for a disk", "reads and writes that the devices cannot serve as fast: `iostat -x 1` says which"),
    "irq": ("is held up by interrupts", "interrupts take the CPU from tasks: /proc/interrupts says which"),
}


def table(found: Mapping[str, Pressure], earlier: Mapping[str, Pressure] | None = None, seconds: float = 0.0) -> Table:
    """Return a row a resource and kind; with *earlier*, *seconds* before, also the share of that interval."""
    titles = ["AVG10", "AVG60", "AVG300", "TOTAL"]
    if earlier is not None:
        titles.insert(0, f"LAST {seconds:g} S")
    columns = (Column("RESOURCE"), Column("KIND"), *(Column(title, "right") for title in titles))
    rows = []
    for resource, kind, stall in _stalls(found):
        cells = [f"{decimal(share)}%" for share in _averages(stall)]
        if earlier is not None:
            before = getattr(earlier.get(resource), kind, None)
            cells.insert(0, "-" if before is None else f"{_share(before, stall, seconds):.2f}%")
        rows.append((resource, kind, *cells, f"{stall.total_us / 1e6:.1f}s"))
    return Table(columns, tuple(rows))


def sentences(found: Mapping[str, Pressure]) -> Iterator[str]:
    """Yield what the averages over 10 seconds mean; nothing waits, if nothing does."""
    calm = True
    for resource, pressure in found.items():
        waits, why = _WHAT[resource]
        some, full = pressure.some, pressure.full
        if full is not None and full.avg10_hundredths >= _FULL_MATTERS and resource != "cpu":
            calm = False
            yield f"{decimal(full.avg10_hundredths)}% of the time everything {waits} and nothing is done: {why}."
        elif some is not None and some.avg10_hundredths >= _SOME_MATTERS:
            calm = False
            yield f"{decimal(some.avg10_hundredths)}% of the time at least one task {waits}: {why}."
    if calm and found:
        yield "Nothing waits to speak of: some is below 10 % and full below 5 % over the last 10 seconds."


def data(
    found: Mapping[str, Pressure], earlier: Mapping[str, Pressure] | None = None, seconds: float = 0.0
) -> list[dict[str, Any]]:
    """Return the rows for JSON; ``interval_percent`` is null in the first sample."""
    told = []
    for resource, kind, stall in _stalls(found):
        before = None if earlier is None else getattr(earlier.get(resource), kind, None)
        ten, sixty, three_hundred = (share / 100 for share in _averages(stall))
        told.append(
            {
                "resource": resource,
                "kind": kind,
                "avg10_percent": ten,
                "avg60_percent": sixty,
                "avg300_percent": three_hundred,
                "total_us": stall.total_us,
                "interval_percent": None if before is None else round(_share(before, stall, seconds), 2),
            }
        )
    return told


def metrics(found: Mapping[str, Pressure]) -> list[Metric]:
    """Return node_exporter's families: seconds waited (some) and stalled (full)."""
    from memtwin.render.openmetrics import Metric  # noqa: PLC0415 - when asked for

    verb = {"some": "waiting", "full": "stalled"}
    return [
        Metric(f"node_pressure_{resource}_{verb[kind]}_seconds", "counter",
               f"Time for which tasks were {verb[kind]} for {resource}.", (({}, stall.total_us / 1e6),))
        for resource, kind, stall in _stalls(found)
    ]  # fmt: skip


def _stalls(found: Mapping[str, Pressure]) -> Iterator[tuple[str, str, Stall]]:
    for resource, pressure in found.items():
        for kind in ("some", "full"):
            stall = getattr(pressure, kind)
            if stall is not None:
                yield resource, kind, stall


def _averages(stall: Stall) -> tuple[int, int, int]:
    return stall.avg10_hundredths, stall.avg60_hundredths, stall.avg300_hundredths


def _share(before: Stall, now: Stall, seconds: float) -> float:
    return 100 * (now.total_us - before.total_us) / 1e6 / seconds if seconds else 0.0
