"""What a root is: this host, a directory, a tar, a pasted text; and what must not be opened at all."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from memtwin.errors import SnapshotError
from memtwin.sources.limits import ACCEPTED, MAX_FILE_BYTES
from memtwin.sources.source import DirectorySource, TarSource

if TYPE_CHECKING:
    from pathlib import Path

    from memtwin.sources.source import Source

_AGAIN = "make it again: that deletes what was left"


def open_source(where: str | Path) -> Source:
    """Open the live host (``live`` or ``/``), a directory, a tar, or a text of /proc (``-``: on stdin)."""
    if str(where) in {"live", "/"}:
        return DirectorySource("/")
    if str(where) == "-":
        return _stdin()
    try:
        mode = os.stat(where).st_mode
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise SnapshotError(str(where), problem, hint=ACCEPTED) from error
    refuse(where)
    if stat.S_ISDIR(mode):
        return DirectorySource(where)
    if stat.S_ISREG(mode):
        return _pasted(where) or TarSource(where)
    raise SnapshotError(str(where), "neither a directory nor a file", hint=ACCEPTED)


def _stdin() -> Source:
    import sys

    from memtwin.sources.pasted import PastedSource

    if sys.stdin is None or sys.stdin.closed:
        raise SnapshotError("-", "stdin is closed", hint=ACCEPTED)
    data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    return PastedSource("stdin", data.decode(errors="surrogateescape"))


def _pasted(where: str | Path) -> Source | None:
    """Return the source of a file that is a text of /proc, or None."""
    from memtwin.sources.pasted import PastedSource, is_pasted

    try:
        with open(where, "rb") as file:
            head = file.read(256)
            if not is_pasted(head):
                return None
            data = head + file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise SnapshotError(str(where), error.strerror or str(error), hint=ACCEPTED) from error
    return PastedSource(str(where), data.decode(errors="surrogateescape"))


def refuse(where: str | Path) -> None:
    """Raise SnapshotError for what must not be read: the draft of a killed process, or what may never end."""
    from memtwin.files.inputs import why_not_read
    from memtwin.files.output import is_leftover

    if is_leftover(str(where)):
        raise SnapshotError(str(where), "was not completed: the process that wrote it was killed", hint=_AGAIN)
    if why := why_not_read(str(where)):
        raise SnapshotError(str(where), why, hint=ACCEPTED)
