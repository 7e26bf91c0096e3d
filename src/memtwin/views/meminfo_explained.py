"""``meminfo --explain [FIELD]``: every row and its share of RAM in one line, or all that is known of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from memtwin.errors import UsageError
from memtwin.render.prose import wrapped
from memtwin.render.table import Column, Table, text
from memtwin.views.meminfo_fields import fields

if TYPE_CHECKING:
    from memtwin.procfs.meminfo import Meminfo

_NOT_RAM: Final = frozenset((
    "SwapTotal", "SwapFree", "Zswapped", "CommitLimit", "Committed_AS", "VmallocTotal", "VmallocChunk", "Hugepagesize",
    "DirectMap4k", "DirectMap2M", "DirectMap4M", "DirectMap1G", "EarlyMemtestBad",
))  # fmt: skip
UNKNOWN: Final = "A row that memtwin does not know: of a newer kernel, or of a vendor's."


def listing(meminfo: Meminfo) -> str:
    """Return every row of *meminfo*, its share of MemTotal where it is RAM, and one sentence."""
    known = fields()
    columns = (Column("FIELD"), Column("KIB", "right"), Column("OF RAM", "right"), Column("MEANING"))
    rows = tuple(
        (label, str(value), _share(meminfo, label), known[label].what if label in known else UNKNOWN)
        for label, value in meminfo.items()
    )
    return text(Table(columns, rows)) + "\n`memtwin meminfo --explain FIELD` tells more of one.\n"


def story(meminfo: Meminfo, asked: str) -> str:
    """Return all that is known of the row *asked*, in any case of letters; raise UsageError if there is no such row."""
    label = found(asked, meminfo)
    field = fields().get(label)
    amount = "this kernel does not print it"
    if label in meminfo:
        share = _share(meminfo, label)
        unit = "" if label.startswith("HugePages_") else " KiB"
        amount = f"{meminfo[label]}{unit}" + (f", {share} of RAM" if share != "-" else "")
    if field is None:
        return f"{label}: {amount}\n{UNKNOWN}\n"
    told = (("", field.what), ("Overlaps: ", field.overlaps), ("Since: ", f"Linux {field.since}."),
            ("Fed by: ", field.feeds), ("If large: ", field.large))  # fmt: skip
    return f"{label}: {amount}\n" + "".join(wrapped(head + body) for head, body in told)


def data(meminfo: Meminfo, asked: str | None) -> list[dict[str, Any]]:
    """Return the rows (or the one asked for) for JSON; a row that this kernel does not print has null."""
    labels = list(meminfo) if asked is None else [found(asked, meminfo)]
    return [_told(meminfo, label) for label in labels]


def found(asked: str, meminfo: Meminfo) -> str:
    """Return the label that *asked* names; raise UsageError, with those that come near, if there is none."""
    labels: dict[str, str] = {label.lower(): label for label in (*fields(), *meminfo)}
    if asked.lower() in labels:
        return labels[asked.lower()]
    from difflib import get_close_matches  # noqa: PLC0415 - rarely needed

    near = get_close_matches(asked.lower(), labels, n=3, cutoff=0.5)
    hint = f"near: {', '.join(labels[label] for label in near)}" if near else "memtwin meminfo --explain lists them"
    raise UsageError(f"meminfo has no field {asked}", hint=hint)


def _told(meminfo: Meminfo, label: str) -> dict[str, Any]:
    field, value = fields().get(label), meminfo.get(label)
    count = label.startswith("HugePages_")
    return {
        "field": label,
        "count" if count else "size_bytes": value if value is None or count else value * 1024,
        "what": field.what if field else None,
        "overlaps": field.overlaps if field else None,
        "since": field.since if field else None,
        "feeds": field.feeds if field else None,
        "if_large": field.large if field else None,
    }


def _share(meminfo: Meminfo, label: str) -> str:
    total = meminfo.get("MemTotal")
    if not total or label in _NOT_RAM or label.startswith("HugePages_") or label not in fields():
        return "-"
    return f"{100 * meminfo[label] / total:.1f}%"
