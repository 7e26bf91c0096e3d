"""Series as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memtwin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Columns:
    """Columns of equal length by name, each with its unit: a time series, or the rows of a view.

    A value that is not known is None. ``columns["MemFree"]`` is a list, ``columns.units["MemFree"]`` its unit: ``kB``
    (1,024 bytes, as the kernel means it), ``bytes``, ``ns``, ``count``. :meth:`arrow` and :meth:`pandas` hand all of
    them on where those packages are installed.

    >>> from memtwin.api.columns import Columns
    >>> free = Columns({"time_ns": [0, 1_000_000], "MemFree": [2048, 1024]}, {"time_ns": "ns", "MemFree": "kB"})
    >>> free
    Columns(2 rows: time_ns [ns], MemFree [kB])
    >>> free["MemFree"], free.units["MemFree"], len(free)
    ([2048, 1024], 'kB', 2)
    >>> list(free)
    ['time_ns', 'MemFree']
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]], units: Mapping[str, str]) -> None:
        self._columns = {name: list(values) for name, values in columns.items()}
        self.units = {name: units.get(name, "") for name in self._columns}

    def __getitem__(self, name: str) -> list[Any]:
        return self._columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(next(iter(self._columns.values()), ()))

    def __repr__(self) -> str:
        named = ", ".join(f"{name} [{unit}]" if unit else name for name, unit in self.units.items())
        return f"Columns({len(self)} rows: {named})"

    def keys(self) -> list[str]:
        """Return the columns' names, so that ``dict(columns)`` works."""
        return list(self._columns)

    def arrow(self) -> Any:
        """Return a ``pyarrow.Table``, with each unit in its field's metadata; raise UsageError without pyarrow."""
        try:
            import pyarrow as pa
        except ImportError:
            raise UsageError("pyarrow is not installed", hint="pip install pyarrow, or memtwin[data]") from None
        table = pa.table(self._columns)
        fields = [field.with_metadata({"unit": self.units[field.name]}) for field in table.schema]
        return table.cast(pa.schema(fields))

    def pandas(self) -> Any:
        """Return a ``pandas.DataFrame``, with the units in its ``attrs``; raise UsageError without pandas."""
        try:
            import pandas as pd
        except ImportError:
            raise UsageError("pandas is not installed", hint="pip install pandas") from None
        frame = pd.DataFrame(self._columns)
        frame.attrs["units"] = dict(self.units)
        return frame
