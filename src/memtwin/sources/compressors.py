"""Libraries that compress a page as the kernel's zram does, by its names of algorithms.

- lz4: a block without a header, acceleration 1 (lib/lz4): the system's liblz4, else PyPI's lz4, whose own build gives
  up to 2.8 % more or less;
- zstd: PyPI's zstandard (extra ``zram``): level 3 for a length that is not known, as crypto/zstd.c asks for it, since
  Linux 6.12 for that of a page (drivers/block/zram/backend_zstd.c);
- lzo: LZO1X-1 (lib/lzo): the system's liblzo2.

What they make of real files and of the recordings' contents lies within 0.5 % of the kernel's own ``compr_data_size``
(``tests/oracle/test_zram_device.py``). There is no library of lzo-rle: on those files it stores up to 3 % more or less
than lzo.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Final

from memtwin.errors import NotBuiltError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Compress = Callable[[bytes], bytes]

_PAGE_BYTES: Final = 4096
_ZSTD_BY_PAGE: Final = (6, 12)
_WORK_BYTES: Final = 1 << 17
"""What LZO1X-1 needs to work in: 16,384 pointers."""
_HINTS: Final = {
    "lz4": "pip install 'memtwin[zram]'", "zstd": "pip install 'memtwin[zram]'", "lzo": "apt install liblzo2-2",
}  # fmt: skip


def _lz4(*, is_new: bool) -> Compress:
    del is_new
    try:
        library = ctypes.CDLL("liblz4.so.1")
    except OSError:
        from lz4.block import compress as packed

        return lambda data: bytes(packed(data, mode="fast", acceleration=1, store_size=False))

    def compress(data: bytes) -> bytes:
        room = len(data) + len(data) // 255 + 16
        out = ctypes.create_string_buffer(room)
        return out.raw[: library.LZ4_compress_fast(data, out, len(data), room, 1)]

    return compress


def _zstd(*, is_new: bool) -> Compress:
    from zstandard import STRATEGY_DFAST, ZstdCompressionParameters, ZstdCompressor

    if is_new:
        parameters = ZstdCompressionParameters.from_level(3, source_size=_PAGE_BYTES, write_content_size=True)
    else:
        parameters = ZstdCompressionParameters(
            window_log=21, chain_log=16, hash_log=17, search_log=1, min_match=5, target_length=0,
            strategy=STRATEGY_DFAST, write_content_size=True, write_checksum=False,
        )  # fmt: skip
    return ZstdCompressor(compression_params=parameters).compress


def _lzo(*, is_new: bool) -> Compress:
    del is_new
    library = ctypes.CDLL("liblzo2.so.2")
    memory = ctypes.create_string_buffer(_WORK_BYTES)

    def compress(data: bytes) -> bytes:
        out = ctypes.create_string_buffer(len(data) + len(data) // 16 + 67)
        length = ctypes.c_size_t(0)
        library.lzo1x_1_compress(data, ctypes.c_size_t(len(data)), out, ctypes.byref(length), memory)
        return out.raw[: length.value]

    return compress


_MAKERS: Final[Mapping[str, Callable[..., Compress]]] = {"lzo": _lzo, "lz4": _lz4, "zstd": _zstd}
ALGORITHMS: Final = tuple(_MAKERS)


def compressors(names: Sequence[str], release: tuple[int, int]) -> tuple[dict[str, Compress], dict[str, str]]:
    """Return the compressors of *names* (none: of all) that are installed, and of the others how to get them.

    They are those of the kernel *release*.

    One that was asked for by name and is not there is a NotBuiltError, and so is none at all.
    """
    for name in names:
        if name not in _MAKERS:
            raise UsageError(f"no library compresses as {name} does", hint=f"{', '.join(ALGORITHMS)} have one")
    found: dict[str, Compress] = {}
    lacking: dict[str, str] = {}
    for name in names or tuple(_MAKERS):
        try:
            found[name] = _MAKERS[name](is_new=release >= _ZSTD_BY_PAGE)
        except (ImportError, OSError):
            lacking[name] = _HINTS[name]
            if names:
                raise NotBuiltError(f"the library of {name} is not installed", hint=_HINTS[name]) from None
    if not found:
        raise NotBuiltError("no library of a compressor is installed", hint=_HINTS["lz4"])
    return found, lacking


def is_same(page: bytes) -> bool:
    """Return whether all words of a page are the same, so that zram keeps one."""
    return page == page[:8] * (len(page) // 8)
