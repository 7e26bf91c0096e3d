"""``memtwin completion``."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

from memtwin.cli.common import write

_SHELLS: Final = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> None:
    r"""Print the code that completes memtwin's commands and options in SHELL.

    \b
    bash: memtwin completion bash > ~/.local/share/bash-completion/completions/memtwin
    zsh:  memtwin completion zsh > DIR/_memtwin, with DIR in $fpath
    fish: memtwin completion fish > ~/.config/fish/completions/memtwin.fish
    """
    from memtwin.cli import group  # noqa: PLC0415 - the group imports its commands, not the reverse

    completion = get_completion_class(shell)
    assert completion is not None
    write(completion(group, {}, "memtwin", "_MEMTWIN_COMPLETE").source() + "\n")
