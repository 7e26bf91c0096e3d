"""A pasted text as a source: ``memtwin account --root meminfo.txt``, or ``--root -`` from a pipe.

Which file of /proc a text is follows from its first line. Several may stand in one text under the headings that
``head`` and ``tail -n +1`` print: ``==> /proc/meminfo <==``.
"""

from __future__ import annotations

import re
from typing import Final

from memtwin.errors import SnapshotError
from memtwin.sources.limits import MAX_FILE_BYTES
from memtwin.sources.texts import TextSource

_KINDS: Final = (  # of the first line
    ("proc/meminfo", re.compile(r"MemTotal: ")),
    ("proc/zoneinfo", re.compile(r"Node \d+, zone +\S+\s*$")),
    ("proc/buddyinfo", re.compile(r"Node \d+, zone +\S+( +\d+)+\s*$")),
    ("proc/pagetypeinfo", re.compile(r"Page block order: ")),
    ("proc/slabinfo", re.compile(r"slabinfo - version")),
    ("proc/swaps", re.compile(r"Filename\s+Type\s+Size\s+Used\s+Priority")),
    ("proc/vmstat", re.compile(r"nr_free_pages \d+")),
    ("proc/stat", re.compile(r"cpu  ?\d+ \d+ \d+")),
    ("proc/diskstats", re.compile(r" *\d+ +\d+ \S+( \d+){11}")),
    ("proc/loadavg", re.compile(r"\d+\.\d\d \d+\.\d\d \d+\.\d\d \d+/\d+ \d+\s*$")),
)
_HEADING: Final = re.compile(r"^==> /?((?:proc|sys)/\S+|\S+) <==$", re.MULTILINE)
_NAMES: Final = ", ".join(path.removeprefix("proc/") for path, _ in _KINDS)


class PastedSource(TextSource):
    """The files of one text."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, dict(_split(name, text)))


def is_pasted(head: bytes) -> bool:
    """Return whether a file that begins so is a text of /proc and not an archive."""
    text = head.decode(errors="replace").lstrip("\ufeff\r\n ")
    return _kind(text) is not None or _HEADING.match(text) is not None


def _split(name: str, text: str) -> list[tuple[str, str]]:
    """Return the path and text of each file; raise SnapshotError where no line says which it is."""
    if len(text) > MAX_FILE_BYTES:
        raise SnapshotError(name, f"larger than {MAX_FILE_BYTES >> 20} MiB")
    headings = list(_HEADING.finditer(text))
    if not headings:
        text = text.lstrip("\ufeff\r\n")
        kind = _kind(text)
        if kind is None:
            raise SnapshotError(name, "is no file of /proc that memtwin knows", hint=f"it knows {_NAMES}")
        return [(kind, text)]
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    parts = [(heading[1], text[heading.end() + 1 : end]) for heading, end in zip(headings, ends, strict=True)]
    return [
        (path if path.startswith(("proc/", "sys/")) else _kind(part) or path, f"{part.rstrip()}\n")
        for path, part in parts
    ]


def _kind(text: str) -> str | None:
    first = text.partition("\n")[0].rstrip("\r")
    return next((path for path, pattern in _KINDS if pattern.match(first)), None)
