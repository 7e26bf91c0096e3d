"""``memtwin learn``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from memtwin.cli import complete
from memtwin.cli.common import is_screen, look_of_stdout, note, note_leftovers, write
from memtwin.errors import MemtwinError, UsageError
from memtwin.files.output import check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.render.terminal import Look
    from memtwin.sources.source import Source

_LONGEST_LINE: Final = 4096
_LARGEST_SEED: Final = (1 << 31) - 1


@click.command("learn")
@click.argument("number", metavar="[LESSON]", type=int, required=False, shell_complete=complete.lessons)
@click.option(
    "--answer", "answers", multiple=True, metavar="N|?",
    help="Answer for scripts: the guess, the number of a change, the guess for that; ? shows without a guess. "
    "May be given several times; nothing is kept.",
)  # fmt: skip
@click.option(
    "--seed",
    type=click.IntRange(0, _LARGEST_SEED),
    metavar="N",
    help="Vary the sizes; 0 gives those of the first time.",
)
@click.option(
    "--on", "machine", metavar="WHERE", shell_complete=complete.roots,
    help="Take the lesson on this machine, as memtwin run --boot reads it: a snapshot, a recording or `live`.",
)  # fmt: skip
@click.option("--scenario", is_flag=True, help="Print the lesson as a scenario for memtwin run.")
@click.option(
    "--html", "pages", metavar="DIR", help="Write all lessons as pages for a browser into this new directory."
)
def command(
    *, number: int | None, answers: tuple[str, ...], seed: int | None, machine: str | None, scenario: bool,
    pages: str | None,
) -> int:  # fmt: skip
    """Learn memory management by prediction: a question, a run of it on the model, and why it went so.

    Without LESSON: the list, with the chapter's sections, minutes, and how good the guesses were. A lesson takes about
    three minutes, and can be left at any page and continued later. Guesses are kept in
    $XDG_STATE_HOME/memtwin, and nowhere else.
    """
    _refuse(number, answers, seed, machine, scenario=scenario, pages=pages)
    if pages is not None:
        return _write_pages(Path(pages))
    from memtwin.learn import course

    look = _look()
    face = course.Face(look, is_screen(), sys.stdin.isatty(), write, _line, note)
    if number is None:
        course.choose(face)
        return 0
    lesson = course.lesson(number)
    if scenario:
        write(course.scenario_text(lesson, seed or 0))
        return 0
    boot = _boot(machine, lesson.elsewhere, number)
    if answers:
        for text in course.answered(number, answers, seed or 0, boot, look):
            write(text)
        return 0
    course.take(number, seed, boot, face)
    return 0


def _refuse(
    number: int | None, answers: tuple[str, ...], seed: int | None, machine: str | None, *, scenario: bool,
    pages: str | None,
) -> None:  # fmt: skip
    """Refuse what cannot be together."""
    given = {"--answer": answers, "--seed": seed is not None, "--on": machine is not None, "--scenario": scenario}
    words = [name for name, is_given in given.items() if is_given]
    if pages is not None and (words or number is not None):
        raise UsageError(f"--html writes all lessons, and takes no {words[0] if words else 'LESSON'}")
    if number is None and words:
        raise UsageError(f"{words[0]} needs a LESSON", hint="memtwin learn lists them")
    if scenario and len(words) > 1 + (seed is not None):
        raise UsageError("--scenario takes --seed alone")


def _boot(machine: str | None, why_not: str, number: int) -> Source | None:
    """Open what ``--on`` names."""
    if machine is None:
        return None
    if why_not:
        raise UsageError(f"lesson {number} cannot be given on another machine: {why_not}", hint="leave out --on")
    from memtwin.sources.recording import boot_of

    return boot_of(machine)


def _write_pages(where: Path) -> int:
    if os.path.lexists(where):
        raise UsageError(f"{where} is there already", hint="give another directory, or remove it first")
    note_leftovers(check(where, is_directory=True))
    from memtwin.learn import html

    names = html.write(where, _memtwin)
    write(f"{where}: {len(names)} pages; begin with {where / 'index.html'}\n")
    return 0


def _memtwin(words: Sequence[str], where: Path) -> str:
    """Return what memtwin prints, run in a directory."""
    import subprocess

    command = [sys.executable, "-m", "memtwin", *words]
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)  # noqa: S603 - this program
    if done.returncode:
        raise MemtwinError(f"memtwin {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def _line() -> str:
    """Return a line of stdin; empty at its end."""
    sys.stdout.flush()
    return sys.stdin.readline(_LONGEST_LINE)


def _look() -> Look:
    """Return what the output can show; in the locale C it is ASCII."""
    return look_of_stdout()._replace(unicode=_is_utf8())


def _is_utf8() -> bool:
    """Return whether the locale is UTF-8; the LC_CTYPE that the interpreter sets by itself in the locale C is none."""
    chosen = os.environ.get("LC_CTYPE", "")
    names = (os.environ.get("LC_ALL"), "" if chosen == "C.UTF-8" else chosen, os.environ.get("LANG", ""))
    locale = next((name for name in names if name), "")
    return locale.upper().replace("-", "").endswith("UTF8") and (sys.stdout.encoding or "").lower() == "utf-8"
