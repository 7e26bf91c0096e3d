"""A terminal as a picture of lines: only what differs from the picture before is sent.

It speaks the sequences that every terminal since the VT220 knows (cursor address, erase to the end of the line, bold,
reverse), works on the alternate screen, and leaves the terminal as it was: at the end, at an error, while ^Z stops it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from memtwin.render.table import cut

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType, TracebackType

_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[2J"
_LEAVE: Final = "\x1b[0m\x1b[2J\x1b[?25h\x1b[?1049l"
_PLAIN: Final = "\x1b[0m"
_STYLES: Final = {"": "", "bold": "\x1b[1m", "reverse": "\x1b[7m"}
_KEYS: Final = {
    "\x1b[A": "up", "\x1b[B": "down", "\x1b[C": "right", "\x1b[D": "left", "\x1bOA": "up", "\x1bOB": "down",
    "\x1bOC": "right", "\x1bOD": "left", "\x1b[H": "home", "\x1b[F": "end", "\x1b[1~": "home", "\x1b[4~": "end",
    "\x1bOH": "home", "\x1bOF": "end", "\x1b[5~": "pageup", "\x1b[6~": "pagedown", "\x7f": "backspace",
    "\x08": "backspace", "\r": "enter", "\n": "enter", "\x1b": "escape",
}  # fmt: skip
_READ_BYTES: Final = 1024
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
SMALLEST: Final = (80, 24)
"""Columns and rows where the terminal does not say them."""


class Line(NamedTuple):
    """One line of a picture: printable text in one style, ``bold``, ``reverse`` or none."""

    text: str
    style: str = ""


class Ended(Exception):  # noqa: N818 - a request, no error
    """The terminal is gone, or the program was asked to end by a signal."""


class Screen:
    """The terminal on *out* and *keys* (descriptors), as a context: it is a screen inside, and as it was outside."""

    def __init__(self, keys: int | None = None, out: int | None = None) -> None:
        self._keys = sys.stdin.fileno() if keys is None else keys
        self._out = sys.stdout.fileno() if out is None else out
        self._shown: list[Line] = []
        self._pressed: list[str] = []
        self._mode: list[Any] = []
        self._handlers: dict[int, Any] = {}
        self._woken, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._ended = False

    def __enter__(self) -> Self:
        self._mode = termios.tcgetattr(self._keys)
        for number, handler in (
            (signal.SIGWINCH, self._on_resize), (signal.SIGCONT, self._on_resume), (signal.SIGTSTP, self._on_stop),
            *((ending, self._on_end) for ending in _ENDING),
        ):  # fmt: skip
            self._handlers[number] = signal.signal(number, handler)
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        with suppress(OSError, termios.error):  # the terminal may be gone
            self._restore()
        for fd in (self._woken, self._wake):
            os.close(fd)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows now."""
        try:
            columns, rows = os.get_terminal_size(self._out)
        except OSError:
            columns, rows = SMALLEST
        return columns or SMALLEST[0], rows or SMALLEST[1]

    def draw(self, lines: Sequence[Line]) -> int:
        """Show *lines* from the top, blank below; return how many bytes that took."""
        columns, rows = self.size
        picture = [Line(cut(line.text, columns), line.style) for line in lines[:rows]]
        picture += [Line("")] * (rows - len(picture))
        if len(self._shown) != len(picture):
            self._shown = [Line("\0")] * len(picture)
        sent = "".join(
            _difference(row, before, line)
            for row, (before, line) in enumerate(zip(self._shown, picture, strict=True), 1)
            if before != line
        )
        self._shown = picture
        self._send(sent)
        return len(sent)

    def key(self, seconds: float | None) -> str | None:
        """Return the next key by its character or name; None after *seconds*, or when the picture is to be drawn again.

        Raise :class:`Ended` when the terminal is closed or the program is asked to end.
        """
        if self._pressed:
            return self._pressed.pop(0)
        ready, _, _ = select.select([self._keys, self._woken], [], [], None if seconds is None else max(seconds, 0.0))
        if self._ended:
            raise Ended
        if self._woken in ready:
            with suppress(BlockingIOError):
                os.read(self._woken, _READ_BYTES)
            self._shown = []
        if self._keys not in ready:
            return None
        try:
            data = os.read(self._keys, _READ_BYTES)
        except OSError:
            data = b""
        if not data:
            raise Ended
        self._pressed = split_keys(data.decode(errors="replace"))
        return self._pressed.pop(0) if self._pressed else None

    def _begin(self) -> None:
        tty.setcbreak(self._keys)
        self._shown = []
        self._send(_ENTER)

    def _restore(self) -> None:
        self._send(_LEAVE)
        termios.tcsetattr(self._keys, termios.TCSADRAIN, self._mode)

    def _send(self, text: str) -> None:
        data = text.encode(errors="replace")
        while data:
            try:
                data = data[os.write(self._out, data) :]
            except OSError as problem:
                raise Ended from problem

    def _on_resize(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._notify()

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._restore()
        os.kill(os.getpid(), signal.SIGSTOP)

    def _on_resume(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._begin()
        self._notify()

    def _on_end(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._ended = True
        self._notify()

    def _notify(self) -> None:
        with suppress(BlockingIOError):
            os.write(self._wake, b"w")


def split_keys(text: str) -> list[str]:
    r"""Return the keys in what a terminal sent: characters, and names of those that send sequences.

    >>> split_keys("k\x1b[A\x1b[99zq")
    ['k', 'up', 'q']
    """
    keys = []
    while text:
        found = next((sequence for sequence in _KEYS if len(sequence) > 1 and text.startswith(sequence)), None)
        if found is None and text[:2] in {"\x1b[", "\x1bO"}:  # one that no name is known for
            end = next((i for i, char in enumerate(text[2:], 3) if "@" <= char <= "~"), len(text))
            text = text[end:]
            continue
        found = found or text[0]
        keys.append(_KEYS.get(found, found))
        text = text[len(found) :]
    return keys


def _difference(row: int, before: Line, line: Line) -> str:
    """Return what turns the line *before* into *line*: from the first character that differs to the end."""
    start = 0
    if before.style == line.style and before.text.isascii() and line.text.isascii():
        pairs = enumerate(zip(before.text, line.text, strict=False))
        start = next((i for i, (old, new) in pairs if old != new), min(len(before.text), len(line.text)))
    style = _STYLES[line.style]
    return f"\x1b[{row};{start + 1}H\x1b[K{style}{line.text[start:]}{_PLAIN if style else ''}"
