"""What was asked for: the flags of a request, the zones that it may come from, and what it was for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.oom.event import OomEvent, Trigger

SOURCE = "include/linux/gfp.h", "v6.1"

_DMA, _HIGHMEM, _DMA32, _MOVABLE = 0x1, 0x2, 0x4, 0x8
"""The four lowest bits mean the same in every kernel since 2.6.23."""
_OLD_BASES: Final = (
    (0x200DA, "GFP_HIGHUSER_MOVABLE"), (0x200D2, "GFP_HIGHUSER"), (0x200D0, "GFP_USER"), (0xD0, "GFP_KERNEL"),
    (0x50, "GFP_NOFS"), (0x10, "GFP_NOIO"), (0x20, "GFP_ATOMIC"),
)  # fmt: skip
_OLD_FLAGS: Final = (
    (0x1, "__GFP_DMA"), (0x2, "__GFP_HIGHMEM"), (0x4, "__GFP_DMA32"), (0x8, "__GFP_MOVABLE"), (0x100, "__GFP_COLD"),
    (0x200, "__GFP_NOWARN"), (0x400, "__GFP_REPEAT"), (0x800, "__GFP_NOFAIL"), (0x1000, "__GFP_NORETRY"),
    (0x4000, "__GFP_COMP"), (0x8000, "__GFP_ZERO"), (0x10000, "__GFP_NOMEMALLOC"), (0x20000, "__GFP_HARDWALL"),
    (0x40000, "__GFP_THISNODE"), (0x80000, "__GFP_RECLAIMABLE"),
)  # fmt: skip
_BASES: Final = (
    (0x100CCA, "GFP_HIGHUSER_MOVABLE"), (0x100CC2, "GFP_HIGHUSER"), (0x100CC0, "GFP_USER"),
    (0x400CC0, "GFP_KERNEL_ACCOUNT"), (0xCC0, "GFP_KERNEL"), (0xC40, "GFP_NOFS"), (0xA20, "GFP_ATOMIC"),
    (0xC00, "GFP_NOIO"), (0x800, "GFP_NOWAIT"),
)  # fmt: skip
_FLAGS: Final = (
    (0x2, "__GFP_HIGHMEM"), (0x20, "__GFP_HIGH"), (0x200, "__GFP_ATOMIC"), (0x40, "__GFP_IO"), (0x80, "__GFP_FS"),
    (0x2000, "__GFP_NOWARN"), (0x4000, "__GFP_RETRY_MAYFAIL"), (0x8000, "__GFP_NOFAIL"), (0x10000, "__GFP_NORETRY"),
    (0x40000, "__GFP_COMP"), (0x100, "__GFP_ZERO"), (0x80000, "__GFP_NOMEMALLOC"), (0x20000, "__GFP_MEMALLOC"),
    (0x100000, "__GFP_HARDWALL"), (0x200000, "__GFP_THISNODE"), (0x10, "__GFP_RECLAIMABLE"), (0x8, "__GFP_MOVABLE"),
    (0x400000, "__GFP_ACCOUNT"), (0x1000, "__GFP_WRITE"), (0x400, "__GFP_DIRECT_RECLAIM"),
    (0x800, "__GFP_KSWAPD_RECLAIM"),
)  # fmt: skip
"""In the order in which Linux 6.1 prints them (include/trace/events/mmflags.h)."""
_OWN: Final = "fresh memory of its own (heap or stack)"
_PURPOSES: Final = (
    (("moom_callback", "sysrq_handle_moom"), "nothing: SysRq+f was pressed to have a process killed"),
    (("pagefault_out_of_memory",), "a page fault that failed for lack of memory"),
    (("do_swap_page", "swapin_readahead", "read_swap_cache_async"), "a page to bring back from swap"),
    (("do_anonymous_page", "do_huge_pmd_anonymous_page", "alloc_anon_folio"), _OWN),
    (("wp_page_copy", "do_wp_page", "do_cow_fault"), "its own copy of a page that was shared"),
    (("generic_perform_write", "iomap_file_buffered_write", "generic_file_buffered_write"), "a page to write a file"),
    (("filemap_fault",), "a page of a file that it has mapped (code, a library or data)"),
    (("generic_file_read_iter", "filemap_read", "generic_file_aio_read"), "a page to read a file"),
    (("copy_process", "dup_mm", "_do_fork", "kernel_clone"), "the start of a new process"),
    (("__pte_alloc", "pte_alloc_one"), "a page table"),
    (("__alloc_skb", "sock_alloc_send_pskb", "tcp_sendmsg"), "a network buffer"),
    (("pipe_write", "alloc_pipe_info"), "a pipe's buffer"),
    (("shmem_fault", "shmem_getpage_gfp", "shmem_get_folio_gfp"), "shared memory or a file on tmpfs"),
    (("allocate_slab", "new_slab", "__kmalloc", "kmalloc_order", "kmem_cache_alloc"), "a structure of the kernel"),
    (("vmalloc", "__vmalloc", "__vmalloc_node_range"), "a large buffer of the kernel"),
)  # fmt: skip
"""Functions of the call trace, and what they need memory for: the first line of which one is there."""


def flags(trigger: Trigger) -> str | None:
    """Return the flags by name: the kernel's text, or for kernels before 4.6 the bits of the mask.

    >>> from memtwin.oom.event import Trigger
    >>> flags(Trigger(gfp_mask=0x280DA)), flags(Trigger(gfp_mask=0xD0))
    ('GFP_HIGHUSER_MOVABLE|__GFP_ZERO', 'GFP_KERNEL')
    """
    if trigger.gfp_flags is not None or trigger.gfp_mask is None:
        return trigger.gfp_flags
    return _named(trigger.gfp_mask, _OLD_BASES, _OLD_FLAGS)


def text(mask: int) -> str:
    """Return the flags of a request as Linux 6.1 prints them.

    >>> text(0x140DCA), text(0xCC0)
    ('GFP_HIGHUSER_MOVABLE|__GFP_COMP|__GFP_ZERO', 'GFP_KERNEL')
    """
    return _named(mask, _BASES, _FLAGS)


def _named(mask: int, bases: Sequence[tuple[int, str]], flags: Sequence[tuple[int, str]]) -> str:
    """Return the first base that *mask* has, the other flags, and what has no name."""
    names = []
    for bits, name in bases:
        if mask & bits == bits:
            names, mask = [name], mask & ~bits
            break
    for bit, name in flags:
        if mask & bit:
            names.append(name)
            mask &= ~bit
    return "|".join([*names, *([f"{mask:#x}"] if mask else [])]) or "0x0"


def highest_zone(trigger: Trigger) -> str | None:
    """Return the highest zone that the request may come from, ``Movable`` for pages of processes; None if not known.

    >>> from memtwin.oom.event import Trigger
    >>> [highest_zone(Trigger(gfp_mask=mask)) for mask in (0x140DCA, 0xCC0, 0xCC1, 0xCC4)]
    ['Movable', 'Normal', 'DMA', 'DMA32']
    """
    mask = trigger.gfp_mask
    if mask is None:
        return None
    if mask & _DMA:
        return "DMA"
    if mask & _DMA32:
        return "DMA32"
    if mask & _HIGHMEM:
        return "Movable" if mask & _MOVABLE else "HighMem"
    return "Normal"


def is_movable(trigger: Trigger) -> bool:
    """Whether the request may be served from contiguous-memory (CMA) blocks."""
    return bool((trigger.gfp_mask or 0) & _MOVABLE)


def purpose(event: OomEvent) -> str | None:
    """Return what the memory was for, from the call trace or else from the flags."""
    if event.sysrq:
        return _PURPOSES[0][1]
    names = {name.split(".")[0] for name in event.trace}
    for functions, what_for in _PURPOSES:
        if names & set(functions):
            return what_for
    text = flags(event.trigger) or ""
    if "HIGHUSER_MOVABLE" in text:
        return (
            "fresh memory of its own (heap or stack)"
            if "ZERO" in text
            else "a page for a process: of a file, or a copy"
        )
    return "memory of the kernel itself" if text.startswith("GFP_KERNEL") else None
