"""The main figures of a run over simulated time, as files: CSV, or Parquet where the extra ``data`` is installed."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.linux.core.vmstat import EVENTS
from memtwin.linux.kernel.sched import psi
from memtwin.linux.mm import page_alloc, page_alloc_fast
from memtwin.machine import swap_areas
from memtwin.procfs.counters import figures_with
from memtwin.units import kib

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.machine.machine import Machine


AREAS: Final = "swap_areas.csv"
_STALLS: Final = tuple(name for name in EVENTS if name.startswith("allocstall_"))


class AreaUse(NamedTuple):
    """A swap area at one time."""

    name: str
    used_kib: int
    size_kib: int


@dataclass(slots=True)
class Sample:
    """Main figures at one time: sizes in kB, counters since boot."""

    time_ns: int
    ops_done: int
    figures: dict[str, int]
    between: bool
    """Taken at the end of an operation (or at boot), not at a whole second within one."""
    areas: tuple[AreaUse, ...] = field(default=(), repr=False)
    """The swap areas that are on."""
    waited_us: tuple[int, int] = field(default=(0, 0), repr=False)
    """Time in which some task, and in which all, waited for memory since boot (PSI)."""
    compressed_kib: int = field(default=0, repr=False)
    """RAM that zram and zswap take."""


def sample(machine: Machine, ops_done: int, *, between: bool) -> Sample:
    """Return the main figures of a machine now."""
    state = machine.state
    node, events = state.node_stats(), state.events_by_name()
    sizes = {
        "MemFree": page_alloc_fast.free_pages(state),
        "MemAvailable": page_alloc.si_mem_available(state),
        "Cached": node["nr_file_pages"] - node["nr_swapcached"],
        "Dirty": node["nr_dirty"],
        "Writeback": node["nr_writeback"],
        "AnonPages": node["nr_anon_pages"],
        "Shmem": node["nr_shmem"],
        "Slab": node["nr_slab_reclaimable"] + node["nr_slab_unreclaimable"],
        "PageTables": node["nr_page_table_pages"],
        "SwapFree": state.swap_pages[1],
        "Committed_AS": state.committed_pages,
    }
    figures = {name: int(kib(value)) for name, value in sizes.items()}
    for name in figures_with("timeline"):
        if name in node or name in events:
            figures[name] = node[name] if name in node else events[name]
    figures["allocstall"] = sum(events[name] for name in _STALLS)
    figures["pgscan"] = events["pgscan_kswapd"] + events["pgscan_direct"]
    figures["pgsteal"] = events["pgsteal_kswapd"] + events["pgsteal_direct"]
    uses = tuple(AreaUse(*use) for use in swap_areas.uses(state, machine.areas))
    compressed = swap_areas.compressed_kib(state, machine.boot)
    return Sample(state.clock_ns, ops_done, figures, between, uses, psi.totals_us(state, 0), compressed)


def encode(names: Sequence[str], samples: Sequence[Sample]) -> tuple[str, bytes]:
    """Return the name and the bytes of the file: a row each second and at each operation.

    Sizes in kB, counters and microseconds of pressure since boot; ``compressed`` is RAM that zram and zswap take.

    ``timeline.parquet``, or ``timeline.csv`` without pyarrow.
    """
    columns = {
        "time_ns": [sample.time_ns for sample in samples],
        "ops_done": [sample.ops_done for sample in samples],
        **{name: [sample.figures[name] for sample in samples] for name in names},
        "psi_some": [sample.waited_us[0] for sample in samples],
        "psi_full": [sample.waited_us[1] for sample in samples],
        "compressed": [sample.compressed_kib for sample in samples],
    }
    try:
        from pyarrow import parquet, table
    except ImportError:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        return "timeline.csv", text.getvalue().encode()
    packed = io.BytesIO()
    parquet.write_table(table(columns), packed)
    return "timeline.parquet", packed.getvalue()


def encode_areas(samples: Sequence[Sample]) -> bytes:
    """Return the file :data:`AREAS`: whenever something of the areas changes, a row for each that is on.

    Where none is on any more, one row without a name says so.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("time_ns", "name", "used_kib", "size_kib"))
    before: tuple[AreaUse, ...] = ()
    for sample in samples:
        if sample.areas != before:
            writer.writerows((sample.time_ns, *area) for area in sample.areas or (AreaUse("", 0, 0),))
            before = sample.areas
    return text.getvalue().encode(errors="surrogateescape")
