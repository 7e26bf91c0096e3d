"""A stored machine as a /proc and a /sys that real programs read: its files, and links to the host's for the rest.

What is memory, a process or a clock comes from the source or is absent: the host's would be a lie. What a program needs
to run at all (``self``), or what says nothing of memory (cpuinfo, mounts, net), leads to the host's own file system,
which lies below :data:`HOST`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from memtwin.sources.snapshot import take

if TYPE_CHECKING:
    from collections.abc import Mapping

    from memtwin.sources.source import Source

HOST: Final = ".host"
"""Where the host's own /proc lies in the new /proc, and its /sys in the new /sys."""
OF_THE_HOST: Final = (
    "self", "thread-self", "mounts", "net", "cpuinfo", "filesystems", "devices", "version", "cmdline", "modules",
    "interrupts", "softirqs", "tty", "bus", "consoles", "crypto", "misc", "locks", "fs", "irq", "driver",
    "sys/kernel", "sys/fs", "sys/net", "sys/dev", "sys/user", "sys/debug", "sys/abi", "sysvipc",
)  # fmt: skip
"""What of /proc leads to the host where the source has no such file; ``self`` and its kin always do."""
NOT_OF_THE_HOST: Final = frozenset((
    "block", "class/block", "class/bdi", "kernel/mm", "kernel/slab", "kernel/debug", "fs/cgroup", "module/zswap",
    "module/zram", "devices/system/node", "devices/virtual/block",
))  # fmt: skip
"""What of /sys does not: disks, the memory manager's settings, cgroups, nodes."""
_ALWAYS: Final = ("self", "thread-self", "mounts")


def lay_out(source: Source, where: Path, own_pid: int) -> None:
    """Write the files of *source* below *where*, as ``proc/`` and ``sys/``, and the links to the host's beside them.

    A program that looks itself up by its number, as ps does, finds itself at *own_pid*, unless the machine has a
    process of that number. A file system that lists new names first, as tmpfs does, lists processes by their pids.
    """
    files = {
        path: data
        for path, data in take(source).files.items()
        if path.startswith(("proc/", "sys/")) and path.split("/")[1] not in _ALWAYS
    }
    for name in ("proc", "sys"):
        (where / name / HOST).mkdir(parents=True)
    pids = sorted({int(path.split("/")[1]) for path in files if path.split("/")[1].isdecimal()}, reverse=True)
    for pid in pids:
        files.setdefault(f"proc/{pid}/cmdline", b"")  # every process has one: of arguments that are not known nothing
        (where / f"proc/{pid}/task").mkdir(parents=True)
        (where / f"proc/{pid}/task/{pid}").symlink_to(f"../../{pid}")
    for path, data in files.items():
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_bytes(data)
    for pid in pids:
        _give(where / f"proc/{pid}", files.get(f"proc/{pid}/status", b""))
    for name in (*OF_THE_HOST, str(own_pid)):
        if not (name.isdecimal() and own_pid in pids):
            _link(where, "proc", name)
    for name in os.listdir("/sys"):  # noqa: PTH208 - names, no paths
        _link(where, "sys", name)


def beside(where: Path) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return what lies below *where* besides the machine's own files: links by path, and where the host's are bound."""
    links = {}
    for top in ("proc", "sys"):
        for folder, names, files in os.walk(where / top):
            for name in (*names, *files):
                path = Path(folder, name)
                if path.is_symlink() and path.parent.name != "task":
                    links[str(path.relative_to(where))] = str(path.readlink())
    return links, tuple(f"{top}/{HOST}" for top in ("proc", "sys"))


def _link(where: Path, top: str, name: str) -> None:
    """Link *name* to the host's, or where the source has a directory of that name what is missing in it."""
    host, target = Path("/", top, name), where / top / name
    if (top == "sys" and name in NOT_OF_THE_HOST) or not os.path.lexists(host):
        return
    has_exceptions = top == "sys" and any(other.startswith(f"{name}/") for other in NOT_OF_THE_HOST)
    if has_exceptions or target.is_dir():
        target.mkdir(parents=True, exist_ok=True)
        for below in os.listdir(host):  # noqa: PTH208 - names, no paths
            _link(where, top, f"{name}/{below}")
    elif not os.path.lexists(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(f"/{top}/{HOST}/{name}")


def _give(directory: Path, status: bytes) -> None:
    """Give a process's directory to its user, where this may be done: ps and top take the owner for the user."""
    rows: Mapping[bytes, bytes] = dict(line.split(b":\t", 1) for line in status.splitlines() if b":\t" in line)
    ids = [rows.get(name, b"").split(b"\t") for name in (b"Uid", b"Gid")]
    if os.geteuid() == 0 and all(len(words) > 1 and words[1].isdigit() for words in ids):
        os.chown(directory, *(int(words[1]) for words in ids))
