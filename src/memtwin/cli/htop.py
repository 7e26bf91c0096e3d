"""``memtwin htop``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import click

from memtwin.cli import complete
from memtwin.cli.common import LIVE, is_screen, note, open_root, root_option, write
from memtwin.errors import NotBuiltError, RecordingError, UsageError
from memtwin.sources.processes import HIDDEN, are_hidden
from memtwin.sources.sampler import names_of_users
from memtwin.views import top as view
from memtwin.views.top_fields import FIELDS

if TYPE_CHECKING:
    from memtwin.sources.films import Film
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
@click.argument("scenario", metavar="[SCENARIO]", required=False, shell_complete=complete.files)
@click.option("--boot", metavar="WHERE", shell_complete=complete.roots, help="Run SCENARIO on this machine.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", shell_complete=complete.settings,
    help="Change the machine that SCENARIO runs on, as `memtwin run` does. May be given several times.",
)  # fmt: skip
@root_option
def command(
    *, scenario: str | None, boot: str | None, settings: tuple[str, ...], root: str,
    delay: float, pids: tuple[str, ...], user: str | None, key: str, tree: bool, words: str,
    plain: bool, no_mouse: bool, readonly: bool, fields: str | None,
) -> int:  # fmt: skip
    """Show a machine as htop does: bars, tasks as a list or a tree, memory that adds up.

    F1 lists the keys, ? explains the figure under the cursor, : finds every action by words. A run, a recording or a
    trace is gone through with [ ] { } j and W; with SCENARIO the model runs, is gone through, changed and forked. Where
    there is no terminal that can show a screen, one picture is printed.
    """
    from memtwin.cli.top import uid_of
    from memtwin.tui.htop.page import Page
    from memtwin.tui.htop.rows import Choice
    from memtwin.tui.htop.table import DEFAULT

    if plain:
        os.environ["NO_COLOR"] = "1"
    if scenario is None and (boot is not None or settings):
        raise UsageError("--boot and --set without SCENARIO", hint="--root shows a machine as it is")
    if scenario is not None and root != LIVE:
        raise UsageError("SCENARIO and --root", hint="--boot is the machine that it runs on")
    chosen = frozenset(_pids(pids))
    film = _film(root) if scenario is None else _model(scenario, boot, settings)
    source = film.looker.source
    users = names_of_users(source)
    choice = Choice(view.field_named(key), tree=tree, words=words, user=uid_of(user, users), pids=chosen)
    page = Page(
        users, live=source.is_live, readonly=readonly, unicode=is_unicode(), choice=choice,
        fields=view.choose_fields(fields) if fields else DEFAULT, name="" if source.is_live else source.name,
    )  # fmt: skip
    page.paused = not source.is_live
    if are_hidden(source):
        note(HIDDEN)
    return _show(page, film, delay, mouse=not no_mouse)


def _film(root: str) -> Film:
    """Return the machine of ``--root`` over its time, at the moment that is named."""
    from memtwin.sources import films
    from memtwin.sources.recording import Recording
    from memtwin.sources.trace import Trace, is_trace

    path, at, label = root.rpartition("@")
    path, label = (path, label) if at and not os.path.lexists(root) else (root, "")
    if is_trace(path):
        trace = Trace(path)
        film: films.Film = films.TraceFilm(trace)
        film.step(trace.index(label or "last"))
        return film
    if root in {LIVE, "/"}:
        return films.LiveFilm(open_root(root))
    try:
        recording = films.RecordingFilm(Recording(path, partial=True))
    except (RecordingError, UsageError):
        return films.Film(open_root(root))
    if label:
        recording.go(recording.index_of(label))
    return recording


def _model(path: str, boot: str | None, settings: tuple[str, ...]) -> Film:
    """Return the model of a scenario, at its boot."""
    from memtwin.cli.run import workload_of
    from memtwin.replay.film import ModelFilm
    from memtwin.run.run import machine_for, refuse_what_cannot_be_done
    from memtwin.sources.recording import boot_of

    scenario, source = workload_of(path)
    if boot is not None:
        source = boot_of(boot)
    refuse_what_cannot_be_done(scenario)
    return ModelFilm(scenario, lambda: machine_for(scenario, source, settings=settings))


def _show(page: Page, film: Film, delay_s: float, *, mouse: bool) -> int:
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


def _print(page: Page, film: Film) -> None:
    """Print one picture, of all tasks."""
    from memtwin.sources.looks import Wants

    columns, _ = os.get_terminal_size(1) if os.isatty(1) else (int(os.environ.get("COLUMNS") or _COLUMNS), 0)
    page.show(film.look(Wants(frozenset({"statm", "status", "cmdline"}))))
    page.picture(columns or _COLUMNS, _ROWS + len(page.rows()))
    page.show(film.refill(film.look(page.wants()), page.wants()))
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
