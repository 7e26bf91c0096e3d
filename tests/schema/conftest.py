"""The corpus: every file that the recordings hold, by kind, read once a session."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def kind_of(path: str) -> str:
    """Return what a recording's file is: ``pid/status``, ``pressure``, ``meminfo``, ``zram/mm_stat``, ..."""
    parts = path.split("/")
    if "workers" in parts[:-2]:
        return f"pid/{parts[-1]}"
    if parts[-3:-1] == ["proc", "pressure"]:
        return "pressure"
    if parts[-3:-2] == ["block"] and parts[-2].startswith("zram"):
        return f"zram/{parts[-1]}"
    return parts[-1]


class Corpus(dict[str, dict[str, str]]):
    """Kind to text to where it stands; told in a word where a test fails, for it holds megabytes."""

    def __repr__(self) -> str:
        return "<corpus>"


@pytest.fixture(scope="session")
def corpus(recordings: Path) -> Corpus:
    """Every text of every kind; one that occurs more than once is kept once."""
    texts = Corpus()
    for tar_path in sorted(recordings.glob("*/run*.tar.xz")):
        with tarfile.open(tar_path) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if file is not None:
                    text = file.read().decode(errors="surrogateescape")
                    where = f"{tar_path.parent.name}/{member.name}"
                    texts.setdefault(kind_of(member.name), {}).setdefault(text, where)
    return texts
