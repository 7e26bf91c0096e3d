"""What an operation does, as part of a sentence; names of files are in quotation marks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.render.words import NS_PER_S, count, seconds, size
from memtwin.scenario import (
    Brk,
    Close,
    Exit,
    Fmap,
    Fork,
    Fread,
    Fsync,
    Fwrite,
    Kill,
    Mmap,
    Mprotect,
    Mremap,
    Munmap,
    Op,
    Proc,
    Rand,
    Seq,
    Shm,
    Sleep,
    Stack,
    Touch,
    Truncate,
    Until,
    VmRead,
    Wait,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.run.done import Done

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


def pace(op: Op) -> str:
    """Return how fast an operation may go, as words behind what it does; nothing for one that has no pace."""
    if not isinstance(op, (Touch, Fread, Fwrite)):
        return ""
    unit = "page" if isinstance(op, Touch) else "call"
    rate = f", kept to {size(op.pace.bytes_per_s >> 10)}/s" if op.pace.bytes_per_s else ""
    return f"{rate}, pausing {seconds(op.pace.think_ns)} after each {unit}" if op.pace.think_ns else rate


def took(done: Done) -> str:
    """Return how long a touch, read or write took, and what pace it had to keep."""
    return f"in {seconds(done.us * 1000)}{pace(done.op)}"


def _touch(op: Touch) -> str:
    times = "" if isinstance(op.pattern, Seq) else f"{count(op.pattern.n, 'time')} in "
    verb = "writes" if op.write else "reads"
    return f"{op.proc} {verb} {times}{size(op.npages * PAGE_KIB)} of {op.region}{pace(op)}"


def _io(op: Fread | Fwrite) -> str:
    chunks = op.pattern.n if isinstance(op.pattern, Rand) else op.length_bytes // op.chunk_bytes
    verb = "reads" if isinstance(op, Fread) else "writes"
    return f"{op.proc} {verb} {size(chunks * op.chunk_bytes >> 10)} of {named(op.file)}{pace(op)}"


_PHRASES: dict[type[Op], Callable[..., str]] = {
    Touch: _touch,
    Fread: _io,
    Fwrite: _io,
    Mmap: lambda op: f"{op.proc} maps {size(op.size_bytes >> 10)} ({op.region})",
    Fmap: lambda op: f"{op.proc} maps {named(op.file)}",
    Mprotect: lambda op: f"{op.proc} makes {size(op.npages * PAGE_KIB)} of {op.region} {RIGHTS[op.rights]}",
    Mremap: lambda op: (
        f"{op.proc} asks for {op.region} to be {size(op.size_bytes >> 10)} long{', elsewhere if need be' * op.may_move}"
    ),
    Brk: lambda op: f"{op.proc} moves the end of its data, so that {op.region} is {size(op.size_bytes >> 10)} long",
    VmRead: lambda op: f"{op.proc} reads {size(op.npages * PAGE_KIB)} of {op.region} of {op.other}",
    Stack: lambda op: f"{op.proc} uses {size(op.size_bytes >> 10)} of stack",
    Shm: lambda op: f"{op.proc} maps shared memory ({op.region})",
    Munmap: lambda op: f"{op.proc} unmaps {op.region}",
    Fork: lambda op: f"{op.proc} forks {op.child}",
    Fsync: lambda op: f"{op.proc} waits for {named(op.file)}",
    Truncate: lambda op: f"{op.proc} truncates {named(op.file)}",
    Close: lambda op: f"{op.proc} closes {named(op.file)}",
    Proc: lambda op: f"{op.name} starts",
    Exit: lambda op: f"{op.proc} exits",
    Kill: lambda op: f"{op.proc} is killed",
    Wait: lambda op: (
        f"{' and '.join(op.names) or 'all that runs beside'} {'are' if len(op.names) > 1 else 'is'} waited for"
    ),
    Until: lambda op: f"the machine idles until it has run for {op.run_ns / NS_PER_S:g} s",
    Sleep: lambda _op: "the machine idles",
}
