"""Rows that were computed before: the key is the content of the job and of the program that ran it.

A row is a file of its own below ``$XDG_CACHE_HOME/memtwin/sweep`` (``~/.cache``), written whole. What cannot be
written is not kept, and what cannot be read is computed again.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import memtwin
from memtwin.errors import OutputError
from memtwin.files import output
from memtwin.sweep.local import row_of

if TYPE_CHECKING:
    from memtwin.sweep.job import Row
    from memtwin.sweep.subject import Job

_PROGRAM: Final = ("*.py", "*.so", "*.toml", "*.tar.xz")


class Cache:
    """Where rows are kept; *where* None: nowhere."""

    def __init__(self, where: Path | None) -> None:
        self.where = where

    def find(self, job: Job) -> Row | None:
        """Return the row of a job that was run before."""
        if self.where is None:
            return None
        try:
            return row_of(json.loads((self.where / key(job)).read_text()))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def keep(self, job: Job, row: Row) -> None:
        """Keep a row."""
        if self.where is not None:
            with suppress(OSError, OutputError):
                self.where.mkdir(parents=True, exist_ok=True)
                output.write_file(self.where / key(job), json.dumps(row._asdict()).encode())


def home() -> Path:
    """Return the directory of the rows."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "memtwin" / "sweep"


def key(job: Job) -> str:
    """Return what a job is, as a name: another scenario, machine, setting or program has another."""
    found = hashlib.sha256(program())
    for part in job:
        data = part if isinstance(part, bytes) else repr(part).encode()
        found.update(f"{len(data)} ".encode() + data)
    return found.hexdigest()


@cache
def program() -> bytes:
    """Return a digest of the files of this program."""
    found = hashlib.sha256()
    root = Path(memtwin.__path__[0])
    for path in sorted(path for pattern in _PROGRAM for path in root.rglob(pattern)):
        found.update(str(path.relative_to(root)).encode())
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.digest()
