"""What the C library's malloc asks of the kernel."""

from __future__ import annotations

from typing import Any, Protocol


class System(Protocol):
    """What malloc asks of the kernel, in bytes and addresses; each may raise MemoryError."""

    def sbrk(self, delta: int) -> int:
        """Move the end of the heap; returns where it was."""
        ...

    def mmap(self, size: int) -> int:
        """Map anonymous memory; returns its address."""
        ...

    def munmap(self, address: int, size: int) -> None:
        """Unmap it."""
        ...

    def mremap(self, address: int, size: int, wanted: int) -> int:
        """Give a mapping another size; returns its address, for it may move with its pages."""
        ...

    def heap(self) -> int:
        """Reserve the address space of a thread's arena, without rights; returns its address."""
        ...

    def allow(self, address: int, size: int) -> None:
        """Make a part of it readable and writable."""
        ...

    def dontneed(self, address: int, size: int) -> None:
        """Give pages up."""
        ...

    def read(self, address: int, size: int) -> None:
        """Read memory, before it is written again."""
        ...

    def write(self, address: int, size: int) -> None:
        """Write memory."""
        ...

    def copy(self, source: int, target: int, size: int) -> None:
        """Copy memory."""
        ...


class Nowhere:
    """What an arena that only answers a question reads and writes."""

    def read(self, address: int, size: int) -> None:
        """Read nothing."""

    def write(self, address: int, size: int) -> None:
        """Write nothing."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a question asks the kernel for {name}")
