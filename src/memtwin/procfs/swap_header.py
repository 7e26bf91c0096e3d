r"""The header of a swap area, its first page: not a file of /proc, but what ``swapon --show=UUID,LABEL`` reads.

Layout (include/linux/swap.h, mm/swapfile.c): 1024 bytes for boot sectors, version, last page and number of bad pages
(32 bits each), 16 bytes UUID, 16 bytes label; ``SWAPSPACE2`` in the last ten bytes of the page.

>>> page = bytearray(4096)
>>> page[1036:1052], page[1052:1055], page[-10:] = bytes(range(16)), b"one", b"SWAPSPACE2"
>>> parse(bytes(page))
SwapHeader(uuid='00010203-0405-0607-0809-0a0b0c0d0e0f', label='one')
"""

from __future__ import annotations

from typing import NamedTuple

SOURCE = ("mm/swapfile.c", "v6.1")

PAGE_SIZES = (4096, 8192, 16384, 32768, 65536)
_MAGIC = b"SWAPSPACE2"
_UUID, _LABEL, _END = 1036, 1052, 1068


class SwapHeader(NamedTuple):
    """What names the area; a label or UUID that was not given is None."""

    uuid: str | None
    label: str | None


def parse(start: bytes) -> SwapHeader | None:
    """Read the first bytes of an area (up to the largest page), or return None if it has no swap header."""
    if not any(start[size - len(_MAGIC) : size] == _MAGIC for size in PAGE_SIZES):
        return None
    hexadecimal = start[_UUID:_LABEL].hex()
    groups = (hexadecimal[a:b] for a, b in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))
    label = start[_LABEL:_END].split(b"\0")[0].decode(errors="surrogateescape")
    return SwapHeader("-".join(groups) if hexadecimal.strip("0") else None, label or None)
