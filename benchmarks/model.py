"""What the benchmark does with the model: one machine of 512 MiB, one process, and operations that count their work.

python model.py OPERATION TIMES         carries one out so often, for a tool that counts instructions
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from memtwin.linux import touch as touches
from memtwin.linux.core import mm_types as t
from memtwin.linux.fs import drop_caches, fs_writeback, read_write
from memtwin.linux.kernel import fork as kernel_fork
from memtwin.linux.kernel.sched import core as sched
from memtwin.run import run
from memtwin.scenario import Pow, Rand, Seq, pages, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.scenario import Pattern

REGION_PAGES = 65536
"""256 MiB, as the host's program touches."""
COW_PAGES = 32768
"""128 MiB: the machine holds the pages and their copies."""
DRAWS = 2_000_000
PASSES = 32
SEED = 7
EXPONENT = 4
SCENARIO = "machine ram=512M cpus=1 kernel=6.1 thp={thp}\nproc A\nA mmap heap 256M\n"
HUGE_PAGES = 512
CHUNK_PAGES = 16
WINDOW = 64
"""Pages that readahead may have read beyond what was asked for."""
BATCHED = 28
"""Pages in per-cpu batches, which cannot be dropped."""
FILE_PAGES = 65536
SETTLED_NS = 1_000_000_000
"""Until kswapd has ended what it is in the midst of."""
FILE_DRAWS = 200_000
FILE_SCENARIO = """machine ram=512M cpus=1 kernel=6.1 thp=never
file big 800M
file small 256M
proc A
A fread big 0 4K 4K
A fread small 0 4K 4K
A fwrite log 0 4K 4K
"""
HITS = {
    "hit-seq": Seq(),
    "hit-rand": Rand(DRAWS, SEED),
    "hit-pow": Pow(DRAWS, EXPONENT, SEED),
}


class Moved(NamedTuple):
    """Pages asked for, read from the disk, reclaimed, read again after they had been reclaimed, dirtied; seconds."""

    asked: int
    read: int
    reclaimed: int
    refaulted: int
    dirtied: int
    seconds: float


class Model:
    """A machine with a process that mapped 256 MiB."""

    def __init__(self, *, filled: bool, thp: str = "never") -> None:
        done = run.simulate(parse(SCENARIO.format(thp=thp)), None)
        process = done.processes.by_name["A"]
        self.state = done.machine.state
        self.task = process.task
        self.start = process.regions["heap"].start
        self.opno = 0
        if filled:
            self.fault()

    def touch(self, npages: int, pattern: Pattern, *, write: bool) -> tuple[int, float]:
        """Touch; returns (touches, seconds)."""
        drawn: dict[str, int] = {}
        if isinstance(pattern, Rand):
            drawn = {"kind": t.PATTERN_RAND, "touches": pattern.n, "seed": pattern.seed}
        elif isinstance(pattern, Pow):
            drawn = {"kind": t.PATTERN_POW, "touches": pattern.n, "seed": pattern.seed, "exponent": pattern.exponent}
        self.opno += 1
        touch = touches.Touch(
            self.state, self.task, self.start, npages, write, t.CONTENT_MARK, self.opno, 0, **drawn
        )  # fmt: skip
        began = time.perf_counter()
        code = touch.run()
        took = time.perf_counter() - began
        assert code == t.OK
        return touch.done, took

    def faults(self) -> int:
        """Minor faults so far."""
        return int(self.state.events_by_name()["pgfault"])

    def hits(self, pattern: Pattern, *, write: bool, passes: int = PASSES) -> tuple[int, float]:
        """Touch resident pages: none of them may fault."""
        before = self.faults()
        made, took = 0, 0.0
        for _ in range(passes if isinstance(pattern, Seq) else 1):
            touches, seconds = self.touch(REGION_PAGES, pattern, write=write)
            made, took = made + touches, took + seconds
        assert self.faults() == before
        assert made == (passes * REGION_PAGES if isinstance(pattern, Seq) else DRAWS)
        return made, took

    def fault(self, npages: int = REGION_PAGES) -> tuple[int, float]:
        """First writes: each one fault and one page."""
        before, pages_before = self.faults(), self.state.node_stats()["nr_anon_pages"]
        made, took = self.touch(npages, Seq(), write=True)
        assert self.faults() - before == made == npages
        assert self.state.node_stats()["nr_anon_pages"] - pages_before == npages
        return made, took

    def huge_fault(self) -> tuple[int, float]:
        """First writes in huge pages: one fault for 512 of them; the memory is given back afterwards."""
        before = self.faults()
        made, took = self.touch(REGION_PAGES, Seq(), write=True)
        assert self.faults() - before == REGION_PAGES // HUGE_PAGES
        self.unmap()
        return made, took

    def unmap(self, npages: int = REGION_PAGES) -> tuple[int, float]:
        """Unmap all, and map it again for the next one."""
        before = self.state.node_stats()["nr_anon_pages"]
        began = time.perf_counter()
        code = kernel_fork.munmap(self.state, self.task, self.start, REGION_PAGES)
        took = time.perf_counter() - began
        assert code == t.OK
        assert before - self.state.node_stats()["nr_anon_pages"] == npages
        assert kernel_fork.mmap(self.state, self.task, self.start, REGION_PAGES, t.VM_READ | t.VM_WRITE) == t.OK
        return npages, took

    def cow(self) -> dict[str, tuple[int, float]]:
        """Fork, write every page in the parent, end the child: fork and copies, each page one fault."""
        before = self.faults()
        began = time.perf_counter()
        code, child = kernel_fork.fork(self.state, self.task, 9999)
        forked = time.perf_counter() - began
        assert code == t.OK
        made, took = self.touch(COW_PAGES, Seq(), write=True)
        assert self.faults() - before == made == COW_PAGES
        kernel_fork.exit_task(self.state, child)
        return {"fork": (COW_PAGES, forked), "cow": (made, took)}


class Files:
    """A machine of 512 MiB with a process that reads and writes files: one of 1.5 times the memory, one of half."""

    def __init__(self) -> None:
        done = run.simulate(parse(FILE_SCENARIO), None)
        process = done.processes.by_name["A"]
        self.state = done.machine.state
        self.task = process.task
        self.files = process.files
        self.buffer = done.processes.buffer_of(process)
        self.opno = 0
        self.many = int(done.machine.state.memory_total * 1.5) // CHUNK_PAGES * CHUNK_PAGES

    def counted(self) -> dict[str, int]:
        """Every counter."""
        return {**self.state.events_by_name(), **self.state.node_stats()}

    def io(self, name: str, chunk_pages: int, pages_: int, *, draws: int = 0, write: bool = False) -> Moved:
        """Read or write *pages_* pages in order, or *draws* chunks of them at random; what that moved."""
        self.opno += 1
        drawn = {"kind": t.PATTERN_RAND, "touches": draws, "seed": SEED} if draws else {}
        call = read_write.FileIo(
            self.state, self.task, self.files[name], 0, chunk_pages * 4096, pages_ // chunk_pages, write,
            self.buffer, self.opno, **drawn,
        )  # fmt: skip
        before = self.counted()
        began = time.perf_counter()
        code = call.run()
        took = time.perf_counter() - began
        assert code == t.OK
        after = self.counted()
        moved = {name: after[name] - before[name] for name in ("pgpgin", "pgsteal_file", "workingset_refault_file")}
        return Moved(
            (draws or pages_ // chunk_pages) * chunk_pages, moved["pgpgin"] // 4, moved["pgsteal_file"],
            moved["workingset_refault_file"], after["nr_dirtied"] - before["nr_dirtied"], took,
        )  # fmt: skip

    def cycle(self) -> dict[str, Moved]:
        """Stream, thrash in order and at random, hit, and write; each proves its work by the kernel's counters."""
        fs_writeback.sync(self.state)
        drop_caches.drop_caches(self.state, 3)
        many = self.many
        cold = self.io("big", CHUNK_PAGES, many)
        assert cold.asked == many
        assert many - BATCHED <= cold.read <= many + WINDOW
        assert many // 4 < cold.reclaimed < many
        again = self.io("big", CHUNK_PAGES, many)
        assert again.refaulted == again.read >= many * 0.9
        assert again.reclaimed >= many * 0.9
        random = self.io("big", 1, many, draws=FILE_DRAWS)
        assert FILE_DRAWS * 0.2 < random.read < FILE_DRAWS * 0.6
        assert abs(random.reclaimed - random.read) < FILE_DRAWS * 0.05
        self.io("small", CHUNK_PAGES, FILE_PAGES)
        sched.sleep_until(self.state, self.state.clock_ns + SETTLED_NS)
        hits = self.io("small", CHUNK_PAGES, FILE_PAGES)
        assert (hits.asked, hits.read, hits.reclaimed) == (FILE_PAGES, 0, 0)
        written = self.io("log", CHUNK_PAGES, many, write=True)
        assert written.dirtied == many
        assert written.reclaimed > many // 4
        return {"stream": cold, "thrash-seq": again, "thrash-rand": random, "hit": hits, "write": written}


def prove_trace() -> None:
    """The compiled patterns visit as many pages as the language says, so that C and model draw one trace."""
    for pattern in (Rand(5000, SEED), Pow(5000, EXPONENT, SEED)):
        model = Model(filled=False)
        before = model.faults()
        model.touch(REGION_PAGES, pattern, write=True)
        assert model.faults() - before == len(set(pages(pattern, REGION_PAGES)))


def cycle(model: Model) -> dict[str, tuple[int, float]]:
    """Fill and unmap 256 MiB, then fill, fork, copy and unmap 128 MiB."""
    found = {"fault": model.fault(), "unmap": model.unmap()}
    model.fault(COW_PAGES)
    found |= model.cow()
    model.unmap(COW_PAGES)
    return found


def main(operation: str, times: int) -> None:
    """Carry out *operation* so many times on a machine that is warm; prints the operations of one time."""
    hits = operation.startswith("hit")
    model = Model(filled=hits)
    name, _, access = operation.rpartition("-") if hits else (operation, "", "")
    does: Callable[[], tuple[int, float]]
    if hits:
        does = lambda: model.touch(REGION_PAGES, _short(HITS[name]), write=access == "write")  # noqa: E731
    elif operation == "fault+unmap":
        does = lambda: (model.fault(), model.unmap())[0]  # noqa: E731
    else:
        does = lambda: (model.fault(COW_PAGES), model.cow()["cow"], model.unmap(COW_PAGES))[1]  # noqa: E731
    made = 0
    for _ in range(1 + times):
        made = does()[0]
    print(made)


def _short(pattern: Pattern) -> Pattern:
    """The same pattern with as many touches as there are pages."""
    if isinstance(pattern, Rand):
        return Rand(REGION_PAGES, SEED)
    return Pow(REGION_PAGES, EXPONENT, SEED) if isinstance(pattern, Pow) else pattern


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
