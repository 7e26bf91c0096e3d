"""Damaged snapshots: the files of a recorded boot with numbers changed, lines lost, doubled and swapped, ends cut off.

:func:`damage` makes the same of the same choices, whether they come from a seed (``test_boot_mutations.py``) or from a
fuzzer (``tests/schema/fuzz.py boot``); :func:`outcome` says what became of a machine that was built from them.
"""

from __future__ import annotations

import re
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from memtwin.errors import MemtwinError, ModelBug
from memtwin.linux.check import invariants
from memtwin.machine.build import build
from memtwin.run import run
from memtwin.scenario import parse
from memtwin.sources.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RECORDINGS = Path(__file__).parents[1] / "recordings"
BOOTS = ("03-anon-swap-disk", "105-zram-lzo-classes", "112-zswap-fits", "14-mix-swappiness-60.k612")
"""Recordings whose boot is damaged: a swap disk, zram, zswap, a newer kernel."""
WORK = (
    "proc A\nA mmap h 8M\nA touch h 0 8M w seq content=text\nA fork B\nA fwrite f 0 1M 64K\nsync\nsleep 3\n"
    "A munmap h\ncheckpoint end\n"
)
LONGEST_MESSAGE = 2500
NUMBERS = (
    0, 1, 2, 3, 7, 63, 64, 65, 255, 511, 512, 4095, 4096, 65535, 65536, 1 << 20, (1 << 27) - 1, 1 << 27, (1 << 31) - 1,
    1 << 31, (1 << 32) - 1, 1 << 32, 1 << 40, 1 << 52, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 10**19, 10**20 - 1,
)  # fmt: skip
_NUMBER = re.compile(r"-?\d+")


class Texts(Source):
    """A snapshot that is a mapping of paths to texts."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__("damaged")
        self.texts = texts

    def read(self, path: str) -> str | None:
        return self.texts.get(path)

    def names(self, path: str = "") -> list[str]:
        head = f"{path}/" if path else ""
        return sorted({key.removeprefix(head).split("/")[0] for key in self.texts if key.startswith(head)})


def recorded(name: str) -> dict[str, str]:
    """Return the files of a recording's boot by path."""
    found = {}
    with tarfile.open(RECORDINGS / name / "run1.tar.xz") as tar:
        for member in tar:
            _, _, path = member.name.partition("/boot/")
            file = tar.extractfile(member) if path else None
            if file is not None:
                found[path] = file.read().decode(errors="surrogateescape")
    return found


def damage(texts: Mapping[str, str], choose: Callable[[int], int]) -> dict[str, str]:
    """Return *texts* with one to four things wrong; *choose* returns, of so many things, the number of one from 0."""
    found = dict(texts)
    read = [path for path in sorted(found) if path.startswith(("proc/", "sysctl_vm", "sys/block", "sys/module"))]
    whole = [path for path in read if not path.startswith("proc/") or path.count("/") == 1]
    for _ in range(1 + choose(4)):
        path = whole[choose(len(whole))]
        found[path] = _damaged(found[path], choose)
    return found


def _damaged(text: str, choose: Callable[[int], int]) -> str:
    """Return a file's text with one thing wrong."""
    lines = text.splitlines(keepends=True)
    kind = choose(10)
    if not lines or kind == 0:
        return ("", text * 2, text[: choose(len(text) + 1)])[choose(3)]
    at = choose(len(lines))
    if kind == 1:
        del lines[at]
    elif kind == 2:
        lines.insert(choose(len(lines) + 1), lines[at])
    elif kind == 3:
        other = choose(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 4:
        del lines[at:]
    elif kind == 5:
        lines[at:] = lines[at:] + lines[at:]
    else:
        lines[at] = _other_number(lines[at], choose)
    return "".join(lines)


def _other_number(line: str, choose: Callable[[int], int]) -> str:
    """Return a line with another number, padded to the width of the old one."""
    numbers = list(_NUMBER.finditer(line))
    if not numbers:
        return line
    old = numbers[choose(len(numbers))]
    value = int(old[0])
    near = (value + 1, value - 1, value * 2, value // 2, value * 1000, value + 512, -value, value ^ 1 << choose(40))
    new = NUMBERS[choose(len(NUMBERS))] if choose(2) else near[choose(len(near))]
    start = old.start()
    width = old.end() - start
    while start and line[start - 1] == " " and width < len(str(new)):
        start, width = start - 1, width + 1
    return line[:start] + f"{new:{width}d}" + line[old.end() :]


def outcome(texts: Mapping[str, str], settings: tuple[str, ...] = (), work: str = "") -> str:
    """Build a machine of *texts* and check it; *work* runs on it. Returns what came of it; a bug raises."""
    try:
        if work:
            done = run.simulate(parse(work, "work.mem"), Texts(texts), settings=settings)
            built = done.machine
            done.files()
        else:
            ram = next((int(word.split("=")[1]) for word in settings if word.startswith("machine.ram=")), None)
            built = build(Texts(texts), ram_bytes=ram)
    except ModelBug:
        raise
    except MemtwinError as problem:
        return type(problem).__name__ if len(str(problem)) < LONGEST_MESSAGE else "a message without end"
    invariants.validate(built.state)
    return "machine"
