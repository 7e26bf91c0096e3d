#!/usr/bin/env python3
"""How long the language's contents become when zram compresses them: by libraries, and by recordings.

    .venv/bin/pip install lz4 zstandard && apt-get install liblzo2-2
    .venv/bin/python lab/compressed_lengths.py                # by libraries: mean, spread, histogram
    .venv/bin/python lab/compressed_lengths.py RECORDING...   # by mm_stat: the mean of what came between checkpoints
    .venv/bin/python lab/compressed_lengths.py --scenario lz4 > lz4.mem   # to record: one page after the other

The libraries are near the kernel's code, not the same: liblzo2's LZO1X-1 has a hash table of twice the size and no
run lengths (``lzo-rle`` has no library at all); lz4 is a newer one of the same rules at acceleration 1; zstandard is
given the parameters that the kernel takes for level 3 and a length that it does not know (``crypto/zstd.c``). The
recordings are the kernel itself; of a scenario that swaps out single pages they tell each page's length.
``src/memtwin/machine/compressed_lengths.py`` is to be written from the recordings.
"""

from __future__ import annotations

import argparse
import ctypes
from collections import Counter
from itertools import groupby
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, NamedTuple

from contents import PAGE_BYTES, page
from memtwin.scenario import CONTENTS
from memtwin.scenario.lines import ZRAM_ALGORITHMS
from memtwin.sources.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def lzo() -> Callable[[bytes], bytes]:
    """LZO1X-1 of liblzo2."""
    library = ctypes.CDLL("liblzo2.so.2")
    memory = ctypes.create_string_buffer(16384 * ctypes.sizeof(ctypes.c_void_p))

    def compress(data: bytes) -> bytes:
        out = ctypes.create_string_buffer(len(data) + len(data) // 16 + 67)
        length = ctypes.c_size_t(0)
        if library.lzo1x_1_compress(data, ctypes.c_size_t(len(data)), out, ctypes.byref(length), memory):
            raise RuntimeError("lzo1x_1_compress failed")
        return out.raw[: length.value]

    return compress


def lz4() -> Callable[[bytes], bytes]:
    """LZ4 blocks without a header, acceleration 1."""
    import lz4.block  # noqa: PLC0415 - a library that only this script needs

    return lambda data: lz4.block.compress(data, mode="fast", acceleration=1, store_size=False)


def zstd() -> Callable[[bytes], bytes]:
    """Level 3 for an unknown length: double fast, a window of 2 MiB; a frame with its content's size."""
    import zstandard  # noqa: PLC0415

    parameters = zstandard.ZstdCompressionParameters(
        window_log=21, chain_log=16, hash_log=17, search_log=1, min_match=5, target_length=0,
        strategy=zstandard.STRATEGY_DFAST, write_content_size=True, write_checksum=False,
    )  # fmt: skip
    return zstandard.ZstdCompressor(compression_params=parameters).compress


def pages(npages: int) -> dict[str, list[bytes]]:
    """*npages* pages of each class, and marks over pages of three of them."""
    found: dict[str, list[bytes]] = {
        content: [page(content, 3, number) for number in range(npages)] for content in CONTENTS
    }
    for under in ("text", "half", "random"):
        found[f"mark/{under}"] = [page("mark", 7, number, before) for number, before in enumerate(found[under])]
    return found


def described(content: str, lengths: Sequence[int]) -> str:
    """Return mean, spread and a histogram of some eight steps."""
    width = max(1, -(-(max(lengths) - min(lengths)) // 8))
    counted = Counter(length // width * width for length in lengths)
    steps = " ".join(f"{low}+:{counted[low]}" for low in sorted(counted))
    return f"{content:12} mean {fmean(lengths):7.1f} sd {pstdev(lengths):5.1f}  {steps}"


def by_libraries(npages: int) -> None:
    """Print mean, spread and histogram of each class under each algorithm."""
    classes = pages(npages)
    for name, make in (("lzo", lzo), ("lz4", lz4), ("zstd", zstd)):
        try:
            compress = make()
        except (ImportError, OSError) as problem:
            print(f"{name}: not here ({problem})")
            continue
        for content, texts in classes.items():
            print(f"{name:8} {described(content, [len(compress(text)) for text in texts])}")


def scenario(algorithm: str, npages: int) -> str:
    """Return a scenario that sends one page after the other to zram, with a checkpoint after each."""
    lines = [
        f"# How long one page after the other becomes with {algorithm}",
        "machine ram=256M cpus=1 kernel=6.1 thp=never",
        f"swap zram size=64M algo={algorithm} prio=100",
        "proc A",
    ]
    for content in ("text", "half", "random", "zero", "mark"):
        lines += [f"A mmap {content} {npages}P", f"A touch {content} 0 {npages}P w seq content={content}"]
        for number in range(npages if content == "text" else max(1, npages // 8)):
            lines += [f"A madvise {content} {number}P 1P pageout", f"checkpoint {content}{number}"]
    return "\n".join(lines) + "\n"


class Growth(NamedTuple):
    """What one checkpoint's mm_stat has more than the one before."""

    label: str
    packed: int
    nbytes: int
    same: int
    whole: int

    def __str__(self) -> str:
        mean = f" of mean {self.nbytes / self.packed:.1f}" if self.packed else ""
        return f"{self.label:12} {self.packed:6} pages{mean}, {self.same} same-filled, {self.whole} whole"


def growths(recording: Recording) -> Iterator[Growth]:
    """Yield what each checkpoint added; those at which the pages became fewer are left out."""
    before = (0, 0, 0, 0)
    for label in recording.checkpoints:
        words = [int(word) for word in (recording.at(label).read("sys/block/zram0/mm_stat") or "").split()]
        if not words:
            continue
        now = (words[0] // PAGE_BYTES, words[1], words[5], words[7])  # stored, bytes, same-filled, whole
        stored, nbytes, same, whole = (new - old for new, old in zip(now, before, strict=True))
        if stored > 0:
            yield Growth(label, stored - same - whole, nbytes - whole * PAGE_BYTES, same, whole)
        before = now


def by_recording(path: str) -> None:
    """Print what each checkpoint added; for a scenario of single pages, mean, spread and histogram of each class."""
    recording = Recording(path)
    algorithms = recording.at("boot").read("sys/block/zram0/comp_algorithm") or "no zram"
    algorithm = algorithms.partition("[")[2].partition("]")[0]
    for content, group in groupby(growths(recording), key=lambda growth: growth.label.rstrip("0123456789")):
        grown = list(group)
        lengths = [growth.nbytes for growth in grown if growth.packed == 1]
        single = all(growth.packed + growth.same + growth.whole == 1 for growth in grown)
        if single and len(lengths) == len(grown) > 1:
            print(f"{algorithm:8} {described(content, lengths)}")
        elif single:
            totals = (sum(column) for column in zip(*(growth[1:] for growth in grown), strict=True))
            print(f"{algorithm:8} {Growth(content, *totals)}")
        else:
            print("".join(f"{algorithm:8} {growth}\n" for growth in grown), end="")


def main() -> None:
    """Print the one table or the other."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("recordings", nargs="*")
    parser.add_argument("--pages", type=int, default=400, help="pages of each class")
    parser.add_argument("--scenario", choices=ZRAM_ALGORITHMS, help="print a scenario that sends page by page to zram")
    args = parser.parse_args()
    if args.scenario:
        print(scenario(args.scenario, args.pages), end="")
        return
    for path in args.recordings:
        by_recording(path)
    if not args.recordings:
        by_libraries(args.pages)


if __name__ == "__main__":
    main()
