"""What a shell is offered as values of options and arguments: roots and their checkpoints, processes, fields, files.

Each function is an option's ``shell_complete``. What cannot be read offers nothing: a shell waits for no message.
"""

from __future__ import annotations

import os
from functools import wraps
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import click
    from click.shell_completion import CompletionItem

    Offers = Callable[[click.Context, click.Parameter, str], list[CompletionItem[str]]]

_SWAPS: Final = {"zram:": "compressed, in RAM", "disk:": "a new disk", "file:": "a file on the root disk"}
_MOMENTS: Final = ("first", "last")
_ROOTS: Final = ("root", "boot")
"""Parameters that name the machine whose processes are meant."""


def _offers(values: Callable[[click.Context, str], Iterable[tuple[str, str]]]) -> Offers:
    """Make a ``shell_complete`` of a function that yields values and what each is; a value ``""`` stands for files."""

    @wraps(values)
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
        from click.shell_completion import CompletionItem

        from memtwin.errors import MemtwinError

        del param
        found: list[CompletionItem[str]] = []
        try:
            for value, said in values(ctx, incomplete):
                if not value:
                    found.append(CompletionItem(incomplete, type="file"))
                elif value.startswith(incomplete) and "\n" not in value:
                    found.append(CompletionItem(value, help=said or None))
        except (MemtwinError, OSError):
            pass
        return found

    return complete


@_offers
def files(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer files."""
    del ctx, incomplete
    yield "", ""


@_offers
def lessons(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer the numbers of the lessons, each with its title."""
    from memtwin.learn.lessons import all_lessons

    del ctx, incomplete
    yield from ((str(number), lesson.title) for number, lesson in enumerate(all_lessons(), 1))


@_offers
def roots(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer the live host, files, and the checkpoints of a run, RUN@LABEL."""
    del ctx
    path, at, _ = incomplete.rpartition("@")
    yield from (
        (f"{path if at else incomplete.rstrip('/')}@{label}", said) for label, said in _labels(path, incomplete)
    )
    if not at:
        yield "live", "this host as it runs"
    yield "", ""


def _labels(path: str, incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the checkpoints of the run at *path*, or of one that *incomplete* names whole; the moments of a trace."""
    from pathlib import Path

    from memtwin.sources.recording import Recording
    from memtwin.sources.trace import is_trace

    where = Path(path or incomplete)
    if not incomplete or not where.exists():
        return
    if where.is_file() and is_trace(where):
        yield from ((moment, "sample of the trace") for moment in _MOMENTS)
    else:
        yield from ((label, "checkpoint") for label in Recording(where, partial=True).checkpoints)


def _processes(ctx: click.Context) -> Iterator[tuple[int, str]]:
    """Yield pid and name of each process of the machine that the command line names, by default this host."""
    from memtwin.sources.processes import processes
    from memtwin.sources.recording import resolve

    where = next((str(ctx.params[name]) for name in _ROOTS if ctx.params.get(name)), "live")
    yield from ((process.pid, process.name) for process in processes(resolve(where)))


@_offers
def pids(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer processes by number; after commas, one more."""
    before = incomplete[: incomplete.rfind(",") + 1]
    yield from ((f"{before}{pid}", name) for pid, name in _processes(ctx))


@_offers
def adjusted(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer ``PID=``."""
    del incomplete
    yield from ((f"{pid}=", name) for pid, name in _processes(ctx))


@_offers
def growing(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer ``NAME=`` for each name of a process."""
    del incomplete
    yield from ((f"{name}=", "") for name in sorted({name for _, name in _processes(ctx)}))


@_offers
def meminfo_fields(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer the rows of /proc/meminfo."""
    from memtwin.views.meminfo_fields import fields

    del ctx, incomplete
    yield from ((label, field.what) for label, field in fields().items())


@_offers
def users(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer the names of this host's users."""
    import pwd

    del ctx, incomplete
    yield from ((user.pw_name, f"uid {user.pw_uid}") for user in pwd.getpwall())


@_offers
def cgroups(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer the cgroups of this host, a level at a time."""
    del ctx
    parent = incomplete[: incomplete.rfind("/") + 1] or "/"
    top = "/sys/fs/cgroup/memory" if os.access("/sys/fs/cgroup/memory", os.F_OK) else "/sys/fs/cgroup"
    with os.scandir(f"{top}{parent}") as entries:
        yield from ((f"{parent}{entry.name}", "") for entry in sorted(entries, key=_name) if entry.is_dir())


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


@_offers
def swaps(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer kinds of new swap areas, and the areas of this host."""
    from memtwin.procfs import swaps as swaps_file
    from memtwin.sources.opening import open_source
    from memtwin.sources.source import load

    del ctx, incomplete
    yield from _SWAPS.items()
    areas = load(open_source("live"), swaps_file)
    for area in areas.areas if areas else ():
        yield from ((f"{area.filename}{change}", "") for change in (":", ":off", ",prio="))


@_offers
def disks(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer the words of a disk, after those that are written already."""
    from memtwin.scenario.disk import FIELDS

    del ctx
    before = incomplete.rpartition(",")[0]
    prefix = f"{before}," if before else "data="
    given = {part.partition("=")[0] for part in prefix.removeprefix("data=").split(",")}
    yield from ((f"{prefix}{word}=", "") for word in FIELDS if word not in given)


@_offers
def settings(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer what ``--set`` changes: ``vm.NAME=`` and ``machine.ram=``."""
    from memtwin.run.settings import keys

    del ctx, incomplete
    yield from keys()


@_offers
def varied(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Offer what ``--vary`` varies: what ``--set`` changes, and ``swap=``."""
    from memtwin.run.settings import keys

    del ctx, incomplete
    yield "swap=", "none, same, disk:8G, zram:50%, zswap, joined by commas"
    yield from keys()


def several_of(names: Iterable[str], *, signs: str = "") -> Offers:
    """Return what offers *names* joined by commas, each once; one of *signs* may stand before a name."""

    def values(ctx: click.Context, incomplete: str) -> Iterator[tuple[str, str]]:
        del ctx
        before = incomplete[: incomplete.rfind(",") + 1]
        last = incomplete[len(before) :]
        sign = last[0] if last and last[0] in signs else ""
        used = {word.lstrip(signs) for word in before.split(",")}
        yield from ((f"{before}{sign}{name}", "") for name in names if name not in used)

    return _offers(values)
