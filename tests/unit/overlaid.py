"""A snapshot with other texts for some of its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.machine import describe
from memtwin.sources.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping


class Overlaid(Source):
    """*below* (else the machine that described ones stand on) with *texts* by path; None: it has no such file."""

    def __init__(self, texts: Mapping[str, str | None], below: Source | None = None) -> None:
        super().__init__("overlaid")
        self._below, self._texts = below or describe.ground(), texts

    def read(self, path: str) -> str | None:
        if self._texts.get(path, "") is None:
            self.unread[path] = "absent"
        return self._texts[path] if path in self._texts else self._below.read(path)

    def names(self, path: str = "") -> list[str]:
        return self._below.names(path)
