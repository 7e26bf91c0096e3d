"""Words of options that have a unit: times and sizes. Each function is an option's ``callback``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from memtwin.sources.trace import duration_ms

if TYPE_CHECKING:
    from collections.abc import Callable

_SIZES: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def duration(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Return a time such as ``500ms``, ``1s``, ``10m``, ``2h`` or ``7d`` in milliseconds."""
    return _read(value, duration_ms, "is no time: 500ms, 1s, 10m, 2h, 7d", ctx, param)


def size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Return a size such as ``500K``, ``64M`` or ``1G`` in bytes."""
    return _read(value, _bytes, "is no size: 500K, 64M, 1G", ctx, param)


def _read(
    value: str | None, read: Callable[[str], int | None], problem: str, ctx: click.Context, param: click.Parameter
) -> int | None:
    found = None if value is None else read(value)
    if value is not None and not found:
        raise click.BadParameter(f"{value!r} {problem}", ctx, param)
    return found


def _bytes(word: str) -> int | None:
    digits = word.rstrip("KMG")
    factor = _SIZES.get(word[len(digits) :])
    return int(digits) * factor if factor and digits.isascii() and digits.isdigit() and len(digits) < 10 else None
