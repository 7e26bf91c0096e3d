"""``memtwin htop``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import click

from memtwin.cli import complete
from memtwin.cli.common import is_screen, note, open_root, root_option, write
from memtwin.errors import NotBuiltError, UsageError
from memtwin.sources.processes import HIDDEN, are_hidden
from memtwin.sources.sampler import names_of_users
from memtwin.views import top as view
from memtwin.views.top_fields import FIELDS

if TYPE_CHECKING:
    from memtwin.sources.source import Source
    from memtwin.tui.htop.page import Page

_DELAY_S: Final = 1.5
_ROWS: Final = 24
_COLUMNS: Final = 80
_SCREEN_NEEDED: Final = "pip install 'memtwin[tui]'; memtwin top needs nothing more"


@click.command("htop")
@click.option(
    "-d", "--delay", type=click.FloatRange(0.1, 1e6), default=_DELAY_S, metavar="SECONDS", help="Between looks."
)
@click.option(
    "-p",
    "--pid",
    "pids",
    multiple=True,
    metavar="PID[,PID]",
    shell_complete=complete.pids,
    help="Only these processes.",
)
@click.option("-u", "--user", metavar="USER", shell_complete=complete.users, help="Only processes of this user.")
@click.option(
    "-s", "--sort-key", "key", default="%CPU", metavar="FIELD", shell_complete=complete.several_of(FIELDS),
    help="Order by.",
)  # fmt: skip
@click.option("-t", "--tree", is_flag=True, help="Begin with the tree.")
@click.option("-F", "--filter", "words", default="", metavar="TEXT", help="Only tasks with this text.")
@click.option("-C", "--no-color", "plain", is_flag=True, help="No colours, as with NO_COLOR.")
@click.option("-M", "--no-mouse", is_flag=True, help="Leave the mouse to the terminal.")
@click.option("--readonly", is_flag=True, help="No signals and no nice values.")
@click.option(
    "--fields", metavar="FIELDS", shell_complete=complete.several_of(FIELDS),
    help=f"Columns, of {', '.join(FIELDS)}.",
)  # fmt: skip
@root_option
def command(
    *, root: str, delay: float, pids: tuple[str, ...], user: str | None, key: str, tree: bool, words: str,
    plain: bool, no_mouse: bool, readonly: bool, fields: str | None,
) -> int:  # fmt: skip
    """Show a machine as htop does: bars, tasks as a list or a tree, memory that adds up.

    F1 lists the keys, ? explains the figure under the cursor, : finds every action by words. Where there is no terminal
    that can show a screen, one picture is printed.
    """
    from memtwin.cli.top import uid_of
    from memtwin.tui.htop.page import Page
    from memtwin.tui.htop.rows import Choice
    from memtwin.tui.htop.table import DEFAULT

    if plain:
        os.environ["NO_COLOR"] = "1"
    source = open_root(root)
    users = names_of_users(source)
    choice = Choice(
        view.field_named(key), tree=tree, words=words, user=uid_of(user, users), pids=frozenset(_pids(pids))
    )
    page = Page(
        users, live=source.is_live, readonly=readonly, unicode=is_unicode(), choice=choice,
        fields=view.choose_fields(fields) if fields else DEFAULT, name="" if source.is_live else source.name,
    )  # fmt: skip
    if are_hidden(source):
        note(HIDDEN)
    return _show(page, source, delay, mouse=not no_mouse)


def _show(page: Page, source: Source, delay_s: float, *, mouse: bool) -> int:
    from memtwin.sources.looks import Looker

    film = Looker(source)
    if not is_screen():
        _print(page, film)
        return 0
    try:
        from memtwin.tui.htop import app
    except ModuleNotFoundError as problem:
        if (problem.name or "").partition(".")[0] not in {"textual", "rich"}:
            raise
        raise NotBuiltError("memtwin htop needs Textual, the extra tui", hint=_SCREEN_NEEDED) from None
    return app.run(page, film, delay_s=delay_s, mouse=mouse)


def _print(page: Page, film: object) -> None:
    """Print one picture, of all tasks."""
    from memtwin.sources.looks import Looker, Wants

    assert isinstance(film, Looker)
    columns, _ = os.get_terminal_size(1) if os.isatty(1) else (int(os.environ.get("COLUMNS") or _COLUMNS), 0)
    page.show(film.look(Wants(frozenset({"statm", "status", "cmdline"}))))
    page.picture(columns or _COLUMNS, _ROWS + len(page.rows()))
    page.show(film.look(page.wants()))
    write(page.text(columns or _COLUMNS, _ROWS + len(page.rows())))
    film.close()


def _pids(words: tuple[str, ...]) -> list[int]:
    found = [word for word in ",".join(words).split(",") if word]
    for word in found:
        if not (word.isascii() and word.isdecimal()):
            raise UsageError(f"-p {word}: not a process id")
    return [int(word) for word in found]


def is_unicode() -> bool:
    """Return whether the locale has more than ASCII; Python itself takes UTF-8 for C, the terminal may not."""
    chosen = os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or "C"
    lang = os.environ.get("LANG", "")
    if chosen == "C.UTF-8" and not os.environ.get("LC_ALL") and lang in {"", "C", "POSIX"}:
        return False  # Python's own choice where the locale is C (PEP 538)
    return "utf-8" in chosen.lower().replace("utf8", "utf-8")
