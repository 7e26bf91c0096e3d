"""``memtwin top``."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Final

import click

from memtwin.cli import complete
from memtwin.cli.common import form_options, is_screen, note, open_root, root_option, show
from memtwin.errors import UsageError
from memtwin.sources.processes import HIDDEN, are_hidden
from memtwin.sources.sampler import Sampler, names_of_users, wait
from memtwin.views import top as view
from memtwin.views.top_fields import DEFAULT, FIELDS, Frame

if TYPE_CHECKING:
    from memtwin.sources.source import Source

_FIRST_S: Final = 0.15
"""How long the first sample waits for something to have happened."""
_DELAY_S: Final = 3.0
_NARROW: Final = 80
_UNITS: Final = "kmgtpe"
_DIGITS: Final = 5


def _width(ctx: click.Context, param: click.Parameter, words: str | None) -> int | None:
    """Return the columns that -w names; without a number COLUMNS, or the widest screen."""
    if words is None:
        return None
    if not words:
        return _columns_of_environment() or view.WIDEST
    if not words.isdecimal() or not view.NARROWEST <= int(words) <= view.WIDEST:
        raise click.BadParameter(f"{words}: not between {view.NARROWEST} and {view.WIDEST}", ctx, param)
    return int(words)


@click.command("top")
@click.option("-b", "--batch", is_flag=True, help="Print samples one after the other, no screen.")
@click.option("-n", "--iterations", type=click.IntRange(min=1), metavar="N", help="End after N samples.")
@click.option(
    "-d", "--delay", type=click.FloatRange(0, 1e6), default=_DELAY_S, metavar="SECONDS", help="Between samples."
)
@click.option(
    "-p",
    "--pid",
    "pids",
    multiple=True,
    metavar="PID[,PID]",
    shell_complete=complete.pids,
    help="These processes, in this order.",
)
@click.option(
    "-u",
    "--filter-only-euser",
    "user",
    metavar="USER",
    shell_complete=complete.users,
    help="Processes of this effective user.",
)
@click.option(
    "-U",
    "--filter-any-user",
    "any_user",
    metavar="USER",
    shell_complete=complete.users,
    help="Of this user, real, effective or saved.",
)
@click.option(
    "-o",
    "--sort-override",
    "key",
    default="%CPU",
    metavar="[+-]FIELD",
    shell_complete=complete.several_of(FIELDS, signs="-+"),
    help="Sort by; - for ascending order.",
)
@click.option(
    "-w", "--width", callback=_width, is_flag=False, flag_value="", metavar="[COLUMNS]", help="Width of the output."
)
@click.option("-c", "--cmdline-toggle", "arguments", is_flag=True, help="Command lines in place of names.")
@click.option("-H", "--threads-show", "threads", is_flag=True, help="Threads one by one.")
@click.option("-i", "--idle-toggle", "busy", is_flag=True, help="Hide tasks that used no CPU.")
@click.option("-1", "--single-cpu-toggle", "each_cpu", is_flag=True, help="A line for each CPU.")
@click.option("-E", "--scale-summary-mem", "unit", type=click.Choice(list(_UNITS)), default="m", help="Unit of memory.")
@click.option(
    "-e",
    "--scale-task-mem",
    "task_unit",
    type=click.Choice(list(_UNITS[:-1])),
    default="k",
    help="Least unit of the tasks' sizes.",
)
@click.option(
    "--fields",
    default=",".join(DEFAULT),
    metavar="FIELDS",
    shell_complete=complete.several_of(FIELDS),
    help=f"Columns, of {', '.join(FIELDS)}.",
)
@root_option
@form_options
def command(
    root: str, form: str | None, fields: str, key: str, *, pids: tuple[str, ...], user: str | None,
    any_user: str | None, width: int | None, unit: str, task_unit: str, delay: float, iterations: int | None,
    batch: bool, arguments: bool, threads: bool, busy: bool, each_cpu: bool,
) -> int:  # fmt: skip
    """Show the machine and its busiest tasks continuously, as top of procps 4.0.2 does.

    On a terminal it is a screen with top's keys: h lists them, q ends it. With -b, with a form, or where there is no
    terminal that can show a screen, it prints.
    """
    if (any_user is not None and user is not None) or (pids and (user or any_user)):
        raise UsageError("conflicting process selections: -p, -u, -U", hint="give one of them")
    if form == "openmetrics" and (iterations or 1) > 1:
        raise UsageError("--openmetrics is one sample", hint="let the collector ask again")
    source = open_root(root)
    users = names_of_users(source)
    options = view.Options(
        view.choose_fields(fields), view.field_named(key.lstrip("+-")), key.startswith("-"), width or _columns(),
        arguments, threads, not busy, each_cpu, uid_of(user, users), uid_of(any_user, users), _UNITS.index(unit),
        _UNITS.index(task_unit), _digits(source),
    )  # fmt: skip
    sampler = Sampler(source, pids=_pids(pids), threads=threads)
    if threads and not source.is_live:
        raise UsageError(f"{source.owner} has no threads: its files are those of processes", hint="leave out -H")
    if are_hidden(source):
        note(HIDDEN)
    try:
        if not batch and not form and is_screen():
            from memtwin.tui.top import run

            return run(sampler, users, options, delay_s=delay, times=iterations)
        times = iterations or (None if source.is_live and not form else 1)
        _print(sampler, users, options, form, delay=delay, times=times)
    finally:
        sampler.close()
    return 0


def _print(
    sampler: Sampler, users: dict[int, str], options: view.Options, form: str | None, *, delay: float, times: int | None
) -> None:
    if sampler.source.is_live:
        sampler.sample()
        time.sleep(_FIRST_S)
    done = 0
    while True:
        start = time.monotonic()
        frame = Frame(sampler.sample(), users, options.arguments, options.threads)
        tasks = view.order(frame, options, sampler.fill)
        sampler.fill(tasks, view.needs(options.fields, frame))
        if done and form is None:
            click.echo()
        show(view.view(frame, tasks, options), form, sampler.source, index=done)
        done += 1
        if done == times:
            return
        wait(delay, start)


def _pids(words: tuple[str, ...]) -> tuple[int, ...]:
    found = []
    for word in ",".join(words).split(",") if words else ():
        if not (word.isascii() and word.isdecimal()):
            raise UsageError(f"-p {word}: not a process id")
        found.append(int(word) or os.getpid())
    return tuple(dict.fromkeys(found))


def uid_of(user: str | None, users: dict[int, str]) -> int | None:
    """Return the number of a user, by name or number."""
    if user is None:
        return None
    if user.isascii() and user.isdecimal():
        return int(user)
    found = [number for number, name in users.items() if name == user]
    if not found:
        raise UsageError(f"no user {user}", hint="a number works without etc/passwd")
    return found[0]


def _columns() -> int:
    """Return the width of the terminal, else COLUMNS, else 80."""
    try:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    return min(columns or _columns_of_environment() or _NARROW, view.WIDEST)


def _columns_of_environment() -> int:
    given = os.environ.get("COLUMNS", "")
    return (
        max(int(given), view.NARROWEST)
        if given.isascii() and given.isdecimal() and len(given) < 5 and int(given)
        else 0
    )


def _digits(source: Source) -> int:
    """Return the width of a process id: the digits of pid_max."""
    return max(len((source.read("proc/sys/kernel/pid_max") or "").strip()), _DIGITS)
