"""The lines of one mapping in /proc/PID/smaps, and those of smaps_rollup, as the kernel orders them."""

from __future__ import annotations

from memtwin.linux.core import mm_types
from memtwin.procfs.pid import maps, smaps
from memtwin.units import PAGE_SHIFT, kib


def block(mapping: maps.Mapping, held: dict[str, int], vm_flags: int) -> smaps.Block:
    """Return the lines of one mapping, as show_smap() prints them."""
    size = int(kib(mapping.size >> PAGE_SHIFT))
    amounts = {"Size": size, "KernelPageSize": 4, "MMUPageSize": 4}
    amounts.update({label: held.get(label, 0) for label in ROLLUP if label not in ONLY_ROLLED_UP})
    lines = [f"{label}:".ljust(16) + f"{amount:8} kB" for label, amount in amounts.items()]
    letters = "".join(f"{letter} " for letter, bit in VM_LETTERS if vm_flags & bit)
    return smaps.Block(
        mapping, (*lines, f"THPeligible:           {held['THPeligible']:d}", f"VmFlags: {letters}"), amounts
    )


ONLY_ROLLED_UP = ("Pss_Anon", "Pss_File", "Pss_Shmem")
VM_LETTERS = (
    ("rd", mm_types.VM_READ), ("wr", mm_types.VM_WRITE), ("ex", mm_types.VM_EXEC), ("sh", mm_types.VM_SHARED),
    ("gd", mm_types.VM_GROWSDOWN), ("pf", mm_types.VM_PFNMAP), ("lo", mm_types.VM_LOCKED),
    ("ac", mm_types.VM_ACCOUNT), ("hg", mm_types.VM_HUGEPAGE), ("nh", mm_types.VM_NOHUGEPAGE),
)  # fmt: skip
"""The flags of an area that smaps prints, in its order."""
ROLLUP = (
    "Rss", "Pss", "Pss_Dirty", "Pss_Anon", "Pss_File", "Pss_Shmem", "Shared_Clean", "Shared_Dirty",
    "Private_Clean", "Private_Dirty", "Referenced", "Anonymous", "LazyFree", "AnonHugePages", "ShmemPmdMapped",
    "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb", "Swap", "SwapPss", "Locked",
)  # fmt: skip
"""The rows of smaps_rollup in 6.1's order."""
