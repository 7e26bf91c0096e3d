"""Writes a trace: each sample is one write of one frame, so that whatever ends the recorder costs at most that sample.

A file that is there and is a trace is continued, after what a kill cut off is removed. Where the disk is full,
the half frame is taken away too, and the samples until there is room again are lost: a gap, as the times show. Rotation
moves ``host.trace`` to ``host.trace.1``, that to ``host.trace.2``, and begins a new file with a key frame. A chain that
has ended is packed as one in a thread, while samples go on, and put into a new file beside the trace, which then takes
its place: at no moment is less than all of it there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.errors import OutputError
from memtwin.sources.deltas import Encoder
from memtwin.sources.frames import FAMILY, MAGIC, MAGICS, Deflater, Unpacker, chained, framed, scan

if TYPE_CHECKING:
    from memtwin.sources.recorder import Readings

KEY_EVERY: Final = 3600
"""Samples of one chain: a reader unpacks at most so many to reach a moment."""
MOST_CHAIN_BYTES: Final = 16 << 20
"""What the samples of one chain may have together, besides its first: packing takes some ten times as much memory."""
_FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))


class Rotation(NamedTuple):
    """When a new file is begun, and how many old ones are kept; None: never."""

    max_bytes: int | None = None
    max_age_s: float | None = None
    keep: int = 7


class Writer:
    """One trace that grows; *meta* is what no file says of the machine."""

    def __init__(self, path: str, meta: dict[str, Any], rotation: Rotation = Rotation()) -> None:  # noqa: B008 - a value
        self.path, self.written, self.lost = path, 0, 0
        self._meta, self._rotation = meta, rotation
        self._encoder = Encoder()
        self._deflater: Deflater | None = None
        self._fd = _opened(path)
        self._end = _whole_end(self._fd, path)
        self._begun_s = time.monotonic()
        self._chain, self._chain_at, self._chain_bytes = 0, 0, 0
        self._packing: _Packing | None = None

    @property
    def size_bytes(self) -> int:
        """How large the file is."""
        return self._end

    def add(self, readings: Readings, unix_ms: int, boot_ms: int) -> str | None:
        """Append a sample; return why it could not be, or None. Raise OutputError for what another try cannot mend."""
        self._rotate_if_due()
        self._settle(wait=False)
        is_key = self._deflater is None or self._chain >= KEY_EVERY or self._chain_bytes > MOST_CHAIN_BYTES
        if is_key:
            if self._deflater is not None:
                self._settle(wait=True)
                self._packing = _Packing(self._fd, self._chain_at, self._end)
            self._encoder.restart()
            self._deflater, self._chain, self._chain_bytes = Deflater(), 0, 0
            self._chain_at = self._end or len(MAGIC)
        assert self._deflater is not None
        payload = self._encoder.payload(
            boot_ms, readings.files, readings.gone, unread=readings.unread, meta=self._meta if is_key else None
        )
        frame = framed(self._deflater.pack(payload), unix_ms, is_key=is_key)
        problem = self._append(frame)
        if problem is not None:
            self._deflater = None  # what was packed after the lost frame could not be read
            self.lost += 1
            if problem.errno not in _FULL:
                raise OutputError(self.path, f"cannot be written: {problem.strerror}") from problem
            return problem.strerror
        self.written += 1
        self._chain += 1
        self._chain_bytes += 0 if is_key else len(payload)
        return None

    def close(self) -> None:
        """Write what is buffered by the system to disk, and close the file."""
        self._settle(wait=True)
        with suppress(OSError):
            os.fsync(self._fd)
        os.close(self._fd)

    def _append(self, frame: bytes) -> OSError | None:
        """Write *frame* at the end, all of it or nothing."""
        head = b"" if self._end else MAGIC
        try:
            self._end = _written(self._fd, head + frame, self._end)
        except OSError as problem:
            with suppress(OSError):
                os.ftruncate(self._fd, self._end)
            return problem
        return None

    def _settle(self, *, wait: bool) -> None:
        """Put the chain that was packed into the file as one; where that cannot be it stays as it is."""
        if self._packing is None or (self._packing.is_alive() and not wait):
            return
        packing, self._packing = self._packing, None
        packing.join()
        beside = f"{self.path}.packed"
        try:
            if not packing.packed or not _is_at(self._fd, self.path):
                return
            fd = _opened(beside)
        except (OSError, OutputError):
            return
        try:
            os.ftruncate(fd, 0)
            end = _written(fd, MAGIC, 0)
            end = _copied(fd, end, self._fd, end, packing.begin)
            end = _written(fd, packing.packed, end)
            moved = end - packing.end
            end = _copied(fd, end, self._fd, packing.end, self._end)
            os.fsync(fd)
            os.replace(beside, self.path)
        except OSError:
            os.close(fd)
            with suppress(OSError):
                os.unlink(beside)
            return
        os.close(self._fd)
        self._fd, self._end, self._chain_at = fd, end, self._chain_at + moved

    def _rotate_if_due(self) -> None:
        limits = self._rotation
        too_large = limits.max_bytes is not None and self._end > limits.max_bytes
        too_old = limits.max_age_s is not None and time.monotonic() - self._begun_s > limits.max_age_s
        if not self._end or not (too_large or too_old):
            return
        self._settle(wait=True)
        for number in range(limits.keep - 1, 0, -1):
            with suppress(FileNotFoundError):
                os.replace(f"{self.path}.{number}", f"{self.path}.{number + 1}")
        if limits.keep:
            os.replace(self.path, f"{self.path}.1")
        else:
            os.unlink(self.path)
        os.close(self._fd)
        self._fd, self._end, self._deflater = _opened(self.path), 0, None
        self._begun_s = time.monotonic()


class _Packing(threading.Thread):
    """Packs the chain that lies between two offsets of a file."""

    def __init__(self, fd: int, begin: int, end: int) -> None:
        super().__init__(name="packing", daemon=True)
        self.begin, self.end, self.packed = begin, end, b""
        self._data = MAGIC + os.pread(fd, end - begin, begin)
        self.start()

    def run(self) -> None:
        """Do it; what is not whole any more, or too large, is left as it is."""
        (frames, end, damaged), unpacker = scan(self._data), Unpacker(self._data)
        if damaged or end != len(self._data):
            return
        with suppress(ValueError, MemoryError):
            self.packed = chained([unpacker.unpack(one) for one in frames], [one.unix_ms for one in frames])


def _is_at(fd: int, path: str) -> bool:
    """Whether an open file is still the one of that name."""
    return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(fd))


def _copied(fd: int, at: int, source: int, begin: int, end: int) -> int:
    """Copy a part of a file to an offset of another; returns where it ends there."""
    while begin < end:
        data = os.pread(source, min(end - begin, 1 << 20), begin)
        if not data:
            raise OSError(errno.EIO, "the file is shorter than it was")
        at, begin = _written(fd, data, at), begin + len(data)
    return at


def _written(fd: int, data: bytes, at: int) -> int:
    """Write all of *data* at an offset; returns where it ends."""
    rest = memoryview(data)
    while rest:
        done = os.pwrite(fd, rest, at)
        rest, at = rest[done:], at + done
    return at


def _opened(path: str) -> int:
    """Open the file for its owner alone, and lock it."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        why = "is a symbolic link, which is never followed" if problem.errno == errno.ELOOP else None
        raise OutputError(path, why or f"cannot be written: {problem.strerror}") from problem
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OutputError(path, "is not a regular file", hint="a trace grows: give it a file of its own")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise OutputError(path, "another recorder writes it", hint="choose another name") from None
    except OSError:  # a file system without locks
        pass
    return fd


def _whole_end(fd: int, path: str) -> int:
    """Return where the last whole frame of the file ends, with what follows it taken away; 0 for an empty file."""
    size = os.fstat(fd).st_size
    data = os.pread(fd, len(FAMILY), 0)
    if size and not FAMILY.startswith(data):
        os.close(fd)
        raise OutputError(path, "is there already and is not a trace", hint="choose another name, or move it away")
    if size <= len(MAGIC):
        os.ftruncate(fd, 0)
        return 0
    whole = b"".join(iter(lambda: os.read(fd, 1 << 20), b""))
    if not whole.startswith(MAGICS):
        os.close(fd)
        raise OutputError(path, "is a trace of another version", hint="choose another name")
    end = scan(whole).end
    os.ftruncate(fd, end)
    return end
