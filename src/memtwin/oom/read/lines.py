r"""Lines of a log without what a logger, an export, a web page or a programmer put around them.

One raw line may hold several: a JSON object, a row of a CSV file, a string literal with ``\n`` in it, rsyslog's
``#012`` and the kernel's ``\x0a`` for a newline. :mod:`memtwin.oom.read.prefixes` takes off what stands before each.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memtwin.oom.read.prefixes import LogLine, since_1970, stripped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST = 1 << 14
"""Characters of a line that are read: the longest line of a report has some 1,500."""
_MOST_FIELDS: Final = 64
_SHORT: Final = 40
"""A cell that is shorter is a time, a host or a level before it is a message."""
_MANY: Final = 4
"""Messages from which a line is an answer with many of them."""
_KEYS: Final = (
    "MESSAGE|message|Message|@message|msg|log|line|Line|text|textPayload|_raw|full_message|short_message|content|body"
)
_QUOTED: Final = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\'\'|\\.)*\''
_MESSAGE = re.compile(rf"(?<![\w@])[\"']?(?:{_KEYS})[\"']?\s{{0,8}}[:=]\s{{0,8}}(?P<text>{_QUOTED}|\[[\d,\s]*\])")
_WHO = re.compile(r'"(?:SYSLOG_IDENTIFIER|ident|identifier|_COMM)"\s{0,8}:\s{0,8}"([^"\\]{0,64})"')
_TIME = re.compile(
    r"[\"']?(?<![\w@])(?:__REALTIME_TIMESTAMP|_SOURCE_REALTIME_TIMESTAMP|@?timestamp|receiveTimestamp|time|ts|dt|date)"
    r"[\"']?\s{0,8}[:=]\s{0,8}[\"']?([^\"',}\s]{1,40}(?:\s\d\d:[^\"',}]{1,24})?)"
)
_EXPORT = "MESSAGE="
_COLOUR = re.compile(r"\x1b\[[\d;]{0,32}[mK]|\[\d{1,2}(?:;\d{1,2}){0,4}m(?=\S)")
_NEWLINE = re.compile(r"#012|\\x0a|\\012|(?<!\\)\\n")


def cut(number: int, raw: str) -> Iterable[LogLine]:
    r"""Return the lines that a raw line holds, without their prefixes.

    >>> [line.text for line in cut(1, "May  1 11:11:51 host kernel: [  8.5] Mem-Info:#012active_anon:1")]
    ['Mem-Info:', 'active_anon:1']
    >>> [line.text for line in cut(1, '1773454265000,"[ 5.1] Mem-Info:"')]
    ['Mem-Info:']
    """
    if "\x1b[" in raw:
        raw = _COLOUR.sub("", raw)
    text = raw.lstrip()
    first = text[:1]
    if first in {"{", "[", "-"} or text.startswith(('"', _EXPORT)):
        opened = _opened(number, text)
        if opened is not None:
            return opened
    if '"' in text and (first == '"' or first.isalnum()):
        opened = _cells(number, text)
        if opened is not None:
            return opened
    return _pieces(stripped(number, raw))


def _pieces(line: LogLine) -> Iterable[LogLine]:
    """Split a line at the newlines that a logger wrote as escapes."""
    text = line.text
    if "#0" in text or "\\" in text:
        return _split(line)
    return (line,) if len(text) <= LONGEST else (line._replace(text=text[:LONGEST]),)


def _split(line: LogLine) -> Iterator[LogLine]:
    for index, piece in enumerate(_NEWLINE.split(line.text.replace("\\t", " ").replace("#011", " "))):
        if index == 0:
            yield line._replace(text=piece.strip()[:LONGEST])
        elif piece.strip():
            inner = stripped(line.number, piece)
            yield inner._replace(
                text=inner.text[:LONGEST], stamp=inner.stamp or line.stamp, source=inner.source or line.source
            )


def _opened(number: int, text: str) -> Iterable[LogLine] | None:
    """Return the lines of an object of JSON or YAML, or of an exported journal's field; None if it is neither."""
    if text.startswith(_EXPORT):
        return _pieces(stripped(number, text[len(_EXPORT) :])._replace(source="kernel"))
    found = [_decoded(match["text"]) for match in _MESSAGE.finditer(text, 0, LONGEST * 4)]
    messages = [message for message in found if message is not None]
    if not messages:
        return _strings(number, text)
    who, when = _WHO.search(text[: LONGEST * 4]), _TIME.search(text[: LONGEST * 4])
    stamp = since_1970(when[1].strip()) if when and len(messages) == 1 else None
    return [line for message in messages for line in _of_message(number, message, stamp, who[1] if who else "")]


def messages(raw: str) -> list[str]:
    """Return the messages of a line that has many, the answer of a log service in one piece; [] of any other."""
    text = raw.lstrip()
    if text[:1] not in {"{", "["} or len(text) < _SHORT * _MANY:
        return []
    found = [_decoded(match["text"]) for match in _MESSAGE.finditer(text)]
    whole = [message for message in found if message is not None] or _strings_of(text)
    return whole if len(whole) >= _MANY else []


def _strings(number: int, text: str) -> Iterable[LogLine] | None:
    found = _strings_of(text)
    return [line for message in found for line in _of_message(number, message, None, "")] if found else None


def _strings_of(text: str) -> list[str]:
    """Return the strings of an array of JSON, as Loki and others answer: ``["1773454265000000000", "text"]``."""
    if not text.startswith(('{"', '["', "[[", "[{")):
        return []
    import json

    try:
        rest: list[object] = [json.loads(text[: LONGEST * 64].rstrip().rstrip(","))]
    except (ValueError, RecursionError):
        return []
    strings: list[str] = []
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            strings.append(value)
        elif isinstance(value, list):
            rest += value[::-1]
        elif isinstance(value, dict):
            rest += list(value.values())[::-1]
    return strings


def _of_message(number: int, message: str, stamp: str | None, source: str) -> Iterator[LogLine]:
    for piece in message.split("\n"):
        for line in _pieces(stripped(number, piece)):
            yield line._replace(stamp=stamp or line.stamp, source=line.source or source)


def _decoded(text: str) -> str | None:
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    import json

    try:
        message = json.loads(text, strict=False)
    except ValueError:
        return text[1:-1] if text.startswith('"') else None
    if isinstance(message, list):  # journald writes text that is not printable as its bytes
        octets = bytes(octet for octet in message if isinstance(octet, int) and 0 <= octet <= 0xFF)
        return octets.decode("utf-8", "replace")
    return str(message)


def _cells(number: int, text: str) -> Iterable[LogLine] | None:
    """Return the message of a row of CSV, the time taken from another cell; None if it is no such row.

    The message is the cell that begins like a line of a log; of several, and of none, the longest.
    """
    is_quoted = text.startswith('"')
    separator = next(
        (mark for mark in (",", ";", "\t") if f'{mark}"' in text or (is_quoted and f'"{mark}' in text)), None
    )
    if separator is None or len(text) > LONGEST * 4:
        return None
    import csv

    try:
        cells = next(csv.reader([text.rstrip("\r\n")], delimiter=separator), [])
    except csv.Error:
        return None
    filled = [cell.strip() for cell in cells if cell.strip()]
    if not 1 < len(filled) <= _MOST_FIELDS or not (is_quoted or _FIRST_CELL.fullmatch(filled[0])):
        return None
    candidates = sorted((stripped(number, cell) for cell in filled), key=lambda line: -len(line.text))
    message = next((line for line in candidates if line.stamp and line.text), None)
    if message is None:
        message = candidates[0]
        times = [line for line in candidates[1:] if line.stamp or not line.text]
        if not (is_quoted or filled[0][:1].isdigit()) or not (
            times or all(len(line.text) < _SHORT for line in candidates[1:])
        ):
            return None
    stamp = message.stamp or next((_time_of(cell) for cell in filled if _time_of(cell)), None)
    return _pieces(message._replace(stamp=stamp))


_FIRST_CELL = re.compile(r"[\w.:/+-]{1,64}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S{0,16}")
_CELL_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S{0,16}|\d{10}|\d{13}|\d{16}|\d{19}")


def _time_of(cell: str) -> str | None:
    return since_1970(cell) if _CELL_TIME.fullmatch(cell) else None
