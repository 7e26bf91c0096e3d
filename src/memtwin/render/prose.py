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
    import textwrap

    width = min(_columns(), WIDEST)
    return textwrap.fill(clean(text), width, initial_indent=first, subsequent_indent=rest) + "\n"


def _columns() -> int:
    """Return the columns of the terminal; of what is none, as many as wanted."""
    import os

    try:
        return os.get_terminal_size(1).columns or WIDEST
    except OSError:
        return WIDEST
