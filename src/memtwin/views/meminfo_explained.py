"""``meminfo --explain [FIELD]``: every row and its share of RAM in one line, or all that is known of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.errors import UsageError
from memtwin.render.amount import PERCENT_1
from memtwin.render.grid import ABSENT, NUMBER, Column, Form, Grid, Sentence, Value, View
from memtwin.render.prose import wrapped
from memtwin.units import bytes_of
from memtwin.views.meminfo_fields import fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.procfs.meminfo import Meminfo

_NOT_RAM: Final = frozenset((
    "SwapTotal", "SwapFree", "Zswapped", "CommitLimit", "Committed_AS", "VmallocTotal", "VmallocChunk", "Hugepagesize",
    "DirectMap4k", "DirectMap2M", "DirectMap4M", "DirectMap1G", "EarlyMemtestBad",
))  # fmt: skip
UNKNOWN: Final = "A row that memtwin does not know: of a newer kernel, or of a vendor's."


def view(meminfo: Meminfo, asked: str | None) -> View:
    """Return every row with its meaning, or all that is known of the one *asked* for, in any case of letters.

    Raise UsageError if there is no such row. A row that this kernel does not print has null.
    """
    if asked is not None:
        label = find_label(asked, meminfo)
        return View("meminfo-explained", (_grid(meminfo, [label], Form.DATA),), text=_describe(meminfo, label))
    more = Sentence("`memtwin meminfo --explain FIELD` explains one row in full.", ())
    return View("meminfo-explained", (_grid(meminfo, list(meminfo), Form.ALL),), (more,))


def find_label(asked: str, meminfo: Meminfo) -> str:
    """Return the label that *asked* names; raise UsageError, with those that come near, if there is none."""
    labels: dict[str, str] = {label.lower(): label for label in (*fields(), *meminfo)}
    if asked.lower() in labels:
        return labels[asked.lower()]
    from difflib import get_close_matches

    near = get_close_matches(asked.lower(), labels, n=3, cutoff=0.5)
    hint = f"near: {', '.join(labels[label] for label in near)}" if near else "memtwin meminfo --explain lists them"
    raise UsageError(f"meminfo has no field {asked}", hint=hint)


def _grid(meminfo: Meminfo, labels: Sequence[str], form: Form) -> Grid:
    columns = (
        Column("field", "FIELD"), Column("size_bytes"), Column("count"), Column(None, "KIB", NUMBER),
        Column(None, "OF RAM", PERCENT_1), Column("what"), Column(None, "MEANING", prose=True), Column("overlaps"),
        Column("since"), Column("feeds"), Column("if_large"),
    )  # fmt: skip
    return Grid(columns, tuple(_row(meminfo, label) for label in labels), form=form)


def _row(meminfo: Meminfo, label: str) -> tuple[Value, ...]:
    field, value = fields().get(label), meminfo.get(label)
    is_count = label.startswith("HugePages_")
    size = ABSENT if is_count else bytes_of(value)
    texts = (field.what, field.what, field.overlaps, field.since, field.feeds, field.large) if field else None
    return (
        label, size, value if is_count else ABSENT, value, _share(meminfo, label),
        *(texts or (None, UNKNOWN, None, None, None, None)),
    )  # fmt: skip


def _describe(meminfo: Meminfo, label: str) -> str:
    field, amount = fields().get(label), "this kernel does not print it"
    if label in meminfo:
        share = _share(meminfo, label)
        unit = "" if label.startswith("HugePages_") else " KiB"
        amount = f"{meminfo[label]}{unit}" + ("" if share is None else f", {share:.1f}% of RAM")
    if field is None:
        return f"{label}: {amount}\n{UNKNOWN}\n"
    parts = (("", field.what), ("Overlaps: ", field.overlaps), ("Since: ", f"Linux {field.since}."),
             ("Fed by: ", field.feeds), ("If large: ", field.large))  # fmt: skip
    return f"{label}: {amount}\n" + "".join(wrapped(head + body) for head, body in parts)


def _share(meminfo: Meminfo, label: str) -> float | None:
    """Return the percentage of RAM that a row is; None for what is not RAM or not known."""
    total = meminfo.get("MemTotal")
    if not total or label not in meminfo or label not in fields():
        return None
    if label in _NOT_RAM or label.startswith("HugePages_"):
        return None
    return 100 * meminfo[label] / total
