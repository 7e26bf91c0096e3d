"""``ps --explain``: why VIRT, RES and SHR do not add up, with this machine's figures; one process by its mappings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import COLUMN, column
from memtwin.render.grid import NUMBER, Column, Form, Grid, Sentence, View, figures
from memtwin.units import bytes_of
from memtwin.views import ps_huge_pages

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from memtwin.procfs.meminfo import Meminfo
    from memtwin.procfs.pid.smaps import Block, Smaps
    from memtwin.views.ps import ProcessRecords

_SHARED_PATHS: Final = ("/dev/shm/", "/memfd:", "/SYSV", "/dev/zero", "/drm mm object", "/i915")  # noqa: S108 - names
_ROWS: Final = ("Size", "Rss", "Pss", "Swap")


class Kind(NamedTuple):
    """What mappings of one kind hold, in KiB: address space, in RAM, divided, shared with others, in swap."""

    name: str
    mappings: int
    virt: int
    res: int
    pss: int
    shared: int
    swap: int


def view_machine(processes: Sequence[ProcessRecords], meminfo: Meminfo) -> View:
    """Return the sums over all processes, and the rows of meminfo to compare them with."""
    with_memory = [one for one in processes if not one.is_kernel_thread]
    virt, res = (_summed_row(with_memory, label) for label in ("VmSize", "VmRSS"))
    known = [pss for one in with_memory if (pss := one.rolled("Pss")) is not None]
    pss = sum(known) if known else None
    data = figures(
        processes_count=len(with_memory), **{
            f"{name}_bytes": bytes_of(kib)
            for name, kib in (("virt", virt), ("res", res), ("pss", pss))
        }, pss_unknown_count=len(with_memory) - len(known),
    )  # fmt: skip
    said = (
        *_of_sums(len(with_memory), virt, res, meminfo),
        *_of_pss(pss, len(with_memory) - len(known), meminfo),
        _SHR,
    )
    return View("ps-explained", (data,), said, version=2)


def _summed_row(processes: Sequence[ProcessRecords], label: str) -> int | None:
    """Return the sum of a row of status, None where one process lacks it."""
    found = [one.kib(label) for one in processes]
    return None if None in found else sum(kib or 0 for kib in found)


def _of_sums(count: int, virt_kib: int | None, res_kib: int | None, meminfo: Meminfo) -> Iterator[Sentence]:
    total = meminfo.get("MemTotal")
    of_ram = f", on a machine with {_size(total)} of RAM" if total else ""
    if virt_kib is not None:
        yield Sentence(
            f"VIRT: {count} processes have asked for {_size(virt_kib)} of address space{of_ram}. Most of it has never "
            "been touched, and takes no memory: libraries' mappings, reserved heaps, stacks of threads, files.",
            ("proc/PID/status: VmSize",) if count else (),
        )
    if res_kib is not None:
        yield Sentence(
            f"RES: {_size(res_kib)} if added up, but a page that five processes map is counted in five of them. A "
            "library such as libc is in RAM once.",
            ("proc/PID/status: VmRSS",) if count else (),
        )


def _of_pss(pss_kib: int | None, unread: int, meminfo: Meminfo) -> Iterator[Sentence]:
    if pss_kib is None:
        return
    if unread:
        yield Sentence(
            f"PSS: {_size(pss_kib)}, and {unread} more could not be read. It is the only column that adds up.",
            ("proc/PID/smaps_rollup: Pss",),
        )
        return
    rows: tuple[str, ...] = ("proc/PID/smaps_rollup: Pss",)
    beside = ""
    if {"AnonPages", "Mapped"} <= meminfo.keys():
        mapped = meminfo["AnonPages"] + meminfo["Mapped"]
        beside = f": AnonPages + Mapped of meminfo are {_size(mapped)}"
        rows = (*rows, "proc/meminfo: AnonPages", "proc/meminfo: Mapped")
    yield Sentence(
        f"PSS: {_size(pss_kib)}. Each page is divided among the processes that map it, so that this sum is what they "
        f"have in RAM{beside}.",
        rows,
    )


_SHR: Final = Sentence(
    "SHR is the part of RES that files or shared memory back: libraries mostly. It may be shared, and need not be. "
    "USS is what would be free at once if the process ended.",
    (),
)


def kinds(smaps: Smaps) -> list[Kind]:
    """Return what a process maps, by kind, the largest in RAM first."""
    found: dict[str, list[Block]] = {}
    for block in smaps.blocks:
        found.setdefault(_kind(block), []).append(block)
    summed = [_summed(name, blocks) for name, blocks in found.items()]
    return sorted(summed, key=lambda kind: (-kind.res, -kind.virt))


def view_process(smaps: Smaps, enabled: str | None) -> View:
    """Return a row a kind of mapping, and in a terminal their sum; then why some of it is not in huge pages.

    *enabled*: when the machine uses huge pages: always, madvise, never; None: not known.
    """
    titles = ("VIRT", "RES", "PSS", "SHARED", "SWAP")
    columns = (
        Column("kind", "KIND"), Column("mappings_count", "MAPPINGS", NUMBER),
        *(Column(f"{title.lower()}_bytes", title, COLUMN) for title in titles),
    )  # fmt: skip
    rows = tuple((one.name, one.mappings, *(bytes_of(kib) for kib in one[2:])) for one in kinds(smaps))
    whole = (("sum", *(sum(column) for column in list(zip(*rows, strict=True))[1:])),) if rows else ()
    grids = (Grid(columns, rows, form=Form.DATA), Grid(columns, (*rows, *whole), form=Form.TERMINAL))
    return View("ps-mapped", grids, tuple(ps_huge_pages.sentences(smaps, enabled)))


def _summed(name: str, blocks: Sequence[Block]) -> Kind:
    virt, res, pss, swap = (sum(block.kib(row) or 0 for block in blocks) for row in _ROWS)
    shared = sum((block.kib("Shared_Clean") or 0) + (block.kib("Shared_Dirty") or 0) for block in blocks)
    return Kind(name, len(blocks), virt, res, pss, shared, swap)


_NAMED: Final[Mapping[str, str]] = {"[heap]": "heap (brk)", "[stack]": "main stack", "[vdso]": "of the kernel",
                                    "[vvar]": "of the kernel", "[vsyscall]": "of the kernel",
                                    "[vvar_vclock]": "of the kernel"}  # fmt: skip


def _kind(block: Block) -> str:
    path, perms = block.mapping.path, block.mapping.perms
    if path is None or path.startswith("[anon"):
        return "shared anonymous" if perms.endswith("s") else "anonymous (malloc, thread stacks)"
    if path in _NAMED:
        return _NAMED[path]
    if path.startswith(_SHARED_PATHS):
        return "shared memory"
    if perms.endswith("s"):
        return "files, shared"
    return "programs and libraries" if _is_code(block) else "files, private"


def _is_code(block: Block) -> bool:
    path = block.mapping.path or ""
    return "x" in block.mapping.perms or ".so" in path or "/bin/" in path or "/lib" in path


def _size(kib: int) -> str:
    return column(bytes_of(kib))
