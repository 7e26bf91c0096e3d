"""A snapshot: every file that a view reads, as raw bytes below one root, so that it can be read elsewhere.

The layout is the machine's own (``proc/meminfo``, ``sys/block/zram0/mm_stat``), in a directory or a tar, with
``snapshot.json`` beside them: kernel, page size, clock tick, when, and what could not be read and why. System-wide
files are read first and within a few milliseconds; processes after them, each in turn, so that what they add up
to may differ from the system's figures by what happened in between.

A ``*`` in :data:`FILES` is any one name, ``**`` any number of directories.
"""

from __future__ import annotations

import fnmatch
import io
import json
import os
import re
import tarfile
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin import __version__
from memtwin.errors import SnapshotError
from memtwin.files import output
from memtwin.sources.host import host, taken_unix_ms
from memtwin.sources.processes import processes
from memtwin.sources.source import SNAPSHOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from memtwin.sources.processes import SourceProcess
    from memtwin.sources.source import Source

FILES: Final = (
    "proc/meminfo", "proc/vmstat", "proc/zoneinfo", "proc/buddyinfo", "proc/pagetypeinfo", "proc/slabinfo",
    "proc/swaps", "proc/stat", "proc/loadavg", "proc/uptime", "proc/diskstats", "proc/pressure/*",
    "proc/vmallocinfo", "proc/version", "proc/cmdline", "proc/cgroups", "proc/filesystems", "proc/mounts",
    "proc/self/mountinfo", "proc/net/sockstat", "proc/net/sockstat6", "proc/net/protocols", "proc/sysvipc/shm",
    "proc/sys/vm/*", "proc/sys/kernel/osrelease", "proc/sys/kernel/pid_max", "proc/sys/kernel/shm*",
    *(f"sys/block/zram*/{name}" for name in (
        "backing_dev", "bd_stat", "comp_algorithm", "disksize", "io_stat", "mm_stat", "recomp_algorithm", "stat",
    )),
    "sys/block/*/queue/rotational", "sys/block/*/size",
    "sys/block/dm-*/dm/name", "sys/module/zswap/parameters/*", "sys/kernel/debug/zswap/*",
    "sys/kernel/debug/extfrag/*", "sys/kernel/mm/transparent_hugepage/*",
    "sys/kernel/mm/transparent_hugepage/khugepaged/*", "sys/kernel/mm/transparent_hugepage/hugepages-*/enabled",
    "sys/kernel/mm/hugepages/*/*", "sys/kernel/mm/ksm/*",
    "sys/kernel/mm/lru_gen/*", "sys/kernel/debug/lru_gen", "sys/kernel/mm/swap/*", "sys/kernel/mm/page_idle/none",
    "sys/kernel/slab/*/reclaim_account", "sys/devices/system/node/node*/meminfo",
    "sys/devices/system/node/node*/numastat", "sys/devices/system/node/node*/distance",
    "sys/devices/system/node/node*/cpulist", "proc/spl/kstat/zfs/abdstats", "proc/spl/kstat/zfs/arcstats",
    "sys/kernel/debug/vmmemctl", "sys/class/drm/card*/device/mem_info_gtt_used",
    "sys/devices/system/cpu/online", "sys/fs/cgroup/memory.*", "sys/fs/cgroup/**/memory.*",
    "sys/fs/cgroup/**/cgroup.controllers", "etc/passwd", "etc/os-release",
    "sysctl_vm",
)  # fmt: skip
"""What is read of the machine; the last is a run's. Its workers become processes, so that other tools find them."""

PROCESS_FILES: Final = (
    "comm", "cgroup", "limits", "maps", "mountinfo", "oom_score", "oom_score_adj", "smaps_rollup", "stat", "statm",
    "status",
)  # fmt: skip
"""What is read of each process. ``cmdline`` beside them, unless arguments are left out: they may hold secrets."""

SMAPS: Final = "smaps"
_MAPS: Final = re.compile(r"proc/[0-9]+/maps")
_ORDERS: Final = frozenset((
    "compact_memory", "demote", "drop_caches", "memory.force_empty", "memory.pressure_level", "memory.reclaim",
    "stat_refresh",
))  # fmt: skip
"""Names of files that take orders: reading them fails, says nothing, or makes the kernel work."""
SUFFIXES: Final = (".tar", ".tar.gz", ".tar.xz", ".tar.zst")
OTHER_ARCHIVES: Final = (
    ".zip", ".7z", ".rar", ".cpio", ".tgz", ".txz", ".tbz", ".tbz2", ".tzst", ".gz", ".xz", ".zst", ".bz2", ".lz4",
)  # fmt: skip
"""Endings of archives that are not written: who asks for one does not mean a directory."""
_CHUNK_BYTES: Final = 128 << 10
_GZIP: Final = 31
"""zlib's number for a gzip header around the largest window."""
_NO_NEWS: Final = {"absent", "No such process", "not a regular file"}


_AREA_S: Final = 5e-6
_AREA_BYTES: Final = 800
"""What an area costs in smaps, to write and in bytes, as measured on Linux 6.18."""


class Walk(NamedTuple):
    """What smaps of all processes will take, by the smaps_rollup and maps that were read: it walks the same pages."""

    processes: int
    seconds: float
    size_bytes: int


class Taken(NamedTuple):
    """What a snapshot holds: raw bytes by path, and for each path that could not be read the reason."""

    files: dict[str, bytes]
    unread: dict[str, str]


def take(
    source: Source, *, arguments: bool = True, progress: Callable[[int, int], None] | None = None,
    wants_smaps: Callable[[Walk], bool] = lambda _: False,
) -> Taken:  # fmt: skip
    """Read everything that a snapshot of *source* holds; *progress* gets the number of processes done and of all.

    A live kernel walks every page for smaps: *wants_smaps* hears first what that will take.
    """
    reader = _Reader(source)
    taken = taken_unix_ms(source)
    for pattern in FILES:
        for path in matching(source, pattern):
            reader.read(path, path)
    found = list(processes(source))
    names = (*PROCESS_FILES, *(("cmdline",) if arguments else ()), *(() if source.is_live else (SMAPS,)))
    for done, process in enumerate(found, 1):
        reader.read_process(process, names)
        if progress:
            progress(done, len(found))
    if source.is_live and wants_smaps(reader.walk()):
        for process in found:
            reader.read_process(process, (SMAPS,))
    reader.files[SNAPSHOT] = _facts(source, reader.unread, taken)
    return Taken(reader.files, reader.unread)


class _Reader:
    """Reads files of *source*: bytes by the path under which they are saved, or why they could not be read."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.files: dict[str, bytes] = {}
        self.unread: dict[str, str] = {}
        self._walked_s = 0.0

    def read(self, path: str, saved: str) -> None:
        """Read the file at *path*."""
        text = self.source.read(path)
        if text is not None:
            self.files[saved] = text.encode(errors="surrogateescape")
        elif self.source.unread[path] not in _NO_NEWS:
            self.unread[saved] = self.source.unread[path]

    def read_process(self, process: SourceProcess, names: Iterable[str]) -> None:
        """Read the files *names* of a process."""
        for name in names:
            since_s = time.perf_counter()
            self.read(f"{process.root}/{name}", f"proc/{process.pid}/{name}")
            if name == "smaps_rollup":
                self._walked_s += time.perf_counter() - since_s
        if f"proc/{process.pid}/status" in self.files:  # a worker of a run has no comm of its own
            comm = f"{process.name}\n".encode(errors="surrogateescape")
            self.files.setdefault(f"proc/{process.pid}/comm", comm)

    def walk(self) -> Walk:
        """Return what smaps will take, by what was read."""
        texts = [text for path, text in self.files.items() if _MAPS.fullmatch(path) and text]
        areas = sum(text.count(b"\n") for text in texts)
        return Walk(len(texts), self._walked_s + areas * _AREA_S, areas * _AREA_BYTES)


def matching(source: Source, pattern: str) -> Iterator[str]:
    """Yield the paths of *source* that *pattern* names; a pattern without ``*`` is a path, there or not."""
    yield from (path for path in _below(source, "", pattern.split("/")) if path.rpartition("/")[2] not in _ORDERS)


def save(taken: Taken, where: Path) -> None:
    """Write *taken* as a new directory, or as a tar if *where* ends in one of :data:`SUFFIXES`; its owner may read it.

    It is whole or absent: a file at *where* is replaced only when the new one is complete, and a directory gets its
    name when ``snapshot.json`` is in it. Raise SnapshotError for a directory that is there.
    """
    if _is_tar(where):
        output.write_file(where, _compressed(_tar(taken), where), mode=output.OWNER_ONLY)
        return
    if os.path.lexists(where):
        raise SnapshotError(str(where), "is there already", hint="choose another name, or move it away")
    with output.directory(where, mode=output.OWNER_ONLY) as directory:
        for path, data in sorted(taken.files.items(), key=lambda item: item[0] == SNAPSHOT):
            directory.write(path, data)


def check(where: Path) -> list[str]:
    """Raise before anything is read if :func:`save` could not write *where*; return the leftovers that were deleted."""
    if _is_tar(where):
        _packer(where)
    elif str(where).endswith(OTHER_ARCHIVES):
        raise SnapshotError(str(where), "is the name of an archive that is not written", hint=", ".join(SUFFIXES))
    return output.check(where, is_directory=not _is_tar(where))


def _is_tar(where: Path) -> bool:
    return str(where).endswith(SUFFIXES)


def _below(source: Source, parent: str, parts: list[str]) -> Iterator[str]:
    part, rest = parts[0], parts[1:]
    if part == "**":
        for name in source.folders(parent):
            yield from _below(source, f"{parent}/{name}", rest)
            yield from _below(source, f"{parent}/{name}", parts)
        return
    wild = any(mark in part for mark in "*?[")
    names = fnmatch.filter(source.names(parent), part) if wild else [part]
    for name in names:
        path = f"{parent}/{name}".lstrip("/")
        if rest:
            yield from _below(source, path, rest)
        else:
            yield path


def _facts(source: Source, unread: dict[str, str], taken_unix_ms: int | None) -> bytes:
    """Return ``snapshot.json``: what no file of /proc says."""
    facts = host(source)
    facts_of = {
        "memtwin": __version__,
        "kernel": facts.kernel,
        "page_bytes": facts.page_bytes,
        "ticks_per_s": facts.ticks_per_s,
        "taken_unix_ms": taken_unix_ms,
        "unread": unread,
    }
    return (json.dumps(facts_of, indent=1) + "\n").encode()


def _tar(taken: Taken) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, data in taken.files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(data), 0o600
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()


def _compressed(data: bytes, where: Path) -> bytes:
    packer = _packer(where)
    if packer is None:
        return data
    view = memoryview(data)
    parts = [packer.compress(view[at : at + _CHUNK_BYTES]) for at in range(0, len(data), _CHUNK_BYTES)]
    return b"".join((*parts, packer.flush()))


def _packer(where: Path) -> Any:
    """Return a compressor as the ending of *where* asks for, or None; each call of it is short, so that ^C works."""
    if where.suffix == ".xz":
        import lzma

        return lzma.LZMACompressor(preset=1)
    if where.suffix == ".gz":
        import zlib

        return zlib.compressobj(wbits=_GZIP)
    if where.suffix == ".zst":
        try:
            import zstandard
        except ImportError:
            hint = "pip install 'memtwin[zstd]', or name it .tar.xz"
            raise SnapshotError(str(where), "zstd needs an extra", hint=hint) from None
        return zstandard.ZstdCompressor().compressobj()
    return None
