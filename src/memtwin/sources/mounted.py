"""A machine's /proc and /sys as a file system in user space (FUSE, extra ``fuse``): read-only, of its newest moment.

A file is made when it is read from its beginning, so that a program that keeps it open and reads it again sees the
machine as it is then. Sizes are 0, as in /proc itself.
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import stat
import time
from typing import TYPE_CHECKING, Any, Final

from memtwin.errors import NotBuiltError
from memtwin.sources.laid_out import HOST
from memtwin.sources.processes import processes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from memtwin.sources.processes import SourceProcess
    from memtwin.sources.source import Source

_HINT: Final = "pip install 'memtwin[fuse]', and libfuse (Debian: libfuse3-3)"
_TOPS: Final = ("proc", "sys")
_ALWAYS: Final = ("cmdline", "comm", "task")
"""What every process has in /proc: of arguments that are not known nothing, of the name what the machine says."""
_REFUSED: Final = frozenset(("environ", "io", "smaps", "wchan"))
"""What a process of a real machine has too, and a stored one has not: reading it is refused, as another user's is."""
_PR_SET_PDEATHSIG: Final = 1


class Tree:
    """The machine that *newest* returns as paths; *links* lead to elsewhere, *folders* are there besides."""

    def __init__(
        self, newest: Callable[[], Source], links: Mapping[str, str] | None = None, folders: tuple[str, ...] = ()
    ) -> None:
        self.newest, self.links, self.folders = newest, dict(links or {}), set(folders)
        self.hosts_proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if links else None
        self._known: tuple[Source, dict[int, SourceProcess]] | None = None
        for path in (*self.links, *folders):
            while "/" in path:
                path = path.rpartition("/")[0]  # noqa: PLW2901
                self.folders.add(path)

    def names(self, path: str) -> list[str]:
        """Return what lies directly under a directory."""
        if not path:
            return list(_TOPS)
        source = self.newest()
        here = self._process(source, path)
        if here is not None:
            return self._of_process(source, here, path)
        found = set(source.names(path))
        if path == "proc":
            found |= {str(pid) for pid in self._processes(source)}
        prefix = f"{path}/"
        found |= {p[len(prefix) :].partition("/")[0] for p in (*self.links, *self.folders) if p.startswith(prefix)}
        return sorted(found)

    def text(self, path: str) -> bytes | None:
        """Return a file's bytes; None if there is none."""
        source = self.newest()
        where = path
        here = self._process(source, path)
        if here is not None:
            name = path.split("/", 2)[2]
            if name in {"cmdline", "comm"} and name not in source.names(here.root):
                return b"" if name == "cmdline" else f"{here.name}\n".encode(errors="surrogateescape")
            if name in _REFUSED and name not in source.names(here.root):
                raise OSError(errno.EACCES, path)
            where = f"{here.root}/{name}"
        found = source.read(where)
        return None if found is None else found.encode(errors="surrogateescape")

    def kind(self, path: str) -> str | None:
        """Return ``link``, ``folder``, ``file``, or None if there is nothing."""
        if path in self.links or self._task_link(path) is not None or self._host_link(path) is not None:
            return "link"
        if path in {"", *_TOPS} or path in self.folders:
            return "folder"
        parent, _, name = path.rpartition("/")
        if name not in self.names(parent):
            return None
        return "folder" if self.names(path) else "file"

    def target(self, path: str) -> str:
        """Return where a link leads."""
        return self.links.get(path) or self._task_link(path) or self._host_link(path) or ""

    def owner(self, path: str) -> tuple[int, int]:
        """Return the user and group of a path: a process' directory belongs to its user."""
        words = path.split("/")
        if len(words) != 2 or words[0] != "proc" or not words[1].isdecimal():
            return 0, 0
        rows = dict(
            line.split(b":\t", 1) for line in (self.text(f"{path}/status") or b"").splitlines() if b":\t" in line
        )
        ids = [rows.get(name, b"").split(b"\t") for name in (b"Uid", b"Gid")]
        uid, gid = (int(one[1]) if len(one) > 1 and one[1].isdigit() else 0 for one in ids)
        return uid, gid

    def _of_process(self, source: Source, process: SourceProcess, path: str) -> list[str]:
        if path.count("/") == 1:
            return sorted({*source.names(process.root), *_ALWAYS, *_REFUSED})
        return [str(process.pid)] if path.endswith("/task") else []

    def _host_link(self, path: str) -> str | None:
        """Return where a process of the host lies, which is not listed: a program finds itself and its children."""
        words = path.split("/")
        if self.hosts_proc is None or len(words) != 2 or words[0] != "proc" or not words[1].isdecimal():
            return None
        if self._process(self.newest(), path) is not None:
            return None
        try:
            os.stat(words[1], dir_fd=self.hosts_proc)
        except OSError:
            return None
        return f"/proc/{HOST}/{words[1]}"

    def _task_link(self, path: str) -> str | None:
        words = path.split("/")
        is_task = len(words) == 4 and words[0] == "proc" and words[2] == "task" and words[3] == words[1]
        return f"../../{words[1]}" if is_task else None

    def _process(self, source: Source, path: str) -> SourceProcess | None:
        """Return the process that a path is of, unless a link of that number is."""
        words = path.split("/", 2)
        if words[0] != "proc" or len(words) < 2 or not words[1].isdecimal() or f"proc/{words[1]}" in self.links:
            return None
        return self._processes(source).get(int(words[1]))

    def _processes(self, source: Source) -> dict[int, SourceProcess]:
        """Return the processes by pid; of a moment that was asked for before they are known."""
        if self._known is None or self._known[0] is not source:
            self._known = (source, {one.pid: one for one in processes(source)})
        return self._known[1]


class _Answers:
    """What the kernel asks of a file system; mfusepy's Operations has the rest."""

    use_ns = True

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.opened: dict[int, bytes] = {}
        self.last = 0

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        """Return kind, owner and times; sizes are 0."""
        del fh
        kind = self.tree.kind(path.strip("/"))
        if kind is None:
            raise OSError(errno.ENOENT, path)
        mode = {"folder": stat.S_IFDIR | 0o555, "link": stat.S_IFLNK | 0o777, "file": stat.S_IFREG | 0o444}[kind]
        uid, gid = self.tree.owner(path.strip("/"))
        now = time.time_ns()
        times = {"st_mtime": now, "st_atime": now, "st_ctime": now}
        return {"st_mode": mode, "st_nlink": 2 if kind == "folder" else 1, "st_uid": uid, "st_gid": gid, **times}

    def readdir(self, path: str, fh: int) -> list[str]:
        """Return the names in a directory."""
        del fh
        return [".", "..", *self.tree.names(path.strip("/"))]

    def readlink(self, path: str) -> str:
        """Return where a link leads."""
        return self.tree.target(path.strip("/"))

    def open(self, path: str, flags: int) -> int:
        """Make a file."""
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, path)
        self.last += 1
        self.opened[self.last] = self._text(path)
        return self.last

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        """Return a part of a file; from its beginning it is made again."""
        if not offset:
            self.opened[fh] = self._text(path)
        return self.opened.get(fh, b"")[offset : offset + size]

    def release(self, path: str, fh: int) -> int:
        """Forget what was opened."""
        del path
        self.opened.pop(fh, None)
        return 0

    def _text(self, path: str) -> bytes:
        found = self.tree.text(path.strip("/"))
        if found is None:
            raise OSError(errno.ENOENT, path)
        return found


def serve(tree: Tree, where: str) -> None:
    """Mount *tree* at *where* and answer until it is unmounted. Raise NotBuiltError without the library."""
    library = _library()
    files = type("Files", (_Answers, library.Operations), {})(tree)
    fresh: dict[str, Any] = dict.fromkeys(("attr_timeout", "entry_timeout", "negative_timeout"), 0)
    try:
        library.FUSE(files, where, foreground=True, nothreads=True, direct_io=True, ro=True, fsname="memtwin", **fresh)
    except RuntimeError as problem:
        raise OSError(errno.EIO, f"FUSE ended with {problem}", where) from None


def serve_aside(tree: Tree, where: str, seconds: float = 10.0) -> None:
    """Serve *tree* at *where* in a process that ends with this one; return when it is mounted."""
    _library()
    before = os.stat(where).st_dev
    if os.fork() == 0:
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            serve(tree, where)
        finally:
            os._exit(0)
    end = time.monotonic() + seconds
    while os.stat(where).st_dev == before:
        if time.monotonic() > end:
            raise OSError(errno.ENODEV, "no file system in user space can be mounted here (/dev/fuse)", where)
        time.sleep(0.01)


def _library() -> Any:
    try:
        import mfusepy
    except (ModuleNotFoundError, OSError):
        raise NotBuiltError("a machine that runs needs FUSE, the extra fuse", hint=_HINT) from None
    return mfusepy
