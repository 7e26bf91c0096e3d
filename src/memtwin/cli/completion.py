"""``memtwin completion``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import (
    BashComplete,
    FishComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from memtwin.cli.common import write

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_BASH: Final = """\
%(complete_func)s() {
    local IFS=$'\\n' type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        [[ $type ]] && COMPREPLY+=("$value")
        case $type in
            file) compopt -o filenames ;;
            part) compopt -o nospace ;;
        esac
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
}

complete -o nosort -F %(complete_func)s %(prog_name)s
"""
_KEPT: Final = "@$"
"""Of the characters at which bash breaks words, those that stay with the word after them (rl_special_prefixes)."""


@add_completion_class
class Bash(BashComplete):
    """Completion in bash of words that hold what bash breaks words at: RUN@LABEL, NAME=SIZE, zram:8G.

    Readline replaces the part after the last such character only, so that is what it is given.
    """

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the cursor and the one at it, from the line itself."""
        line = os.environ.get("COMP_LINE", "")
        words = split_arg_string(line)[1:]
        last = words.pop() if words and not line[-1:].isspace() else ""
        breaks = os.environ.get("COMP_WORDBREAKS", "")
        self._cut = max((last.rfind(sign) + (sign not in _KEPT) for sign in breaks if sign in last), default=0)
        return words, last

    def complete(self) -> str:
        """Return a line for each offer: what kind it is, and the text."""
        args, incomplete = self.get_completion_args()
        lines: list[str] = []
        for item in self.get_completions(args, incomplete):
            lines += _files(incomplete) if item.type == "file" else [f"{_kind(item)},{item.value}"]
        return "\n".join(f"{kind},{value[self._cut :]}" for kind, _, value in (line.partition(",") for line in lines))


@add_completion_class
class Zsh(ZshComplete):
    """Completion in zsh of values that are to be continued: NAME= gets no blank after it."""

    source_template = ZshComplete.source_template.replace(
        """        elif [[ "$type" == "dir" ]]; then""",
        """        elif [[ "$type" == "part" ]]; then
            local -a shown=("$key${${descr:#_}:+  -- $descr}")
            compadd -U -S '' -d shown -- "$key"
        elif [[ "$type" == "dir" ]]; then""",
    )

    def format_completion(self, item: CompletionItem[str]) -> str:
        """Return three lines: what kind of offer it is, its text, and what it is."""
        is_part = _kind(item) == "part"
        return f"part\n{item.value}\n{item.help or '_'}" if is_part else super().format_completion(item)


@add_completion_class
class Fish(FishComplete):
    """Completion in fish of values that hold commas."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split -m 1 ","')


def _files(start: str) -> list[str]:
    """Return the files that begin with *start*."""
    folder, _, name = start.rpartition("/")
    where = Path(f"{folder}/" if "/" in start else ".").expanduser()
    prefix = start[: len(start) - len(name)]
    try:
        names = sorted(entry.name for entry in where.iterdir())
    except OSError:
        return []
    hidden = name.startswith(".")
    return [f"file,{prefix}{found}" for found in names if found.startswith(name) and (hidden or found[0] != ".")]


def _kind(item: CompletionItem[str]) -> str:
    """Return how a shell is to take an offer: one that is to be continued is a part."""
    return "part" if item.type == "plain" and item.value.endswith(("=", ":", "/")) else item.type


def prepare() -> None:
    """Get ready to answer a shell: its terminal is no place for messages."""
    sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as the process runs


_SHELLS: Final = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> None:
    """Print the script that completes memtwin's commands, options and their values in a shell.

    An installation has it already, in share/ below its prefix: bash, zsh and fish read it there when the prefix is one
    of theirs (/usr, /usr/local, ~/.local).
    """
    from memtwin.cli import COMPLETE_VARIABLE, group

    completion = get_completion_class(shell)
    assert completion is not None
    write(completion(group, {}, "memtwin", COMPLETE_VARIABLE).source() + "\n")
