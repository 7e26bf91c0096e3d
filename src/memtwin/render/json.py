"""A view as JSON: one object a line, in an envelope that says which view and which version of its layout.

Sizes are integers in bytes under keys that end in ``_bytes``; what is not known is null, never 0.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from memtwin import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from memtwin.render.grid import View


def envelope(
    view: str, data: Mapping[str, Any] | list[Any], *, root: str | None, version: int = 1, at_unix_ms: int | None = None
) -> str:
    """Return the line with *data* of *view*; *version* counts changes that a reader must know of.

    *at_unix_ms* is when the figures were read, in milliseconds since 1970; null where that is not known (a model).
    """
    return _line(_head(view, version, root, at_unix_ms) | {"data": data})


def text(view: View, *, root: str | None, at_unix_ms: int | None = None) -> str:
    """Return *view* as one line; its sentences stand beside ``data``, each with the rows that it rests on."""
    whole = _head(view.name, view.version, root, at_unix_ms) | {"data": view.data()}
    if view.sentences:
        whole["sentences"] = [one._asdict() for one in view.sentences]
    return _line(whole)


def stream(
    head: Mapping[str, Any], name: str, items: Iterable[Any], rest: Callable[[], Mapping[str, Any]]
) -> Iterator[str]:
    """Yield the parts of one object: *head*, the list *items* under *name* one by one, and what *rest* returns then."""
    yield f"{{{_members(head)}, {_dumped(name)}: ["
    for place, item in enumerate(items):
        yield (", " if place else "") + _dumped(item)
    yield f"], {_members(rest())}}}\n"


def _members(of: Mapping[str, Any]) -> str:
    return ", ".join(f"{_dumped(key)}: {_dumped(value)}" for key, value in of.items())


def _head(view: str, version: int, root: str | None, at_unix_ms: int | None) -> dict[str, Any]:
    return {"memtwin": __version__, "view": view, "version": version, "root": root, "at_unix_ms": at_unix_ms}


def _line(whole: Mapping[str, Any]) -> str:
    return _dumped(whole) + "\n"


def _dumped(value: Any) -> str:
    return json.dumps(value, allow_nan=False)
