r"""A chain of samples by columns: what one number of one file did over all of them stands together.

Samples one after the other pack badly: a number is between others that have nothing to do with it. Here each directory
(a process's is one) has a column that says in which sample which of its files were read and which of them had changed,
and each number of each file a column of differences, beside the same number of the same file of other processes. What
is left of a payload is text. Nothing is lost:

>>> first = Payload(5, [("proc/uptime", b"1 2"), ("proc/7/statm", b"9 9")], [], [], [], [], [], [])
>>> then = Payload(1005, [], [], [], [(0, [0, 1, 1, 900])], [1], [], [])
>>> texts, columns = split([encode(first), encode(then)])
>>> [decode(one, Payload) for one in joined(texts, columns)] == [first, then]
True
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import accumulate, pairwise
from math import gcd
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.sources.deltas import Payload
from memtwin.sources.msgpack import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_PROCESS: Final = re.compile(r"proc/[0-9]+/")
_LARGE: Final = 0xF0
"""Values from here on are written as how many bytes they have, added to this, and those bytes."""
_MOST_VALUE_BYTES: Final = 9
_MOST_READS: Final = 1 << 25
"""How many files all samples of a chain may have read: each takes a byte of its payload, of which there are fewer."""


class Texts(NamedTuple):
    """The payloads without what is in columns."""

    payloads: list[bytes]


class Columns(NamedTuple):
    """What is in columns, and what says how long each is."""

    reads: list[list[int]]
    """What was read of a directory in one sample: for each file twice its place there, and one more if it changed."""
    spans: list[int]
    """Over how many samples each directory's column goes, from its first file on."""
    active: list[list[int]]
    """Of each file that changed the numbers that did, each as the difference from the one before."""
    units: list[int]
    """What all differences of a column are multiples of."""
    small: bytes
    high: bytes
    low: bytes
    """All columns' values: those below 240, or how many bytes follow; the highest of those bytes; the others."""


class _Files:
    """The files of a chain by number, their directories, and the order of their columns."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.place: list[tuple[int, int]] = []
        """Of each file the number of its directory, and its place there."""
        self.numbers: list[list[int]] = []
        """The files of each directory."""
        self.begins: list[int] = []
        """The sample in which each directory has its first file."""
        self._directories: dict[str, int] = {}

    def add(self, paths: Iterable[str], sample: int) -> None:
        """Number files that are new in a sample."""
        for path in paths:
            directory = self._directories.setdefault(path.rpartition("/")[0], len(self.numbers))
            if directory == len(self.numbers):
                self.numbers.append([])
                self.begins.append(sample)
            self.place.append((directory, len(self.numbers[directory])))
            self.numbers[directory].append(len(self.paths))
            self.paths.append(path)

    def columns(self, active: dict[int, list[int]]) -> Iterator[tuple[int, int]]:
        """Yield file and index of each column, in their order: a file's name, the index, the process."""
        alike: dict[str, list[int]] = {}
        for number in sorted(active):
            alike.setdefault(_PROCESS.sub("", self.paths[number]), []).append(number)
        for numbers in alike.values():
            by_index = defaultdict(list)
            for number in numbers:
                for index in active[number]:
                    by_index[index].append(number)
            for index in sorted(by_index):
                yield from ((number, index) for number in by_index[index])


def split(payloads: Iterable[bytes]) -> tuple[bytes, bytes]:
    """Return the text and the columns of a chain."""
    files, texts, boots = _Files(), [], []
    known: dict[tuple[int, ...], int] = {(): 0}
    reads: list[list[int]] = []
    changes: dict[int, list[list[int]]] = defaultdict(list)
    for sample, data in enumerate(payloads):
        one = decode(data, Payload)
        files.add((path for path, _ in one.new), sample)
        texts.append(encode(one._replace(boot_ms=0, changed=[], same=[])))
        boots.append(one.boot_ms)
        found: dict[int, list[int]] = defaultdict(list)
        for number in accumulate(one.same):
            directory, place = files.place[number]
            found[directory].append(2 * place)
        for number, pairs in one.changed:
            directory, place = files.place[number]
            found[directory].append(2 * place + 1)
            changes[number].append(pairs)
        reads += ([] for _ in range(len(files.numbers) - len(reads)))
        for directory, what in found.items():
            what.sort()
            column = reads[directory]
            column += [0] * (sample - files.begins[directory] - len(column))
            column.append(known.setdefault(tuple(what), len(known)))
    writer = _Values()
    writer.add(_steps(boots))
    for column in reads:
        writer.add(column)
    values = {number: _dense(rows) for number, rows in changes.items()}
    active = {number: sorted(found) for number, found in values.items()}
    units = []
    for number, index in files.columns(active):
        column = values[number].pop(index)
        units.append(gcd(*column) or 1)
        writer.add([value // units[-1] for value in column])
    gaps = [list(_steps(active[number])) for number in sorted(active)]
    spans = [len(column) for column in reads]
    made = Columns(
        [list(one) for one in known], spans, gaps, units, *map(bytes, (writer.small, writer.high, writer.low))
    )
    return encode(Texts(texts)), encode(made)


def joined(texts: bytes, columns: bytes) -> Iterator[bytes]:
    """Yield the payloads of which :func:`split` made these; raise ValueError for what is none, or is too large."""
    try:
        yield from _joined(decode(texts, Texts).payloads, decode(columns, Columns))
    except (IndexError, KeyError, TypeError, OverflowError) as problem:
        raise ValueError(str(problem)) from None


def _joined(texts: Sequence[bytes], columns: Columns) -> Iterator[bytes]:
    payloads, files = [decode(one, Payload) for one in texts], _Files()
    for sample, one in enumerate(payloads):
        files.add((path for path, _ in one.new), sample)
    reader = _Reader(columns)
    boots = list(accumulate(reader.take(len(payloads))))
    same, changed = _reads(files, reader, columns, len(payloads))
    events = _events(files, reader, columns, changed)
    for one, boot_ms, read, moved in zip(payloads, boots, same, changed, strict=True):
        pairs = [(number, next(events[number])) for number in sorted(moved)]
        yield encode(one._replace(boot_ms=boot_ms, changed=pairs, same=list(_steps(sorted(read)))))


def _reads(files: _Files, reader: _Reader, columns: Columns, samples: int) -> tuple[list[list[int]], list[list[int]]]:
    """Return which files were the same and which had changed, of each sample."""
    left = _MOST_READS
    same: list[list[int]] = [[] for _ in range(samples)]
    changed: list[list[int]] = [[] for _ in range(samples)]
    for numbers, begin, span in zip(files.numbers, files.begins, columns.spans, strict=True):
        for sample, which in enumerate(reader.take(span), begin):
            what = columns.reads[which]
            left -= len(what)
            if left < 0 or which < 0:
                raise ValueError(f"more than {_MOST_READS} files in a chain")
            for place in what:
                (changed if place & 1 else same)[sample].append(numbers[place >> 1])
    return same, changed


def _events(
    files: _Files, reader: _Reader, columns: Columns, changed: list[list[int]]
) -> dict[int, Iterator[list[int]]]:
    """Return of each file that changed the (gap, difference) pairs, one time after the other."""
    times = Counter(number for numbers in changed for number in numbers)
    active = {number: list(accumulate(gaps)) for number, gaps in zip(sorted(times), columns.active, strict=True)}
    rows: dict[int, list[list[int]]] = {number: [[] for _ in range(count)] for number, count in times.items()}
    last = {number: [0] * count for number, count in times.items()}
    for (number, index), unit in zip(files.columns(active), columns.units, strict=True):
        before = last[number]
        for at, value in enumerate(reader.take(times[number])):
            if value:
                rows[number][at] += (index - before[at], value * unit)
                before[at] = index
    return {number: iter(found) for number, found in rows.items()}


def _dense(rows: list[list[int]]) -> dict[int, list[int]]:
    """Return the differences of each number that changed, of (gap, difference) pairs: nothing where it did not."""
    found: dict[int, list[int]] = {}
    for at, pairs in enumerate(rows):
        index = 0
        for gap, change in zip(pairs[::2], pairs[1::2], strict=True):
            index += gap
            found.setdefault(index, [0] * len(rows))[at] = change
    return found


def _steps(numbers: Sequence[int]) -> Iterator[int]:
    return (after - before for before, after in pairwise([0, *numbers]))


class _Values:
    """Numbers of columns as bytes."""

    def __init__(self) -> None:
        self.small, self.high, self.low = bytearray(), bytearray(), bytearray()

    def add(self, numbers: Iterable[int]) -> None:
        """Add a column."""
        for number in numbers:
            value = 2 * number if number >= 0 else -2 * number - 1
            if value < _LARGE:
                self.small.append(value)
            else:
                length = (value.bit_length() + 7) // 8
                self.small.append(_LARGE + length)
                whole = value.to_bytes(length, "big")
                self.high.append(whole[0])
                self.low += whole[1:]


class _Reader:
    """Returns what :class:`_Values` wrote."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._small, self._high, self._low = 0, 0, 0

    def take(self, count: int) -> Iterator[int]:
        """Yield the numbers of a column."""
        small = self._columns.small[self._small : self._small + count]
        if len(small) != count:
            raise ValueError("a column is cut off")
        self._small += count
        for value in small:
            found = value if value < _LARGE else self._large(value - _LARGE)
            yield -(found + 1 >> 1) if found & 1 else found >> 1

    def _large(self, length: int) -> int:
        if not 0 < length <= _MOST_VALUE_BYTES:
            raise ValueError("no value of a column")
        whole = self._columns.high[self._high : self._high + 1] + self._columns.low[self._low :][: length - 1]
        self._high, self._low = self._high + 1, self._low + length - 1
        return int.from_bytes(whole, "big")
