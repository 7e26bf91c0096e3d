"""Columns as a Parquet file; it needs pyarrow (extra ``data``)."""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from memtwin.errors import NotBuiltError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ROW_GROUP: Final = 1 << 16


def need() -> None:
    """Raise NotBuiltError without pyarrow."""
    if find_spec("pyarrow") is None:
        raise NotBuiltError("Parquet needs pyarrow", hint="pip install 'memtwin[data]'")


def encode(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Return the file of *columns*, which are of equal length; raise NotBuiltError without pyarrow."""
    need()
    from pyarrow import parquet, table

    packed = io.BytesIO()
    parquet.write_table(table(columns), packed, compression="zstd", row_group_size=_ROW_GROUP)
    return packed.getvalue()
