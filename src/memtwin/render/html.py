"""A page for a browser that is one file: it loads nothing and sends nothing, and every text in it is escaped.

The page's own content policy holds it: no address is asked for, and no script runs but the one that the page has.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from typing import TYPE_CHECKING, NamedTuple

from memtwin.render.grid import ABSENT
from memtwin.render.table import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.render.grid import Column, Grid, Value


class Script(NamedTuple):
    """A script, and the *data* that it reads as JSON from the element *name*."""

    text: str
    name: str
    data: object


def document(title: str, body: str, style: str, script: Script | None = None) -> str:
    """Return a whole page: the title as its head, then *body*, which is HTML."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_policy(script), quote=True)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{style}</style></head>\n<body><main><h1>{text(title)}</h1>\n{body}</main>"
        f"{_elements(script)}</body></html>\n"
    )


def text(words: str) -> str:
    """Return *words* as a page shows them: escaped, control characters and direction marks as their codes."""
    return escape(clean(words), quote=True)


def text_lines(words: str) -> str:
    """Return text of several lines, each as :func:`text` has it."""
    return "\n".join(text(line) for line in words.rstrip("\n").split("\n"))


def _elements(script: Script | None) -> str:
    if script is None:
        return ""
    held = json.dumps(script.data, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{script.name}">{held}</script><script>{script.text}</script>'


def _policy(script: Script | None) -> str:
    """Return the content policy of a page: nothing is loaded, and no script runs but *script*."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    if script is None:
        return policy
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    return f"{policy}; script-src 'sha256-{digest}'"


def table(grid: Grid, caption: str) -> str:
    """Return a grid as a table, its cells as a terminal has them."""
    columns, rows = grid.shown()
    looks = [' class="n"' if column.style.align == "right" else "" for column in columns]
    heads = "".join(
        f'<th scope="col"{look}>{text(column.title or "")}</th>' for column, look in zip(columns, looks, strict=True)
    )
    body = "".join(f"<tr>{_cells(columns, looks, row)}</tr>\n" for row in rows)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{text(caption)}">'
        f"<table><caption>{text(caption)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>\n"
    )


def _cells(columns: Sequence[Column], looks: Sequence[str], row: Sequence[Value]) -> str:
    cells = zip(columns, looks, row, strict=False)
    return "".join(f"<td{look}>{text(_written(column, cell))}</td>" for column, look, cell in cells)


def _written(column: Column, cell: Value) -> str:
    if cell is None or cell is ABSENT:
        return "-"
    return str(cell) if isinstance(cell, str) and not column.style.writes_text else column.style.write(cell)
