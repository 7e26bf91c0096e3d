"""What an operation does, as part of a sentence; names of files are in quotation marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.render.words import count, size
from memtwin.scenario import (
    Exit,
    Fmap,
    Fork,
    Fread,
    Fsync,
    Fwrite,
    Kill,
    Mmap,
    Mprotect,
    Munmap,
    Op,
    Proc,
    Rand,
    Seq,
    Shm,
    Sleep,
    Stack,
    Touch,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE_KIB = 4
RIGHTS = {
    "none": "inaccessible", "r": "read-only", "rw": "readable and writable", "rx": "readable and executable",
    "rwx": "readable, writable and executable",
}  # fmt: skip


def named(file: str) -> str:
    """Return the name of a scenario's file as prose has it.

    >>> named("films")
    '"films"'
    """
    return f'"{file}"'


def phrase(op: Op) -> str:
    """Return what *op* does, in the present tense; without words of its own it is the scenario's line, marked so."""
    say = _PHRASES.get(type(op))
    return f"`{op.text}`" if say is None else say(op)


def _touch(op: Touch) -> str:
    times = "" if isinstance(op.pattern, Seq) else f"{count(op.pattern.n, 'time')} in "
    return f"{op.proc} {'writes' if op.write else 'reads'} {times}{size(op.npages * PAGE_KIB)} of {op.region}"


def _io(op: Fread | Fwrite) -> str:
    chunks = op.pattern.n if isinstance(op.pattern, Rand) else op.length_bytes // op.chunk_bytes
    verb = "reads" if isinstance(op, Fread) else "writes"
    return f"{op.proc} {verb} {size(chunks * op.chunk_bytes >> 10)} of {named(op.file)}"


_PHRASES: dict[type[Op], Callable[..., str]] = {
    Touch: _touch,
    Fread: _io,
    Fwrite: _io,
    Mmap: lambda op: f"{op.proc} maps {size(op.size_bytes >> 10)} ({op.region})",
    Fmap: lambda op: f"{op.proc} maps {named(op.file)}",
    Mprotect: lambda op: f"{op.proc} makes {size(op.npages * PAGE_KIB)} of {op.region} {RIGHTS[op.rights]}",
    Stack: lambda op: f"{op.proc} uses {size(op.size_bytes >> 10)} of stack",
    Shm: lambda op: f"{op.proc} maps shared memory ({op.region})",
    Munmap: lambda op: f"{op.proc} unmaps {op.region}",
    Fork: lambda op: f"{op.proc} forks {op.child}",
    Fsync: lambda op: f"{op.proc} waits for {named(op.file)}",
    Proc: lambda op: f"{op.name} starts",
    Exit: lambda op: f"{op.proc} exits",
    Kill: lambda op: f"{op.proc} is killed",
    Sleep: lambda _op: "the machine idles",
}
