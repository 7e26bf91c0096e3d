"""Random operations on a small machine, with every invariant checked after each.

Contents are part of the invariants: each mapped page must hold what was last written through that mapping, through
fork, copy on write, reuse and unmapping.
"""

from __future__ import annotations

import os

from growing import Growing
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from memtwin.linux.check import invariants
from memtwin.linux.mm import swapon
from memtwin.procfs import buddyinfo, meminfo, slabinfo, vmstat, zoneinfo
from memtwin.procfs.pid import smaps_rollup, statm
from memtwin.sources.source import load
from memtwin.story import story
from memtwin.twin.twin import Twin

GROUND = "machine ram=128M\n{swap}file f 30M\nfile g 70M\nfile hole 20M content=zero\n"
SWAPS = [
    "swap disk size=64M\n",
    "swap disk size=24M rot=0\n",
    "swap zram size=96M prio=100\nswap disk size=16M prio=5\n",
    "swap zram size=40M\n",
    "swap zswap max_pool_percent=6 accept_threshold=70\nswap disk size=64M\n",
    "swap zswap max_pool_percent=30\nswap disk size=24M rot=0\nswap zram size=20M prio=100\n",
    "swap zswap zpool=zsmalloc max_pool_percent=5 same_filled=off\nswap zram size=30M\nswap disk size=24M\n",
    "swap zram size=64M algo=zstd prio=7\nswap disk size=33M prio=7 rot=0\nswap disk size=8M prio=7 rot=1\n",
    "swap zram size=32M algo=lz4 prio=0\nswap disk size=20M on=0\nswap disk size=1M rot=1\nswap disk size=40M rot=0\n",
    "",
]
FINE = {"ok", "died", "skipped"}
"""A process may be killed for memory in any operation, and what it was asked for next is skipped."""
FILES = {"f": 7680, "g": 17920, "hole": 5120}
IO_PATTERNS = ["seq", "rand:40:{seed}"]
CONTENTS = ["mark", "zero", "random", "half", "text"]
PATTERNS = ["seq", "rand:300:{seed}", "hot:200:10%:90%:{seed}", "pow:200:3:{seed}"]
ADVICE = ["dontneed", "free", "willneed", "cold", "pageout"]
MOST_PROCESSES = 6
MOST_REGIONS = 8


class Machine(RuleBasedStateMachine):
    """Processes that start, map, touch, fork, unmap and end, in any order that hypothesis thinks of."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.areas: list[str] = []
        self.regions: dict[str, dict[str, int]] = {}
        self.files: dict[str, int] = {}
        self.serial = 0

    @initialize(swap=st.sampled_from(SWAPS))
    def boot(self, swap: str) -> None:
        self.growing = Growing(GROUND.format(swap=swap))
        self.run = self.growing.run
        self.lines = self.growing.lines
        self.areas = sorted(area.name for area in self.run.scenario.swaps)
        self.files = dict(FILES)
        self.step("sleep 0.1")

    def step(self, line: str) -> str:
        """Carry out one more line of a growing scenario; return its outcome."""
        outcome = self.growing.do(line)
        by_name = self.run.processes.by_name
        self.regions = {name: kept for name, kept in self.regions.items() if by_name[name].alive}
        return outcome

    def remember(self, name: str, regions: dict[str, int]) -> None:
        """Note a process that was started, unless it is dead already."""
        process = self.run.processes.by_name.get(name)
        if process is not None and process.alive:
            self.regions[name] = regions

    def teardown(self) -> None:
        """Whatever happened can be told, one paragraph for the machine, one for the end."""
        if hasattr(self, "run"):
            assert len(story.tell(self.run)) >= 2

    def name(self, kind: str) -> str:
        self.serial += 1
        return f"{kind}{self.serial}"

    @precondition(lambda self: len(self.regions) < MOST_PROCESSES)
    @rule(adj=st.integers(-1000, 1000))
    def start(self, adj: int) -> None:
        name = self.name("p")
        assert self.step(f"proc {name} adj={adj}") in FINE
        self.remember(name, {})

    @precondition(lambda self: self.regions)
    @rule(data=st.data(), pages=st.integers(1, 1500))
    def map(self, data: st.DataObject, pages: int) -> None:
        process = data.draw(st.sampled_from(sorted(self.regions)))
        if len(self.regions[process]) >= MOST_REGIONS:
            return
        region = self.name("r")
        assert self.step(f"{process} mmap {region} {pages}P") in FINE
        if process in self.regions:
            self.regions[process][region] = pages

    @precondition(lambda self: any(self.regions.values()))
    @rule(
        data=st.data(), write=st.booleans(), content=st.sampled_from(CONTENTS), pattern=st.sampled_from(PATTERNS),
        seed=st.integers(0, 2**64 - 1),
    )  # fmt: skip
    def touch(self, data: st.DataObject, write: bool, content: str, pattern: str, seed: int) -> None:
        process = data.draw(st.sampled_from(sorted(p for p, regions in self.regions.items() if regions)))
        region = data.draw(st.sampled_from(sorted(self.regions[process])))
        pages = self.regions[process][region]
        first = data.draw(st.integers(0, pages - 1))
        count = data.draw(st.integers(1, pages - first))
        how = f"w {pattern.format(seed=seed)} content={content}" if write else f"r {pattern.format(seed=seed)}"
        assert self.step(f"{process} touch {region} {first}P {count}P {how}") in FINE

    @precondition(lambda self: any(self.regions.values()))
    @rule(data=st.data(), verb=st.sampled_from(["mlock", "munlock", *(f"madvise {advice}" for advice in ADVICE)]))
    def advise(self, data: st.DataObject, verb: str) -> None:
        process = data.draw(st.sampled_from(sorted(p for p, regions in self.regions.items() if regions)))
        region = data.draw(st.sampled_from(sorted(self.regions[process])))
        pages = self.regions[process][region]
        first = data.draw(st.integers(0, pages - 1))
        op, _, advice = verb.partition(" ")
        outcome = self.step(f"{process} {op} {region} {first}P {data.draw(st.integers(1, pages - first))}P {advice}")
        assert outcome in FINE or (op != "munlock" and outcome == "error")

    @precondition(lambda self: any(self.regions.values()))
    @rule(data=st.data())
    def unmap(self, data: st.DataObject) -> None:
        process = data.draw(st.sampled_from(sorted(p for p, regions in self.regions.items() if regions)))
        region = data.draw(st.sampled_from(sorted(self.regions[process])))
        assert self.step(f"{process} munmap {region}") in FINE
        self.regions.get(process, {}).pop(region, None)

    @precondition(lambda self: 0 < len(self.regions) < MOST_PROCESSES)
    @rule(data=st.data())
    def fork(self, data: st.DataObject) -> None:
        parent = data.draw(st.sampled_from(sorted(self.regions)))
        child = self.name("c")
        if self.step(f"{parent} fork {child}") == "ok":
            self.remember(child, dict(self.regions.get(parent, {})))

    @precondition(lambda self: self.regions)
    @rule(
        data=st.data(), write=st.booleans(), chunk=st.sampled_from(["4K", "64K", "256K", "1M"]),
        pattern=st.sampled_from(IO_PATTERNS), seed=st.integers(0, 2**64 - 1),
    )  # fmt: skip
    def io(self, data: st.DataObject, write: bool, chunk: str, pattern: str, seed: int) -> None:
        process = data.draw(st.sampled_from(sorted(self.regions)))
        name = data.draw(st.sampled_from([*sorted(self.files), "made"] if write else sorted(self.files)))
        pages = {"4K": 1, "64K": 16, "256K": 64, "1M": 256}[chunk]
        chunks = data.draw(st.integers(1, max(self.files.get(name, 2048) // pages, 1)))
        first = data.draw(st.integers(0, max(self.files.get(name, 2048) // pages - chunks, 0)))
        op = "fwrite" if write else "fread"
        how = pattern.format(seed=seed)
        line = f"{process} {op} {name} {first * pages}P {chunks * pages}P {chunk} {how}"
        assert self.step(line) in FINE
        if self.lines and write and how == "seq":
            self.files[name] = max(self.files.get(name, 0), (first + chunks) * pages)

    @precondition(lambda self: self.regions)
    @rule(data=st.data(), shared=st.booleans())
    def map_file(self, data: st.DataObject, shared: bool) -> None:
        process = data.draw(st.sampled_from(sorted(self.regions)))
        name = data.draw(st.sampled_from(sorted(FILES)))
        if len(self.regions[process]) >= MOST_REGIONS:
            return
        region = self.name("r")
        outcome = self.step(f"{process} fmap {region} {name} {'shared' if shared else 'private'}")
        if process in self.regions and outcome == "ok":
            self.regions[process][region] = FILES[name]

    @precondition(lambda self: self.regions)
    @rule(data=st.data())
    def fsync(self, data: st.DataObject) -> None:
        process = data.draw(st.sampled_from(sorted(self.regions)))
        assert self.step(f"{process} fsync {data.draw(st.sampled_from(sorted(self.files)))}") in FINE

    @rule(line=st.sampled_from(["sync", "drop_caches 1", "drop_caches 2", "drop_caches 3"]))
    def flush(self, line: str) -> None:
        self.step(line)

    @rule(
        line=st.sampled_from(
            [
                "vm.swappiness=0", "vm.swappiness=200", "vm.dirty_ratio=2", "vm.dirty_ratio=60",
                "vm.dirty_background_ratio=1", "vm.dirty_expire_centisecs=100", "vm.min_free_kbytes=4000",
                "vm.watermark_scale_factor=100", "vm.page-cluster=0", "vm.page-cluster=3",
                "vm.oom_kill_allocating_task=1", "vm.oom_kill_allocating_task=0",
            ]
        )
    )  # fmt: skip
    def tune(self, line: str) -> None:
        assert self.step(f"sysctl {line}") in FINE

    @precondition(lambda self: self.regions)
    @rule(data=st.data(), how=st.sampled_from(["exit", "kill"]))
    def end(self, data: st.DataObject, how: str) -> None:
        process = data.draw(st.sampled_from(sorted(self.regions)))
        assert self.step(f"{process} {how}") in FINE
        self.regions.pop(process, None)

    @rule(seconds=st.sampled_from(["0.5", "3", "11"]))
    def sleep(self, seconds: str) -> None:
        self.step(f"sleep {seconds}")

    @precondition(lambda self: self.areas)
    @rule(data=st.data(), prio=st.sampled_from(["", " prio=-2", " prio=0", " prio=7", " prio=100"]))
    def switch_on(self, data: st.DataObject, prio: str) -> None:
        """EBUSY where it is on already."""
        assert self.step(f"swapon {data.draw(st.sampled_from(self.areas))}{prio}") in {"ok", "error", "skipped"}

    @precondition(lambda self: self.areas)
    @rule(data=st.data())
    def switch_off(self, data: st.DataObject) -> None:
        """What comes back is checked by the next invariants; without room for it somebody may be killed."""
        area = data.draw(st.sampled_from(self.areas))
        if self.step(f"swapoff {area}") == "ok":
            filename = self.run.scenario.swap_devices[area]
            number = next(a.number for a in self.run.machine.areas if a.filename == filename)
            info = swapon.area_info(self.run.machine.state, number)
            assert (info.used, info.inuse) == (False, 0)

    @rule(mode=st.sampled_from([0, 1, 2]))
    def overcommit(self, mode: int) -> None:
        """Mode 2 may refuse what comes next: only forks are allowed to fail, so leave it at once."""
        self.step(f"sysctl vm.overcommit_memory={mode}")
        if mode == 2:
            for parent in sorted(self.regions)[:1]:
                if len(self.regions) < MOST_PROCESSES:
                    child = self.name("c")
                    if self.step(f"{parent} fork {child}") == "ok":
                        self.remember(child, dict(self.regions.get(parent, {})))
            self.step("sysctl vm.overcommit_memory=0")

    @precondition(lambda self: self.lines)
    @rule()
    def copy(self) -> None:
        """A copy is in the same state, byte for byte, and passes the same checks."""
        state = self.run.machine.state
        twin = state.copy()
        assert twin.fingerprint() == state.fingerprint()
        invariants.validate(twin)

    @precondition(lambda self: self.lines)
    @rule()
    def read(self) -> None:
        """What a file's text says is what the record holds that the twin built."""
        twin = Twin(self.run.machine, self.run.processes.by_name)
        assert load(twin, meminfo) == twin.meminfo()
        assert load(twin, vmstat) == twin.vmstat()
        assert load(twin, zoneinfo) == twin.zoneinfo()
        assert load(twin, buddyinfo) == twin.buddyinfo()
        assert load(twin, slabinfo) == twin.slabinfo()
        for name, process in self.run.processes.by_name.items():
            if process.alive:
                assert load(twin, smaps_rollup, f"workers/{name}/smaps_rollup") == twin.smaps_rollup(process)
                assert load(twin, statm, f"workers/{name}/statm") == twin.statm(process)

    @invariant()
    def every_invariant_holds(self) -> None:
        if hasattr(self, "run"):
            invariants.validate(self.run.machine.state, tuple(self.lines[-8:]))


Machine.TestCase.settings = settings(
    max_examples=int(os.environ.get("RANDOM_MACHINES", "40")), stateful_step_count=40, deadline=None, print_blob=True
)
TestMachine = Machine.TestCase
