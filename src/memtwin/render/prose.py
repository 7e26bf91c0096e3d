"""Sentences for a terminal: wrapped at its width, with nothing in them that it could take as a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.render.table import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDEST = 100
"""Columns beyond which a line of prose is hard to read, however wide the terminal."""


def bullets(sentences: Iterable[str]) -> str:
    """Return *sentences* as a list, each wrapped and led by a dash."""
    return "".join(wrapped(sentence, first="- ", rest="  ") for sentence in sentences)


def wrapped(text: str, *, first: str = "", rest: str = "") -> str:
    """Return *text* in lines of the terminal's width, at most :data:`WIDEST` columns."""
    import shutil  # noqa: PLC0415 - a table needs none of these
    import textwrap  # noqa: PLC0415

    width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
    return textwrap.fill(clean(text), width, initial_indent=first, subsequent_indent=rest) + "\n"
