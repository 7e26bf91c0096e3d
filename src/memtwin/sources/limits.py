"""What a root may be, how large its files may be, and which of their names lie inside it."""

from __future__ import annotations

import os
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
    r"""Return whether *path* can be the path of a file, is relative, and never steps up.

    >>> is_inside("proc/meminfo"), is_inside("proc/../etc"), is_inside("a\0b"), is_inside("a\ud800b")
    (True, False, False, False)
    """
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError:  # half of a character, as JSON may have it
        return False
    return not path.startswith("/") and b"\0" not in name and ".." not in path.split("/")
