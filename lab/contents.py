"""What a page holds after an operation wrote it, byte for byte as the guest's worker does (fill_page in worker.c)."""

from __future__ import annotations

from memtwin.scenario import Content, splitmix64

PAGE_BYTES = 4096
WORDS = """the memory page of kernel and process to swap in file is cache that reclaim for
anonymous with zone as free on list are active be inactive at dirty this writeback have
watermark from allocation or order one slab had object by mapping but table not fault what
major all minor were scan we steal when pressure your balance can node said there which""".split()


def page(content: Content, op: int, number: int, before: bytes = bytes(PAGE_BYTES)) -> bytes:
    """Return page *number* of a region after operation *op*; a ``mark`` leaves the rest of *before*.

    >>> page("text", 1, 0)[:24], page("mark", 1, 2)[:8].hex()
    (b'pressure kernel watermar', '0300000001000000')
    """
    if content == "mark":
        return ((op << 32) + number + 1).to_bytes(8, "little") + before[8:]
    if content == "zero":
        return bytes(PAGE_BYTES)
    draws = splitmix64(op << 32 ^ number)
    if content in {"random", "half"}:
        words = 512 if content == "random" else 256
        return b"".join(next(draws).to_bytes(8, "little") for _ in range(words)).ljust(PAGE_BYTES, b"\0")
    text = ""
    while len(text) < PAGE_BYTES:
        drawn = next(draws)
        text += "".join(WORDS[drawn >> 6 * k & 63] + " " for k in range(10))
    return text[:PAGE_BYTES].encode()
