"""``pressure``: how much time tasks lose waiting for CPU, memory and I/O (PSI), in numbers and in words.

some: the share of time in which at least one task waited; full: in which all tasks that were not idle waited at once,
so that nothing was done. Memory waits are reclaim, refaults and swap-in. The averages follow the last 10, 60 and 300
seconds; between two samples the share is exact. Source: kernel/sched/psi.c, Documentation/accounting/psi.rst (v6.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.procfs.text import decimal
from memtwin.render.amount import PERCENT_2
from memtwin.render.grid import BAR, Column, Grid, Sentence, Style, Tone, View

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from memtwin.procfs.pressure import Pressure, Stall
    from memtwin.render.openmetrics import Metric

RESOURCES: Final = ("cpu", "memory", "io", "irq")
_FILE: Final = "proc/pressure/{}"
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


def view(
    found: Mapping[str, Pressure], earlier: Mapping[str, Pressure] | None = None, seconds: float = 0.0,
    file: str = _FILE,
) -> View:  # fmt: skip
    """Return a row a resource and kind; with *earlier*, *seconds* before, the share of that interval too.

    *file* is the path of a resource's file.
    """
    return View("pressure", (_grid(found, earlier, seconds),), tuple(sentences(found, file)), lambda: metrics(found))


def sentences(found: Mapping[str, Pressure], file: str = _FILE) -> Iterator[Sentence]:
    """Yield what the averages over 10 seconds mean, or that nothing waits."""
    calm = True
    for resource, pressure in found.items():
        waits, why = _WHAT[resource]
        some, full = pressure.some, pressure.full
        if full is not None and full.avg10_hundredths >= _FULL_MATTERS and resource != "cpu":
            calm = False
            yield Sentence(
                f"{decimal(full.avg10_hundredths)}% of the time everything {waits} and nothing is done: {why}.",
                (f"{file.format(resource)}: full",),
            )
        elif some is not None and some.avg10_hundredths >= _SOME_MATTERS:
            calm = False
            yield Sentence(
                f"{decimal(some.avg10_hundredths)}% of the time at least one task {waits}: {why}.",
                (f"{file.format(resource)}: some",),
            )
    if calm and found:
        yield Sentence(
            "Nothing waits to speak of: some is below 10 % and full below 5 % over the last 10 seconds.",
            tuple(f"{file.format(resource)}: some" for resource, pressure in found.items() if pressure.some),
        )


def metrics(found: Mapping[str, Pressure]) -> list[Metric]:
    """Return node_exporter's families: seconds waited (some) and stalled (full)."""
    from memtwin.render.openmetrics import Metric

    verb = {"some": "waiting", "full": "stalled"}
    return [
        Metric(f"node_pressure_{resource}_{verb[kind]}_seconds", "counter",
               f"Time for which tasks were {verb[kind]} for {resource}.", (({}, stall.total_us / 1e6),))
        for resource, kind, stall in _stalls(found)
    ]  # fmt: skip


def _grid(found: Mapping[str, Pressure], earlier: Mapping[str, Pressure] | None, seconds: float) -> Grid:
    columns = (
        Column("resource", "RESOURCE"), Column("kind", "KIND"),
        Column("interval_percent", None if earlier is None else f"LAST {seconds:g} S", PERCENT_2),
        Column("avg10_percent", "AVG10", PERCENT_2), Column("avg60_percent", "AVG60", PERCENT_2),
        Column("avg300_percent", "AVG300", PERCENT_2), Column("total_us", "TOTAL", _SECONDS), Column(None, "", BAR),
    )  # fmt: skip
    rows, tones = [], []
    for resource, kind, stall in _stalls(found):
        before = None if earlier is None else getattr(earlier.get(resource), kind, None)
        share = None if before is None else round(_share(before, stall, seconds), 2)
        averages = tuple(one / 100 for one in _averages(stall))
        rows.append((resource, kind, share, *averages, stall.total_us, averages[0] / 100))
        limit = _FULL_MATTERS if kind == "full" else _SOME_MATTERS
        loud = stall.avg10_hundredths >= limit and not (resource == "cpu" and kind == "full")
        tones.append((Tone.BAD if kind == "full" else Tone.WARN) if loud else Tone.PLAIN)
    return Grid(columns, tuple(rows), tones=tuple(tones))


_SECONDS: Final = Style(lambda us: f"{us / 1e6:.1f}s", "right")


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
