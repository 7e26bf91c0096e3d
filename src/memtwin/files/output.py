"""Every file and directory that memtwin writes: whole under its name, or absent.

An output is made under a private name beside its target, written, synced, and renamed to the target when it is
complete. A process that is killed, interrupted or out of disk space therefore leaves either the old file or no file::

    .NAME.partial-memtwin-0123456789abcdef    while it is written (and after a kill: a leftover)
    NAME                                      when it is whole

- A private name is random and must be new (O_EXCL, O_NOFOLLOW): nothing that lies there is reused or followed.
- A file or link at the target is never opened. A file is replaced by the rename, a directory is never replaced,
  and a symbolic link is refused. Only a terminal, pipe or ``/dev/null`` is written in place.
- A draft is locked (flock) while its process lives. A leftover is a draft without a lock: the next output to the same
  target deletes it (:func:`check`). No reader takes a leftover for an input (:func:`is_leftover`).
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from memtwin.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OWNER_ONLY: Final = 0o700
"""The mode for what others may not read: directories 0700, files 0600."""
ANYBODY: Final = 0o777
"""The mode that the umask restricts: directories 0777, files 0666."""
_MARK: Final = ".partial-memtwin-"
_LEFTOVER: Final = re.compile(r"\.(?P<name>.+)\.partial-memtwin-[0-9a-f]{16}", re.DOTALL)
_LONGEST_NAME: Final = 200
"""Bytes of the target's name that its private name repeats: no name may have more than 255."""
_TRIES: Final = 16
_SYNC_FILE_RANGE_WRITE: Final = 2
"""include/uapi/linux/fs.h."""
_NEW: Final = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BY_KIND: Final = {stat.S_IFDIR: "a directory", stat.S_IFLNK: "a symbolic link", stat.S_IFREG: "a file"}


class Directory:
    """A directory under its private name; :meth:`write` adds a file to it."""

    def __init__(self, draft: _Draft) -> None:
        self._draft = draft
        self._made: dict[str, None] = {"": None}
        self._files: list[str] = []

    def write(self, path: str, data: bytes) -> None:
        """Write *data* as the new file *path* below the directory."""
        draft = self._draft
        with draft.complaints():
            self._make(path.rpartition("/")[0])
            file = os.open(path, os.O_WRONLY | _NEW, draft.mode & 0o666, dir_fd=draft.fd)
            self._files.append(path)
            try:
                _write_all(file, data)
                _start_writeback(file)
            finally:
                os.close(file)

    def sync(self) -> None:
        """Wait until all files and directories are on disk, in short steps, so that ^C works."""
        with self._draft.complaints():
            for path in (*self._files, *self._made):
                file = os.open(path or ".", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._draft.fd)
                try:
                    os.fsync(file)
                finally:
                    os.close(file)

    def _make(self, path: str) -> None:
        if path not in self._made:
            self._make(path.rpartition("/")[0])
            os.mkdir(path, self._draft.mode, dir_fd=self._draft.fd)
            self._made[path] = None


class _Draft:
    """A new file or directory under a private name beside *target*, locked until it is closed."""

    def __init__(self, target: Path, *, is_directory: bool, mode: int) -> None:
        self.target, self.is_directory, self.mode = target, is_directory, mode
        self.fd = -1
        with self.complaints():
            self._parent = os.open(target.parent, _READ_DIRECTORY)
        try:
            with self.complaints():
                self._create()
        except BaseException:
            os.close(self._parent)
            raise

    @contextmanager
    def complaints(self) -> Iterator[None]:
        """Turn an error of the system into one that names the target."""
        try:
            yield
        except OSError as problem:
            raise _unwritable(self.target, problem) from problem

    def publish(self) -> None:
        """Sync the draft to disk and give it the name of its target."""
        with self.complaints():
            os.fsync(self.fd)
            os.rename(self.name, self.target.name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        with suppress(OSError):  # the name is on disk with the file system's next commit where this is not possible
            os.fsync(self._parent)

    def discard(self) -> None:
        """Delete the draft."""
        _delete(self.name, self._parent, is_directory=self.is_directory)

    def close(self) -> None:
        """Release the lock."""
        os.close(self.fd)
        os.close(self._parent)

    def _create(self) -> None:
        for _ in range(_TRIES):
            self.name = _private_name(self.target)
            with suppress(FileExistsError):
                self._make()
                if self._lock():
                    return
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))

    def _make(self) -> None:
        if self.is_directory:
            os.mkdir(self.name, self.mode, dir_fd=self._parent)
        else:
            self.fd = os.open(self.name, os.O_WRONLY | _NEW, self.mode & 0o666, dir_fd=self._parent)

    def _lock(self) -> bool:
        """Lock the draft; False if another process took it for a leftover and deleted it before that."""
        try:
            if self.is_directory:
                self.fd = os.open(self.name, _READ_DIRECTORY | os.O_NOFOLLOW, dir_fd=self._parent)
            with suppress(OSError):  # a file system without locks: then no process takes the draft for a leftover
                fcntl.flock(self.fd, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(self.fd), os.stat(self.name, dir_fd=self._parent, follow_symlinks=False)):
                return True
        except FileNotFoundError:
            pass
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        return False


@contextmanager
def directory(target: Path, *, mode: int = ANYBODY) -> Iterator[Directory]:
    """Yield a new directory, which gets the name *target* at the end of the block; an error deletes it.

    Raise OutputError where *target* is there already or cannot be written.
    """
    with _draft(target, is_directory=True, mode=mode) as draft:
        made = Directory(draft)
        yield made
        made.sync()


def write_file(target: Path, data: bytes, *, mode: int = ANYBODY) -> None:
    """Write *data* as the file *target*, in the place of an old one, whose permissions it keeps with :data:`ANYBODY`.

    Raise OutputError where that cannot be; the old file is then untouched.
    """
    old = _refuse(target, is_directory=False)
    if old is not None and not stat.S_ISREG(old.st_mode):
        _write_in_place(target, data)
        return
    with _draft(target, is_directory=False, mode=mode) as draft, draft.complaints():
        if old is not None and mode == ANYBODY:
            os.fchmod(draft.fd, stat.S_IMODE(old.st_mode) & 0o777)
        _write_all(draft.fd, data)


def check(target: Path, *, is_directory: bool) -> list[str]:
    """Raise an OutputError now if *target* could not be written later; return the names of deleted leftovers.

    For work that takes long: what can be known before it is known before it.
    """
    old = _refuse(target, is_directory=is_directory)
    if old is not None and not stat.S_ISREG(old.st_mode):
        return []
    deleted = _delete_leftovers(target)
    draft = _Draft(target, is_directory=is_directory, mode=OWNER_ONLY)
    draft.discard()
    draft.close()
    return deleted


def is_leftover(path: str) -> bool:
    """Return whether *path* is the private name of an output that is not complete, or leads into one.

    >>> is_leftover("/tmp/.out.partial-memtwin-00112233aabbccdd/boot"), is_leftover("/tmp/out")
    (True, False)
    """
    return _MARK in path and any(_LEFTOVER.fullmatch(part) for part in path.split("/"))


@contextmanager
def _draft(target: Path, *, is_directory: bool, mode: int) -> Iterator[_Draft]:
    _refuse(target, is_directory=is_directory)
    draft = _Draft(target, is_directory=is_directory, mode=mode)
    try:
        yield draft
        draft.publish()
    except BaseException:
        draft.discard()
        raise
    finally:
        draft.close()


def _refuse(target: Path, *, is_directory: bool) -> os.stat_result | None:
    """Return what lies at *target* and may be replaced or written in place, or None; raise OutputError for the rest."""
    try:
        old = target.lstat()
    except FileNotFoundError:
        _refuse_parent(target)
        return None
    except (OSError, ValueError) as problem:
        raise _unwritable(target, problem) from problem
    if is_directory:
        kind = _BY_KIND.get(stat.S_IFMT(old.st_mode), "a special file")
        problem_text = "is there already" if stat.S_ISDIR(old.st_mode) else f"is there already: {kind}"
        raise OutputError(str(target), problem_text, hint="choose another name, or move it away")
    if stat.S_ISLNK(old.st_mode):
        old = _leads_to_stream(target)
    if stat.S_ISDIR(old.st_mode) or stat.S_ISBLK(old.st_mode) or stat.S_ISSOCK(old.st_mode):
        kind = _BY_KIND.get(stat.S_IFMT(old.st_mode), "a special file")
        raise OutputError(str(target), f"is {kind}", hint="choose another name")
    if not os.access(target, os.W_OK):
        raise _unwritable(target, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    return old


def _leads_to_stream(target: Path) -> os.stat_result:
    """Return what a link such as ``/dev/stdout`` leads to; raise OutputError for a link to anything but a stream."""
    with suppress(OSError):
        found = target.stat()
        if stat.S_ISCHR(found.st_mode) or stat.S_ISFIFO(found.st_mode):
            return found
    raise OutputError(str(target), "is a symbolic link, which is never followed", hint="choose another name")


def _refuse_parent(target: Path) -> None:
    """Raise OutputError unless the target's directory is there."""
    if not target.parent.is_dir():
        raise OutputError(str(target), f"there is no directory {target.parent}", hint=f"mkdir -p {target.parent}")


def _write_in_place(target: Path, data: bytes) -> None:
    """Write to a terminal, a pipe or a device such as ``/dev/null``, which must not be replaced."""
    try:
        file = os.open(target, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            _write_all(file, data)
        finally:
            os.close(file)
    except OSError as problem:
        raise _unwritable(target, problem) from problem


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _start_writeback(file: int) -> None:
    """Begin to write a file to disk and do not wait.

    Thousands of files are then allocated together, and of the fsync of each at the end only the first waits for a
    commit of the file system. Writing the whole file system (syncfs) would wait for the data of all other programs.
    """
    with suppress(AttributeError):  # a C library without it: fsync does all
        _libc().sync_file_range(file, 0, 0, _SYNC_FILE_RANGE_WRITE)


@lru_cache(maxsize=1)
def _libc() -> Any:
    import ctypes

    library = ctypes.CDLL(None)
    library.sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return library


def _unwritable(target: Path, problem: OSError | ValueError) -> OutputError:
    why = getattr(problem, "strerror", None) or str(problem)
    return OutputError(str(target), f"cannot be written: {why}", hint="no half of it was left behind")


def _private_name(target: Path) -> str:
    return f"{_private_stem(target)}{secrets.token_hex(8)}"


def _private_stem(target: Path) -> str:
    name = os.fsdecode(os.fsencode(target.name)[:_LONGEST_NAME])
    return f".{name}{_MARK}"


def _delete_leftovers(target: Path) -> list[str]:
    """Delete the drafts of *target* that belong to no running process; return their names."""
    deleted: list[str] = []
    stem = _private_stem(target)
    with suppress(OSError):
        parent = os.open(target.parent, _READ_DIRECTORY)
        try:
            deleted.extend(
                name
                for name in sorted(os.listdir(parent))
                if name.startswith(stem) and is_leftover(name) and _delete_leftover(name, parent)
            )
        finally:
            os.close(parent)
    return deleted


def _delete_leftover(name: str, parent: int) -> bool:
    """Delete one draft unless its process is alive or it belongs to another user; return whether it was deleted."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    except OSError:
        return False
    try:
        found = os.fstat(fd)
        is_directory = stat.S_ISDIR(found.st_mode)
        if found.st_uid != os.geteuid() or not (is_directory or stat.S_ISREG(found.st_mode)):
            return False
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _delete(name, parent, is_directory=is_directory)
    except OSError:  # locked: its process is alive
        return False
    finally:
        os.close(fd)
    return True


def _delete(name: str, parent: int, *, is_directory: bool) -> None:
    if is_directory:
        shutil.rmtree(name, ignore_errors=True, dir_fd=parent)
    else:
        with suppress(OSError):
            os.unlink(name, dir_fd=parent)
