"""``ps --explain``: why VIRT, RES and SHR do not add up, with this machine's figures; one process by its mappings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.render.table import Column, Table, text
from memtwin.views.ps import size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from memtwin.procfs.meminfo import Meminfo
    from memtwin.procfs.pid.smaps import Block, Smaps
    from memtwin.views.ps import Process

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


def machine(processes: Sequence[Process], meminfo: Meminfo) -> Iterator[str]:
    """Yield the sums over all processes, and what they are to be held against."""
    with_memory = [one for one in processes if not one.is_kernel_thread]
    virt, res = (sum(one.kib(label) or 0 for one in with_memory) for label in ("VmSize", "VmRSS"))
    pss = [one.rolled("Pss") for one in with_memory]
    total = meminfo.get("MemTotal")
    of_ram = f", on a machine with {size(total)} of RAM" if total else ""
    yield (
        f"VIRT: {len(with_memory)} processes have asked for {size(virt)} of address space{of_ram}. Most of it has "
        "never been touched, and takes no memory: libraries' mappings, reserved heaps, stacks of threads, files."
    )
    yield (
        f"RES: {size(res)} if added up, but a page that five processes map is in five of them. A library such as libc "
        "is in RAM once."
    )
    if all(one is not None for one in pss):
        divided = sum(one or 0 for one in pss)
        mapped = meminfo.get("AnonPages", 0) + meminfo.get("Mapped", 0)
        yield (
            f"PSS: {size(divided)}. Each page is divided among those who map it, so that this sum is what the "
            f"processes have in RAM: AnonPages + Mapped of meminfo are {size(mapped)}."
        )
    elif any(one is not None for one in pss):
        divided = sum(one or 0 for one in pss)
        unread = sum(one is None for one in pss)
        yield f"PSS: {size(divided)}, and {unread} more could not be read. It is the only column that adds up."
    yield (
        "SHR is the part of RES that files or shared memory back: libraries mostly. It may be shared, and need not be. "
        "USS is what would be free at once if the process ended."
    )


def kinds(smaps: Smaps) -> list[Kind]:
    """Return what a process maps, by kind, the largest in RAM first."""
    found: dict[str, list[Block]] = {}
    for block in smaps.blocks:
        found.setdefault(_kind(block), []).append(block)
    told = [_summed(name, blocks) for name, blocks in found.items()]
    return sorted(told, key=lambda kind: (-kind.res, -kind.virt))


def mapped(smaps: Smaps) -> str:
    """Return a row a kind, and their sum."""
    titles = ("MAPPINGS", "VIRT", "RES", "PSS", "SHARED", "SWAP")
    columns = (Column("KIND"), *(Column(title, "right") for title in titles))
    rows = kinds(smaps)
    whole = Kind("sum", *(sum(column) for column in zip(*(row[1:] for row in rows), strict=True))) if rows else None
    cells = [(row.name, str(row.mappings), *map(size, row[2:])) for row in (*rows, *([whole] if whole else []))]
    return text(Table(columns, tuple(cells)))


def data(smaps: Smaps) -> list[dict[str, Any]]:
    """Return the kinds for JSON."""
    return [
        {
            "kind": kind.name,
            "mappings_count": kind.mappings,
            **{f"{name}_bytes": getattr(kind, name) * 1024 for name in ("virt", "res", "pss", "shared", "swap")},
        }
        for kind in kinds(smaps)
    ]


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
