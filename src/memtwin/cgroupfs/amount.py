r"""A file of one amount: ``memory.max``, ``memory.current``, ``memory.limit_in_bytes``, in bytes.

Layout: a number, or ``max`` for no limit (v2). Version 1 prints the largest multiple of the page size instead, which
:attr:`Amount.limit` knows.

>>> parse("max\n").limit, parse("536870912\n").limit, parse("9223372036854771712\n").limit
(None, 536870912, None)
"""

from __future__ import annotations

from dataclasses import dataclass

from memtwin.procfs.text import Lines, join

SOURCE = ("mm/memcontrol.c", "v6.1")
PATH = "sys/fs/cgroup/{cgroup}/{file}"

_MAX = "max"
_UNLIMITED = (1 << 63) - (1 << 16)
"""PAGE_COUNTER_MAX in bytes is 2**63 less a page of at most 64 KiB."""


@dataclass(frozen=True, slots=True)
class Amount:
    """The number, or None for ``max``."""

    value: int | None

    @property
    def limit(self) -> int | None:
        """The limit in bytes; None if there is none."""
        return None if self.value is None or self.value >= _UNLIMITED else self.value


def parse(text: str, path: str = PATH) -> Amount:
    """Read the file; *path* names it in errors."""
    lines = Lines(text, path)
    line = lines.only("a number of bytes, or max")
    return Amount(None if line == _MAX else lines.number(line, "a number of bytes, or max"))


def render(record: Amount) -> str:
    """Return the text that the kernel prints."""
    return join([_MAX if record.value is None else str(record.value)])
