"""The one reader of a page: a thread that looks at the machine at intervals, and at once when it is asked to."""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from memtwin.errors import MemtwinError
from memtwin.sources.looks import Wants

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.sources.films import Film
    from memtwin.sources.looks import Look


_ENDING_S: Final = 2.0
"""How long the end waits for a look that is under way."""


class Reader(threading.Thread):
    """Looks at *film* every *delay_s* seconds and gives *deliver* each look, or why there is none.

    :meth:`do` lets it carry out a job, such as going to another moment: the film is the thread's alone.
    """

    def __init__(self, film: Film, deliver: Callable[[Look | str], None], delay_s: float) -> None:
        super().__init__(name="reader", daemon=True)
        self.film, self.deliver, self.delay_s = film, deliver, delay_s
        self.wants = Wants()
        self._jobs: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._is_filling = False
        self._last: Look | None = None
        self._due = 0.0

    def do(self, job: Callable[[], object]) -> None:
        """Carry out *job* in the reader's thread, and look at once afterwards."""
        self._jobs.put(job)

    def fill(self) -> None:
        """Read what is wanted now and was not in the look before."""
        if not self._is_filling:
            self._is_filling = True
            self._jobs.put(_fill)

    def end(self) -> None:
        """End the thread, and close the film."""
        self._jobs.put(None)
        if self.is_alive():
            self.join(_ENDING_S)

    def run(self) -> None:
        """Look until the end."""
        job: Callable[[], object] | None = _nothing
        while job is not None:
            try:
                if job is _fill and self._last is not None:
                    self._is_filling = False
                    self._last = self.film.refill(self._last, self.wants)
                else:
                    job()
                    self._due = time.monotonic() + self.delay_s
                    self._last = self.film.look(self.wants)
                self.deliver(self._last)
            except (MemtwinError, OSError) as problem:
                self.deliver(str(problem))
            except EOFError:
                self.deliver("the process that has the model has ended")
            job = self._next()
        self.film.close()

    def _next(self) -> Callable[[], object] | None:
        """Wait for the next job; work meanwhile, where there is work that nothing waits for."""
        while self._jobs.empty() and time.monotonic() < self._due and self.film.idle():
            pass
        try:
            return self._jobs.get(timeout=max(self._due - time.monotonic(), 0.0))
        except Empty:
            return _nothing


def _nothing() -> None:
    """Carry out nothing: only look."""


def _fill() -> None:
    """Stands for more of the look before."""
