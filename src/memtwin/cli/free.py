"""``memtwin free``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from memtwin.cli.common import (
    Output,
    form_options,
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
from memtwin.render import table
from memtwin.views import free as view

if TYPE_CHECKING:
    from collections.abc import Callable

_UNITS: Final = {  # option: power and base of the unit
    "bytes": (0, 1024), "kibi": (1, 1024), "mebi": (2, 1024), "gibi": (3, 1024), "tebi": (4, 1024),
    "pebi": (5, 1024), "kilo": (1, 1000), "mega": (2, 1000), "giga": (3, 1000), "tera": (4, 1000),
    "peta": (5, 1000),
}  # fmt: skip
_LETTERS: Final = {"bytes": "-b", "kibi": "-k", "mebi": "-m", "gibi": "-g"}


def _unit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for unit in reversed(_UNITS):
        names = [f"--{unit}", *([_LETTERS[unit]] if unit in _LETTERS else [])]
        scale = "" if unit == "bytes" else "bytes"
        command = click.option(*names, unit, is_flag=True, help=f"Numbers in {unit}{scale}.")(command)
    return command


def _scale(flags: dict[str, bool], *, human: bool, si: bool) -> view.Scale:
    asked = [unit for unit in _UNITS if flags[unit]]
    if len(asked) > 1:
        units = " and ".join(f"--{unit}" for unit in asked)
        raise UsageError(f"several units at once: {units}", hint="choose one")
    power, base = _UNITS[asked[0]] if asked else (1, 1024)
    return view.Scale(power, 1000 if si else base, human)


@click.command("free")
@_unit_options
@click.option("-h", "--human", is_flag=True, help="Each number in the unit that suits it.")
@click.option("--si", is_flag=True, help="Powers of 1000, not 1024.")
@click.option("-l", "--lohi", is_flag=True, help="Add rows of low and high memory.")
@click.option("-t", "--total", is_flag=True, help="Add a row with the sums of memory and swap.")
@click.option("-v", "--committed", is_flag=True, help="Add a row with what was promised, and its limit.")
@click.option("-w", "--wide", is_flag=True, help="Buffers and cache apart.")
@sampling_options
@root_option
@form_options
def command(
    root: str, form: str | None, seconds: float | None, count: int | None, *, human: bool, si: bool, lohi: bool,
    total: bool, committed: bool, wide: bool, **units: bool,
) -> None:  # fmt: skip
    """Print total, used and free memory and swap, as free of procps-ng 4.0.2 does."""
    scale = _scale(units, human=human, si=si)
    source = open_root(root)

    def output() -> Output:
        figures = view.free(needed(source, meminfo_file))
        rows = view.table(figures, scale, wide=wide, lohi=lohi, total=total, committed=committed)
        return Output("free", lambda: table.text(rows), lambda: view.data(figures))

    for index in samples(seconds, count):
        if index and form is None:
            write("\n")
        show(output(), form, source, index=index)
