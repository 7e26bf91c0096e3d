"""A PNG of indexed colours: a byte a pixel, as a map of many small blocks has it."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def indexed(
    pixels: bytes, width: int, colours: Sequence[tuple[int, int, int]], transparent: int | None = None
) -> bytes:
    """Return the PNG of *pixels*, rows of *width* from the top; the last row is filled up with *transparent*, or 0."""
    filler = bytes((transparent or 0,))
    rows = [pixels[at : at + width].ljust(width, filler) for at in range(0, len(pixels), width)]
    packed = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    alpha = b"" if transparent is None else b"\xff" * transparent + b"\0"
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, len(rows), 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(map(bytes, colours))),
        *([(b"tRNS", alpha)] if alpha else []),
        (b"IDAT", packed),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def address(data: bytes) -> str:
    """Return a PNG as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"
