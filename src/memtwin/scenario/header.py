"""Header lines of a scenario: the machine, its swap areas, settings and files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memtwin.errors import quoted
from memtwin.scenario import lines as kinds
from memtwin.scenario import shared
from memtwin.scenario.disk import DataDisk, data_disk
from memtwin.scenario.zswap import zswap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memtwin.scenario.words import Line

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,30}")
_KERNEL: Final = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}(?:-generic)?")


def _machine(line: Line) -> kinds.MachineLine:
    given = line.options(line.words[1:], ("ram", "cpus", "kernel", "thp", "lru_gen", "cmdline"))
    default = kinds.MachineLine()
    ram_bytes = line.size(given["ram"], "ram") if "ram" in given else default.ram_bytes
    if ram_bytes < 1 << 20 or ram_bytes % (1 << 20):
        raise line.error(f"ram in whole MiB, not {quoted(given['ram'])}")
    kernel = given.get("kernel", default.kernel)
    if not _KERNEL.fullmatch(kernel):
        raise line.error(f"a kernel version such as 6.1 or 6.1-generic, not {quoted(kernel)}")
    return kinds.MachineLine(
        ram_bytes=ram_bytes,
        cpus=line.integer(given.get("cpus", str(default.cpus)), "cpus", 1, 4096),
        kernel=kernel,
        thp=line.one_of(given.get("thp", default.thp), "thp", kinds.THPS),
        lru_gen=line.one_of(given["lru_gen"], "lru_gen", kinds.ON_OFF) if "lru_gen" in given else None,
        cmdline=tuple(word for word in given.get("cmdline", "").split(",") if word),
        given=frozenset(given),
        lineno=line.lineno,
    )


def priority(line: Line, word: str) -> int:
    """Return a swap area's priority."""
    return line.integer(word, "prio", -32768, 32767)


def _swap(line: Line, earlier: Sequence[kinds.Swap]) -> kinds.Swap:
    usage = "swap disk [name=NAME] size=SIZE [prio=N] [rot=0|1] [on=0|1]` or `swap zram size=SIZE [algo=NAME] [prio=N]"
    words = line.counted(usage, 3, 7)
    kind = line.one_of(words[1], "a kind of swap", ("disk", "zram", "zswap"))
    allowed = ("name", "size", "prio", "rot", "on") if kind == "disk" else ("size", "prio", "algo")
    given = line.options(words[2:], allowed)
    if "size" not in given:
        raise line.error(f"`{usage}`", hint="size= is missing")
    size_bytes = line.whole_pages(given["size"], "size")
    if size_bytes > kinds.MAX_SWAP_BYTES:
        raise line.error("a swap area of at most 512G")
    on = kind != "disk" or bool(line.integer(given.get("on", "1"), "on", 0, 1))
    if on and size_bytes < kinds.MIN_SWAP_BYTES:
        raise line.error("a swap area of at least 8K, its header and one slot", hint="swapon(2) refuses less: EINVAL")
    prio = priority(line, given.get("prio", "-2" if kind == "disk" else "100"))
    if kind == "disk":
        rot = line.integer(given["rot"], "rot", 0, 1) if "rot" in given else None
        on = bool(line.integer(given.get("on", "1"), "on", 0, 1))
        return kinds.SwapDisk(size_bytes, prio, rot, _disk_name(line, given.get("name"), earlier), on, line.lineno)
    if any(swap.name == "zram" for swap in earlier):
        raise line.error("at most one swap on zram")
    algo = line.one_of(given.get("algo", "lzo-rle"), "algo", kinds.ZRAM_ALGORITHMS)
    return kinds.SwapZram(size_bytes, algo=algo, prio=prio, lineno=line.lineno)


def _disk_name(line: Line, given: str | None, earlier: Sequence[kinds.Swap]) -> str:
    disks = sum(isinstance(swap, kinds.SwapDisk) for swap in earlier)
    if disks == len(kinds.DISK_LETTERS):
        raise line.error(f"at most {disks} swap disks")
    name = line.named(given or ("disk" if not disks else f"disk{disks + 1}"), "a swap disk's name", NAME)
    if name == "zram" or any(swap.name == name for swap in earlier):
        taken = "the name of the swap on zram" if name == "zram" else "already there"
        raise line.error(f"a name of its own for each swap disk; {name!r} is {taken}")
    return name


def _file(line: Line) -> kinds.FileDef:
    words = line.counted("file NAME SIZE [content=random|zero]", 3, 4)
    given = line.options(words[3:], ("content",))
    content = line.one_of(given.get("content", "random"), "content", kinds.FILE_CONTENTS)
    name, size_bytes = line.named(words[1], "a file's name", shared.FILE), line.size(words[2], "SIZE")
    if "/" in name:
        raise line.error("a file of the data disk", hint="the tmpfs is empty at boot: fwrite makes its files")
    if size_bytes > kinds.MAX_FILE_BYTES:
        raise line.error(f"a file of at most {kinds.MAX_FILE_BYTES} bytes, 16 TiB less a page", hint="as ext4 has them")
    return kinds.FileDef(name, size_bytes, content, line.lineno)


class Header:
    """The header lines so far: each is taken once, or says what it clashes with."""

    def __init__(self) -> None:
        self.machine: kinds.MachineLine | None = None
        self.swaps: list[kinds.Swap] = []
        self.zswap: kinds.Zswap | None = None
        self.sysctls: list[kinds.Sysctl] = []
        self.files: dict[str, kinds.FileDef] = {}
        self.tmpfs: dict[str, int] = {}
        self.disk: DataDisk | None = None

    def take(self, line: Line) -> None:
        """Read one line."""
        match line.words[0]:
            case "machine" | "disk":
                self._take_once(line)
            case "tmpfs":
                shared.take_tmpfs(line, self.tmpfs)
            case "swap" if line.words[1:2] == ["zswap"]:
                if self.zswap:
                    raise line.error("one swap zswap line")
                self.zswap = zswap(line)
            case "swap":
                self.swaps.append(_swap(line, self.swaps))
            case "sysctl":
                name, value = line.setting(line.counted("sysctl NAME=VALUE", 2, 2)[1])
                self.sysctls.append(kinds.Sysctl(name, value, line.lineno))
            case _:
                file = _file(line)
                if file.name in self.files:
                    raise line.error(f"each file once; {file.name!r} is already there")
                self.files[file.name] = file

    def _take_once(self, line: Line) -> None:
        """Read a line of which there is one."""
        word = line.words[0]
        if {"machine": self.machine, "disk": self.disk}[word] is not None:
            raise line.error(f"one {word} line")
        match word:
            case "machine":
                self.machine = _machine(line)
            case _:
                self.disk = data_disk(line)
