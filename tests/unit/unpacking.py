"""Unpack a recording, on Pythons with and without filters of tar files (3.11.4)."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def unpack(archive: Path, where: Path) -> None:
    """Unpack *archive* into *where*."""
    how = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(archive) as tar:
        tar.extractall(where, **how)
