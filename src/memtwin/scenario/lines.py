"""What the lines of a scenario say, one frozen dataclass a kind of line; names follow the language."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from memtwin.scenario.pace import UNPACED, Pace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.scenario.disk import DataDisk
    from memtwin.scenario.file_io import Into
    from memtwin.scenario.patterns import Pattern, Rand, Seq

Content = Literal["mark", "zero", "random", "half", "text"]
Advice = Literal["dontneed", "free", "willneed", "hugepage", "nohugepage", "cold", "pageout"]
BlockKind = Literal["movable", "unmovable", "reclaimable", "atomic"]
Thp = Literal["never", "madvise", "always"]
Rights = Literal["none", "r", "rw", "rx", "rwx"]
Limited = Literal["as", "data", "stack", "memlock"]
MalloptName = Literal["arena_max", "mmap_threshold", "top_pad", "trim_threshold"]
OnOff = Literal["on", "off"]

BLOCK_KINDS: Final[tuple[BlockKind, ...]] = ("movable", "unmovable", "reclaimable", "atomic")
CONTENTS: Final[tuple[Content, ...]] = ("mark", "zero", "random", "half", "text")
ADVICES: Final[tuple[Advice, ...]] = ("dontneed", "free", "willneed", "hugepage", "nohugepage", "cold", "pageout")
THPS: Final[tuple[Thp, ...]] = ("never", "madvise", "always")
ON_OFF: Final[tuple[OnOff, ...]] = ("on", "off")
FILE_CONTENTS: Final[tuple[Literal["random", "zero"], ...]] = ("random", "zero")
ACCESSES: Final = ("r", "w")
SHARINGS: Final = ("shared", "private")
ZPOOLS: Final = ("zbud", "z3fold", "zsmalloc")
ZRAM_ALGORITHMS: Final = ("lzo", "lzo-rle", "lz4", "lz4hc", "zstd", "842", "deflate")
LARGEST_AREA: Final = "anon"
"""The region of an attached process that it has from the start: its largest private mapping."""
HEADER_WORDS: Final = ("machine", "swap", "sysctl", "file", "tmpfs", "disk")
RESERVED_LABELS: Final = (
    "boot", "scenario.txt", "run.json", "ops.jsonl", "dmesg.txt", "console.txt", "timeline.csv", "timeline.parquet",
    "swap_areas.csv",
)  # fmt: skip
"""Names that a run or a recording gives to its own files."""
DISK_LETTERS: Final = "bcdefghijklmnopq"
"""Of the swap disks; the disk with the files is the first, ``vda``."""
MAX_FILE_BYTES: Final = (1 << 44) - 4096
"""The longest file of an ext4 with blocks of 4 KiB."""
MIN_SWAP_BYTES: Final = 8192
"""One slot behind the header: ``swapon(2)`` refuses less."""
MAX_SWAP_BYTES: Final = 512 << 30
"""The number of a slot has 27 bits in the model."""
MAX_CHUNK_BYTES: Final = 1 << 20
"""The worker's I/O buffer: no single read or write is longer."""
RIGHTS: Final[tuple[Rights, ...]] = ("none", "r", "rw", "rx", "rwx")
"""What may be done with memory: what mprotect is given."""
MALLOPT: Final[tuple[MalloptName, ...]] = ("arena_max", "mmap_threshold", "top_pad", "trim_threshold")
"""Parameters of malloc: MALLOC_ARENA_MAX, M_MMAP_THRESHOLD, M_TOP_PAD, M_TRIM_THRESHOLD."""
LIMITS: Final[tuple[Limited, ...]] = ("as", "data", "stack", "memlock")
"""A process's own limits: RLIMIT_AS, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_MEMLOCK."""
TMPFS: Final = "tmp"
"""The tmpfs that every machine has, with half of its memory. NAME/FILE lies on a tmpfs, any other file on the disk."""
MEMFD: Final = "memfd:"
"""How a key begins that stands for a memfd; any other is a System V segment's."""


@dataclass(frozen=True, slots=True)
class MachineLine:
    """The guest: RAM as QEMU's ``-m`` (whole MiB), CPUs, kernel version, huge pages, multi-gen LRU.

    *lru_gen* None leaves the kernel its own default; *cmdline* are further words for the kernel; *given* are the
    words that the line holds, so that a default is not taken for a wish.
    """

    ram_bytes: int = 256 << 20
    cpus: int = 1
    kernel: str = "6.1"
    thp: Thp = "never"
    lru_gen: OnOff | None = None
    cmdline: tuple[str, ...] = ()
    given: frozenset[str] = frozenset()
    lineno: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class SwapDisk:
    """A swap partition on a disk of its own.

    A negative *prio* lets the kernel choose; *rot* None leaves ``queue/rotational``; one that is not *on* waits for a
    :class:`SwapOn`. Without ``name=`` the first disk is called ``disk``, the second ``disk2`` and so on.
    """

    size_bytes: int
    prio: int = -2
    rot: int | None = None
    name: str = "disk"
    on: bool = True
    lineno: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class SwapZram:
    """Swap on zram0; *size_bytes* is its disksize, *algo* its compressor."""

    size_bytes: int
    algo: str = "lzo-rle"
    prio: int = 100
    name: Literal["zram"] = "zram"
    on: Literal[True] = True
    lineno: int = field(default=0, compare=False)


Swap = SwapDisk | SwapZram


@dataclass(frozen=True, slots=True)
class Zswap:
    """The compressed store in front of every swap area, on from the start.

    *max_pool_percent* of RAM is its limit, *accept_threshold* the percent of the limit below which it takes pages again
    once it was full; with *same_filled* pages of one word need no memory.
    """

    max_pool_percent: int = 20
    accept_threshold: int = 90
    compressor: str = "lzo"
    zpool: str = "zbud"
    same_filled: bool = True


@dataclass(frozen=True, slots=True)
class Sysctl:
    """A setting written before ``boot`` is recorded; blanks (written ``,``) separate its *value*'s words."""

    name: str
    value: str
    lineno: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class FileDef:
    """A file that lies on the data disk from the start; ``zero`` content is a hole."""

    name: str
    size_bytes: int
    content: Literal["random", "zero"] = "random"
    lineno: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Op:
    """One operation: its number from 0, the line that it stands in (from 1) and the line's words."""

    index: int
    lineno: int
    text: str


@dataclass(frozen=True, slots=True)
class WorkerOp(Op):
    """An operation that the process *proc* does itself; skipped when it is dead.

    One that runs *beside* is begun and not waited for; a process does its own operations one after another.
    """

    proc: str
    beside: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Proc(Op):
    """Start a fresh process with oom_score_adj *adj*, of user *uid*."""

    name: str
    adj: int
    uid: int = 0


@dataclass(frozen=True, slots=True)
class Attach(Op):
    """Let *name* be a process of the machine's snapshot: the one with *pid*, or the only one called *comm*."""

    name: str
    pid: int | None
    comm: str


@dataclass(frozen=True, slots=True)
class Mmap(WorkerOp):
    """Map private anonymous memory, readable and writable; nothing is touched."""

    region: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Fmap(WorkerOp):
    """Map a whole file."""

    region: str
    file: str
    shared: bool
    rights: Rights = "rw"


@dataclass(frozen=True, slots=True)
class Shm(WorkerOp):
    """Map shared memory, readable and writable: anonymous (*key* None), or what *key* stands for.

    With *size_bytes* a key that stands for nothing yet is made; None attaches what another process has made.
    """

    region: str
    size_bytes: int | None
    key: str | None


@dataclass(frozen=True, slots=True)
class Unlink(WorkerOp):
    """Remove the name of a file of the tmpfs or the key of a segment, or close a memfd.

    What it stood for is freed when nothing maps it any more, and nothing has it open.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Touch(WorkerOp):
    """Read or write pages of a region; *pattern*'s page 0 is the region's page *offset_pages*."""

    region: str
    offset_pages: int
    npages: int
    write: bool
    pattern: Pattern
    content: Content
    pace: Pace = UNPACED


@dataclass(frozen=True, slots=True)
class Fread(WorkerOp):
    """Buffered ``pread`` of *chunk_bytes* each; *pattern* counts chunks from *offset_bytes*."""

    file: str
    offset_bytes: int
    length_bytes: int
    chunk_bytes: int
    pattern: Seq | Rand
    pace: Pace = UNPACED
    into: Into | None = None


@dataclass(frozen=True, slots=True)
class Fwrite(WorkerOp):
    """Buffered ``pwrite``, as :class:`Fread`; an absent file is created."""

    file: str
    offset_bytes: int
    length_bytes: int
    chunk_bytes: int
    pattern: Seq | Rand
    pace: Pace = UNPACED
    into: Into | None = None


@dataclass(frozen=True, slots=True)
class Madvise(WorkerOp):
    """``madvise`` on a range of a region."""

    region: str
    offset_pages: int
    npages: int
    advice: Advice


@dataclass(frozen=True, slots=True)
class Mlock(WorkerOp):
    """``mlock`` of a range of a region: faults it in."""

    region: str
    offset_pages: int
    npages: int


@dataclass(frozen=True, slots=True)
class Munlock(WorkerOp):
    """``munlock`` of a range of a region."""

    region: str
    offset_pages: int
    npages: int


@dataclass(frozen=True, slots=True)
class Malloc(WorkerOp):
    """``malloc`` of *count* blocks, each written once unless *untouched*, by *thread* ("": the main one)."""

    tag: str
    size_bytes: int
    count: int
    untouched: bool
    thread: str


@dataclass(frozen=True, slots=True)
class Free(WorkerOp):
    """``free`` of every *every*-th block of a tag that is left, the first among them, by *thread*."""

    tag: str
    every: int
    thread: str


@dataclass(frozen=True, slots=True)
class Realloc(WorkerOp):
    """``realloc`` of every *every*-th block of a tag to *size_bytes*; what is new is written unless *untouched*."""

    tag: str
    size_bytes: int
    every: int
    untouched: bool
    thread: str


@dataclass(frozen=True, slots=True)
class MallocTrim(WorkerOp):
    """``malloc_trim(0)``."""


@dataclass(frozen=True, slots=True)
class Mallopt(WorkerOp):
    """``mallopt`` of a parameter, in bytes or, of ``arena_max``, arenas."""

    parameter: MalloptName
    value: int


@dataclass(frozen=True, slots=True)
class ThreadStart(WorkerOp):
    """Start a thread of the process: it shares the address space, and has an arena of malloc's own."""

    thread: str


@dataclass(frozen=True, slots=True)
class Munmap(WorkerOp):
    """Unmap a whole region."""

    region: str


@dataclass(frozen=True, slots=True)
class Fork(WorkerOp):
    """``fork``: *child* has the same regions and open files."""

    child: str


@dataclass(frozen=True, slots=True)
class ClearRefs(WorkerOp):
    """1 written to ``/proc/PID/clear_refs``: Referenced of its smaps is from now on what it touches after this."""


@dataclass(frozen=True, slots=True)
class Exit(WorkerOp):
    """``_exit(0)``, waited for."""


@dataclass(frozen=True, slots=True)
class Kill(WorkerOp):
    """SIGKILL, waited for."""


@dataclass(frozen=True, slots=True)
class Sleep(Op):
    """No process runs; kswapd, writeback and timers go on."""

    sleep_ns: int


@dataclass(frozen=True, slots=True)
class Until(Op):
    """As :class:`Sleep`, until the run is *run_ns* old; nothing if it is already, an error if that *is_strict*."""

    run_ns: int
    is_strict: bool = False


@dataclass(frozen=True, slots=True)
class Sync(Op):
    """``sync(2)``."""


@dataclass(frozen=True, slots=True)
class DropCaches(Op):
    """Write *value* to ``vm.drop_caches``: 1 page cache, 2 slab, 3 both (4: no longer log it)."""

    value: int


@dataclass(frozen=True, slots=True)
class Compact(Op):
    """Write 1 to ``vm.compact_memory``."""


@dataclass(frozen=True, slots=True)
class Kalloc(Op):
    """The kernel allocates *count* blocks of 2^*order* pages; the first that is refused ends it (ENOMEM).

    *kind*, the pageblock that they belong in: movable (GFP_HIGHUSER_MOVABLE), unmovable (GFP_KERNEL), reclaimable
    (with GFP_RECLAIMABLE) or atomic (GFP_ATOMIC: it cannot wait). None of them can be moved or reclaimed.
    """

    name: str
    order: int
    count: int
    kind: BlockKind


@dataclass(frozen=True, slots=True)
class Kfree(Op):
    """The kernel frees every *every*-th block of a name that it still holds, the first among them; 1: all."""

    name: str
    every: int


@dataclass(frozen=True, slots=True)
class SwapOn(Op):
    """``swapon(2)`` of an area of the header; *prio* None is the header's. The kernel may refuse it."""

    area: str
    prio: int | None


@dataclass(frozen=True, slots=True)
class SwapOff(Op):
    """``swapoff(2)``: all that lies in the area comes back into memory. The kernel may refuse it."""

    area: str


@dataclass(frozen=True, slots=True)
class SetSysctl(Op):
    """Write a setting, now."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Checkpoint(Op):
    """Record everything under *label*."""

    label: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A parsed scenario; *swaps* in the order in which they are turned on, *disk* if a line says something of it."""

    path: str
    machine: MachineLine
    swaps: tuple[Swap, ...]
    zswap: Zswap | None
    sysctls: tuple[Sysctl, ...]
    files: tuple[FileDef, ...]
    tmpfs: Mapping[str, int]  # sizes in bytes by name; tmp need not be there: it has half of memory then
    disk: DataDisk | None
    ops: tuple[Op, ...]
    text: str

    @property
    def swap_devices(self) -> dict[str, str]:
        """What the machine calls each swap area, by name: ``/dev/zram0``, and ``/dev/vdb`` and on for the disks."""
        letters = iter(DISK_LETTERS)
        zram = "/dev/zram0"
        return {swap.name: zram if isinstance(swap, SwapZram) else f"/dev/vd{next(letters)}" for swap in self.swaps}

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """The labels of the checkpoints in order, without ``boot``."""
        return tuple(op.label for op in self.ops if isinstance(op, Checkpoint))
