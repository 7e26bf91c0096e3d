"""Millions of random operations on random machines, every invariant checked every so often: `make soak`.

    python tests/model/soak.py OPS [--seed N] [--machine-ops N] [--every N] [--seconds S] [--failures N]

Each machine has a seed of its own, which is all that it depends on: its memory, disks, zram, files, and what its
processes do.  After its operations every page is read back, the swap areas are turned off one after another, and the
processes end.  When something breaks, the same seed is run again with a check after each operation, and the seed, the
invariant and the scenario up to there are printed.  ``test_machine.py`` does the same in small, with hypothesis.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from itertools import accumulate
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from growing import Growing, Silent

from memtwin.errors import ModelBug
from memtwin.linux.check import invariants
from memtwin.linux.mm import swapon

if TYPE_CHECKING:
    from collections.abc import Callable

OPS_PER_MACHINE = 5_000
HANG_S = 30
"""No machine takes so much CPU time: a loaded host must not fail one."""
CHECK_EVERY = 500
KEYS = ("k1", "k2", "memfd:a", "memfd:b")
"""Of shared memory: System V segments and memfds."""
TMPFS_FILES = ("tmp/x", "tmp/y", "run/z")
BRK = "brk"
"""The region of a process's brk."""
FILES = {"f": 7680, "g": 17920, "hole": 5120}
CONTENTS = ("mark", "mark", "text", "text", "half", "random", "zero")
ALGORITHMS = ("lzo", "lzo-rle", "lz4", "lz4hc", "zstd", "842", "deflate")
ZPOOLS = ("zbud", "zsmalloc")
PRIORITIES = (-2, -2, 0, 5, 5, 100, 32767)
SETTINGS = (
    "vm.swappiness=0", "vm.swappiness=60", "vm.swappiness=100", "vm.swappiness=200", "vm.dirty_ratio=2",
    "vm.dirty_ratio=60", "vm.dirty_background_ratio=1", "vm.dirty_expire_centisecs=100", "vm.min_free_kbytes=4000",
    "vm.min_free_kbytes=1500", "vm.watermark_scale_factor=100", "vm.page-cluster=0", "vm.page-cluster=3",
    "vm.page-cluster=5", "vm.oom_kill_allocating_task=1", "vm.oom_kill_allocating_task=0",
    "vm.compaction_proactiveness=0", "vm.compaction_proactiveness=20", "vm.compaction_proactiveness=100",
    "vm.extfrag_threshold=0",
)  # fmt: skip
KERNELS = ("kernel=6.1", "kernel=6.1", "kernel=6.12", "kernel=6.12", "kernel=6.12 lru_gen=off")
"""Both profiles and both policies of reclaim."""
POLICIES = (
    "lru_gen.enabled=0", "lru_gen.enabled=1", "lru_gen.enabled=3", "lru_gen.enabled=7", "lru_gen.enabled=7",
    "thp.enabled=always", "thp.enabled=always", "thp.enabled=madvise", "thp.enabled=never", "thp.defrag=always",
    "thp.defrag=defer", "thp.defrag=defer+madvise", "thp.defrag=madvise", "thp.use_zero_page=1",
    "thp.khugepaged.defrag=1", "thp.khugepaged.scan_sleep_millisecs=200", "thp.khugepaged.max_ptes_none=100",
    "thp.khugepaged.max_ptes_none=511", "thp.khugepaged.max_ptes_swap=511", "thp.khugepaged.max_ptes_shared=511",
)  # fmt: skip
HUGE_PAGES = ("thp=never", "thp=always", "thp=always", "thp=madvise")
ADVICE = ("dontneed", "free", "willneed", "cold", "pageout", "hugepage", "nohugepage")
SLEEPS = ("0.001", "0.05", "0.5", "3", "11")
MOST_PROCESSES = 8
MOST_REGIONS = 6
COUNTED = (
    "pgfault", "pgmajfault", "pswpout", "pswpin", "swap_ra_hit", "pgscan_kswapd", "pgscan_direct", "oom_kill",
    "unevictable_pgs_culled", "pglazyfreed", "workingset_refault_anon", "workingset_refault_file", "zswpout",
    "zswpin", "compact_stall", "compact_success", "pgmigrate_success", "pgmigrate_fail", "thp_fault_alloc",
    "thp_fault_fallback", "thp_zero_page_alloc", "thp_collapse_alloc", "thp_split_pmd", "thp_split_page",
    "thp_split_page_failed", "thp_deferred_split_page", "thp_swpout", "thp_swpout_fallback",
    "thp_underused_split_page",
)  # fmt: skip
"""Events that show how much happened."""
FINE = {"ok", "died", "skipped", "running"}
CPUS = (1, 1, 1, 2, 4, 8)
BESIDE = ("touch", "fread", "fwrite", "fsync", "close")
DISKS = ("", " read=100M write=60M fs=xfs", " read=20M latency=2ms depth=1", " nr_requests=4 readahead=4K")
"""Of these, a quarter runs beside what follows."""


def header(rng: random.Random) -> tuple[str, list[str]]:
    """A random machine's header, and its areas' names; half of those with areas have zswap in front of them."""
    lines = [f"machine ram={rng.choice((128, 128, 144, 192))}M {rng.choice(KERNELS)}"]
    names = []
    for number in range(rng.choice((0, 1, 1, 2, 2, 3))):
        name = f"d{number}"
        size = rng.choice((1, 8, 20, 33, 64))
        how = f"prio={rng.choice(PRIORITIES)} rot={rng.randint(0, 1)} on={rng.choice((0, 1, 1))}"
        lines.append(f"swap disk name={name} size={size}M {how}")
        names.append(name)
    if rng.random() < 0.6:
        size, algorithm = rng.choice((8, 32, 64, 128)), rng.choice(ALGORITHMS)
        lines.append(f"swap zram size={size}M algo={algorithm} prio={rng.choice(PRIORITIES)}")
        names.append("zram")
    if names and rng.random() < 0.5:
        pool, accept = rng.choice((1, 5, 20, 50, 100)), rng.choice((0, 50, 90, 100))
        how = f"compressor={rng.choice(ALGORITHMS)} zpool={rng.choice(ZPOOLS)} same_filled={rng.choice(('on', 'off'))}"
        lines.append(f"swap zswap max_pool_percent={pool} accept_threshold={accept} {how}")
    lines[0] += f" {rng.choice(HUGE_PAGES)} cpus={rng.choice(CPUS)}"
    lines += ["file f 30M", "file g 70M", "file hole 20M content=zero", f"tmpfs size={rng.choice((1, 12, 40))}M"]
    lines.append(f"tmpfs run size={rng.choice((1, 5))}M")
    disk = rng.choice(DISKS)
    if rng.random() < 0.3:
        disk += f" free={rng.choice((1, 10, 30))}M"
    if disk:
        lines.append(f"disk data{disk}")
    return "\n".join(lines) + "\n", names


class Soak:
    """One machine and what its processes do, all of it from one seed."""

    def __init__(self, seed: int, check_from: int, every: int) -> None:
        self.rng = random.Random(seed)
        text, self.areas = header(self.rng)
        self.growing = Growing(text, Silent)
        self.regions: dict[str, dict[str, int]] = {}
        self.outcomes: Counter[str] = Counter()
        self.files = dict(FILES)
        self.serial = 0
        self.blocks: list[str] = []
        self.check_from, self.every = check_from, every
        self.checked = 0
        self.log: IO[str] | None = None
        kinds: list[tuple[Callable[[], str], int]] = [
            (self.touch, 50), (self.map, 6), (self.unmap, 3), (self.fork, 3), (self.start, 4), (self.end, 2),
            (self.advise, 8), (self.lock, 3), (self.io, 10), (self.map_file, 2), (self.fsync, 1), (self.flush, 1),
            (self.tune, 2), (self.sleep, 2), (self.switch, 3), (self.compact, 1), (self.take_blocks, 2),
            (self.give_blocks, 2), (self.change_policy, 2), (self.share, 4), (self.unlink, 2), (self.write_tmpfs, 3),
            (self.map_tmpfs, 1), (self.protect, 4), (self.limit, 1), (self.stack, 1), (self.replace, 1),
            (self.allocate, 4), (self.resize, 3), (self.free, 3), (self.remap, 4), (self.move_break, 3),
            (self.read_other, 3),
        ]  # fmt: skip
        self.kinds = [kind for kind, _ in kinds]
        self.weights = list(accumulate(weight for _, weight in kinds))

    def step(self, line: str) -> str:
        """Carry out a line; processes that died are forgotten."""
        if line.split()[1:2] and line.split()[1] in BESIDE and self.rng.random() < 0.25:
            line += " &"
        if self.log:
            print(line, file=self.log, flush=True)
        outcome = self.growing.do(line)
        verb = line.split(maxsplit=1)[0]
        self.outcomes[f"{verb} {outcome}" if verb.startswith("swapo") else outcome] += 1
        done = len(self.growing.lines)
        if self.growing.run.done[-1].deaths:
            by_name = self.growing.run.processes.by_name
            self.regions = {name: kept for name, kept in self.regions.items() if by_name[name].alive}
        if done >= self.check_from and done % self.every == 0:
            self.check()
        self.growing.forget()
        return outcome

    def check(self) -> None:
        """Every invariant."""
        invariants.validate(self.growing.state, tuple(self.growing.lines[-8:]))
        self.checked = len(self.growing.lines)

    def counted(self) -> Counter[str]:
        """What happened on this machine: events, and outcomes of its operations."""
        events = {**self.growing.state.node_stats(), **self.growing.state.events_by_name()}
        return Counter({name: events[name] for name in COUNTED}) + self.outcomes

    # --- what may happen

    def length(self, most: int) -> int:
        """How many pages: mostly few, now and then many."""
        return min(most, 1 << self.rng.randint(0, 5) if self.rng.random() < 0.93 else self.rng.randint(1, 2500))

    def process(self) -> str:
        """Some process that is alive."""
        return self.rng.choice(list(self.regions))

    def part(self) -> tuple[str, str, int, int] | None:
        """A part of some region: process, region, first page, pages."""
        process = self.process()
        if not self.regions[process]:
            return None
        region = self.rng.choice(list(self.regions[process]))
        pages = self.regions[process][region]
        count = self.length(pages)
        return process, region, self.rng.randint(0, pages - count), count

    def pattern(self, count: int) -> str:
        """How a part is touched."""
        seed, draws = self.rng.getrandbits(60), min(2 * count, 300)
        return self.rng.choice(
            ("seq", "seq", f"rand:{draws}:{seed}", f"hot:{draws}:10%:90%:{seed}", f"pow:{draws}:3:{seed}")
        )

    def start(self) -> str:
        if len(self.regions) >= MOST_PROCESSES:
            return self.touch()
        self.serial += 1
        name = f"p{self.serial}"
        adj = self.rng.choice((0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1000, -500, 300, 1000))
        outcome = self.step(f"proc {name} adj={adj} uid={self.rng.choice((0, 0, 1000, 1001))}")
        return self.remember(name, {}, outcome)

    def remember(self, name: str, regions: dict[str, int], outcome: str) -> str:
        """Note a process that was started, unless it is dead already."""
        process = self.growing.run.processes.by_name.get(name)
        if process is not None and process.alive:
            self.regions[name] = regions
        return outcome

    def map(self) -> str:
        process = self.process()
        if len(self.regions[process]) >= MOST_REGIONS:
            return self.unmap()
        self.serial += 1
        pages = self.rng.choice((1, 17, 200, 513, 1500, 4000, 9000))
        outcome = self.step(f"{process} mmap r{self.serial} {pages}P")
        if outcome == "ok":
            self.regions[process][f"r{self.serial}"] = pages
            if self.rng.random() < 0.6:
                content = self.rng.choice(CONTENTS)
                return self.step(f"{process} touch r{self.serial} 0P {pages}P w seq content={content}")
        return "ok" if outcome == "error" else outcome  # its own limit may refuse

    def touch(self) -> str:
        part = self.part()
        if part is None:
            return self.map()
        process, region, first, count = part
        how = f"w {self.pattern(count)} content={self.rng.choice(CONTENTS)}"
        if self.rng.random() < 0.4:
            how = f"r {self.pattern(count)}"
        return self.step(f"{process} touch {region} {first}P {count}P {how}")

    def advise(self) -> str:
        part = self.part()
        if part is None:
            return self.map()
        process, region, first, count = part
        self.step(f"{process} madvise {region} {first}P {count}P {self.rng.choice(ADVICE)}")
        return "ok"  # file pages refuse MADV_FREE, locked ones the others

    def lock(self) -> str:
        part = self.part()
        if part is None:
            return self.map()
        process, region, first, count = part
        self.step(f"{process} {self.rng.choice(('mlock', 'munlock', 'munlock'))} {region} {first}P {min(count, 64)}P")
        return "ok"

    def unmap(self) -> str:
        process = self.process()
        mapped = [region for region in self.regions[process] if region != BRK]
        if not mapped:
            return self.map()
        region = self.rng.choice(mapped)
        outcome = self.step(f"{process} munmap {region}")
        self.regions.get(process, {}).pop(region, None)
        return outcome

    def fork(self) -> str:
        if len(self.regions) >= MOST_PROCESSES:
            return self.end()
        self.serial += 1
        parent, child = self.process(), f"c{self.serial}"
        regions = dict(self.regions[parent])
        outcome = self.step(f"{parent} fork {child}")
        self.remember(child, regions, outcome)
        return "ok"  # overcommit may refuse

    def end(self) -> str:
        process = self.process()
        if self.rng.random() < 0.5:
            self.step(f"{process} clear_refs")
        outcome = self.step(f"{process} {self.rng.choice(('exit', 'kill'))}")
        self.regions.pop(process, None)
        return outcome

    def io(self) -> str:
        write = self.rng.random() < 0.4
        process, name = self.process(), self.rng.choice([*self.files, "made"] if write else list(self.files))
        size, chunk = self.rng.choice((("4K", 1), ("4K", 1), ("64K", 16), ("256K", 64)))
        room = max(self.files.get(name, 2048) // chunk, 1)
        chunks = min(room, 1 << self.rng.randint(0, 4))
        first = self.rng.randint(0, room - chunks)
        how = self.rng.choice(("seq", "seq", f"rand:8:{self.rng.getrandbits(60)}"))
        op = "fwrite" if write else "fread"
        outcome = self.step(f"{process} {op} {name} {first * chunk}P {chunks * chunk}P {size} {how}")
        if write and how == "seq" and outcome == "ok":
            self.files[name] = max(self.files.get(name, 0), (first + chunks) * chunk)
        return "ok" if outcome == "error" else outcome  # there may be no room for its buffer

    def replace(self) -> str:
        """Truncate a file, write it again and close it, while others do the same or map it; there may be no room."""
        process, outcome, name = self.process(), "ok", self.rng.choice(("new", "new", *TMPFS_FILES))
        for line in (f"truncate {name}", f"fwrite {name} 0P {16 << self.rng.randint(0, 7)}P 64K", f"close {name}"):
            if process in self.regions and outcome == "ok":
                outcome = self.step(f"{process} {line}")
        return "ok" if outcome == "error" else outcome

    def map_file(self) -> str:
        process, name = self.process(), self.rng.choice(list(FILES))
        if len(self.regions[process]) >= MOST_REGIONS:
            return self.unmap()
        self.serial += 1
        kind = self.rng.choice(("shared", "private"))
        outcome = self.step(f"{process} fmap r{self.serial} {name} {kind}{self.rng.choice(('', '', ' r'))}")
        if outcome == "ok" and process in self.regions:
            self.regions[process][f"r{self.serial}"] = FILES[name]
        return "ok" if outcome == "error" else outcome

    def share(self) -> str:
        """Map shared memory: anonymous, by a key that is there or not, or a segment that is too large."""
        process = self.process()
        if len(self.regions[process]) >= MOST_REGIONS:
            return self.unmap()
        self.serial += 1
        pages, key = self.rng.choice((1, 64, 700, 3000)), self.rng.choice(("", *KEYS))
        sized = "" if key and self.rng.random() < 0.5 else f" {pages}P"
        outcome = self.step(f"{process} shm r{self.serial}{sized}{f' as {key}' if key else ''}")
        self.note_region(process, outcome)
        return "ok" if outcome == "error" else outcome

    def note_region(self, process: str, outcome: str) -> None:
        """Note the region that was mapped last, and write to it now and then."""
        if outcome == "ok" and process in self.regions:
            worker = self.growing.run.processes.by_name[process]
            self.regions[process][f"r{self.serial}"] = worker.regions[f"r{self.serial}"].pages
            if self.rng.random() < 0.6:
                pages = self.regions[process][f"r{self.serial}"]
                self.step(f"{process} touch r{self.serial} 0P {pages}P w seq content={self.rng.choice(CONTENTS)}")

    def unlink(self) -> str:
        """Remove a key or a file of the tmpfs, if it is there."""
        name = self.rng.choice((*KEYS, *TMPFS_FILES))
        if name in KEYS and name not in self.growing._body.keys:
            return self.share()
        self.step(f"{self.process()} unlink {name}")
        return "ok"

    def write_tmpfs(self) -> str:
        """Write to a file of the tmpfs, which may be full, or read it."""
        name, first, chunks = self.rng.choice(TMPFS_FILES), self.rng.randint(0, 100), 1 << self.rng.randint(0, 5)
        verb = self.rng.choice(("fwrite", "fwrite", "fread"))
        outcome = self.step(f"{self.process()} {verb} {name} {first * 16}P {chunks * 16}P 64K")
        return "ok" if outcome == "error" else outcome

    def map_tmpfs(self) -> str:
        """Map a file of the tmpfs, which may be empty: a touch of a page that has no room ends the process."""
        process = self.process()
        if len(self.regions[process]) >= MOST_REGIONS:
            return self.unmap()
        self.serial += 1
        how = self.rng.choice(("shared", "shared", "private"))
        outcome = self.step(f"{process} fmap r{self.serial} {self.rng.choice(TMPFS_FILES)} {how}")
        self.note_region(process, outcome)
        return "ok" if outcome == "error" else outcome

    def protect(self) -> str:
        """Change rights; mostly they come back, for a process that writes without them dies."""
        part = self.part()
        if part is None:
            return self.map()
        process, region, first, count = part
        self.step(f"{process} mprotect {region} {first}P {count}P {self.rng.choice(('none', 'r', 'rx', 'rwx', 'rw'))}")
        if self.rng.random() < 0.2:
            self.step(f"{process} madvise {region} {first}P {count}P {self.rng.choice(ADVICE)}")
        if self.rng.random() < 0.8 and process in self.regions:
            self.step(f"{process} mprotect {region} 0P {self.regions[process][region]}P rw")
        return "ok"  # overcommit or the process's own limit may refuse

    def allocate(self) -> str:
        """malloc of blocks large and small; its own limit or overcommit may refuse."""
        process, size = self.process(), self.rng.choice((24, 200, 1000, 3000, 20_000, 150_000, 1 << 20))
        if process in self.growing._body.breaks:
            return self.move_break()
        count = self.rng.randint(1, max(1, min(300, (4 << 20) // size)))
        how = self.rng.choice(("", "", "", " untouched"))
        outcome = self.step(f"{process} malloc t{self.rng.randint(0, 5)} {size} x{count}{how}")
        return "ok" if outcome == "error" else outcome

    def resize(self) -> str:
        """realloc of some or all blocks of a tag; its own limit or overcommit may refuse."""
        process = self.process()
        known = sorted(self.growing._body.tags.get(process, ()))
        if not known:
            return self.allocate()
        size, every = self.rng.choice(
            ((24, 1), (200, 2), (1000, 1), (3000, 3), (20_000, 20), (150_000, 50), (1 << 20, 100))
        )
        how = self.rng.choice(("", "", "", " untouched"))
        outcome = self.step(f"{process} realloc {self.rng.choice(known)} {size} every:{every}{how}")
        return "ok" if outcome == "error" else outcome

    def free(self) -> str:
        """free of some or all blocks of a tag, and now and then a trim."""
        process = self.process()
        if self.rng.random() < 0.2:
            return self.step(f"{process} malloc_trim")
        known = sorted(self.growing._body.tags.get(process, ()))
        if not known:
            return self.allocate()
        outcome = self.step(f"{process} free {self.rng.choice(known)} every:{self.rng.choice((1, 2, 3))}")
        return "ok" if outcome == "error" else outcome

    def remap(self) -> str:
        """Make a region longer or shorter, where it is or elsewhere; its neighbour or a limit may refuse."""
        process = self.process()
        mapped = [region for region in self.regions[process] if region != BRK]
        if not mapped:
            return self.map()
        region = self.rng.choice(mapped)
        pages = max(1, self.regions[process][region] + self.rng.choice((-2000, -100, -1, 0, 1, 64, 512, 1500)))
        self.step(f"{process} mremap {region} {pages}P{self.rng.choice(('', ' maymove', ' maymove'))}")
        self.note_length(process, region)
        return "ok"

    def note_length(self, process: str, region: str) -> None:
        """Note how long a region has become; one of nothing is forgotten, or that is not there after a panic."""
        if process in self.regions:
            now = self.growing.run.processes.by_name[process].regions.get(region)
            self.regions[process][region] = now.pages if now else 0
            if not self.regions[process][region]:
                del self.regions[process][region]

    def move_break(self) -> str:
        """Move the end of a process's data, if malloc does not."""
        process = self.process()
        if process in self.growing._body.tags:
            return self.allocate()
        self.step(f"{process} brk {BRK} {self.rng.choice((0, 1, 300, 1500, 6000))}P")
        self.note_length(process, BRK)
        return "ok"

    def read_other(self) -> str:
        """Read another process's memory; it may be another user's, or may have become shorter."""
        part = self.part()
        if part is None:
            return self.map()
        other, region, first, count = part
        self.step(f"{self.process()} vm_read {other} {region} {first}P {count}P")
        return "ok"

    def limit(self) -> str:
        what, size = self.rng.choice(
            (("as", "64M"), ("data", "8M"), ("stack", "1M"), ("memlock", "1M"), ("as", "none"), ("data", "none"))
        )
        return self.step(f"{self.process()} limit {what} {size}")

    def stack(self) -> str:
        return self.step(f"{self.process()} stack {self.rng.choice((4, 64, 500, 3000))}P")

    def fsync(self) -> str:
        return self.step(f"{self.process()} fsync {self.rng.choice(list(self.files))}")

    def flush(self) -> str:
        return self.step(self.rng.choice(("sync", "drop_caches 1", "drop_caches 2", "drop_caches 3")))

    def tune(self) -> str:
        return self.step(f"sysctl {self.rng.choice(SETTINGS)}")

    def change_policy(self) -> str:
        """Let the other policy reclaim, or the same with other means."""
        return self.step(f"sysctl {self.rng.choice(POLICIES)}")

    def sleep(self) -> str:
        return self.step(f"sleep {self.rng.choice(SLEEPS)}")

    def compact(self) -> str:
        return self.step("compact")

    def take_blocks(self) -> str:
        """Let the kernel take blocks: an error where one is refused; what it has got it keeps."""
        self.serial += 1
        name, order = f"k{self.serial}", self.rng.choice((0, 0, 1, 2, 3, 3, 4, 6, 9, 10))
        self.blocks.append(name)
        count, kind = (
            self.rng.randint(1, max(1, 1500 >> order)),
            self.rng.choice(("movable", "unmovable", "reclaimable", "atomic")),
        )
        self.step(f"kalloc {name} {order} {count} {kind}")
        return "ok"

    def give_blocks(self) -> str:
        if not self.blocks:
            return self.take_blocks()
        name = self.rng.choice(self.blocks)
        if self.rng.random() < 0.5:
            return self.step(f"kfree {name} every:{self.rng.randint(2, 4)}")
        self.blocks.remove(name)
        return self.step(f"kfree {name} all")

    def switch(self) -> str:
        """Turn an area on or off: an error where it is so already, or where there is no room."""
        if not self.areas:
            return self.touch()
        name = self.rng.choice(self.areas)
        prio = self.rng.choice(("", *(f" prio={prio}" for prio in PRIORITIES)))
        self.step(f"swapoff {name}" if self.rng.random() < 0.4 else f"swapon {name}{prio}")
        return "ok"

    # --- one machine from its start to its end

    def live(self, ops: int) -> None:
        """Do *ops* operations, then read all back, turn swap off and end everything."""
        self.step("sleep 0.01")
        while len(self.growing.lines) < ops and not self.growing.state.has_panicked:
            kind = self.start if not self.regions else self.rng.choices(self.kinds, cum_weights=self.weights)[0]
            outcome = kind()
            assert outcome in FINE, f"{self.growing.lines[-1]}: {outcome}"
        self.check()
        self.read_back()
        for name in self.areas:
            self.step(f"swapoff {name}")
            self.check()
        for process in list(self.regions):
            if process in self.regions:
                self.step(f"{process} exit")
        self.check()
        self.empty_swap()

    def read_back(self) -> None:
        """Touch every page of every process: it must be what was written to it."""
        for process in list(self.regions):
            for region, pages in list(self.regions.get(process, {}).items()):
                if process in self.regions:
                    self.step(f"{process} touch {region} 0P {pages}P r seq")
        self.check()

    def empty_swap(self) -> None:
        """Nobody is left: every area can be turned off, and has no slot in use."""
        self.step("wait")
        if self.growing.state.has_panicked:
            return
        for name in self.areas:
            self.step(f"swapoff {name}")
        self.check()
        for area in self.growing.run.machine.areas:
            info = swapon.area_info(self.growing.state, area.number)
            assert (info.used, info.inuse) == (False, 0), f"{area.filename} is not empty at the end: {info}"


# --- many machines, each in a process of its own: one that crashes or hangs is told like any other failure


def child(seed: int, ops: int, since: int, every: int, log: Path) -> None:
    """One machine; prints what it counted, or what broke."""
    soak = Soak(seed, since, every)
    soak.log = log.open("w")
    try:
        soak.live(ops)
    except (ModelBug, AssertionError) as problem:
        print(json.dumps({"problem": f"{type(problem).__name__}: {problem}"}))
    else:
        print(json.dumps({"operations": len(soak.growing.lines), **soak.counted()}))


def machine(seed: int, ops: int, since: int, every: int, log: Path) -> dict[str, Any]:
    """What a machine counted; with a "problem" if it failed.  Its lines are in *log*, each before it is carried out."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(writer, 1)
        signal.setitimer(signal.ITIMER_PROF, HANG_S)
        try:
            child(seed, ops, since, every, log)
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    _, status = os.waitpid(pid, 0)
    return dict(json.loads(told)) if told else {"problem": f"it hung or crashed: status {status}"}


def tell(seed: int, ops: int, every: int, found: dict[str, Any], log: Path) -> None:
    """Run a seed that failed again, with a check after each operation since the last good one, and print its lines."""
    done = len(log.read_text().splitlines())
    again = machine(seed, ops, (done - 1) // every * every, 1, log)
    print(f"seed {seed}: {found['problem']}")
    print(f"--- with a check after each operation: {again.get('problem', 'no failure')}")
    print(f"--- its scenario up to there:\n{header(random.Random(seed))[0]}{log.read_text()}", flush=True)


def main() -> int:
    """Run machines until so many operations are done; returns how many failed."""
    parser = argparse.ArgumentParser(description="random machines, every invariant checked")
    parser.add_argument("ops", type=int)
    parser.add_argument("--seed", type=int, default=1, help="of the first machine")
    parser.add_argument("--machine-ops", type=int, default=OPS_PER_MACHINE)
    parser.add_argument("--every", type=int, default=CHECK_EVERY, help="operations between two checks")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no machine after so long")
    parser.add_argument("--failures", type=int, default=1, help="after how many to stop")
    args = parser.parse_args()
    log = Path(tempfile.gettempdir()) / f"memtwin-soak.{os.getpid()}"
    seed, failed, began, counted = args.seed, 0, time.monotonic(), Counter[str]()
    while counted["operations"] < args.ops and failed < args.failures and time.monotonic() - began < args.seconds:
        found = machine(seed, args.machine_ops, 0, args.every, log)
        if "problem" in found:
            tell(seed, args.machine_ops, args.every, found, log)
            failed += 1
        else:
            counted.update(found)
        seed += 1
        if seed % 100 == 0:
            print(f"{counted['operations']:,} operations, {time.monotonic() - began:.0f} s", file=sys.stderr)
    log.unlink(missing_ok=True)
    took, done = time.monotonic() - began, counted.pop("operations", 0)
    print(f"{done:,} operations on {seed - args.seed:,} machines (seeds from {args.seed}), {failed} failed")
    print(f"{took:,.0f} s, {done / took:,.0f} operations a second")
    print(", ".join(f"{name} {count:,}" for name, count in sorted(counted.items())))
    return failed


if __name__ == "__main__":
    sys.exit(main())
