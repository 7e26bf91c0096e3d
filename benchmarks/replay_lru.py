"""Replay a page trace in libCacheSim as LRU, in pages: what a cache of that many pages would miss.

replay_lru.py TRACE FIRST PAGES        TRACE: 64-bit page numbers; requests before FIRST warm the cache up

Prints the requests from FIRST on, those that missed, and the nanoseconds that they took.  Runs in the environment of
``requirements/bench.txt`` and imports nothing of the model.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import libcachesim
import numpy as np

RECORD = np.dtype([("time", "<u4"), ("page", "<u8"), ("size", "<u4"), ("next", "<i8")])
"""A request in libCacheSim's oracleGeneral format; LRU does not look at the next one."""


def replay(trace: Path, first: int, pages: int) -> tuple[int, int, int]:
    """(requests, misses, nanoseconds) of the requests from *first* on."""
    drawn = np.fromfile(trace, "<u8")
    records = np.zeros(len(drawn), RECORD)
    records["time"], records["page"], records["size"], records["next"] = 1, drawn, 1, -1
    with tempfile.NamedTemporaryFile(suffix=".oracleGeneral.bin") as file:
        records.tofile(file)
        file.flush()
        params = libcachesim.ReaderInitParam(ignore_obj_size=True)
        reader = libcachesim.TraceReader(file.name, libcachesim.TraceType.ORACLE_GENERAL_TRACE, params)
        cache = libcachesim.LRU(cache_size=pages)
        cache.process_trace(reader, 0, first)
        assert cache.get_n_obj() == min(pages, len(set(drawn[:first].tolist())))
        count = len(drawn) - first
        began = time.perf_counter_ns()
        ratio, _ = cache.process_trace(reader, first, count)
        took = time.perf_counter_ns() - began
    return count, round(ratio * count), took


if __name__ == "__main__":
    print(*replay(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
