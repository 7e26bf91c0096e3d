"""What is kept between two days: how good the guesses were, what is due for a review, and the lesson that is open.

``$XDG_STATE_HOME/memtwin/learn.json``, ``~/.local/state`` where that is not set. It is written whole or not at all. A
file that cannot be read, or that is not ours, is left as it is: one sentence says so, and nothing is kept then.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from memtwin.errors import MemtwinError
from memtwin.files import output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERSION: Final = 1
_OURS: Final = "memtwin learn"
_MOST_BYTES: Final = 1 << 20
_KEPT_GUESSES: Final = 50
Count = Annotated[int, msgspec.Meta(ge=0)]
REVIEW_AFTER: Final = (1, 3, 7)
"""Lessons after which an earlier one comes back as one question."""


class Guess(msgspec.Struct, forbid_unknown_fields=True):
    """A guess and what came out; *guess* None: shown without one."""

    seed: int
    guess: int | None
    result: int
    quality: str
    review: bool = False


class Taken(msgspec.Struct, forbid_unknown_fields=True):
    """A lesson that was taken: its guesses, the newest last; after how many finished lessons it was finished."""

    guesses: list[Guess] = []
    finished_at: int | None = None
    reviews: Count = 0


class Open(msgspec.Struct, forbid_unknown_fields=True):
    """The lesson under way: its beat, and the answers so far. *turn* counts from 1."""

    lesson: str
    seed: int
    beat: str
    answered: bool = False
    guess: int | None = None
    turn: int | None = None
    turn_guess: int | None = None


class Progress(msgspec.Struct, forbid_unknown_fields=True):
    """All that is kept."""

    what: str = _OURS
    version: int = VERSION
    finished: Count = 0
    """Lessons finished, each time counted."""
    lessons: dict[str, Taken] = {}
    open: Open | None = None

    def due(self) -> str | None:
        """Return the lesson that is due for a review, the one that has waited longest; None if none is."""
        waiting = {
            key: self.finished - taken.finished_at - REVIEW_AFTER[taken.reviews]
            for key, taken in self.lessons.items()
            if taken.finished_at is not None and taken.reviews < len(REVIEW_AFTER)
        }
        ready = {key: late for key, late in waiting.items() if late >= 0}
        return max(ready, key=lambda key: ready[key]) if ready else None

    def note(self, key: str, guess: Guess) -> None:
        """Add a guess."""
        taken = self.lessons.setdefault(key, Taken())
        taken.guesses = [*taken.guesses, guess][-_KEPT_GUESSES:]
        taken.reviews += guess.review

    def begin(self, lesson: Open) -> None:
        """Keep where the lesson under way is."""
        self.open = lesson

    def finish(self, key: str) -> None:
        """Count *key* as finished; its reviews start again."""
        taken = self.lessons.setdefault(key, Taken())
        self.finished += 1
        taken.finished_at, taken.reviews, self.open = self.finished, 0, None


class Store:
    """The state on disk. :attr:`problem` is a sentence where it cannot be kept."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.problem: str | None = None if path else "nothing is kept: there is no home directory"
        self.state = self._read()

    def update(self, change: Callable[[Progress], None]) -> None:
        """Apply *change* to what is on disk now, and write it."""
        fresh = self._read() if self.problem is None else self.state
        if self.problem is None:
            self.state = fresh
        change(self.state)
        if self.problem is None and self.path is not None:
            try:
                _make_directories(self.path.parent)
                data = msgspec.json.format(msgspec.json.encode(self.state), indent=1) + b"\n"
                output.write_file(self.path, data, mode=output.OWNER_ONLY)
            except MemtwinError as problem:
                self.problem = f"nothing is kept: {problem}"
            except OSError as problem:
                self.problem = f"nothing is kept: {problem.filename}: {problem.strerror}"

    def _read(self) -> Progress:
        if self.path is None:
            return Progress()
        try:
            with self.path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
            found = msgspec.json.decode(data, type=Progress)
        except FileNotFoundError:
            return Progress()
        except (OSError, ValueError, RecursionError) as problem:
            why = problem.strerror if isinstance(problem, OSError) else "it is not what memtwin learn has written"
            self.problem = f"nothing is kept, and {self.path} stays as it is: {why}"
            return Progress()
        if found.what != _OURS or found.version != VERSION:
            self.problem = f"nothing is kept, and {self.path} stays as it is: another version of memtwin has written it"
            return Progress()
        return found


def path_of(environment: Mapping[str, str]) -> Path | None:
    """Return where the state lies; None without a home. A relative XDG_STATE_HOME counts as not set."""
    base, home = environment.get("XDG_STATE_HOME", ""), environment.get("HOME", "")
    if not Path(base).is_absolute():
        if not Path(home).is_absolute():
            return None
        base = f"{home}/.local/state"
    return Path(base) / "memtwin" / "learn.json"


def _make_directories(path: Path) -> None:
    """Make *path* for its owner alone, as the XDG specification asks; those that are there stay as they are."""
    if not path.is_dir():
        _make_directories(path.parent)
        path.mkdir(output.OWNER_ONLY, exist_ok=True)


def here() -> Store:
    """Return the store of the user of this process."""
    return Store(path_of(os.environ))
