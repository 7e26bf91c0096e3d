"""A map of memory: every frame of each zone by what it is used for, counted by blocks.

Models have it; of this host root may read it (``kpageflags``). A run keeps the map of each checkpoint in
``frame_map.json``.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from memtwin.sources.source import Source

FILE: Final = "frame_map.json"
KEPT_BLOCKS: Final = 8192
"""Blocks that a kept map has at most: 16 GiB by pageblocks of 2 MiB."""
_BYTES: Final = ("use", "share", "largest", "age")
_COUNTS: Final = ("totals", "free")
_MOST_BLOCKS: Final = 1 << 20


class ZoneMap(NamedTuple):
    """One zone by blocks, a byte a block from the lowest address on.

    *use* is the class that has most frames of the block, *share* how many in 255ths, *largest* the order of the largest
    free block there plus 1 (0: none), *age* 0 without pages on an LRU list, else 1 to 4 by the quarter that are
    active. *totals* are frames by class, *free* the free blocks by order.
    """

    name: str
    first_pfn: int
    use: bytes
    share: bytes
    largest: bytes
    age: bytes
    totals: tuple[int, ...]
    free: tuple[int, ...]


class FrameMap(NamedTuple):
    """All zones by blocks of 2**order frames; *classes* are the names of the uses.

    *note* says where it comes from, if not from a model; without *has_ages* ages are not known.
    """

    order: int
    classes: tuple[str, ...]
    zones: tuple[ZoneMap, ...]
    note: str = ""
    has_ages: bool = True

    def frames(self, name: str) -> int:
        """Return how many frames are used for *name*."""
        at = self.classes.index(name)
        return sum(zone.totals[at] for zone in self.zones)


def order_to_keep(pages: int) -> int:
    """Return the least order with which a machine of so many pages has at most :data:`KEPT_BLOCKS` blocks."""
    order = 0
    while pages >> order > KEPT_BLOCKS:
        order += 1
    return order


def encode(shown: FrameMap) -> bytes:
    """Return the file of a map: JSON, the bytes of the blocks deflated and in base64."""
    zones = [
        zone._asdict() | {name: base64.b64encode(zlib.compress(getattr(zone, name), 9)).decode() for name in _BYTES}
        for zone in shown.zones
    ]
    return json.dumps({"order": shown.order, "classes": shown.classes, "zones": zones}).encode() + b"\n"


def kept(source: Source) -> FrameMap | None:
    """Return the map that a checkpoint keeps; None where it has none, or one that is damaged."""
    text = source.read(FILE)
    if text is None:
        return None
    try:
        whole = json.loads(text)
        zones = tuple(_zone(one) for one in whole["zones"])
        found = FrameMap(int(whole["order"]), tuple(map(str, whole["classes"])), zones)
    except (ValueError, KeyError, TypeError, zlib.error, RecursionError):
        return None
    uses = max((max(zone.use, default=0) for zone in zones), default=0)
    return found if 0 <= found.order < 64 and uses < len(found.classes) else None


def _zone(one: dict[str, Any]) -> ZoneMap:
    parts = [_inflated(one[name]) for name in _BYTES]
    counts = [tuple(map(int, one[name])) for name in _COUNTS]
    if len({len(part) for part in parts}) != 1:
        raise ValueError("blocks of different numbers")
    use, share, largest, age = parts
    return ZoneMap(str(one["name"]), int(one["first_pfn"]), use, share, largest, age, *counts)


def _inflated(text: str) -> bytes:
    unpacker = zlib.decompressobj()
    data = unpacker.decompress(base64.b64decode(text, validate=True), _MOST_BLOCKS)
    if unpacker.unconsumed_tail or not unpacker.eof:
        raise ValueError("too long, or cut off")
    return data
