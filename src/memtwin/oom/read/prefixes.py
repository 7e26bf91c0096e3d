"""What loggers, consoles, containers and terminals put before a line: time stamps, hosts, programs, levels, prompts.

Each pattern is tried by the first character that it may begin with. :func:`stripped` takes prefix after prefix off and
keeps the first time stamp as it is printed and the program that logged the line.

Known: dmesg (``[ 12.345678]``, ``-T`` in any language, ``--time-format``, ``-x``), caller ids ``[ T123]`` and
``(2)[123:name]``, /dev/kmsg (``6,123,456,-;``), syslog of every kind and language of months, RFC 5424, OpenWrt's
logread, Talos, Android's logcat, klog, Kubernetes' log files, docker compose and kubectl, CI systems' clocks, grep's
file names, quoted mail, cells of a CSV file without quotation marks.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_LAYERS: Final = 8
"""Prefixes that may stand before each other."""
_QUOTES, _MARKS = "\"'`", "<>|+"
"""What literals, levels and quoted mail begin with."""
_HOST_WHO_ENDS: Final = 300


class LogLine(NamedTuple):
    """One line: its number from 1, its own time stamp, and the program that logged it, "" if that is not known."""

    number: int
    text: str
    stamp: str | None = None
    source: str = ""


_MONTHS = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_DAYS = "Mon|Tue|Wed|Thu|Fri|Sat|Sun"
_MONTH, _DAY = f"(?:{_MONTHS})", f"(?:{_DAYS})"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_ZONE = r"(?:Z|\s?[+-]\d\d:?\d\d| ?UTC| ?[A-Z]{3,4}(?=[\s\]]))?"
_WHO = r"(?!Mem-[Ii]nfo:|Trace:|name:)(?P<who>[\w./@()-]{1,64})(?:\[\d{1,10}\])?:(?:\s|$)"
_HOST = r"(?:\s[\w.:%-]{1,255})?(?:\s[a-z]{1,16}\d?\.[a-z]{1,16})?"
_CALLER = (
    r"(?:\s?\[\s{0,12}[TC]\d{1,10}\]"
    r"|\s{0,3}\(\d{1,3}\)\[\d{1,10}:[^\]]{1,32}\]|\s?\[\d{1,3}:\s{0,16}[^\]:]{1,32}:\s{0,8}\d{1,10}\])?"
)
_ISO = rf"(?P<stamp>\d{{4}}[-/]\d\d[-/]\d\d[T ]{_CLOCK}{_ZONE})"
_NAME_OF_MONTH = r"(?:[^\W\d_]{2,12}\.?|\d{1,2}月)"
_UPTIME = re.compile(
    rf"\[\s{{0,12}}(?P<stamp>\d{{1,12}}\.\d{{1,9}})\s*(?:<\s*[\d.]{{1,24}}>)?(?:,\d{{1,3}})?\]{_CALLER}"
)
_KMSG = re.compile(r"\d{1,3},\d{1,20},(?P<stamp>\d{1,20}),[^;,]{1,8}(?:,caller=[TC]\d{1,10})?(?:,[^;]{0,80})?;")
_DMESG_T = re.compile(rf"\[(?P<stamp>(?:\S{{1,12}}\s{{1,2}}){{1,3}}{_CLOCK}(?: \d{{4}})?)\]{_CALLER}")
"""``dmesg -T``: day, month and date in the language of the machine."""
_BRACKETS = (
    _DMESG_T,
    re.compile(rf"\[(?P<stamp>{_MONTH}\s{{0,2}}\d{{1,2}} \d\d:\d\d|\s{{0,12}}\+\d{{1,9}}\.\d{{1,9}})\]"),
    re.compile(rf"\[{_ISO}\]:?"),
    re.compile(rf"\[(?P<stamp>{_CLOCK})\]"),
    re.compile(r"\[pod/[\w./-]{1,253}\]\s"),
)
_LETTERS = (
    re.compile(rf"(?P<stamp>{_MONTH}\s{{1,2}}\d{{1,2}} (?:\d{{4}} )?{_CLOCK}){_HOST}\s{_WHO}"),
    re.compile(rf"{_DAY} {_ISO}{_HOST}\s{_WHO}"),
    re.compile(rf"(?P<stamp>{_DAY} {_MONTH}\s{{1,2}}\d{{1,2}} {_CLOCK} \d{{4}}){_HOST}\s{_WHO}"),
    re.compile(rf"(?P<stamp>{_DAY} {_MONTH}\s{{1,2}}\d{{1,2}} {_CLOCK} \d{{4}})(?=\s)"),
    re.compile(rf"(?P<stamp>{_MONTH}\s{{1,2}}\d{{1,2}} {_CLOCK})(?=\s)"),
    re.compile(rf"{_DAY} {_ISO}(?=\s|$)"),
    re.compile(rf"(?P<stamp>{_NAME_OF_MONTH}\s{{1,2}}\d{{1,2}}\.? (?:\d{{4}} )?{_CLOCK}){_HOST}\s{_WHO}"),
    re.compile(rf"(?P<stamp>[IWEF]\d{{4}} {_CLOCK})\s{{1,8}}\d{{1,10}} [\w./-]{{1,128}}:\d{{1,8}}\]\s"),
)
_DMESG_ISO = re.compile(r"(?P<stamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d,\d{6}[+-]\d\d:\d\d)(?=\s|$)")
_LOGCAT = re.compile(
    rf"(?P<stamp>(?:\d{{4}}-)?\d\d-\d\d {_CLOCK})\s{{1,8}}(?:\S{{1,32}}\s{{1,8}})?\d{{1,10}}\s{{1,8}}\d{{1,10}}"
    r"\s[VDIWEFS]\s(?P<who>[\w./@-]{1,64})\s{0,16}:\s"
)
_DIGITS = (
    _KMSG,
    _DMESG_ISO,
    re.compile(rf"{_ISO}\s(?:stdout|stderr)\s[FP]\s"),
    re.compile(rf"{_ISO}\|?\s(?:In\(\d\d\)\s)?[\w-]{{1,32}}[\s|-]{{1,4}}(?:\w\d{{3}}:\s)?Guest:\s"),
    re.compile(rf"{_ISO}{_HOST}\s{_WHO}"),
    _LOGCAT,
    re.compile(rf"(?P<stamp>\d{{9,11}}\.\d{{6}})\s[\w.:%-]{{1,255}}\s{_WHO}"),
    re.compile(rf"{_ISO}[,;]\s?(?:[\w.-]{{1,64}}[,;]\s?){{0,2}}"),
    re.compile(rf"{_ISO}(?=\s|$)"),
    re.compile(r"(?P<stamp>\d{10}|\d{13}|\d{16}|\d{19})(?:[,;]\s?(?:[\w.-]{1,64}[,;]\s?){0,2}|\t)"),
    re.compile(rf"(?P<stamp>\d{{1,2}}\.? {_NAME_OF_MONTH} (?:\d{{4}} )?{_CLOCK}){_HOST}\s{_WHO}"),
    re.compile(rf"(?P<stamp>\d{{1,2}}月\s{{1,2}}\d{{1,2}} (?:\d{{4}} )?{_CLOCK}){_HOST}\s{_WHO}"),
    re.compile(rf"(?P<stamp>\d\d/{_MONTH}/\d{{4}}:\d\d:\d\d:\d\d(?: [+-]\d{{4}})?)\s"),
    re.compile(rf"(?P<stamp>\d\d[-/]\d\d(?:[-/]\d{{2,4}})? {_CLOCK})\s"),
    re.compile(rf"(?P<stamp>{_CLOCK})\s(?=.{{0,80}}\[\s{{0,12}}\d{{1,12}}\.\d)"),
)
_OF_DMESG = {_UPTIME, _DMESG_ISO, _DMESG_T}
_LEVEL = re.compile(
    r"<\d{1,3}>|(?:kern|user|daemon|syslog|local\d)\s{0,6}:\s{0,4}"
    r"(?:emerg|alert|crit|err|error|warn|warning|notice|info|debug)\s{0,6}:\s?"
)
_RFC_5424 = re.compile(
    rf"<\d{{1,3}}>1 {_ISO} [\w.:%-]{{1,255}} (?P<who>[\w./-]{{1,48}}) \S{{1,128}} \S{{1,32}} "
    r"(?:- ?|\[[^\]]{0,2000}\] ?)"
)
_HOST_WHO = re.compile(r"(?:[\w.%-]{1,255} )?(?P<who>kernel)(?:\[\d{1,10}\])?:(?:\s|$)")
_PROGRAM = re.compile(r"(?!(?:traps|BUG|INFO|RIP)\b)(?P<who>[A-Za-z][\w./@()-]{0,63})\[\d{1,10}\]:\s")
"""A program that writes to the kernel's log or to its console."""
_TALOS = re.compile(r"[\w.:-]{1,255}: (?=(?:kern|user|daemon|syslog):\s{1,6}[a-z]{3,7}:)")
_QUOTE = re.compile(r"[>|]\s?|[+](?=\s{0,8}[\[<])")
_GREP = re.compile(
    r"[\w./-]{0,255}?(?:[:-]\d{1,10})?[:-](?=\[\s{0,12}\d{1,12}\.\d|" + _MONTH + r"\s{1,2}\d{1,2} \d\d:)"
)
_COMPOSE = re.compile(r"[\w.-]{1,128}\s{1,40}\|\s{1,40}(?=\S)")
_LITERAL = re.compile(r'(?:(?:const|var)?\s{0,4}\w{1,64}\s{0,4}:?=\s{0,4}|(?:- )?[\w-]{1,32}: )?[\'"`]')
_LITERAL_END = re.compile(r'(?:\\n)?[\'"`](?:\s{0,4}[+,;)}\]]){0,3}\s{0,8}\\?$')


def stripped(number: int, raw: str) -> LogLine:
    """Take off prefix after prefix, as they come.

    >>> stripped(1, "kern: warning: [2026-03-14T02:11:05.0Z]: java invoked oom-killer")
    LogLine(number=1, text='java invoked oom-killer', stamp='2026-03-14T02:11:05.0Z', source='')
    >>> stripped(2, "[   77.7] systemd-oomd[659]: Marked /a for killing")
    LogLine(number=2, text='Marked /a for killing', stamp='77.7', source='systemd-oomd')
    """
    text, stamp, source = raw.strip().lstrip("\ufeff\u200b"), None, ""
    if text[:1] in _QUOTES or text.startswith(("const", "var", "- ")) or text[:5] in {"msg: ", "log: "}:
        literal = _LITERAL.match(text)
        if literal:
            text = _LITERAL_END.sub("", text[literal.end() :]).strip()
    for layer in range(_LAYERS):
        found = _stamped(text)
        if found is not None:
            stamp = stamp or _stamp(found)
            who = found.groupdict().get("who", "")
            source = "kernel" if found.re in _OF_DMESG else source or who
        else:
            found = _other(text, is_first=layer == 0, is_kernel=source == "kernel")
            if not found or not found.end():
                break
            who = found.groupdict().get("who", "")
            source = who if found.re is _PROGRAM else source or who
            stamp = stamp or found.groupdict().get("stamp")
        text = text[found.end() :].lstrip()
    return LogLine(number, text, stamp, source)


def _stamped(text: str) -> re.Match[str] | None:
    """Match a time stamp at the beginning; only those that may begin with its first character are tried."""
    first = text[:1]
    if first == "[":
        found = _UPTIME.match(text)
        if found or (":" not in text[:48] and "+" not in text[:16] and not text.startswith("[pod/")):
            return found
        patterns: tuple[re.Pattern[str], ...] = _BRACKETS
    elif first.isdigit():
        patterns = _DIGITS
    elif first.isalpha() and ":" in text[:40]:
        patterns = _LETTERS
    else:
        return None
    for pattern in patterns:
        found = pattern.match(text)
        if found:
            return found
    return None


def _other(text: str, *, is_first: bool, is_kernel: bool) -> re.Match[str] | None:
    """Match a level, a program's name, a quotation mark or what grep, docker and Talos put before a line."""
    if text[:1] in _MARKS:
        return _RFC_5424.match(text) or _LEVEL.match(text) or _QUOTE.match(text)
    found = _HOST_WHO.match(text) if "kernel" in text[:_HOST_WHO_ENDS] else None
    found = found or _LEVEL.match(text)
    if found is None and is_kernel and "]: " in text[:_HOST_WHO_ENDS]:
        return _PROGRAM.match(text)
    if found is None and is_first:
        return _GREP.match(text) or _TALOS.match(text) or (_COMPOSE.match(text) if " | " in text else None)
    return found


def _stamp(found: re.Match[str]) -> str | None:
    stamp = found.groupdict().get("stamp")
    if stamp is None:
        return None
    stamp = stamp.strip()
    if found.re is _KMSG:  # microseconds since boot
        return f"{int(stamp) // 1_000_000}.{int(stamp) % 1_000_000:06d}"
    return since_1970(stamp)


def since_1970(stamp: str) -> str:
    """Return seconds, ms, us or ns since 1970 as a time of day; other stamps as they are.

    >>> since_1970("1697137220347168"), since_1970("1773454265000"), since_1970("12.5")
    ('2023-10-12 19:00:20 UTC', '2026-03-14 02:11:05 UTC', '12.5')
    """
    divisor = _SINCE_1970.get(len(stamp))
    if divisor is None or not (stamp.isascii() and stamp.isdigit()):
        return stamp
    import time

    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(int(stamp) // divisor))


_SINCE_1970: Final = {10: 1, 13: 1000, 16: 1_000_000, 19: 1_000_000_000}
"""Divisors by the number of digits."""
