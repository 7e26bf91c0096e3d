"""The main figures of a run over simulated time, as files: CSV, or Parquet where the extra ``data`` is installed."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


AREAS: Final = "swap_areas.csv"


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
