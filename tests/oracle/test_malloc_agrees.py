"""Is the model's malloc the C library's? The same operations by both, at once: RSS, heap and mallinfo2's figures."""

from __future__ import annotations

import platform
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from memtwin.linux.fs.proc import task_mmu
from memtwin.run import run
from memtwin.run.malloc import Malloc
from memtwin.scenario import parse

HERE = Path(__file__).parent
GLIBC = ("2.36",)
"""Versions whose rules these are; Debian 12's."""
MALLOPT = {"trim_threshold": -1, "top_pad": -2, "mmap_threshold": -3, "arena_max": -8}
FILE_BYTES = 472
"""The block that the real program's own fopen takes for each report."""
STACK_RSS = 3 * 4096

Line = tuple[Any, ...]


class Figures(NamedTuple):
    """Bytes: the heap's address space and RSS, the same of other anonymous memory, and of the system and free."""

    heap: int
    heap_rss: int
    anon: int
    anon_rss: int
    arena: int
    free: int


def real(lines: list[Line], program: Path) -> list[Figures]:
    """What the C library did."""
    text = "".join(" ".join(map(str, (MALLOPT.get(word, word) for word in line))) + "\n" for line in lines)
    said = subprocess.run([program], input=text, capture_output=True, text=True, check=True).stdout
    return [Figures(*map(int, line.split())) for line in said.splitlines()]


class Pages:
    """A kernel that only counts pages."""

    def __init__(self) -> None:
        self.begin = self.end = 1 << 24
        self.pages: set[int] = set()
        self.mapped = 0
        self.next = 1 << 40

    def sbrk(self, delta: int) -> int:
        old, self.end = self.end, self.end + delta
        self.pages -= set(range(self.end >> 12, old >> 12))
        return old

    def mmap(self, size: int) -> int:
        self.next += 1 << 36
        self.mapped += size
        return self.next

    def munmap(self, address: int, size: int) -> None:
        self.mapped -= size
        self.dontneed(address, size)

    def mremap(self, address: int, size: int, wanted: int) -> int:
        self.mapped += wanted - size
        self.dontneed(address + wanted, max(size - wanted, 0))
        return address

    def heap(self) -> int:
        self.next += 1 << 36
        return self.next

    def allow(self, address: int, size: int) -> None:
        del address
        self.mapped += size

    def dontneed(self, address: int, size: int) -> None:
        self.pages -= set(range(address >> 12, (address + size) >> 12))

    def read(self, address: int, size: int) -> None:
        pass

    def write(self, address: int, size: int) -> None:
        self.pages.update(range(address >> 12, ((address + size - 1) >> 12) + 1))

    def copy(self, source: int, target: int, size: int) -> None:
        del source
        self.write(target, size)


def modelled(lines: list[Line]) -> list[Figures]:
    """What the model's malloc does on pages that are only counted."""
    system, found = Pages(), []
    malloc = Malloc(system, 2)
    blocks: dict[str, list[int]] = {}
    for who, verb, *words in lines:
        thread = "" if who == "-" else who
        if verb == "report":
            kept = malloc.malloc(FILE_BYTES)
            system.write(kept, FILE_BYTES)
            in_heap = sum(system.begin >> 12 <= page < system.end >> 12 for page in system.pages)
            others = len(system.pages) - in_heap
            found.append(
                Figures(
                    system.end - system.begin,
                    in_heap << 12,
                    system.mapped,
                    others << 12,
                    malloc.main.system_bytes,
                    malloc.main.free_bytes,
                )
            )
            malloc.free(kept)
        elif verb == "thread":
            malloc.start_thread(words[0])
        elif verb == "trim":
            malloc.trim()
        elif verb == "mallopt":
            malloc.set(words[0], words[1])
        else:
            of_blocks(malloc, system, blocks.setdefault(words[0], []), thread, verb, *words[1:])
    return found


def of_blocks(malloc: Malloc, system: Pages, those: list[int], thread: str, verb: str, *words: int) -> None:
    """Carry out malloc, realloc or free of *those* blocks."""
    if verb == "malloc":
        size, count, touched = words
        for _ in range(count):
            those.append(malloc.malloc(size, thread))
            if touched:
                system.write(those[-1] + 16, size)
    elif verb == "realloc":
        size, every, touched = words
        for number in range(0, len(those), every):
            old = malloc.usable(those[number])
            those[number] = malloc.realloc(those[number], size, thread)
            if touched and size > old:
                system.write(those[number] + 16 + old, size - old)
    else:
        for chunk in those[:: words[0]]:
            malloc.free(chunk, thread)
        those[:] = [chunk for i, chunk in enumerate(those) if i % words[0]]


R: Line = ("-", "report")
CASES: dict[str, list[Line]] = {
    "small blocks, half and then all freed": [
        R, ("-", "malloc", "a", 100, 50_000, 1), R, ("-", "free", "a", 2), R, ("-", "free", "a", 1), R,
    ],
    "a heap full of holes, filled with smaller blocks, trimmed": [
        R, ("-", "malloc", "a", 2000, 20_000, 1), R, ("-", "free", "a", 2), R, ("-", "malloc", "b", 900, 20_000, 1), R,
        ("-", "trim"), R,
    ],
    "the mmap threshold moves with the first free": [
        R, ("-", "malloc", "a", 1 << 20, 8, 1), R, ("-", "free", "a", 1), R, ("-", "malloc", "b", 1 << 20, 8, 1), R,
        ("-", "malloc", "pin", 100, 1, 1), ("-", "free", "b", 1), R, ("-", "trim"), R,
    ],
    "untouched blocks": [R, ("-", "malloc", "a", 100_000, 300, 0), R, ("-", "free", "a", 1), R],
    "one block in use above all that is free": [
        R, ("-", "malloc", "a", 5000, 5000, 1), ("-", "malloc", "k", 64, 1, 1), R, ("-", "free", "a", 3), R,
        ("-", "malloc", "c", 4000, 1000, 1), R, ("-", "trim"), R,
    ],
    "blocks that grow by copies, a half at a time": [
        R, ("-", "malloc", "a", 1000, 10_000, 1), R, ("-", "realloc", "a", 1500, 2, 1), R,
        ("-", "realloc", "a", 1500, 1, 1), R, ("-", "realloc", "a", 5000, 3, 1), R, ("-", "free", "a", 1), R,
    ],
    "one block grows at the top, then into a mapping, which grows and shrinks": [
        R, ("-", "malloc", "a", 50_000, 1, 1), R, ("-", "realloc", "a", 120_000, 1, 1), R,
        ("-", "realloc", "a", 400_000, 1, 1), R, ("-", "realloc", "a", 30_000_000, 1, 1), R,
        ("-", "realloc", "a", 2_000_000, 1, 1), R, ("-", "realloc", "a", 90_000, 1, 1), R, ("-", "free", "a", 1), R,
    ],
    "what is too much is freed, and serves others": [
        R, ("-", "malloc", "a", 6000, 4000, 1), R, ("-", "realloc", "a", 900, 2, 1), R,
        ("-", "malloc", "b", 4000, 1500, 1), R, ("-", "realloc", "a", 100, 1, 1), R, ("-", "trim"), R,
        ("-", "free", "b", 1), R,
    ],
    "blocks that were never written are there once they are copied": [
        R, ("-", "malloc", "a", 3000, 3000, 0), R, ("-", "realloc", "a", 9000, 1, 0), R,
    ],
    "a trim threshold of its own": [
        ("-", "mallopt", "trim_threshold", 1 << 26), R, ("-", "malloc", "a", 60_000, 500, 1), R,
        ("-", "free", "a", 1), R,
    ],
}  # fmt: skip


def random_lines(seed: int, *, resized: bool = False) -> list[Line]:
    """Blocks of all sizes, freed in part, in any order, and given other sizes."""
    rng = random.Random(seed)
    lines: list[Line] = [R]
    sizes = (24, 100, 500, 1000, 1500, 4000, 20_000, 70_000, 200_000, 700_000)
    for number in range(40):
        lines.append(("-", "malloc", f"t{number}", rng.choice(sizes), rng.choice((10, 100, 500)), 1))
        if number > 3 and rng.random() < 0.7:
            lines.append(("-", "free", f"t{rng.randrange(number)}", rng.choice((1, 1, 2, 3))))
        if resized and rng.random() < 0.7:
            touched = rng.choice((0, 1, 1))
            lines.append(
                ("-", "realloc", f"t{rng.randrange(number + 1)}", rng.choice(sizes), rng.choice((1, 2, 3)), touched)
            )
        lines.append(R)
    return lines


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real allocator's program, compiled; skipped where there is no compiler or another C library."""
    if shutil.which("gcc") is None or platform.libc_ver() not in {("glibc", version) for version in GLIBC}:
        pytest.skip(f"gcc and glibc {', '.join(GLIBC)} are needed")
    out = tmp_path_factory.mktemp("malloc") / "program"
    subprocess.run(["gcc", "-O2", "-pthread", "-o", out, HERE / "malloc_oracle.c"], check=True)
    return out


def compare(ours: list[Figures], theirs: list[Figures]) -> None:
    """Each figure's growth since the first report within 2 %, or five pages; what is free within 2 % of the heap."""
    for mine, real_ones in zip(ours, theirs, strict=True):
        for name, a, b, a0, b0 in zip(Figures._fields, mine, real_ones, ours[0], theirs[0], strict=True):
            allowed = 0.02 * (real_ones.arena if name == "free" else b - b0)
            assert abs((a - a0) - (b - b0)) <= max(allowed, 5 * 4096), (name, mine, real_ones)


@pytest.mark.parametrize("name", CASES)
def test_the_heap_grows_and_shrinks_as_the_real_one(name: str, program: Path) -> None:
    compare(modelled(CASES[name]), real(CASES[name], program))


@pytest.mark.parametrize("seed", range(6))
def test_random_blocks_leave_the_same_heap(seed: int, program: Path) -> None:
    compare(modelled(random_lines(seed)), real(random_lines(seed), program))


@pytest.mark.parametrize("seed", range(6))
def test_random_blocks_of_which_some_change_their_size_leave_the_same_heap(seed: int, program: Path) -> None:
    lines = random_lines(seed, resized=True)
    compare(modelled(lines), real(lines, program))


def test_a_thread_has_an_arena_of_its_own(program: Path) -> None:
    """What a thread allocates is in no brk heap; its stack's few pages beside."""
    lines: list[Line] = [
        R, ("-", "thread", "T"), ("T", "malloc", "a", 3000, 10_000, 1), R, ("-", "malloc", "m", 3000, 1000, 1), R,
        ("T", "realloc", "a", 4000, 2, 1), R, ("T", "free", "a", 1), R,
    ]  # fmt: skip
    for mine, theirs in zip(modelled(lines), real(lines, program), strict=True):
        assert abs(mine.heap_rss - theirs.heap_rss) <= 2 * 4096
        assert abs(mine.anon_rss + STACK_RSS - theirs.anon_rss) <= max(theirs.anon_rss // 50, 10 * 4096)


def test_the_twins_process_has_the_real_ones_memory(program: Path) -> None:
    """The same operations as a scenario, on the model's kernel: growth of RSS within 2 % of the real process's."""
    steps: list[Line] = [
        ("-", "malloc", "a", 2000, 20_000, 1), ("-", "free", "a", 2), ("-", "malloc", "b", 1 << 20, 20, 1),
        ("-", "free", "b", 1), ("-", "malloc", "c", 3000, 5000, 1), ("-", "realloc", "c", 9000, 2, 1),
        ("-", "malloc", "d", 1 << 22, 4, 1), ("-", "realloc", "d", 1 << 23, 2, 1), ("-", "trim"), ("-", "free", "a", 1),
    ]  # fmt: skip
    said = {
        "malloc": "A malloc {} {} x{}",
        "realloc": "A realloc {} {} every:{}",
        "free": "A free {} every:{}",
        "trim": "A malloc_trim",
    }
    scenario = parse(
        "\n".join(["machine ram=512M", "proc A", "A malloc first 472", *(said[v].format(*w) for _, v, *w in steps)])
    )
    done = run.simulate(parse("machine ram=512M\nproc A\nA malloc first 472"), None)
    found = []
    for op in (None, *scenario.ops[2:]):
        if op:
            done.do(op)
        task = done.processes.by_name["A"].task
        found.append(task_mmu.smaps_rollup(done.machine.state, task)["Anonymous"] << 10)
    lines = [R, *(line for step in steps for line in (step, R))]
    theirs = [figures.heap_rss + figures.anon_rss for figures in real(lines, program)]
    for mine, real_one in zip(found, theirs, strict=True):
        grown = real_one - theirs[0]
        assert abs(mine - found[0] - grown) <= max(grown * 0.02, 10 * 4096)
