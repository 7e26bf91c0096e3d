"""``memtwin top`` on a terminal: procps' keys over the view ``top``."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.errors import UsageError
from memtwin.render import table, terminal
from memtwin.tui.screen import Ended, Line, Screen
from memtwin.views import memory_bar
from memtwin.views import top as view
from memtwin.views.top_fields import FIELDS, Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from memtwin.sources.sampler import Sampler, Task

_SORTS: Final = {"P": "%CPU", "M": "%MEM", "N": "PID", "T": "TIME+"}
_UNITS: Final = 6
_COLLECT_AFTER: Final = 100_000
_FIRST_S: Final = 0.15
_SHORTEST_S: Final = 0.1
_LONGEST_S: Final = 1e6
_UNKNOWN: Final = "Unknown command - try 'h' for help"
_STORED: Final = "a stored machine: nothing runs there"
HELP: Final = """\
q            quit                        SPACE, ENTER  look again now
P M N T      sort by %CPU, %MEM, PID, TIME+
< >          sort by the column to the left, to the right
R            turn the order round
c            command lines or names      H    threads or processes
i            idle tasks too or not       1    one line for each CPU or one for all
l t          show or hide the load average, tasks and CPUs
m            memory in figures, as bars, or not at all
E e          unit of memory above, of the tasks below
f            choose columns              n #  at most so many tasks
u U          tasks of one user: effective, or any of his ids
k            send a signal               r    change a nice value
d s          seconds between samples     L &  find a text, find it again
UP DOWN PAGE HOME END                    through the list
h ?          this page

Any key goes back.
"""


class _Prompt(NamedTuple):
    """A question on the message line, what is typed so far, and what is done with it."""

    question: str
    then: Callable[[str], None]
    typed: str = ""


class Top:
    """What the keys change: *options* of the view, which row is first, what is hidden, a question that is open."""

    def __init__(
        self, sampler: Sampler, users: Mapping[int, str], options: view.Options, delay_s: float, *, unicode: bool = True
    ) -> None:
        self.sampler, self.users, self.options, self.delay_s = sampler, users, options, delay_s
        self.unicode = unicode
        self.first = 0
        self.most: int | None = None
        self.hidden: set[str] = set()
        self.has_bars = False
        self.message = ""
        self.help = False
        self.sought = ""
        self.prompt: _Prompt | None = None
        self.tasks: list[Task] = []
        self.frame: Frame | None = None
        self.is_stale = True

    def look(self) -> None:
        """Take a sample."""
        self.frame = Frame(self.sampler.sample(), self.users, self.options.arguments, self.options.threads)
        self.is_stale = False

    def lines(self, columns: int, rows: int) -> list[Line]:
        """Return the picture for a screen of *columns* and *rows*."""
        if self.help:
            return [Line(line) for line in HELP.splitlines()]
        assert self.frame is not None
        frame = self.frame._replace(arguments=self.options.arguments)
        options = self.options._replace(columns=columns)
        load, states, memory = view.summary(frame, options)
        parts = zip("ltm", (load, states, self._bars(columns) if self.has_bars else memory), strict=True)
        head = [line for name, part in parts if name not in self.hidden for line in part]
        room = max(rows - len(head) - 2, 0)
        self.tasks = view.order(frame, options, self.sampler.fill)
        self.first = max(min(self.first, len(self.tasks) - 1), 0)
        shown = self.tasks[self.first : self.first + min(room, self.most or room)]
        self.sampler.fill(shown, view.needs(options.fields, frame))
        written = list(table.lines(terminal.as_table(view.grid(frame, shown, options))))
        return [
            *map(Line, head),
            Line(self._message()),
            Line(written[0].ljust(columns), "reverse"),
            *(Line(text, "bold" * (task.stat.state == "R")) for text, task in zip(written[1:], shown, strict=True)),
        ]

    def press(self, key: str) -> bool:
        """Do what *key* says; return False if that is to quit."""
        self.message = ""
        if self.help:
            self.help = False
        elif self.prompt is not None:
            self._type(self.prompt, key)
        elif key == "q":
            return False
        else:
            self._act(key)
        return True

    def _message(self) -> str:
        if self.prompt is not None:
            return f"{self.prompt.question} {self.prompt.typed}_"
        return self.message

    def _type(self, prompt: _Prompt, key: str) -> None:
        """Take a character of an answer."""
        if key == "enter":
            self.prompt = None
            try:
                prompt.then(prompt.typed.strip())
            except UsageError as problem:
                self.message = str(problem)
        elif key == "escape":
            self.prompt = None
        elif key == "backspace":
            self.prompt = prompt._replace(typed=prompt.typed[:-1])
        elif len(key) == 1 and key.isprintable():
            self.prompt = prompt._replace(typed=prompt.typed + key)

    def _ask(self, question: str, then: Callable[[str], None]) -> None:
        self.prompt = _Prompt(question, then)

    def _act(self, key: str) -> None:
        simple: dict[str, Callable[[], None]] = {
            "h": self._show_help, "?": self._show_help, " ": self._again, "enter": self._again,
            "R": lambda: self._set(rising=not self.options.rising),
            "c": lambda: self._set(arguments=not self.options.arguments), "H": self._toggle_threads,
            "i": lambda: self._set(idle=not self.options.idle),
            "1": lambda: self._set(each_cpu=not self.options.each_cpu),
            "E": lambda: self._set(unit=(self.options.unit + 1) % _UNITS),
            "e": lambda: self._set(task_unit=(self.options.task_unit + 1) % (_UNITS - 1)),
            "<": lambda: self._move_key(-1), ">": lambda: self._move_key(1),
            "d": self._ask_delay, "s": self._ask_delay, "n": self._ask_most, "#": self._ask_most,
            "u": lambda: self._ask_user("user"), "U": lambda: self._ask_user("any_user"),
            "f": lambda: self._ask(f"Columns [{','.join(self.options.fields)}]", self._choose_fields),
            "k": self._ask_kill, "r": self._ask_nice, "L": lambda: self._ask("Find", self._find),
            "&": lambda: self._find(self.sought), "m": self._next_memory,
        }  # fmt: skip
        if key in simple:
            simple[key]()
        elif key in _SORTS:
            self._set(key=_SORTS[key], rising=False)
        elif key in {"l", "t"}:
            self.hidden ^= {key}
        elif not self._scroll(key):
            self.message = _UNKNOWN

    def _set(self, **changes: object) -> None:
        self.options = self.options._replace(**changes)  # type: ignore[arg-type]

    def _bars(self, columns: int) -> list[str]:
        assert self.frame is not None
        sample = self.frame.sample
        parts = None if sample.memory is None else memory_bar.segments(sample.memory)
        return [] if parts is None else memory_bar.lines(parts, sample.swaps, columns, unicode=self.unicode)

    def _next_memory(self) -> None:
        """Show memory in figures, as bars, not at all, and in figures again."""
        if "m" in self.hidden:
            self.hidden -= {"m"}
        elif self.has_bars:
            self.hidden |= {"m"}
            self.has_bars = False
        else:
            self.has_bars = True

    def _show_help(self) -> None:
        self.help = True

    def _again(self) -> None:
        self.is_stale = True

    def _scroll(self, key: str) -> bool:
        """Move the first row; return False if *key* does not."""
        page = 10
        last = max(len(self.tasks) - 1, 0)
        to = {
            "up": self.first - 1, "down": self.first + 1, "pageup": self.first - page, "pagedown": self.first + page,
            "home": 0, "end": last,
        }.get(key)  # fmt: skip
        if to is None:
            return False
        self.first = min(max(to, 0), last)
        return True

    def _move_key(self, step: int) -> None:
        fields = self.options.fields
        at = fields.index(self.options.key) if self.options.key in fields else 0
        self._set(key=fields[min(max(at + step, 0), len(fields) - 1)])
        self.message = f"sorted by {self.options.key}"

    def _toggle_threads(self) -> None:
        if not self.sampler.source.is_live:
            self.message = "a stored machine has processes, no threads"
            return
        self._set(threads=not self.options.threads)
        self.sampler.threads = self.options.threads
        self.is_stale = True

    def _ask_delay(self) -> None:
        self._ask(f"Change delay from {self.delay_s:.1f} to", self._change_delay)

    def _change_delay(self, words: str) -> None:
        if words:
            seconds = _number(words)
            if not _SHORTEST_S <= seconds <= _LONGEST_S:
                raise UsageError(f"{words}: not between {_SHORTEST_S} and {_LONGEST_S:.0f} s")
            self.delay_s = seconds

    def _ask_most(self) -> None:
        self._ask(f"Maximum tasks = {self.most or 0}, change to (0 is unlimited)", self._change_most)

    def _change_most(self, words: str) -> None:
        if words:
            self.most = int(_number(words)) or None

    def _ask_user(self, which: str) -> None:
        def choose(words: str) -> None:
            self._set(user=None, any_user=None)
            if words:
                self._set(**{which: self._uid(words)})

        self._ask("Which user (blank for all)", choose)

    def _uid(self, words: str) -> int:
        found = [number for number, name in self.users.items() if name == words]
        if not found and not words.isdecimal():
            raise UsageError(f"no user {words}")
        return found[0] if found else int(words)

    def _choose_fields(self, words: str) -> None:
        if words:
            self._set(fields=view.choose_fields(words))

    def _find(self, words: str) -> None:
        """Scroll to the next task whose row has *words*."""
        assert self.frame is not None
        self.sought = words
        for at in range(self.first + 1, len(self.tasks)):
            task = self.tasks[at]
            self.sampler.fill((task,), view.needs(self.options.fields, self.frame))
            cells = (FIELDS[name].of(task, self.frame) for name in self.options.fields)
            if words and any(words in str(cell) for cell in cells):
                self.first = at
                return
        self.message = f"{words} not found"

    def _ask_kill(self) -> None:
        self._ask_pid("PID to signal/kill", lambda pid: self._ask(
            f"Send pid {pid} signal [15/sigterm]", lambda words: self._signal(pid, words)
        ))  # fmt: skip

    def _ask_nice(self) -> None:
        self._ask_pid("PID to renice", lambda pid: self._ask(
            f"Renice PID {pid} to value", lambda words: self._renice(pid, words)
        ))  # fmt: skip

    def _ask_pid(self, question: str, then: Callable[[int], None]) -> None:
        if not self.sampler.source.is_live:
            self.message = _STORED
        elif self.tasks:
            default = self.tasks[self.first].pid
            self._ask(f"{question} [default pid = {default}]", lambda words: then(int(_number(words or str(default)))))

    def _signal(self, pid: int, words: str) -> None:
        name = words.upper().removeprefix("SIG") or "TERM"
        number = int(name) if name.isdecimal() else getattr(signal, f"SIG{name}", None)
        if number is None or not 0 < number < signal.NSIG:
            raise UsageError(f"no signal {words}")
        try:
            os.kill(pid, number)
        except OSError as problem:
            self.message = f"Failed signal pid '{pid}' with '{int(number)}': {problem.strerror}"

    def _renice(self, pid: int, words: str) -> None:
        value = int(_number(words))
        try:
            os.setpriority(os.PRIO_PROCESS, pid, value)
        except OSError as problem:
            self.message = f"Failed renice of PID {pid} to {value}: {problem.strerror}"


def run(sampler: Sampler, users: Mapping[int, str], options: view.Options, *, delay_s: float, times: int | None) -> int:
    """Show samples until ``q`` or *times* of them: return 0; 1 if the terminal went away or a signal ended it."""
    gc.freeze()  # thousands of tasks a sample, and none in a circle: the collector would go through all of them
    gc.set_threshold(_COLLECT_AFTER)
    is_unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    with suppress(Ended), Screen() as screen:
        _show(screen, Top(sampler, users, options, delay_s, unicode=is_unicode), times)
        return 0
    return 1


def _show(screen: Screen, top: Top, times: int | None) -> None:
    top.look()
    due = time.monotonic() + min(_FIRST_S, top.delay_s)  # at once what there is; what an interval has follows
    taken = 0
    while taken != times:
        screen.draw(top.lines(*screen.size))
        key = screen.key(due - time.monotonic())
        if key is not None and not top.press(key):
            return
        if top.is_stale or time.monotonic() >= due:
            top.look()
            due = time.monotonic() + top.delay_s
            taken += 1
    screen.draw(top.lines(*screen.size))


def _number(words: str) -> float:
    try:
        return float(words)
    except ValueError:
        raise UsageError(f"{words}: not a number") from None
