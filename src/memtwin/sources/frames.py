r"""The frames of a trace: each sample with its length, time and checksum, so that a cut costs at most one of them.

::

    memtwin trace 2\n                                   the first line of the file
    mark  length  crc32  unix_ms  payload               a frame: 2, 4, 4, 8 bytes (little endian), and length bytes

The mark says whether the payload begins a chain (a *key* frame: it needs nothing before it), goes on with one, or is a
whole chain. The checksum is over mark, length, time and payload: a frame that is cut off or damaged is none. Payloads
of one chain are one raw deflate stream, flushed after each frame (RFC 7692 does the same with messages). A flush costs
about as much as what it packs: a chain that has ended is packed again by :mod:`~memtwin.sources.columns`, a quarter as
long, as two LZMA2 streams behind the times and lengths of its samples. Version 1 has its payloads one after the other
in one such stream.

>>> data = MAGIC + framed(b"one", 5, is_key=True) + framed(b"two", 6, is_key=False)
>>> [(frame.unix_ms, frame.is_key) for frame in scan(data).frames]
[(5, True), (6, False)]
>>> scan(data[:-1]).frames == scan(data).frames[:1]
True
"""

from __future__ import annotations

import lzma
import re
import struct
import zlib
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.sources.columns import joined, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAGIC: Final = b"memtwin trace 2\n"
MAGICS: Final = (MAGIC, b"memtwin trace 1\n")
"""The first lines of the versions that are read."""
FAMILY: Final = b"memtwin trace "
"""How the first line of any version begins."""
_KEY: Final = b"\xa7K"
_NEXT: Final = b"\xa7n"
_COLUMNS: Final = b"\xa7D"
_CHAIN: Final = b"\xa7C"
"""A chain of version 1."""
_CHAINS: Final = frozenset((_COLUMNS, _CHAIN))
_INDEX: Final = struct.Struct("<II")
_SIZE: Final = struct.Struct("<I")
_TEXT: Final = ({"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 20},)
_NUMBERS: Final = ({"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 20, "lc": 0, "lp": 0, "pb": 0},)
_HEAD: Final = struct.Struct("<2sIIq")
_COVERED: Final = struct.Struct("<2sIq")
_SYNC: Final = b"\x00\x00\xff\xff"
"""The empty block that ends every flush: left out of the file, put back before inflating."""
MAX_SAMPLE_BYTES: Final = 256 << 20
"""What one sample may unpack to."""
MAX_CHAIN_BYTES: Final = 1 << 30


class Frame(NamedTuple):
    """Where a sample's payload lies in the file, or in a chain that is packed as one, and when it was taken."""

    start: int
    end: int
    unix_ms: int
    is_key: bool
    chain: tuple[int, int] | None = None
    """Where that chain lies in the file."""


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
        if frame.chain is None:
            frames.append(frame)
        else:
            frames += _samples(data, frame)
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


def chained(payloads: Sequence[bytes], times_ms: Sequence[int]) -> bytes:
    """Return the frame around a whole chain."""
    texts, columns = (lzma.compress(part, lzma.FORMAT_RAW, filters=how)
                      for part, how in zip(split(payloads), (_TEXT, _NUMBERS), strict=True))  # fmt: skip
    gaps = [after - before for before, after in pairwise(times_ms)]
    index = zlib.compress(struct.pack(f"<{2 * len(payloads) - 1}q", *gaps, *map(len, payloads)), 9)
    payload = b"".join((_INDEX.pack(len(payloads), len(index)), index, _SIZE.pack(len(texts)), texts, columns))
    return _HEAD.pack(_COLUMNS, len(payload), _checksum(_COLUMNS, times_ms[0], payload), times_ms[0]) + payload


class Unpacker:
    """Unpacks the samples of a trace one after the other, from a key frame on."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._inflater = Inflater()
        self._chain: tuple[int, int] | None = None
        self._payloads = b""

    def unpack(self, frame: Frame) -> bytes:
        """Return a sample's payload; raise ValueError for what is none."""
        if frame.chain is None:
            if frame.is_key:
                self._inflater = Inflater()
            return self._inflater.unpack(self._data[frame.start : frame.end])
        if frame.chain != self._chain:
            self._payloads = _payloads(self._data, frame.chain)
            self._chain = frame.chain
        return self._payloads[frame.start : frame.end]


def _samples(data: bytes, chain: Frame) -> Iterator[Frame]:
    """Yield the samples of a chain that is packed as one."""
    number, gaps, lengths = _index(data, chain)
    times = accumulate(gaps, initial=chain.unix_ms)
    ends = accumulate(lengths)
    for at, unix_ms, length, end in zip(range(number), times, lengths, ends, strict=True):
        yield Frame(end - length, end, unix_ms, at == 0, (chain.start, chain.end))


def _index(data: bytes, chain: Frame) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Return how many samples a chain has, the gaps between them and their lengths; nothing for what is none."""
    number, size = _INDEX.unpack_from(data, chain.start)
    stream = zlib.decompressobj()
    try:
        packed = stream.decompress(data[chain.start + _INDEX.size :][:size], 16 * number + 1)
        values = struct.unpack(f"<{2 * number - 1}q", packed)
    except (zlib.error, struct.error):
        return 0, (), ()
    gaps, lengths = values[: number - 1], values[number - 1 :]
    is_sound = all(0 <= one <= MAX_SAMPLE_BYTES for one in lengths) and sum(lengths) <= MAX_CHAIN_BYTES
    return (number, gaps, lengths) if is_sound else (0, (), ())


def _payloads(data: bytes, chain: tuple[int, int]) -> bytes:
    """Return the payloads of a chain that is packed as one; raise ValueError for what is none."""
    _, size = _INDEX.unpack_from(data, chain[0])
    at = chain[0] + _INDEX.size + size
    if data[chain[0] - _HEAD.size :].startswith(_CHAIN):
        return _unpacked(data[at : chain[1]], _TEXT)
    try:
        (size,) = _SIZE.unpack_from(data, at)
    except struct.error as problem:
        raise ValueError(str(problem)) from None
    at += _SIZE.size
    texts, columns = _unpacked(data[at : at + size], _TEXT), _unpacked(data[at + size : chain[1]], _NUMBERS)
    return b"".join(joined(texts, columns))


def _unpacked(packed: bytes, filters: Sequence[Mapping[str, int]]) -> bytes:
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters).decompress(packed, MAX_CHAIN_BYTES)
    except lzma.LZMAError as problem:
        raise ValueError(str(problem)) from None


def _frame_at(data: bytes, at: int) -> Frame | None:
    """Return the whole frame at *at*, or None."""
    if at + _HEAD.size > len(data):
        return None
    mark, length, crc, unix_ms = _HEAD.unpack_from(data, at)
    start = at + _HEAD.size
    if mark not in {_KEY, _NEXT, *_CHAINS} or start + length > len(data):
        return None
    if _checksum(mark, unix_ms, memoryview(data)[start : start + length]) != crc:
        return None
    whole = (start, start + length) if mark in _CHAINS and length >= _INDEX.size else None
    return Frame(start, start + length, unix_ms, mark != _NEXT, whole)


def _next_key(data: bytes, at: int) -> int:
    """Return where the next whole key frame or chain begins, or the end of the file."""
    for match in re.finditer(b"|".join((_KEY, *sorted(_CHAINS))), data[at:]):
        if _frame_at(data, at + match.start()):
            return at + match.start()
    return len(data)


def _checksum(mark: bytes, unix_ms: int, payload: bytes | memoryview) -> int:
    return zlib.crc32(payload, zlib.crc32(_COVERED.pack(mark, len(payload), unix_ms)))
