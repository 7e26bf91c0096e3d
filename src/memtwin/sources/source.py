"""Where records come from: the live host, a saved snapshot, or a tar of one, read alike.

A source gives the text of the files below a root (``proc/meminfo``, ``sys/block/zram0/mm_stat``). What is not
there, or may not be read, is None and never an error: :attr:`Source.unread` keeps the reason. Nothing outside
the root is ever read: a path with ``..``, a link that leads out, or a tar's absolute names count as absent.

>>> from memtwin.procfs import meminfo
>>> live = DirectorySource("/")
>>> memory = load(live, meminfo)                       # doctest: +SKIP
>>> memory["MemTotal"], memory.get("Zswap")            # doctest: +SKIP
(223608, None)

Undecodable bytes are kept as surrogates (``errors="surrogateescape"``): a file name need not be UTF-8.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from memtwin.sources.limits import MAX_FILE_BYTES, is_inside

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path
    from typing import Protocol, TypeVar

    from memtwin.errors import ProcParseError
    from memtwin.sources.frame_map import FrameMap
    from memtwin.sources.kpageflags import FrameMapReader

    R_co = TypeVar("R_co", covariant=True)

    class Schema(Protocol[R_co]):
        """What a module of procfs or sysfs is to :func:`load`."""

        @property
        def PATH(self) -> str:  # noqa: N802 - the name of the modules' constant
            """Where the file lies below a root; may hold fields, as ``proc/{pid}/status`` does."""

        def parse(self, text: str, path: str = ...) -> R_co:
            """Read the file's text; *path* names it in errors."""


SNAPSHOT = "snapshot.json"
"""The file of a snapshot that says what no file of /proc does: page size, clock tick, when, what was not readable."""
_NOT_A_TOP = {"proc", "sys"}  # a tar made with `tar c proc` has no top directory to strip
_CHUNK_BYTES = 256 << 10  # /proc/sys refuses a read of 4 MiB or more (fs/proc/proc_sysctl.c)


class Source:
    """Files below a root.

    :attr:`name` is its name in messages, :attr:`unread` says why a path gave None, :attr:`note` what its user should
    know of it, and :attr:`is_live` whether it is this host as it runs.

    A *lenient* source is one to look at: a file that is damaged counts as unread, with the error in :attr:`damaged`,
    and what a paste does to a text (no newline at its end, CRLF) is repaired and listed in :attr:`repaired`. A machine
    is built from a strict one.
    """

    is_live = False
    lenient = False

    @property
    def at_boot(self) -> Source | None:
        """The same machine before its workload, where that is recorded."""
        return None

    @property
    def before(self) -> Source | None:
        """The same machine a while earlier, where that is recorded."""
        return None

    @property
    def program(self) -> str | None:
        """Which program a scenario's processes ran, where that is recorded: ``guest_c`` of run.json."""
        return None

    def __init__(self, name: str) -> None:
        self.name = name
        self.unread: dict[str, str] = {}
        self.damaged: dict[str, ProcParseError] = {}
        self.repaired: dict[str, str] = {}
        self.note: str | None = None
        self._refused: dict[str, str] | None = None

    def read(self, path: str) -> str | None:
        """Return the text of the file at *path*, or None and a reason in :attr:`unread`."""
        try:
            data = self._bytes(path)
        except FileNotFoundError:
            self.unread[path] = self._when_taken().get(path, "absent")
        except OSError as error:
            self.unread[path] = error.strerror or str(error)
        else:
            self.unread.pop(path, None)
            return data.decode(errors="surrogateescape")
        return None

    @property
    def owner(self) -> str:
        """How a message calls the machine."""
        return "this host" if self.is_live else self.name

    def names(self, path: str = "") -> list[str]:
        """Return the sorted names of what lies directly under the directory *path*; none if it is absent."""
        raise NotImplementedError

    def folders(self, path: str = "") -> list[str]:
        """Return the sorted names of the directories directly under the directory *path*; links are none."""
        return [name for name in self.names(path) if self.names(f"{path}/{name}".lstrip("/"))]

    def link(self, path: str) -> str | None:
        """Return where the symbolic link at *path* leads, or None if it is none (a tar has none)."""
        del path
        return None

    def frame_map(self, order: int) -> FrameMap | None:
        """Return what every frame is used for, by blocks of 2**order; None where that is not known."""
        del order
        return None

    def sub(self, prefix: str) -> Source:
        """Return the source whose root is *prefix* below this one's, as one checkpoint of a recording."""
        return _SubSource(self, prefix)

    def label(self, path: str) -> str:
        """Return how messages name the file at *path*."""
        return f"{self.name.rstrip('/')}/{path}"

    def _bytes(self, path: str) -> bytes:
        """Return a file's bytes; raise OSError, with the reason as its text."""
        raise NotImplementedError

    def _when_taken(self) -> dict[str, str]:
        """Return why the paths that a snapshot lacks could not be read on its machine, as its snapshot.json says."""
        if self._refused is None:
            self._refused = {} if self.is_live else self._read_refused()
        return self._refused

    def _read_refused(self) -> dict[str, str]:
        import json

        try:
            unread = json.loads(self._bytes(SNAPSHOT))["unread"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return {}
        return {str(path): str(why) for path, why in unread.items()} if isinstance(unread, dict) else {}


class _SubSource(Source):
    """A part of another source; both remember what could not be read."""

    def __init__(self, whole: Source, prefix: str) -> None:
        super().__init__(whole.label(prefix.strip("/")))
        self._whole, self._prefix = whole, prefix.strip("/")

    def read(self, path: str) -> str | None:
        below = f"{self._prefix}/{path}"
        if not is_inside(path):
            self.unread[path] = "outside of the source"
            return None
        text = self._whole.read(below)
        if text is None:
            self.unread[path] = self._whole.unread[below]
        else:
            self.unread.pop(path, None)
        return text

    def names(self, path: str = "") -> list[str]:
        return self._whole.names(f"{self._prefix}/{path}".rstrip("/")) if is_inside(path) else []


class DirectorySource(Source):
    """A directory with ``proc/`` below it: the live host's ``/``, or an unpacked snapshot."""

    def __init__(self, root: str | Path) -> None:
        super().__init__(str(root))
        self._root = os.path.realpath(root)
        self._real: dict[str, str] = {}
        self._frame_map: FrameMapReader | None = None
        self.is_live = self._root == "/"

    def names(self, path: str = "") -> list[str]:
        """Return the sorted names of what lies directly under the directory *path*; none if it is absent."""
        try:
            return sorted(os.listdir(self._inside(path)))
        except OSError:
            return []

    def folders(self, path: str = "") -> list[str]:
        """Return the sorted names of the directories directly under the directory *path*; links are none."""
        try:
            with os.scandir(self._inside(path)) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            return []

    def link(self, path: str) -> str | None:
        """Return where the symbolic link at *path* leads, or None if it is none."""
        try:
            return os.readlink(f"{self._root.rstrip('/')}/{path}") if is_inside(path) else None
        except OSError:
            return None

    def frame_map(self, order: int) -> FrameMap | None:
        """Return what every frame of this host is used for; None where that may not be read."""
        if not self.is_live:
            return None
        from memtwin.sources.kpageflags import FrameMapReader

        if self._frame_map is None:
            self._frame_map = FrameMapReader()
        return self._frame_map.read(self, order)

    def _inside(self, path: str) -> str:
        """Return *path* below the root, with links followed only as long as they stay there."""
        if not is_inside(path):
            raise FileNotFoundError(path)
        if self._root == "/":
            return f"/{path}"
        folder, _, name = path.rpartition("/")
        real = self._real.get(folder)
        if real is None:
            real = self._real[folder] = os.path.realpath(f"{self._root}/{folder}")
        real = os.path.join(real, name)
        if os.path.islink(real):
            real = os.path.realpath(real)
        if not f"{real}/".startswith(f"{self._root}/"):
            raise OSError(errno.EXDEV, "a link that leads out of the source")
        return real

    def _bytes(self, path: str) -> bytes:
        where = self._inside(path)
        found = os.stat(where)
        if not stat.S_ISREG(found.st_mode):  # a named pipe in a stranger's snapshot must not hang us
            raise OSError(errno.EINVAL, "not a regular file")
        if found.st_size > MAX_FILE_BYTES:
            raise OSError(errno.EFBIG, f"larger than {MAX_FILE_BYTES >> 20} MiB")
        data = bytearray()
        file = os.open(where, os.O_RDONLY)
        try:
            while chunk := os.read(file, _CHUNK_BYTES):
                data += chunk
                if len(data) > MAX_FILE_BYTES:
                    raise OSError(errno.EFBIG, f"larger than {MAX_FILE_BYTES >> 20} MiB")
        finally:
            os.close(file)
        return bytes(data)


class TarSource(Source):
    """The regular files of a tar in memory; one top directory that holds all of them is stripped.

    With *salvage*, a damaged tar has the files that are complete before the damage.
    """

    def __init__(self, where: str | Path, *, salvage: bool = False) -> None:
        from memtwin.sources.archive import Archive

        super().__init__(str(where))
        self._archive = Archive(str(where), salvage=salvage)
        self._top = _top_of(self._archive.files)
        self._children: dict[str, set[str]] = {}
        for path in self._archive.files:
            parent, child = "", ""
            for child in path.removeprefix(self._top).split("/"):
                self._children.setdefault(parent, set()).add(child)
                parent = f"{parent}/{child}".lstrip("/")

    def names(self, path: str = "") -> list[str]:
        """Return the sorted names of what lies directly under the directory *path*; none if it is absent."""
        return sorted(self._children.get(path.strip("/"), ()))

    def _bytes(self, path: str) -> bytes:
        return self._archive.read(f"{self._top}{path}")


def load(source: Source, module: Schema[R_co], path: str | None = None, /, **fields: str | int) -> R_co | None:
    """Return the record of *module*'s file, or None if the source has no such file (or may not read it).

    Raise ProcParseError if its text is damaged; of a lenient source that is None too.

    *fields* fill the module's PATH (``pid=1``, ``resource="memory"``, ``device="zram0"``); *path* replaces
    it, as for a recording's ``workers/A/status``.
    """
    path = module.PATH.format(**fields) if path is None else path
    text = source.read(path)
    return None if text is None else parse(source, module, path, text)


def parse(source: Source, module: Schema[R_co], path: str, text: str) -> R_co | None:
    """Return the record of *text*, which *source* has at *path*; None if it is damaged and the source lenient."""
    if not source.lenient:
        return module.parse(text, source.label(path))
    from memtwin.sources import lenient

    return lenient.parse(source, module, path, text)


def _top_of(paths: Collection[str]) -> str:
    """Return the one directory that all of *paths* lie in, with its slash, or nothing."""
    tops = {path.partition("/")[0] for path in paths}
    if len(tops) != 1 or tops & _NOT_A_TOP or any("/" not in path for path in paths):
        return ""
    return f"{tops.pop()}/"
