"""Which regular files a process has open, and where it is in each: ``memtwin/PID/files`` of a trace.

A line a descriptor: its number, its flags (octal, as /proc/PID/fdinfo has them), position, size of the file, and path.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.errors import ProcParseError

if TYPE_CHECKING:
    from collections.abc import Sequence

PATH: Final = "memtwin/{pid}/files"
_LINE: Final = re.compile(r"([0-9]{1,9}) ([0-7]{1,11}) ([0-9]{1,19}) ([0-9]{1,19}) (.+)")
_OF_NO_DISK: Final = ("/proc/", "/sys/", "/dev/")
_ACCESS: Final = 3
_WRITE_ONLY: Final = 1


class OpenFile(NamedTuple):
    """A descriptor: *position* and *size* in bytes."""

    number: int
    flags: int
    position: int
    size: int
    path: str

    @property
    def reads(self) -> bool:
        """Whether it may be read."""
        return self.flags & _ACCESS != _WRITE_ONLY

    @property
    def writes(self) -> bool:
        """Whether it may be written."""
        return self.flags & _ACCESS != 0


def of_process(pid: int) -> bytes:
    """Return the regular files that a process has open, as :func:`parse` reads them."""
    lines = []
    for one in sorted(Path(f"/proc/{pid}/fd").iterdir(), key=_number):
        try:
            has = one.stat()
            if not stat.S_ISREG(has.st_mode):
                continue
            number, path = one.name, str(one.readlink())
            info = Path(f"/proc/{pid}/fdinfo/{number}").read_text().split()
        except OSError:  # it was closed meanwhile
            continue
        if "\n" not in path:
            lines.append(f"{number} {info[3]} {info[1]} {has.st_size} {path}\n")
    return "".join(lines).encode(errors="surrogateescape")


def _number(path: Path) -> int:
    return int(path.name)


def parse(text: str, path: str = PATH) -> Sequence[OpenFile]:
    r"""Read the descriptors; files of /proc, /sys and /dev have no pages, and are left out.

    >>> parse("3 02100000 4096 14088896 /tmp/in\\n")[0].position
    4096
    """
    found = []
    for lineno, line in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(line)
        if not match:
            raise ProcParseError(path, lineno, line, "number, flags, position, size and path of an open file")
        if match[5].startswith(_OF_NO_DISK):
            continue
        found.append(OpenFile(int(match[1]), int(match[2], 8), int(match[3]), int(match[4]), match[5]))
    return found
