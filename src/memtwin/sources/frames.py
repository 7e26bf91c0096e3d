r"""The frames of a trace: each sample with its length, time and checksum, so that a cut costs at most one of them.

::

    memtwin trace 1\n                                   the first line of the file
    mark  length  crc32  unix_ms  payload               a frame: 2, 4, 4, 8 bytes (little endian), and length bytes

The mark says whether the payload begins a chain (a *key* frame: it needs nothing before it) or goes on with one. The
checksum is over mark, length, time and payload: a frame that is cut off or damaged is none. Payloads of one chain are
one raw deflate stream, flushed after each frame (RFC 7692 does the same with messages).

>>> data = MAGIC + framed(b"one", 5, is_key=True) + framed(b"two", 6, is_key=False)
>>> [(frame.unix_ms, frame.is_key) for frame in scan(data).frames]
[(5, True), (6, False)]
>>> scan(data[:-1]).frames == scan(data).frames[:1]
True
"""

from __future__ import annotations

import struct
import zlib
from typing import Final, NamedTuple

MAGIC: Final = b"memtwin trace 1\n"
FAMILY: Final = b"memtwin trace "
"""How the first line of any version begins."""
_KEY: Final = b"\xa7K"
_NEXT: Final = b"\xa7n"
_HEAD: Final = struct.Struct("<2sIIq")
_COVERED: Final = struct.Struct("<2sIq")
_SYNC: Final = b"\x00\x00\xff\xff"
"""The empty block that ends every flush: left out of the file, put back before inflating."""
MAX_SAMPLE_BYTES: Final = 256 << 20
"""What one sample may unpack to."""


class Frame(NamedTuple):
    """Where a sample's payload lies in the file, and when it was taken."""

    start: int
    end: int
    unix_ms: int
    is_key: bool


class Scan(NamedTuple):
    """The frames that are whole, where the last of them ends, and how many bytes belong to none."""

    frames: tuple[Frame, ...]
    end: int
    damaged_bytes: int


def framed(payload: bytes, unix_ms: int, *, is_key: bool) -> bytes:
    """Return a frame around *payload*."""
    mark = _KEY if is_key else _NEXT
    crc = _checksum(mark, unix_ms, payload)
    return _HEAD.pack(mark, len(payload), crc, unix_ms) + payload


def scan(data: bytes) -> Scan:
    """Return the frames of a trace; after damage the next key frame is the first that can be read again."""
    frames: list[Frame] = []
    at, end, damaged = len(MAGIC), len(MAGIC), 0
    while at < len(data):
        frame = _frame_at(data, at)
        if frame is None:
            found = _next_key(data, at + 1)
            damaged += found - at
            at = found
            continue
        frames.append(frame)
        at = end = frame.end
    return Scan(tuple(frames), end, damaged)


class Deflater:
    """Packs the payloads of one chain."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(6, zlib.DEFLATED, -15)

    def pack(self, payload: bytes) -> bytes:
        """Return *payload* packed, given the ones before it."""
        packed = self._stream.compress(payload) + self._stream.flush(zlib.Z_SYNC_FLUSH)
        return packed.removesuffix(_SYNC)


class Inflater:
    """Unpacks the payloads of one chain."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(-15)

    def unpack(self, packed: bytes) -> bytes:
        """Return a payload; raise ValueError for what is none, or is larger than :data:`MAX_SAMPLE_BYTES`."""
        try:
            payload = self._stream.decompress(packed + _SYNC, MAX_SAMPLE_BYTES)
        except zlib.error as problem:
            raise ValueError(str(problem)) from None
        if self._stream.unconsumed_tail or self._stream.eof:
            raise ValueError(f"a sample of more than {MAX_SAMPLE_BYTES >> 20} MiB, or the end of its chain")
        return payload


def _frame_at(data: bytes, at: int) -> Frame | None:
    """Return the whole frame at *at*, or None."""
    if at + _HEAD.size > len(data):
        return None
    mark, length, crc, unix_ms = _HEAD.unpack_from(data, at)
    start = at + _HEAD.size
    if mark not in {_KEY, _NEXT} or start + length > len(data):
        return None
    if _checksum(mark, unix_ms, memoryview(data)[start : start + length]) != crc:
        return None
    return Frame(start, start + length, unix_ms, mark == _KEY)


def _next_key(data: bytes, at: int) -> int:
    """Return where the next whole key frame begins, or the end of the file."""
    while (at := data.find(_KEY, at)) >= 0:
        if _frame_at(data, at):
            return at
        at += 1
    return len(data)


def _checksum(mark: bytes, unix_ms: int, payload: bytes | memoryview) -> int:
    return zlib.crc32(payload, zlib.crc32(_COVERED.pack(mark, len(payload), unix_ms)))
