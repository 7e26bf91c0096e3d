"""Files that are texts in memory, as a source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.sources.source import Source

if TYPE_CHECKING:
    from collections.abc import Mapping


class TextSource(Source):
    """The files of a mapping from paths to texts."""

    def __init__(self, name: str, files: Mapping[str, str]) -> None:
        super().__init__(name)
        self._files = files
        self._children: dict[str, set[str]] = {}
        for path in files:
            parent = ""
            for child in path.split("/"):
                self._children.setdefault(parent, set()).add(child)
                parent = f"{parent}/{child}".lstrip("/")

    def names(self, path: str = "") -> list[str]:
        """Return the sorted names of what lies directly under the directory *path*; none if it is absent."""
        return sorted(self._children.get(path.strip("/"), ()))

    def _bytes(self, path: str) -> bytes:
        if path not in self._files:
            raise FileNotFoundError(path)
        return self._files[path].encode(errors="surrogateescape")
