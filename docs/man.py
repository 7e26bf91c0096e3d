"""Write the manual pages, one a command, from the text of ``--help`` (``make man``; ``man -l build/man/memtwin.1``)."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from click_man.core import generate_man_page

from memtwin import __version__
from memtwin.cli import COMMANDS, group


def main() -> None:
    """Write ``memtwin.1`` and ``memtwin-COMMAND.1`` into the directory that is given."""
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    top = click.Context(group, info_name="memtwin")
    (target / "memtwin.1").write_text(generate_man_page(top, version=__version__))
    for name in COMMANDS:
        command = group.get_command(top, name)
        assert command is not None
        page = generate_man_page(click.Context(command, info_name=name, parent=top), version=__version__)
        (target / f"memtwin-{name}.1").write_text(page)
    print(f"{target}: {len(COMMANDS) + 1} pages")


if __name__ == "__main__":
    main()
