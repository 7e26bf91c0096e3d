"""A view as CSV (RFC 4180, lines closed by a newline): the keys of its JSON are the headings, null is an empty cell.

>>> print(text(rows({"mem": {"total_bytes": 4096, "free_bytes": None}})), end="")
mem_total_bytes,mem_free_bytes
4096,

A process or a file may be called ``=HYPERLINK(...)``: text that a spreadsheet would take for a formula gets an
apostrophe before it. Numbers stay as they are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from memtwin.render.table import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_FORMULA = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
"""First characters by which a spreadsheet knows a formula, the full-width forms among them."""
_NUMBERS = re.compile(r"[+-]?\d{1,20}(?:\.\d{1,20})?(?: [+-]?\d{1,20}(?:\.\d{1,20})?)*", re.ASCII)
Flat = dict[str, str | int | float | bool | None]


def rows(data: dict[str, Any] | Sequence[Mapping[str, Any]]) -> list[Flat]:
    """Return *data* as flat rows: one a member of a list, one for a mapping; inner keys follow their outer one."""
    if isinstance(data, dict):
        return [_flat(data)]
    return [_flat(one) for one in data]


def text(flat: Sequence[Mapping[str, Any]], *, headings: bool = True, columns: Iterable[str] = ()) -> str:
    """Return *flat* as CSV; the columns are *columns* and all other keys in the order in which they first appear."""
    import csv
    import io

    columns = list(dict.fromkeys((*columns, *(key for row in flat for key in row))))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if headings and columns:
        writer.writerow([_cell(column) for column in columns])
    writer.writerows([_cell(row.get(column)) for column in columns] for row in flat)
    return out.getvalue()


def _flat(data: Mapping[str, Any], prefix: str = "") -> Flat:
    flat: Flat = {}
    for key, value in data.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}_")
        elif isinstance(value, list | tuple):
            flat[f"{prefix}{key}"] = _listed(value)
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _listed(values: Iterable[Any]) -> str:
    return " ".join("" if value is None else str(value) for value in values)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _harmless(clean(value)) if isinstance(value, str) else str(value)


def _harmless(text: str) -> str:
    """Return *text* with an apostrophe before it where a spreadsheet would take it for a formula.

    >>> _harmless("=1+1"), _harmless("-1.5"), _harmless("1 -2"), _harmless("-9 x")
    ("'=1+1", '-1.5', '1 -2', "'-9 x")
    """
    if text[:1] in _FORMULA and text and not _NUMBERS.fullmatch(text):
        return f"'{text}"
    return text
