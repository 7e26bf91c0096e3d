"""A view as CSV (RFC 4180, lines closed by a newline): the keys of its JSON are the headings, null is an empty cell.

>>> print(text(rows({"mem": {"total_bytes": 4096, "free_bytes": None}})), end="")
mem_total_bytes,mem_free_bytes
4096,
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from memtwin.render.table import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Flat = dict[str, str | int | float | bool | None]


def rows(data: dict[str, Any] | Sequence[Mapping[str, Any]]) -> list[Flat]:
    """Return *data* as flat rows: one a member of a list, one for a mapping; inner keys follow their outer one."""
    if isinstance(data, dict):
        return [_flat(data)]
    return [_flat(one) for one in data]


def text(flat: Sequence[Mapping[str, Any]], *, headings: bool = True) -> str:
    """Return *flat* as CSV; the columns are all keys in the order in which they first appear."""
    import csv  # noqa: PLC0415 - only when asked for
    import io  # noqa: PLC0415 - only when asked for

    columns = list(dict.fromkeys(key for row in flat for key in row))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if headings and columns:
        writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in flat)
    return out.getvalue()


def _flat(data: Mapping[str, Any], prefix: str = "") -> Flat:
    told: Flat = {}
    for key, value in data.items():
        if isinstance(value, dict):
            told |= _flat(value, f"{prefix}{key}_")
        elif isinstance(value, list | tuple):
            told[f"{prefix}{key}"] = _listed(value)
        else:
            told[f"{prefix}{key}"] = value
    return told


def _listed(values: Iterable[Any]) -> str:
    return " ".join("" if value is None else str(value) for value in values)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return clean(str(value))
