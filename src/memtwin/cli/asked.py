"""A command's views for a program: what it would show, handed over and not written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from memtwin.cli import group
from memtwin.cli.common import collected
from memtwin.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.render.grid import View
    from memtwin.sources.source import Source


def views_of(name: str, words: Sequence[str], source: Source) -> list[View]:
    """Return what the command *name* shows of *source* when *words* stand behind it.

    Raise UsageError for a command that shows no view of a root, and for words that it does not take.
    """
    top = click.Context(group, info_name="memtwin")
    command = group.get_command(top, name)
    takes = {param.name for param in command.params} if command else set()
    if command is None or not {"root", "json"} <= takes:
        raise UsageError(f"{name} is no view of a machine", hint="free, meminfo, ps, swaps, account, ... are")
    try:
        ctx = command.make_context(name, [*words, "--json"], parent=top)
        if ctx.get_parameter_source("root") is ParameterSource.COMMANDLINE:
            raise UsageError(f"{name}: --root is this machine", hint="open_root() opens another")
        ctx.params["root"] = source
        with collected() as views, ctx:
            command.invoke(ctx)
    except click.UsageError as problem:
        raise UsageError(f"{name}: {problem.format_message()}", hint=f"memtwin {name} --help") from None
    return views
