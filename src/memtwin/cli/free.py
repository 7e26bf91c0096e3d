"""``memtwin free``."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from memtwin.cli.common import (
    form_options,
    is_series,
    meminfo_of,
    needed,
    open_root,
    root_option,
    samples,
    sampling_options,
    show,
    write,
)
from memtwin.errors import UsageError
from memtwin.procfs import meminfo as meminfo_file
from memtwin.render.amount import Scale
from memtwin.units import bytes_of
from memtwin.views import free as view
from memtwin.views.used import DEFAULT, FORMULAS, used

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.procfs.meminfo import Meminfo
    from memtwin.render.openmetrics import Metric

_UNITS: Final = {  # option: power and base of the unit
    "bytes": (0, 1024), "kibi": (1, 1024), "mebi": (2, 1024), "gibi": (3, 1024), "tebi": (4, 1024),
    "pebi": (5, 1024), "kilo": (1, 1000), "mega": (2, 1000), "giga": (3, 1000), "tera": (4, 1000),
    "peta": (5, 1000),
}  # fmt: skip
_LIBRARIES: Final = {  # procps's library by its name on disk: what that version calls used
    "libproc2.so.1": "procps-4",
    "libproc2.so.0": "procps-4",
    "libprocps.so.8": "procps-3.3",
    "libprocps.so.7": "procps-3.3",
    "libprocps.so.6": "procps-3.3",
    "libprocps.so.5": "procps-3.3.10",
    "libprocps.so.4": "procps-3.3.10",
}
_LETTERS: Final = {"bytes": "-b", "kibi": "-k", "mebi": "-m", "gibi": "-g"}


def _unit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for unit in reversed(_UNITS):
        names = [f"--{unit}", *([_LETTERS[unit]] if unit in _LETTERS else [])]
        scale = "" if unit == "bytes" else "bytes"
        command = click.option(*names, unit, is_flag=True, help=f"Numbers in {unit}{scale}.")(command)
    return command


def _scale(flags: dict[str, bool], *, human: bool, si: bool) -> Scale:
    asked = [unit for unit in _UNITS if flags[unit]]
    if len(asked) > 1:
        units = " and ".join(f"--{unit}" for unit in asked)
        raise UsageError(f"several units at once: {units}", hint="choose one")
    power, base = _UNITS[asked[0]] if asked else (1, 1024)
    return Scale(power, 1000 if si else base, human)


@click.command("free")
@_unit_options
@click.option("-h", "--human", is_flag=True, help="Each number in the unit that suits it.")
@click.option("--si", is_flag=True, help="Powers of 1000, not 1024.")
@click.option("-l", "--lohi", is_flag=True, help="Add rows of low and high memory.")
@click.option("-t", "--total", is_flag=True, help="Add a row with the sums of memory and swap.")
@click.option("-v", "--committed", is_flag=True, help="Add a row with committed memory and its limit.")
@click.option("-w", "--wide", is_flag=True, help="Buffers and cache apart.")
@click.option("-L", "--line", is_flag=True, help="One line.")
@click.option(
    "--as", "formula", type=click.Choice(list(FORMULAS)), help='Whose "used". Default: that of this host\'s free.'
)
@click.option("--explain", is_flag=True, help='All formulas of "used" side by side, and what the figures mean.')
@sampling_options
@root_option
@form_options
def command(
    root: str, form: str | None, seconds: float | None, count: int | None, formula: str | None, *, explain: bool,
    human: bool, si: bool, lohi: bool, total: bool, committed: bool, wide: bool, line: bool, **units: bool,
) -> None:  # fmt: skip
    """Print total, used and free memory and swap, as free of procps does.

    "available" is what programs can still get without swapping; "used" has many definitions: see --explain.
    """
    scale = _scale(units, human=human, si=si)
    source = open_root(root)
    formula = formula or _of_installed_free()

    for index in samples(seconds, count, form, source):
        memory, known = needed(source, meminfo_file), meminfo_of(source)
        if index and form is None and not line:
            write("\n")
        if explain:
            from memtwin.sources.owners import zfs_kib
            from memtwin.views import free_explained

            found = free_explained.view(memory, zfs_kib(source))
        else:
            found = view.view(
                view.compute(memory, formula), formula, scale, wide=wide, lohi=lohi, total=total,
                committed=committed, line=line, metrics=partial(_metrics, known), known=view.compute(known, formula),
            )  # fmt: skip
        show(found, form, source, index=index, is_series=is_series(seconds, count))


def _metrics(memory: Meminfo) -> list[Metric]:
    from memtwin.render.openmetrics import Metric
    from memtwin.views.meminfo import metrics

    amounts = {name: used(memory, name) for name in FORMULAS}
    samples_of = tuple(({"as": name}, bytes_of(kib)) for name, kib in amounts.items())
    return [*metrics(memory), Metric("memtwin_memory_used_bytes", "gauge", "Used memory by each formula.", samples_of)]


def _of_installed_free() -> str:
    """Return the formula of the free that is installed here, by its library; that of procps 4 if none is found."""
    machine = os.uname().machine
    folders = [f"/usr/lib/{machine}-linux-gnu", "/usr/lib64", "/usr/lib", f"/lib/{machine}-linux-gnu", "/lib64"]
    for library, formula in _LIBRARIES.items():
        if any(os.path.exists(f"{folder}/{library}") for folder in folders):
            return formula
    return DEFAULT
