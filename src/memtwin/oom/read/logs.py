"""Where a log is read from, line by line: a file, packed or not, standard input, the kernel's buffer, the journal."""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING, Final

from memtwin.errors import InputError
from memtwin.files.inputs import why_not_read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

KMSG: Final = "/dev/kmsg"
MAX_LINE_BYTES: Final = 1 << 20
"""Bytes of a line that are kept; a JSON object of journalctl may be long, a line of a report has some 1,500."""
_CHUNK_BYTES: Final = 1 << 18
_UTF_16_BYTES: Final = 1024
_FEW_BYTES: Final = 16
_RECORD: Final = 8192
"""Bytes of the longest record of /dev/kmsg."""
_JOURNAL: Final = b"LPKSHHRH"
_JOURNALCTL: Final = ("journalctl", "--quiet", "--no-pager", "--output=short-iso-precise")


def of_file(path: str) -> Iterator[str]:
    """Yield the lines of a file, ``-`` for standard input; .gz, .xz, .bz2 are unpacked."""
    if path == "-":
        if sys.stdin is None:
            raise InputError("standard input is closed", hint="give a file, or a log on standard input")
        yield from _lines(sys.stdin.buffer)
        return
    if os.path.realpath(path) == KMSG:
        yield from of_kernel()
        return
    if why := why_not_read(path):
        raise InputError(f"{path} {why}", hint="--dmesg reads the kernel's own log")
    with open(path, "rb") as raw:  # noqa: PTH123 - as fast as it goes
        magic = raw.peek(8)[:8]
        if magic == _JOURNAL:
            raise InputError(f"{path} is a binary journal", hint=f"journalctl --file {path} | memtwin oom -")
        with _unpacked(raw, magic) as plain:
            yield from _whole(_lines(plain), path)


def _lines(file: IO[bytes]) -> Iterator[str]:
    """Yield the lines of *file* as they come; of one that is longer than MAX_LINE_BYTES, its beginning."""
    rest, is_cut = b"", False
    for chunk in _chunks(file):
        first, newline, more = chunk.partition(b"\n")
        rest = rest if is_cut else rest + first
        if len(rest) > MAX_LINE_BYTES:
            rest, is_cut = rest[:MAX_LINE_BYTES], True
        if not newline:
            continue
        yield _decoded(rest)
        whole, newline, rest = more.rpartition(b"\n")
        is_cut = False
        if newline:
            yield from _decoded(whole).split("\n")
    if rest:
        yield _decoded(rest)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield what is read, as UTF-8: Windows writes UTF-16, with a mark at its start or without."""
    chunk: bytes = file.read1(_CHUNK_BYTES)  # type: ignore[attr-defined]  # every binary stream here has it
    encoding = _utf_16(chunk)
    if encoding is None:
        while chunk:
            yield chunk
            chunk = file.read1(_CHUNK_BYTES)  # type: ignore[attr-defined]  # every binary stream here has it
        return
    import codecs

    decoder = codecs.getincrementaldecoder(encoding)("replace")
    while chunk:
        yield decoder.decode(chunk).encode("utf-8", "replace")
        chunk = file.read1(_CHUNK_BYTES)  # type: ignore[attr-defined]  # every binary stream here has it


def _utf_16(octets: bytes) -> str | None:
    """Return the encoding of a text whose every second byte is NUL; None for UTF-8 and for what is no text."""
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    start = octets[:_UTF_16_BYTES]
    nul = [start[place::2].count(0) * 2 for place in (0, 1)]
    if len(start) < _FEW_BYTES or min(nul) * 10 > len(start) or max(nul) * 10 < len(start) * 7:
        return None
    return "utf-16-be" if nul[0] > nul[1] else "utf-16-le"


def _decoded(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def _whole(lines: Iterable[str], path: str) -> Iterator[str]:
    """Yield the lines of a file that may be packed: of one that is cut off what is there."""
    try:
        yield from lines
    except EOFError:
        return
    except _broken() as problem:
        raise InputError(f"{path} cannot be unpacked: {problem}", hint="is it whole?") from None


def _unpacked(raw: IO[bytes], magic: bytes) -> IO[bytes]:
    if magic.startswith(b"\x1f\x8b"):
        import gzip

        return gzip.open(raw)  # type: ignore[return-value]
    if magic.startswith(b"\xfd7zXZ"):
        import lzma

        return lzma.open(raw)
    if magic.startswith(b"BZh"):
        import bz2

        return bz2.open(raw)
    return raw


def _broken() -> tuple[type[Exception], ...]:
    import zlib
    from gzip import BadGzipFile
    from lzma import LZMAError

    return (BadGzipFile, zlib.error, LZMAError)


def of_kernel() -> Iterator[str]:
    """Yield what the kernel's own buffer holds, oldest first; nothing is waited for."""
    try:
        file = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        yield from _output(("dmesg",))
        return
    except PermissionError:
        hint = "root may read it (kernel.dmesg_restrict); --journal reads what journald kept of it"
        raise InputError(f"{KMSG} cannot be read: permission denied", hint=hint) from None
    try:
        yield from _records(file)
    finally:
        os.close(file)


def _records(file: int) -> Iterator[str]:
    while True:
        try:
            record = os.read(file, _RECORD)
        except BlockingIOError:
            return
        except BrokenPipeError:  # records were overwritten while we read: the next read goes on behind them
            continue
        if not record:
            return
        yield record.decode("utf-8", "surrogateescape").partition("\n")[0]


def of_journal() -> Iterator[str]:
    """Yield all that journald kept of the kernel's and of all programs' messages, of all boots.

    Raise InputError where there is no journal: that it has no report would prove nothing.
    """
    lines = _output(_JOURNALCTL)
    first = next(lines, None)
    if first is None:
        raise InputError(
            "there is no journal that may be read", hint="--dmesg reads the kernel's own log, root may more"
        )
    yield first
    yield from lines


def _output(command: tuple[str, ...]) -> Iterator[str]:
    import subprocess

    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE) as run:  # noqa: S603
            assert run.stdout is not None
            yield from _lines(run.stdout)
    except FileNotFoundError:
        raise InputError(f"{command[0]} is not on this machine", hint="give a file, or - for standard input") from None
    if run.returncode:
        raise InputError(f"{command[0]} failed with {run.returncode}", hint="it has said why above")
