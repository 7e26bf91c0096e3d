"""A parsed scenario as the guest reads it: run.cfg sets the machine up, ops.txt has one operation a line."""

from __future__ import annotations

from typing import Final

from memtwin import scenario as sc
from memtwin.errors import InputError

ZRAM_MODULES: Final = {"lzo-rle": "lzo_rle"}
"""Modules of compressors that are not named as the compressor is."""
ZSWAP: Final = "/sys/module/zswap/parameters"
QUEUE: Final = "/sys/block/vda/queue"


VERBS: Final[dict[type[sc.WorkerOp], str]] = {sc.VmRead: "vm_read"}
"""Operations that are not called as their type is, in small letters."""
ON_HEAP: Final = (sc.Malloc, sc.Realloc, sc.Free, sc.MallocTrim, sc.Mallopt, sc.ThreadStart)
"""What only the heap program does; of all else it can only end."""


def program(scenario: sc.Scenario, name: str) -> str:
    """Return which program of the guest process *name* runs: the heap program where it uses malloc or has threads."""
    on_heap = {op.proc for op in scenario.ops if isinstance(op, ON_HEAP)}
    return "heap" if name in on_heap else "worker"


def _refuse_mixed(scenario: sc.Scenario, op: sc.WorkerOp) -> None:
    """Raise an InputError for what the heap program does not do."""
    if not isinstance(op, (*ON_HEAP, sc.Exit, sc.Kill)) and program(scenario, op.proc) == "heap":
        raise InputError(
            f"{scenario.path}:{op.lineno}: {op.text}: in the guest a process that uses malloc does nothing else"
        )


def programs(scenario: sc.Scenario) -> list[str]:
    """Return the programs that the guest needs beside the coordinator; the worker is always there."""
    return sorted({"worker", *(program(scenario, op.name) for op in scenario.ops if isinstance(op, sc.Proc))})


def configuration(scenario: sc.Scenario, modules: list[str], *, faults: bool = False) -> str:
    """Return run.cfg: modules, the data disk, kernel switches, swap areas in the header's order, settings.

    *faults*: have each page fault recorded.
    """
    machine, devices = scenario.machine, scenario.swap_devices
    lines = [*(f"module /m/{name}.ko" for name in modules), *_queue_of(scenario), "data /dev/vda"]
    if faults:
        lines.append("faults")
    mounts: dict[str, object] = {sc.TMPFS: "50%"} if _names_tmpfs(scenario) else {}
    lines += [f"tmpfs {name} size={size}" for name, size in {**mounts, **scenario.tmpfs}.items()]
    if machine.lru_gen:
        lines.append(f"put /sys/kernel/mm/lru_gen/enabled {'7' if machine.lru_gen == 'on' else '0'}")
    if machine.thp != "never":  # the kernel ignores its command line below 512 MiB of usable RAM
        lines.append(f"put /sys/kernel/mm/transparent_hugepage/enabled {machine.thp}")
    if scenario.zswap:
        lines += ["zswap", *(f"put {ZSWAP}/{name} {value}" for name, value in _zswap(scenario).items())]
    for swap in scenario.swaps:
        if isinstance(swap, sc.SwapDisk):
            rot = "-" if swap.rot is None else swap.rot
            lines.append(f"swap {devices[swap.name]} {swap.prio} {rot} {int(swap.on)}")
        else:
            lines.append(f"zram {swap.size_bytes} {swap.algo} {swap.prio}")
    lines += [f"sysctl {setting.name} {setting.value.replace(' ', ',')}" for setting in scenario.sysctls]
    return "\n".join(lines) + "\n"


def throttled(scenario: sc.Scenario) -> str:
    """Return what QEMU's ``-drive`` says of the data disk's bandwidth: reads and writes share it."""
    disk = scenario.disk
    bytes_per_s = disk.read_bytes_per_s or disk.write_bytes_per_s if disk else 0
    return f",throttling.bps-total={bytes_per_s}" if bytes_per_s else ""


def _queue_of(scenario: sc.Scenario) -> list[str]:
    """The data disk's queue; an InputError for what neither QEMU nor the guest's kernel can give it."""
    disk = scenario.disk
    if disk is None:
        return []
    refused = {
        "read= and write= that differ": 0 < disk.read_bytes_per_s != disk.write_bytes_per_s > 0,
        "latency=": disk.latency_ns is not None,
        "depth=": disk.queue_depth,
        "fs=xfs": disk.file_system != "ext4",
        "free=": disk.free_bytes,
    }
    for word, given in refused.items():
        if given:
            known = "the lab can give its disk, an ext4, one bandwidth, nr_requests= and readahead="
            raise InputError(f"{scenario.path}:{disk.lineno}: disk data {word}: {known}")
    lines = [f"put {QUEUE}/nr_requests {disk.nr_requests}"] if disk.nr_requests else []
    if disk.readahead_bytes is not None:
        lines.append(f"put {QUEUE}/read_ahead_kb {disk.readahead_bytes >> 10}")
    return lines


def _names_tmpfs(scenario: sc.Scenario) -> bool:
    """Whether a scenario has a file on the tmpfs that every machine has."""
    return any(getattr(op, "file", "").startswith(f"{sc.TMPFS}/") for op in scenario.ops)


def _zswap(scenario: sc.Scenario) -> dict[str, object]:
    """Zswap's parameters in the order in which they are written: it is switched on last.

    Since 6.12 zeroes are swap's own business, and no parameter says whether pages of one word are.
    """
    zswap = scenario.zswap
    assert zswap
    parameters: dict[str, object] = {
        "compressor": zswap.compressor,
        "zpool": zswap.zpool,
        "max_pool_percent": zswap.max_pool_percent,
        "accept_threshold_percent": zswap.accept_threshold,
    }
    if not scenario.machine.kernel.startswith("6.12"):
        parameters["same_filled_pages_enabled"] = "Y" if zswap.same_filled else "N"
    return parameters | {"enabled": "Y"}


def needs_blocks(scenario: sc.Scenario) -> bool:
    """Whether the guest needs the module that allocates blocks for the kernel."""
    return any(isinstance(op, sc.Kalloc) for op in scenario.ops)


def operations(scenario: sc.Scenario) -> str:
    """Return ops.txt: number, verb and words of every operation."""
    return "".join(f"{op.index} {' '.join(str(word) for word in _words(scenario, op))}\n" for op in scenario.ops)


MAX_WAITED: Final = 16
"""Processes that one ``wait`` names; the guest cuts a line into 24 words."""


def _time_words(scenario: sc.Scenario, op: sc.Sleep | sc.Until | sc.Wait) -> tuple[object, ...]:
    """The words of an operation that lets time pass; a wait without names is for all."""
    match op:
        case sc.Sleep():
            return ("sleep", f"{op.sleep_ns / 1_000_000_000:.9f}")
        case sc.Until():
            return ("at" if op.is_strict else "until", f"{op.run_ns / 1_000_000_000:.9f}")
    if len(op.names) > MAX_WAITED:
        raise InputError(f"{scenario.path}:{op.lineno}: {op.text}: the guest waits for at most {MAX_WAITED} names")
    return ("wait", *op.names)


def _refuse_into(scenario: sc.Scenario, op: sc.WorkerOp) -> None:
    """Raise an InputError for a read or write into a region."""
    if getattr(op, "into", None):
        raise InputError(f"{scenario.path}:{op.lineno}: {op.text}: the guest reads and writes through its buffer only")


def _words(scenario: sc.Scenario, op: sc.Op) -> tuple[object, ...]:
    """The words of an operation after its number."""
    if isinstance(op, sc.WorkerOp):
        _refuse_mixed(scenario, op)
        _refuse_into(scenario, op)
        verb = "&" * op.beside + VERBS.get(type(op), type(op).__name__.lower())
        return (verb, op.proc, *_worker_words(op), *_pace(op))
    match op:
        case sc.Attach():
            raise InputError(f"{scenario.path}:{op.lineno}: {op.text}: a guest of the lab boots without processes")
        case sc.Proc():
            return ("proc", op.name, op.adj, f"/{program(scenario, op.name)}", *([op.uid] if op.uid else []))
        case sc.Sleep() | sc.Until() | sc.Wait():
            return _time_words(scenario, op)
        case sc.DropCaches():
            return ("drop_caches", op.value)
        case sc.SetSysctl():
            return _setting_words(scenario, op)
        case sc.Checkpoint():
            return ("checkpoint", op.label)
        case sc.SwapOn() | sc.SwapOff():
            return _area_words(scenario, op)
        case sc.Kalloc() | sc.Kfree():
            return _block_words(op)
        case _:
            return (type(op).__name__.lower(),)  # sync, compact


def _setting_words(scenario: sc.Scenario, op: sc.SetSysctl) -> tuple[object, ...]:
    """A write below /proc/sys: the guest writes nothing else."""
    if op.name.startswith("lru_gen."):
        raise InputError(f"{scenario.path}:{op.lineno}: {op.text}: the lab writes settings below /proc/sys only")
    return ("sysctl", op.name, op.value.replace(" ", ","))


def _area_words(scenario: sc.Scenario, op: sc.SwapOn | sc.SwapOff) -> tuple[object, ...]:
    """The words of a swap area's switch."""
    device = scenario.swap_devices[op.area]
    if isinstance(op, sc.SwapOff):
        return ("swapoff", device)
    header = next(swap for swap in scenario.swaps if swap.name == op.area)
    return ("swapon", device, header.prio if op.prio is None else op.prio)


def _block_words(op: sc.Kalloc | sc.Kfree) -> tuple[object, ...]:
    """The words of the kernel's blocks, as the coordinator hands them to the module."""
    return (
        ("kalloc", op.name, op.order, op.count, op.kind) if isinstance(op, sc.Kalloc) else ("kfree", op.name, op.every)
    )


def _worker_words(op: sc.WorkerOp) -> tuple[object, ...]:
    """The words of a process's operation after its name; sizes in bytes."""
    match op:
        case sc.Mmap():
            return (op.region, op.size_bytes)
        case sc.Fmap():
            return (op.region, op.file, "shared" if op.shared else "private", op.rights)
        case sc.Touch():
            access = "w" if op.write else "r"
            return (op.region, *_bytes(op.offset_pages, op.npages), access, op.content, *_pattern(op.pattern))
        case sc.Fread() | sc.Fwrite():
            kind, n, _, _, seed = _pattern(op.pattern)
            return (op.file, op.offset_bytes, op.length_bytes, op.chunk_bytes, kind, n, seed)
        case sc.Madvise():
            return (op.region, *_bytes(op.offset_pages, op.npages), op.advice)
        case sc.Mlock() | sc.Munlock():
            return (op.region, *_bytes(op.offset_pages, op.npages))
        case sc.Munmap():
            return (op.region,)
        case sc.Fsync() | sc.Truncate() | sc.Close():
            return (op.file,)
        case sc.Fork():
            return (op.child,)
        case _:
            return _rights_words(op)


def _rights_words(op: sc.WorkerOp) -> tuple[object, ...]:
    """The words of operations on rights, limits and shared memory."""
    match op:
        case sc.Mprotect():
            return (op.region, *_bytes(op.offset_pages, op.npages), op.rights)
        case sc.Shm():
            return (op.region, "-" if op.size_bytes is None else op.size_bytes, op.key or "-")
        case sc.Unlink():
            return (op.name,)
        case sc.Limit():
            return (op.what, "-" if op.size_bytes is None else op.size_bytes)
        case sc.Stack():
            return (op.size_bytes,)
        case sc.Mremap() | sc.Brk() | sc.VmRead():
            return _space_words(op)
        case sc.ClearRefs():
            raise InputError(f"line {op.lineno}: {op.text}: the guest's programs do not write clear_refs")
        case _:
            return _heap_words(op)


def _space_words(op: sc.Mremap | sc.Brk | sc.VmRead) -> tuple[object, ...]:
    """The words of operations on address spaces."""
    match op:
        case sc.Mremap():
            return (op.region, op.size_bytes, int(op.may_move))
        case sc.Brk():
            return (op.region, op.size_bytes)
    return (op.other, op.region, *_bytes(op.offset_pages, op.npages))


def _heap_words(op: sc.WorkerOp) -> tuple[object, ...]:
    """The words of operations on the C library's heap."""
    match op:
        case sc.Malloc():
            return (op.tag, op.size_bytes, op.count, "u" if op.untouched else "w", op.thread or "-")
        case sc.Realloc():
            return (op.tag, op.size_bytes, op.every, "u" if op.untouched else "w", op.thread or "-")
        case sc.Free():
            return (op.tag, op.every, op.thread or "-")
        case sc.Mallopt():
            return (op.parameter, op.value)
        case sc.ThreadStart():
            return (op.thread,)
        case _:
            return ()  # malloc_trim, exit, kill


def _pace(op: sc.WorkerOp) -> tuple[int, ...]:
    """Bytes a second and nanoseconds of thought, where an operation has a pace."""
    pace = getattr(op, "pace", sc.UNPACED)
    return () if pace == sc.UNPACED else (pace.bytes_per_s, pace.think_ns)


def _bytes(*pages: int) -> tuple[int, ...]:
    return tuple(count * 4096 for count in pages)


def _pattern(pattern: sc.Pattern) -> tuple[str, int, int, int, int]:
    """A pattern as kind, N, two numbers of its own, SEED."""
    match pattern:
        case sc.Rand():
            return ("rand", pattern.n, 0, 0, pattern.seed)
        case sc.Hot():
            return ("hot", pattern.n, pattern.hot_percent, pattern.prob_percent, pattern.seed)
        case sc.Pow():
            return ("pow", pattern.n, pattern.exponent, 0, pattern.seed)
        case sc.Listed():
            raise InputError("touch … set:DIGITS: the twin alone has it")
        case _:
            return ("seq", 0, 0, 0, 0)
