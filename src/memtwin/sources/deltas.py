r"""A sample of many small files as what changed since the one before: most lines of /proc are the same but for numbers.

A text is a template and its numbers; blanks before a number are its padding where there are two or more, as the kernel
pads to a width. A text that the template of the one before prints, with other numbers, is a list of differences. Every
text is printed back when it is taken apart: what does not come back byte for byte is kept whole.

>>> one = Parts.of(b"MemFree:         9 kB\nActive: 7\n")
>>> one.template, one.numbers
(b'MemFree:%10d kB\nActive: %d\n', [9, 7])
>>> one.difference(b"MemFree:        10 kB\nActive: 7\n")
[0, 1]
"""

from __future__ import annotations

import re
from itertools import accumulate, pairwise, repeat
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.sources.msgpack import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NUMBER: Final = re.compile(rb"(?<![0-9])[0-9]{1,18}(?![0-9])")
_PADDED: Final = re.compile(rb"( *)(?<![0-9])([0-9]{1,18})(?![0-9])")
_MAX_STATE_BYTES: Final = 1 << 30
"""What all files of one moment may have together."""


class Parts:
    """One file's text: a template for ``%`` and the numbers in it."""

    __slots__ = ("_lines", "_rows", "numbers", "template")

    def __init__(self, template: bytes, numbers: list[int]) -> None:
        self.template, self.numbers = template, numbers
        self._lines: list[bytes] | None = None
        """Its lines, when it has changed twice; none yet: it has changed once."""
        self._rows: list[tuple[bytes, int, int]] = []
        """Of each line its template, and which of the numbers are in it."""

    @classmethod
    def of(cls, text: bytes) -> Parts:
        """Take *text* apart."""
        pieces = _PADDED.split(text.replace(b"%", b"%%"))  # what is between numbers, blanks, digits, and so on
        blanks, digits = pieces[1::3], pieces[2::3]
        pieces[1::3] = map(_field, blanks, digits)
        pieces[2::3] = repeat(b"", len(digits))
        parts = cls(b"".join(pieces), list(map(int, digits)))
        return parts if parts.text() == text else cls(text.replace(b"%", b"%%"), [])

    def text(self) -> bytes:
        """Return the text."""
        return self.template % tuple(self.numbers)

    def difference(self, text: bytes) -> list[int] | None:
        """Return what makes *text* of this one: (index since the last one, difference) pairs; None if it is another.

        The numbers are then those of *text*.
        """
        if self._lines is None:
            return self._first_difference(text)
        before = self._lines or self._cut()
        lines = text.split(b"\n")
        if len(lines) != len(before) or len(lines) != len(self._rows):
            return None
        changed = []
        for at, line in enumerate(lines):
            if line != before[at]:
                template, begin, end = self._rows[at]
                found = list(map(int, _NUMBER.findall(line)))
                if len(found) != end - begin or template % tuple(found) != line:
                    return None
                changed.append((begin, found))
        self._lines = lines
        return self._set(changed)

    def _first_difference(self, text: bytes) -> list[int] | None:
        """Do the same at once: many a file changes one time only."""
        numbers = list(map(int, _NUMBER.findall(text)))
        if len(numbers) != len(self.numbers) or self.template % tuple(numbers) != text:
            return None
        self._lines = []
        return self._set([(0, numbers)])

    def _cut(self) -> list[bytes]:
        """Cut it into lines, which are compared first: most are the same; no rows: it is whole."""
        self._lines = lines = self.text().split(b"\n")
        ends = list(accumulate(len(_NUMBER.findall(line)) for line in lines))
        if ends[-1] == len(self.numbers):
            self._rows = list(zip(self.template.split(b"\n"), [0, *ends], ends, strict=False))
        return lines

    def _set(self, changed: list[tuple[int, list[int]]]) -> list[int]:
        """Take on the numbers of some lines, each with the index of its first; return how they differ."""
        numbers, last = self.numbers, 0
        pairs: list[int] = []
        for begin, found in changed:
            for index, after in enumerate(found, begin):
                if after != numbers[index]:
                    pairs += (index - last, after - numbers[index])
                    last = index
            numbers[begin : begin + len(found)] = found
        return pairs

    def apply(self, pairs: list[int]) -> None:
        """Change the numbers by what :meth:`difference` returned."""
        index = 0
        for gap, change in zip(pairs[::2], pairs[1::2], strict=True):
            index += gap
            self.numbers[index] += change


class Payload(NamedTuple):
    """One sample: files by their number within the chain, in the order in which they appeared."""

    boot_ms: int
    """Milliseconds since the machine booted, asleep or not: it never goes back."""
    new: list[tuple[str, bytes]]
    """Files that were not there: path and text."""
    whole: list[tuple[int, bytes]]
    """Files whose text is another one."""
    lines: list[tuple[int, list[tuple[int, bytes]]]]
    """Files of which some lines are other ones: the lines' numbers from 0, and the lines."""
    changed: list[tuple[int, list[int]]]
    same: list[int]
    """Files that were read and had not changed, each number as the difference from the one before."""
    gone: list[int]
    unread: list[tuple[str, str]]
    """Paths that could not be read, and why."""
    old: int = 0
    """How many of the new files, the first ones, were read before this sample: a chain begins with all there is."""
    meta: dict[str, Any] | None = None
    """What no file says; in key frames alone."""


class Encoder:
    """Makes payloads of files; :meth:`restart` begins a chain with all that it knows."""

    def __init__(self) -> None:
        self._texts: dict[str, bytes] = {}
        self._unread: dict[str, str] = {}
        self._numbers: dict[str, int] = {}
        self._parts: dict[str, Parts] = {}
        self._count = 0

    def restart(self) -> None:
        """Begin a chain: the next payload needs none before it."""
        self._numbers, self._parts, self._count = {}, {}, 0

    def payload(
        self, boot_ms: int, files: Mapping[str, bytes], gone: Iterable[str] = (), *,
        unread: Mapping[str, str] | None = None, meta: dict[str, Any] | None = None,
    ) -> bytes:  # fmt: skip
        """Return the payload of a sample: *files* are those that were read now, *gone* those that are no more."""
        left = [self._numbers.pop(path) for path in gone if self._forget(path)]
        refused = {path: why for path, why in (unread or {}).items() if self._unread.get(path) != why}
        self._unread |= refused
        made = Payload(boot_ms, [], [], [], [], [], left, list(refused.items()), meta=meta)
        if meta is not None:
            made = made._replace(unread=list(self._unread.items()))
            for path in self._texts.keys() - files.keys():
                self._add(path, self._texts[path], made)
            made = made._replace(old=len(made.new))
        for path, text in files.items():
            self._add(path, text, made)
        made.changed.sort()
        gaps = [after - before for before, after in pairwise([0, *sorted(made.same)])]
        return encode(made._replace(same=gaps))

    def _forget(self, path: str) -> bool:
        """Forget a file; return whether the chain has it."""
        self._unread.pop(path, None)
        self._texts.pop(path, None)
        self._parts.pop(path, None)
        return path in self._numbers

    def _add(self, path: str, text: bytes, made: Payload) -> None:
        number = self._numbers.get(path)
        if number is None:
            self._numbers[path] = self._count
            self._count += 1
            made.new.append((path, text))
        elif self._texts[path] == text:
            made.same.append(number)
        else:
            self._change(path, number, text, made)
        self._texts[path] = text

    def _change(self, path: str, number: int, text: bytes, made: Payload) -> None:
        """Write how a known file changed; the reader takes the text before apart in the same way."""
        parts = self._parts.get(path) or Parts.of(self._texts[path])
        pairs = parts.difference(text)
        if pairs is None:
            lines = _other_lines(self._texts[path], text)
            if lines is None:
                made.whole.append((number, text))
            else:
                made.lines.append((number, lines))
            self._parts.pop(path, None)
        else:
            made.changed.append((number, pairs))
            self._parts[path] = parts


class FileState:
    """All files of one moment, as payloads say: what :class:`Encoder` knew when it wrote them."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.boot_ms = 0
        self.meta: dict[str, Any] = {}
        self.unread: dict[str, str] = {}
        self.read_now: set[str] = set()
        """The paths that were read for this sample; the others are as they were last read."""
        self._files: dict[str, Parts | bytes] = {}
        self._paths: list[str] = []
        self._size = 0

    def apply(self, data: bytes) -> None:
        """Go on to the sample in *data*; raise ValueError for what is none."""
        try:
            self._apply(decode(data, Payload))
        except (IndexError, KeyError, TypeError, OverflowError) as problem:
            raise ValueError(str(problem)) from None

    def paths(self) -> Iterable[str]:
        """Return the paths that are there."""
        return self._files

    def text(self, path: str) -> bytes | None:
        """Return a file's text, or None if it is not there."""
        found = self._files.get(path)
        return found.text() if isinstance(found, Parts) else found

    def _apply(self, delta: Payload) -> None:
        if delta.meta is not None:
            self._reset()
            self.meta = delta.meta
        self.boot_ms = delta.boot_ms
        self.read_now = set()
        for number in delta.gone:
            path = self._paths[number]
            self._size -= len(self.text(path) or b"")
            del self._files[path]
        for path, why in delta.unread:
            self.unread[path] = why
        for path, text in delta.new:
            self._paths.append(path)
            self._put(path, text)
        for number, text in delta.whole:
            self._put(self._paths[number], text)
        for number, lines in delta.lines:
            path = self._paths[number]
            self._put(path, _with_lines(self.text(path) or b"", lines))
        for number, pairs in delta.changed:
            self._change(self._paths[number], pairs)
        self.read_now.update(self._paths[number] for number in accumulate(delta.same))
        self.read_now.difference_update(path for path, _ in delta.new[: delta.old])

    def _put(self, path: str, text: bytes) -> None:
        self._size += len(text) - len(self.text(path) or b"")
        if self._size > _MAX_STATE_BYTES:
            raise ValueError("more than 1 GiB of files")
        self._files[path] = text
        self.unread.pop(path, None)
        self.read_now.add(path)

    def _change(self, path: str, pairs: list[int]) -> None:
        parts = self._files[path]
        if isinstance(parts, bytes):
            parts = self._files[path] = Parts.of(parts)
        parts.apply(pairs)
        self.read_now.add(path)


def _other_lines(before: bytes, after: bytes) -> list[tuple[int, bytes]] | None:
    """Return the lines that differ, with their numbers from 0; None if most do, or there are more or fewer."""
    old, new = before.split(b"\n"), after.split(b"\n")
    if len(old) != len(new):
        return None
    other = [(index, line) for index, line in enumerate(new) if line != old[index]]
    return other if 2 * len(other) < len(new) else None


def _with_lines(before: bytes, other: list[tuple[int, bytes]]) -> bytes:
    lines = before.split(b"\n")
    for index, line in other:
        lines[index] = line
    return b"\n".join(lines)


def _field(blanks: bytes, digits: bytes) -> bytes:
    """Return how a number is printed: padded with blanks or zeros to its width, or as it is."""
    if digits.startswith(b"0") and len(digits) > 1:
        return b"%s%%0%dd" % (blanks, len(digits))
    return b"%%%dd" % (len(blanks) + len(digits)) if len(blanks) > 1 else blanks + b"%d"
