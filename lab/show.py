#!/usr/bin/env python3
"""A recording's figures by checkpoint, its swap areas, then its operations: what happened, at a glance.

.venv/bin/python lab/show.py RECORDING [FIGURE,FIGURE...]
"""

from __future__ import annotations

import signal
import sys

from memtwin.procfs import swaps
from memtwin.sources.recording import Recording
from memtwin.study.validate import figures

FIGURES = (
    "MemFree,MemAvailable,Cached,SwapCached,AnonPages,Active(anon),Inactive(anon),Active(file),Inactive(file),Mapped,"
    "Dirty,Unevictable,Mlocked,SwapFree,Slab,PageTables,Committed_AS,free>=order4,free>=order9,pgmajfault,pswpin,"
    "pswpout,pglazyfree,workingset_refault_anon,workingset_refault_file,pgscan,pgsteal,zram_orig,zram_compr,zram_used"
).split(",")
PER_WORKER = (".Rss", ".Swap", ".oom_score")
LONGEST = 200
"""Operations of longer scenarios are not printed."""


def main() -> None:
    """Print the recording that the command line names."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    recording = Recording(sys.argv[1], partial=True)
    labels = recording.checkpoints
    columns = {label: {name: figure.value for name, figure in figures(recording, label).items()} for label in labels}
    workers = sorted({name for column in columns.values() for name in column if name.endswith(PER_WORKER)})
    names = sys.argv[2].split(",") if len(sys.argv) > 2 else [*FIGURES, *workers]
    print(f"{'':26}" + "".join(f"{label:>12}" for label in labels))
    for name in names:
        if any(column.get(name) for column in columns.values()):
            print(f"{name:26}" + "".join(f"{column.get(name, ''):>12}" for column in columns.values()))
    for label in labels:
        areas = swaps.parse(recording.at(label).read("proc/swaps") or swaps.HEADING).areas
        used = (f"{a.filename} {a.used_kib}/{a.size_kib} kB prio {a.priority}" for a in areas)
        print(f"{label:12}", "; ".join(used) or "no swap")
    for op in recording.ops[:LONGEST]:
        if not op["op"].startswith("checkpoint"):
            moved = {name: delta for name, delta in op["d"].items() if delta}
            died = [(death["name"], death["signal"]) for death in op["deaths"]]
            print(op["i"], op["op"], op["outcome"], op["errno"] or "", f"{op['us'] / 1000:.0f}ms", moved, died or "")


if __name__ == "__main__":
    main()
