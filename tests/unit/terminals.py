"""Programs on a terminal of their own: a pty, and what it would show."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

MAIN = "import sys; from memtwin.cli import main; sys.exit(main())"
_SEQUENCE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|(\r\n|\n|\r)|([^\x1b\r\n]+)|\x1b.")
_LIMIT_S = 60.0


class Terminal:
    """memtwin with *args* on a pty of *columns* by *rows*; a context that kills what still runs at its end."""

    def __init__(self, *args: str, columns: int = 80, rows: int = 24, **environment: str) -> None:
        self.columns, self.rows, self.sent = columns, rows, ""
        self.characters = codecs.getincrementaldecoder("utf-8")()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            os.execve(
                sys.executable,
                [sys.executable, "-c", MAIN, *args],
                {**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **environment},
            )
        self.mode: list[Any] = termios.tcgetattr(self.fd)
        self.code: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        if self.fd >= 0:
            os.close(self.fd)

    def press(self, *keys: str) -> None:
        for key in keys:
            os.write(self.fd, key.encode())

    def resize(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, text: str) -> list[str]:
        """Return the picture as soon as it shows *text*."""
        end = time.monotonic() + _LIMIT_S
        while not any(text in line for line in self.picture()):
            assert time.monotonic() < end, (text, self.picture())
            self.read(0.2)
        return self.picture()

    def ended(self) -> int:
        """Return the exit code, or minus the signal, when the program has ended."""
        end = time.monotonic() + _LIMIT_S
        while self.code is None:
            assert time.monotonic() < end, self.picture()
            self.read(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        self.read(0.1)
        return self.code

    def picture(self) -> list[str]:
        """Return the lines that the terminal shows now, without blanks at their ends."""
        screen = [[" "] * self.columns for _ in range(self.rows)]
        row = column = 0
        for sequence in _SEQUENCE.finditer(self.sent):
            numbers, letter, newline, text = sequence.groups()
            if text is not None:
                for char in text[: self.columns - column]:
                    if row < self.rows:
                        screen[row][column] = char
                    column += 1
            elif newline:
                row, column = row + ("\n" in newline), 0
                if row >= self.rows:
                    screen, row = [*screen[1:], [" "] * self.columns], self.rows - 1
            elif letter == "H":
                row, column = (int(word) - 1 for word in (numbers or "1;1").split(";"))
            elif letter == "K" and row < self.rows:
                screen[row][column:] = [" "] * (self.columns - column)
            elif letter == "J":
                screen = [[" "] * self.columns for _ in range(self.rows)]
        return ["".join(line).rstrip() for line in screen]

    def read(self, seconds: float) -> None:
        """Take what it sends, for which *seconds* are waited."""
        while self.fd >= 0 and select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 1 << 16)
            except OSError:  # the other side is closed
                return
            if not data:
                return
            self.sent += self.characters.decode(data)
            seconds = 0.0


def left_clean(terminal: Terminal) -> bool:
    """Whether the terminal is out of the alternate screen, has its cursor, and its mode is what it was."""
    modes = re.findall(r"\x1b\[\?(25|1049)([hl])", terminal.sent)
    last = dict(modes)
    try:
        is_same = termios.tcgetattr(terminal.fd)[3] == terminal.mode[3]
    except termios.error:
        is_same = True
    return last.get("25", "h") == "h" and last.get("1049", "l") == "l" and is_same


def run_to_end(args: Sequence[str], **environment: str) -> tuple[int, list[str]]:
    with Terminal(*args, **environment) as terminal:
        return terminal.ended(), terminal.picture()
