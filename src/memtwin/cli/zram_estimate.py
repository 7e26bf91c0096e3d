"""``memtwin zram-estimate``."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Final

import click

from memtwin.cli import complete
from memtwin.cli.common import form_options, note, open_root, show
from memtwin.errors import InputError, NotBuiltError, UsageError
from memtwin.render.words import count, size
from memtwin.sources import page_sample
from memtwin.sources.compressors import ALGORITHMS, compressors, is_same
from memtwin.sources.processes import processes
from memtwin.sysfs.zram.zsmalloc import classes_of
from memtwin.views import zram_estimate as view

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_RELEASE: Final = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})(?![0-9])", re.ASCII)
_PAGES: Final = 2000
_MOST_PAGES: Final = 1_000_000
_READ_US: Final = 12
_COMPRESS_US: Final = 25
"""What a page takes here at most, to read and to compress with one algorithm: measured, for a word beforehand."""


@click.command("zram-estimate")
@click.argument("what", metavar="[PID...|FILE]", nargs=-1, shell_complete=complete.pids)
@click.option("--all", "every", is_flag=True, help="Every process that may be read.")
@click.option(
    "--pages", default=_PAGES, show_default=True, metavar="N", type=click.IntRange(2, _MOST_PAGES),
    help="Sample so many pages.",
)  # fmt: skip
@click.option(
    "--algorithm", "algorithms", multiple=True, metavar="NAME", type=click.Choice(ALGORITHMS),
    help=f"{', '.join(ALGORITHMS)}; may be given several times. All that are installed by default.",
)  # fmt: skip
@click.option("--kernel", metavar="RELEASE", help="Take the size classes of this kernel; 6.1 and 6.12 differ.")
@form_options
def command(
    form: str | None, *, what: tuple[str, ...], every: bool, pages: int, algorithms: tuple[str, ...], kernel: str | None
) -> None:
    """Estimate what zram would make of the memory of processes, or of a file, from a sample of its real pages.

    Pages are read through /proc/PID/mem, as a debugger would, and compressed with libraries that give what the kernel
    gives. Only memory that would go to swap and is in RAM is read: nothing is written or swapped in, no process stops.
    What looking costs is said before. FILE is a file whose pages are taken: ./1234 if its name is a number.
    """
    if every == bool(what):
        raise UsageError("give PIDs, a FILE, or --all", hint="memtwin zram-estimate $$")
    release = kernel or os.uname().release
    match = _RELEASE.match(release)
    if match is None:
        raise UsageError(f"--kernel {release}: no release", hint="as uname -r prints it: 6.1.0")
    version = int(match[1]), int(match[2])
    made, lacking = compressors(algorithms, version)
    population, name = _population(what, every=every)
    if not population.pages:
        raise InputError(f"{name}: no page of it can be sampled")
    sampled = min(pages, population.pages)
    note(_cost(population, sampled, len(made)))
    begun = time.monotonic()
    measured, read = _measure(population, pages, made)
    if not read:
        raise InputError(f"{name}: its pages are gone")
    looked = view.Looked(
        name, read, population.pages, time.monotonic() - begun, population.swapped_pages, population.refused
    )
    classes = classes_of(version)
    found = [view.estimate(one, population.pages, classes) for one in measured]
    looked = looked._replace(mix=_mix(found))
    show(view.view(found, looked, lacking, release), form, open_root("live"))


def _mix(found: Sequence[view.Estimate]) -> str | None:
    """Return the contents that stand for these pages on the model; None where the model is not installed."""
    one = next((one for one in found if one.algorithm == "lz4"), found[0])
    try:
        from memtwin.run.grow import mix_of
    except (ImportError, NotBuiltError):
        return None
    return mix_of(one.algorithm, one.same, one.whole, one.rest_mean)


def _population(what: tuple[str, ...], *, every: bool) -> tuple[page_sample.Population, str]:
    if every:
        own = os.getpid()
        pids = [one.pid for one in processes(open_root("live")) if one.pid != own]
        found = page_sample.of_processes(pids, every=True)
        return found, count(found.processes, "process")
    numbers = [int(word) for word in what if word.isascii() and word.isdigit()]
    if len(numbers) == len(what):
        if os.getpid() in numbers:
            raise UsageError("this program's own memory changes while it looks at it")
        return page_sample.of_processes(numbers), f"process {', '.join(map(str, numbers))}"
    if len(what) > 1:
        raise UsageError("PIDs, or one FILE", hint="./1234 is a file whose name is a number")
    return page_sample.of_file(what[0]), what[0]


def _cost(population: page_sample.Population, sampled: int, algorithms: int) -> str:
    """Say what looking costs."""
    micro = sampled * (_READ_US + algorithms * _COMPRESS_US)
    how = "" if population.path else " through /proc/PID/mem, each under its process's mmap_lock for some microseconds"
    return (
        f"reads {count(sampled, 'page')} ({size(sampled * 4)}) of {population.pages:,}{how}; some "
        f"{max(micro / 1e6, 0.1):.1f} s of CPU time here"
    )


def _measure(
    population: page_sample.Population, pages: int, made: Mapping[str, Callable[[bytes], bytes]]
) -> tuple[list[view.Measured], int]:
    """Compress the sampled pages with each algorithm."""
    lengths: dict[str, list[int]] = {name: [] for name in made}
    spent = dict.fromkeys(made, 0)
    read = 0
    for page in page_sample.sample(population, pages):
        read += 1
        same = is_same(page)
        for name, compress in made.items():
            if same:
                lengths[name].append(view.SAME)
                continue
            begun = time.thread_time_ns()
            packed = len(compress(page))
            spent[name] += time.thread_time_ns() - begun
            lengths[name].append(packed)
    return [view.Measured(name, tuple(lengths[name]), spent[name]) for name in made], read
