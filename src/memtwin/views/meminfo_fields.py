"""What every row of /proc/meminfo means; the texts are in ``data/meminfo.toml``."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple


class Field(NamedTuple):
    """One row: what it counts, with which it overlaps, since which kernel, what feeds it, what to do if it is large."""

    what: str
    overlaps: str
    since: str
    feeds: str
    large: str = "Nothing to do."


@cache
def fields() -> dict[str, Field]:
    """Return the rows by label, in the order of the file."""
    import tomllib
    from importlib.resources import files

    text = (files("memtwin") / "data" / "meminfo.toml").read_text(encoding="utf-8")
    return {label: Field(**row) for label, row in tomllib.loads(text).items()}
