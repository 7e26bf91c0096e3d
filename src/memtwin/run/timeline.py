"""The main figures of a run over simulated time, as a file: CSV, or Parquet where the extra ``data`` is installed."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


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


def encode(names: Sequence[str], samples: Sequence[Sample]) -> tuple[str, bytes]:
    """Return the name and the bytes of the file: a row each second and at each operation.

    ``timeline.parquet``, or ``timeline.csv`` without pyarrow.
    """
    columns = {
        "time_ns": [sample.time_ns for sample in samples],
        "ops_done": [sample.ops_done for sample in samples],
        **{name: [sample.figures[name] for sample in samples] for name in names},
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
