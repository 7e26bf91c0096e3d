"""The header line of the disk that files lie on: ``disk data``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from memtwin.errors import quoted
from memtwin.scenario.pace import MAX_RATE, time_ns

if TYPE_CHECKING:
    from memtwin.scenario.words import Line

USAGE: Final = (
    "disk data [read=SIZE] [write=SIZE] [latency=TIME] [depth=N] [nr_requests=N] [readahead=SIZE] [fs=ext4|xfs] "
    "[free=SIZE]"
)
FIELDS: Final = {
    "read": "read_bytes_per_s", "write": "write_bytes_per_s", "latency": "latency_ns", "depth": "queue_depth",
    "nr_requests": "nr_requests", "readahead": "readahead_bytes", "fs": "file_system", "free": "free_bytes",
}  # fmt: skip
"""Words of the line, and what each sets."""
FILE_SYSTEMS: Final = ("ext4", "xfs")
MAX_DEPTH: Final = 32
MAX_REQUESTS: Final = 4096
MAX_READAHEAD: Final = 1 << 30
MAX_LATENCY_NS: Final = 10_000_000_000


@dataclass(frozen=True, slots=True)
class DataDisk:
    """The disk that files lie on; what is None, or 0, is as that of the machine.

    *queue_depth*: requests that it serves at the same time; *nr_requests*: requests queued before it in all.
    """

    read_bytes_per_s: int = 0
    write_bytes_per_s: int = 0
    latency_ns: int | None = None
    queue_depth: int = 0
    nr_requests: int = 0
    readahead_bytes: int | None = None
    file_system: str = "ext4"
    free_bytes: int = 0
    """What may be written to it beside what its files have; 0: without a limit."""
    lineno: int = field(default=0, compare=False)


def data_disk(line: Line) -> DataDisk:
    """Parse the line; bandwidths are bytes a second."""
    words = line.counted(USAGE, 3, 2 + len(FIELDS))
    if words[1] != "data":
        raise line.error(f"the name of the disk that files lie on, data, not {quoted(words[1])}", hint=USAGE)
    given = line.options(words[2:], tuple(FIELDS))
    latency_ns = time_ns(line, given["latency"], "latency") if "latency" in given else None
    if latency_ns is not None and latency_ns > MAX_LATENCY_NS:
        raise line.error(f"a latency of at most 10s, not {quoted(given['latency'])}")
    return DataDisk(
        read_bytes_per_s=_bandwidth(line, given, "read"),
        write_bytes_per_s=_bandwidth(line, given, "write"),
        latency_ns=latency_ns,
        queue_depth=line.integer(given["depth"], "depth", 1, MAX_DEPTH) if "depth" in given else 0,
        nr_requests=line.integer(given["nr_requests"], "nr_requests", 4, MAX_REQUESTS) if "nr_requests" in given else 0,
        readahead_bytes=_readahead(line, given["readahead"]) if "readahead" in given else None,
        file_system=line.one_of(given.get("fs", "ext4"), "fs", FILE_SYSTEMS),
        free_bytes=_free(line, given["free"]) if "free" in given else 0,
        lineno=line.lineno,
    )


def _free(line: Line, word: str) -> int:
    free_bytes = line.whole_pages(word, "free")
    if not free_bytes:
        raise line.error("a page or more that is free")
    return free_bytes


def _bandwidth(line: Line, given: dict[str, str], name: str) -> int:
    if name not in given:
        return 0
    bandwidth = line.size(given[name], name)
    if not 4096 <= bandwidth <= MAX_RATE:
        raise line.error(f"{name}= as 4K to 16G bytes a second, not {quoted(given[name])}")
    return bandwidth


def _readahead(line: Line, word: str) -> int:
    size_bytes = line.whole_pages(word, "readahead")
    if not 4096 <= size_bytes <= MAX_READAHEAD:
        raise line.error(f"a readahead of 4K to 1G, not {quoted(word)}")
    return size_bytes
