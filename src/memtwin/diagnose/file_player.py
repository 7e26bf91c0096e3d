"""What processes of a trace read and wrote in files: a position that moved, from sample to sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from memtwin.diagnose.player import Life
    from memtwin.sources.open_files import OpenFile

_CHUNK: Final = 4096


class Files:
    """The files of a trace by name in the scenario; those that were there before any process of it wrote them."""

    def __init__(self, lives: Iterable[Life]) -> None:
        self._names: dict[str, str] = {}
        self.before: dict[str, int] = {}
        """Their sizes, by name."""
        seen = [(size.at_s, one) for life in lives for size in life.sizes for one in size.open_files]
        for _, one in sorted(seen, key=lambda pair: pair[0]):
            if one.path not in self._names:
                self._names[one.path] = f"file{len(self._names)}"
                if not one.writes and one.size:
                    self.before[self._names[one.path]] = -(-one.size // _CHUNK) * _CHUNK

    def name(self, path: str) -> str:
        """Return what the scenario calls the file at *path*."""
        return self._names[path]


class FilePlayer:
    """The files of one process: where it is in each, and how large each was."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._last: dict[tuple[int, str], OpenFile] = {}

    def go_on(self, word: str, now: Sequence[OpenFile]) -> Iterator[str]:
        """Yield what *word* read and wrote since the sample before: what is beyond the file's end then was written."""
        for one in now:
            before = self._last.get((one.number, one.path))
            position, size = (before.position, before.size) if before else (0, 0 if one.writes else one.size)
            begin = position if one.position >= position else 0
            written = max(begin, size) if one.reads else begin
            name = self._files.name(one.path)
            if one.reads and begin < min(one.position, size):
                yield f"{word} fread {name} {_part(begin, min(one.position, size))}"
            if one.writes and written < one.position:
                yield f"{word} fwrite {name} {_part(written, one.position)}"
        self._last = {(one.number, one.path): one for one in now}


def _part(begin: int, end: int) -> str:
    """Return offset, length and chunk of a part of a file, in whole pages.

    >>> _part(5000, 9000)
    '4096 8192 4096'
    """
    first = begin // _CHUNK * _CHUNK
    return f"{first} {-(-end // _CHUNK) * _CHUNK - first} {_CHUNK}"
