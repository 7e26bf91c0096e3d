r"""Lines of a log without what a logger, a terminal, a mail or a programmer put before and around them.

Known: the time stamps of dmesg (``[ 12.345678]``, ``-T``, ``--time-format``, ``-x``'s ``kern  :info  :``), caller ids
``[ T123]``, /dev/kmsg (``6,123,456,-;``), syslog of every kind, journalctl (short, iso, json, export), quoted mail
(``> ``), string literals of Go or YAML with ``\n`` in them, rsyslog's ``#012`` and the kernel's ``\x0a`` for a newline.
Each line keeps its first time stamp as it was printed, and the name of the program that logged it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST = 1 << 14
"""Characters of a line that are looked at: the longest line of a report has some 1,500."""
_LAYERS = 8
_QUOTES, _MARKS = "\"'`", "<>|+"
"""What literals, levels and quoted mail begin with."""
_HOST_WHO_ENDS = 300
_JOURNAL_DIGITS = 16
"""Prefixes that may stand before each other."""


class Line(NamedTuple):
    """One line: its number from 1, its own time stamp, and who logged it ("" if not told, "kernel" if it was that)."""

    number: int
    text: str
    stamp: str | None = None
    source: str = ""


_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DAYS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_MONTH, _DAY = f"(?:{_MONTHS})", f"(?:{_DAYS})"
_NAMES = {*_MONTHS.split("|"), *_DAYS.split("|")}
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_ZONE = r"(?:Z|[+-]\d\d:?\d\d| ?UTC| ?[A-Z]{3,4}(?=\s))?"
_WHO = r"(?!Mem-[Ii]nfo:|Trace:|name:)(?P<who>[\w./@()-]{1,64})(?:\[\d{1,10}\])?:(?:\s|$)"
_HOST = r"(?:\s[\w.:%-]{1,255})?(?:\s[a-z]{1,16}\d?\.[a-z]{1,16})?"
_CALLER = r"(?:\s?\[\s{0,12}[TC]\d{1,10}\])?"
_ISO = rf"(?P<stamp>\d{{4}}-\d\d-\d\d[T ]{_CLOCK}{_ZONE})"
_UPTIME = re.compile(rf"\[\s{{0,12}}(?P<stamp>\d{{1,12}}\.\d{{1,9}})\s*(?:<\s*[\d.]{{1,24}}>)?\]{_CALLER}")
_KMSG = re.compile(r"\d{1,3},\d{1,20},(?P<stamp>\d{1,20}),[^;,]{1,8}(?:,caller=[TC]\d{1,10})?(?:,[^;]{0,80})?;")
_BRACKETS = (
    re.compile(rf"\[(?P<stamp>{_DAY} {_MONTH}\s{{1,2}}\d{{1,2}} {_CLOCK}(?: \d{{4}})?)\]{_CALLER}"),
    re.compile(rf"\[(?P<stamp>{_MONTH}\s{{0,2}}\d{{1,2}} \d\d:\d\d|\s{{0,12}}\+\d{{1,9}}\.\d{{1,9}})\]"),
    re.compile(rf"\[{_ISO}\]"),
)
_LETTERS = (
    re.compile(rf"(?P<stamp>{_MONTH}\s{{1,2}}\d{{1,2}} (?:\d{{4}} )?{_CLOCK}){_HOST}\s{_WHO}"),
    re.compile(rf"{_DAY} {_ISO}{_HOST}\s{_WHO}"),
    re.compile(rf"(?P<stamp>{_MONTH}\s{{1,2}}\d{{1,2}} {_CLOCK})(?=\s)"),
    re.compile(rf"{_DAY} {_ISO}(?=\s|$)"),
)
_DMESG_ISO = re.compile(r"(?P<stamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{6}[+-]\d\d:\d\d)(?=\s|$)")
_DIGITS = (
    _KMSG,
    _DMESG_ISO,
    re.compile(rf"{_ISO}{_HOST}\s{_WHO}"),
    re.compile(rf"(?P<stamp>\d{{9,11}}\.\d{{6}})\s[\w.:%-]{{1,255}}\s{_WHO}"),
    re.compile(rf"{_ISO}(?=\s|$)"),
)
_OF_DMESG = {_UPTIME, _DMESG_ISO}
_LEVEL = re.compile(
    r"<\d{1,3}>|(?:kern|user|daemon|syslog|local\d)\s{0,6}:\s{0,4}"
    r"(?:emerg|alert|crit|err|error|warn|warning|notice|info|debug)\s{0,6}:\s?"
)
_HOST_WHO = re.compile(r"(?:[\w.%-]{1,255} )?(?P<who>kernel)(?:\[\d{1,10}\])?:(?:\s|$)")
_QUOTE = re.compile(r"[>|]\s?|[+](?=\s{0,8}[\[<])")
_GREP = re.compile(r"[\w./-]{0,255}?(?:[:-]\d{1,10})?[:-](?=\[\s{0,12}\d|" + _MONTH + r"\s{1,2}\d{1,2} \d\d:)")
_LITERAL = re.compile(r'(?:(?:const|var)?\s{0,4}\w{1,64}\s{0,4}:?=\s{0,4})?[\'"`]')
_LITERAL_END = re.compile(r'(?:\\n)?[\'"`](?:\s{0,4}[+,;)]){0,3}\s{0,8}\\?$')
_JSON_MESSAGE = re.compile(
    r'"(?:MESSAGE|message|msg|log|textPayload)"\s{0,8}:\s{0,8}(?P<text>"(?:[^"\\]|\\.)*"|\[[\d,\s]*\])'
)
_JSON_WHO = re.compile(r'"(?:SYSLOG_IDENTIFIER|ident|identifier|_COMM)"\s{0,8}:\s{0,8}"([^"\\]{0,64})"')
_JSON_TIME = re.compile(
    r'"(?:__REALTIME_TIMESTAMP|_SOURCE_REALTIME_TIMESTAMP|timestamp|@timestamp|time)"\s{0,8}:\s{0,8}"?([^",}]{1,40})'
)
_EXPORT = "MESSAGE="
_COLOUR = re.compile(r"\x1b\[[\d;]{0,32}m")
_NEWLINE = re.compile(r"#012|\\x0a|\\012|(?<!\\)\\n")


def unquoted(raws: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers, mail that is quoted-printable (``=3D``, a line that ends in ``=``) as it was.

    >>> list(unquoted(["gfp_mask=3D0xcc0, or=", "der=3D0", "Mem-Info:"]))
    [(2, 'gfp_mask=0xcc0, order=0'), (3, 'Mem-Info:')]
    """
    is_quoted, before = False, ""
    for number, raw in enumerate(raws, 1):
        if not is_quoted and "=3D" not in raw:
            yield number, raw
            continue
        is_quoted = True
        text = before + raw.rstrip("\r\n")
        if text.endswith("=") and len(text) < LONGEST:
            before = text[:-1]
            continue
        before = ""
        yield number, text.replace("=20", " ").replace("=09", " ").replace("=3D", "=")
    if before:
        yield number, before


def cut(number: int, raw: str) -> Iterable[Line]:
    r"""Return the line *raw*, or the lines that it holds, without prefixes.

    >>> [tuple(line[1:4]) for line in cut(1, "May  1 11:11:51 web1 kernel: [  12.5] Mem-Info:")]
    [('Mem-Info:', 'May  1 11:11:51', 'kernel')]
    >>> [line.text for line in cut(1, "4,68,241227987540,-,caller=T12;active_anon:17 \\x0a active_file:11")]
    ['active_anon:17', 'active_file:11']
    """
    raw = raw.rstrip("\r\n")
    if "\x1b[" in raw:
        raw = _COLOUR.sub("", raw)
    text = raw.lstrip()
    if text.startswith(('{"', '"', _EXPORT)):
        opened = _opened(number, text)
        if opened is not None:
            return opened
    return _pieces(_stripped(number, raw))


def _pieces(line: Line) -> Iterable[Line]:
    """Split a line at the newlines that a logger wrote as escapes."""
    text = line.text
    if "#0" in text or "\\" in text:
        return _split(line)
    return (line,) if len(text) <= LONGEST else (line._replace(text=text[:LONGEST]),)


def _split(line: Line) -> Iterator[Line]:
    for index, piece in enumerate(_NEWLINE.split(line.text.replace("\\t", " ").replace("#011", " "))):
        if index == 0:
            yield line._replace(text=piece.strip()[:LONGEST])
        elif piece.strip():
            inner = _stripped(line.number, piece)
            yield inner._replace(
                text=inner.text[:LONGEST], stamp=inner.stamp or line.stamp, source=inner.source or line.source
            )


def _stripped(number: int, raw: str) -> Line:
    """Take off prefix after prefix, as they come."""
    text, stamp, source = raw.strip(), None, ""
    if text[:1] in _QUOTES or text.startswith(("const", "var")):
        literal = _LITERAL.match(text)
        if literal:
            text = _LITERAL_END.sub("", text[literal.end() :]).strip()
    for layer in range(_LAYERS):
        found = _stamped(text)
        if found is not None:
            stamp = stamp or _stamp(found)
            source = "kernel" if found.re in _OF_DMESG else source or found.groupdict().get("who", "")
        else:
            found = _other(text, is_first=layer == 0)
            if not found or not found.end():
                break
            source = source or found.groupdict().get("who", "")
        text = text[found.end() :].lstrip()
    return Line(number, text, stamp, source)


def _stamped(text: str) -> re.Match[str] | None:
    """Match a time stamp at the beginning; only those that may begin with its first character are tried."""
    first = text[:1]
    if first == "[":
        found = _UPTIME.match(text)
        if found or not (text[1:2].isalpha() or "+" in text[:16] or text[5:6] == "-"):
            return found
    patterns = _BRACKETS if first == "[" else _DIGITS if first.isdigit() else _LETTERS if text[:3] in _NAMES else ()
    for pattern in patterns:
        found = pattern.match(text)
        if found:
            return found
    return None


def _other(text: str, *, is_first: bool) -> re.Match[str] | None:
    """Match a level, the name of the kernel, a quotation mark or what grep puts before a line."""
    if text[:1] in _MARKS:
        return _LEVEL.match(text) or _QUOTE.match(text)
    found = _HOST_WHO.match(text) if "kernel" in text[:_HOST_WHO_ENDS] else None
    return found or _LEVEL.match(text) or (_GREP.match(text) if is_first else None)


def _stamp(found: re.Match[str]) -> str:
    stamp = found["stamp"].strip()
    if found.re is _KMSG:  # microseconds since boot
        return f"{int(stamp) // 1_000_000}.{int(stamp) % 1_000_000:06d}"
    return stamp


def _opened(number: int, text: str) -> Iterable[Line] | None:
    """Return the lines of a JSON object or of an exported journal's field; None if it is neither."""
    if text.startswith(_EXPORT):
        return _pieces(_stripped(number, text[len(_EXPORT) :])._replace(source="kernel"))
    found = _JSON_MESSAGE.search(text, 0, LONGEST * 4)
    if not found:
        return None
    message = _decoded(found["text"])
    if message is None:
        return None
    who, when = _JSON_WHO.search(text[: LONGEST * 4]), _JSON_TIME.search(text[: LONGEST * 4])
    return _of_json(number, message, _clock(when[1].strip()) if when else None, who[1] if who else "")


def _clock(stamp: str) -> str:
    """Return a journal's microseconds since 1970 as a time of day; other stamps as they are.

    >>> _clock("1697137220347168"), _clock("12.5")
    ('2023-10-12 19:00:20 UTC', '12.5')
    """
    if len(stamp) != _JOURNAL_DIGITS or not (stamp.isascii() and stamp.isdigit()):
        return stamp
    import time  # noqa: PLC0415 - only a journal in JSON needs it

    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(int(stamp) // 1_000_000))


def _of_json(number: int, message: str, stamp: str | None, source: str) -> Iterator[Line]:
    for piece in message.split("\n"):
        for line in _pieces(_stripped(number, piece)):
            yield line._replace(stamp=stamp or line.stamp, source=line.source or source)


def _decoded(text: str) -> str | None:
    import json  # noqa: PLC0415 - only a journal in JSON needs it

    try:
        message = json.loads(text)
    except ValueError:
        return None
    if isinstance(message, list):  # journald writes text that is not printable as its bytes
        octets = bytes(octet for octet in message if isinstance(octet, int) and 0 <= octet <= 0xFF)
        return octets.decode("utf-8", "replace")
    return str(message)


def lines(raws: Iterable[str]) -> Iterator[Line]:
    """Yield every line of *raws*, cut; for small texts and tests: a journal is filtered first."""
    for number, raw in enumerate(raws, 1):
        yield from cut(number, raw)
