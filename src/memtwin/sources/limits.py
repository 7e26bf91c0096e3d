"""What a root may be, how large its files may be, and which of their names lie inside it."""

from __future__ import annotations

from typing import Final

MAX_FILE_BYTES: Final = 64 << 20
"""The largest file that a source reads: no file of /proc that memtwin knows comes near."""
MAX_TAR_BYTES: Final = 1 << 30
"""The largest tar that is unpacked (in memory), and the most that its files have together."""

ACCEPTED: Final = (
    "give live (this host), a directory that holds proc/, a .tar (.xz, .gz, .zst) of one, or a file of /proc as a text"
)
"""What a root may be, as a hint."""


def is_inside(path: str) -> bool:
    """Return whether *path* is relative and never steps up."""
    return not path.startswith("/") and ".." not in path.split("/")
