"""Write docs/chapter-shown.md (``make chapter``): what the commands of docs/chapter.md print.

The twin's machine is that of scenarios/chapter/virtual-memory.mem; the real one is a checkpoint of a recording.
"""

from __future__ import annotations

import re
import shlex
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "docs" / "chapter.md"
PAGE: Final = ROOT / "docs" / "chapter-shown.md"
RECORDING: Final = "tests/recordings/35-zram-then-disk-small/run1.tar.xz@random"
TWIN: Final = "out@desktop"
LINES: Final = 16
"""Of an output, at most so many are shown."""
WATCHES: Final = ("leak", "htop", "snapshot")
"""Commands that watch a live machine, or draw a screen of their own: their pages of docs show them."""
NO_ROOT: Final = ("learn", "run")
HEAD: Final = """\
# The chapter, shown

Made by `make chapter`, which a test compares: what the commands of [chapter.md](chapter.md) print, statement by
statement. `out` is the run of `scenarios/chapter/virtual-memory.mem`, a machine of the twin; the recording is of a real
kernel. Without `--root` each command shows the machine that it runs on, with `--root snapshot.tar` a snapshot. Of long
outputs the first {lines} lines are here, of a lesson the page that says what was so.
"""


class Row(NamedTuple):
    """A statement: the section, what the chapter says, what is so, the commands that show it."""

    section: str
    said: str
    so: str
    commands: tuple[str, ...]


def rows(text: str) -> Iterator[Row]:
    """Yield the statements of the page."""
    section = ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = line[3:]
        if line.startswith("| ") and not line.startswith(("| the chapter |", "|---")):
            said, so, tried = (cell.strip() for cell in line.split("|")[1:4])
            yield Row(section, said, so, tuple(re.findall(r"`memtwin ([^`]*)`", tried)))


class Shown:
    """The outputs of commands, each carried out once, in a directory that has the twin's run."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.known: dict[str, str] = {}
        self.run = str(directory / "out")
        self._carry_out(["run", str(ROOT / "scenarios/chapter/virtual-memory.mem"), "--quiet", "-o", self.run])
        pids = (directory / "out" / "desktop" / "workers.txt").read_text().split()
        self.pids = {TWIN: pids[1], RECORDING: self._pid()}

    def _pid(self) -> str:
        """Return the pid of a process of the recording that is alive."""
        printed = self._carry_out(["ps", "--root", str(ROOT / RECORDING), "--csv"])
        return next(line.split(",")[0] for line in printed.splitlines() if line[:1].isdigit())

    def of(self, command: str) -> Iterator[tuple[str, str]]:
        """Yield each way in which a command is called, and what it prints."""
        words = shlex.split(command)
        if words[0] in WATCHES:
            return
        if words[0] in NO_ROOT or "--root" in words or "-o" in words:
            yield f"memtwin {command}", self._once(command, words)
            return
        if words == ["top"]:
            words, command = ["top", "-b", "-n", "1"], "top -b -n 1"
        if "--svg" in words:
            words, command = words[:1], words[0]
        for root in (TWIN, RECORDING):
            full = f"{command.replace('PID', self.pids[root])} --root {root}"
            yield f"memtwin {full}", self._once(full, shlex.split(full))

    def _once(self, command: str, words: list[str]) -> str:
        if command not in self.known:
            asked = [*words, "--answer", "?"] if words[0] == "learn" else words
            asked = [self.run if word == "out" else self._path(word) for word in asked]
            printed = self._carry_out(asked).replace(self.run, "out").replace(f"{ROOT}/", "")
            self.known[command] = _lesson(printed) if words[0] == "learn" else printed
        return self.known[command]

    def _path(self, word: str) -> str:
        if word.startswith("out@"):
            return f"{self.run}{word[3:]}"
        return str(ROOT / word) if word.startswith(("scenarios/", "tests/")) else word

    def _carry_out(self, words: list[str]) -> str:
        out = StringIO()
        with redirect_stdout(out), redirect_stderr(StringIO()):
            cli.main(words)
        return out.getvalue()


def _lesson(printed: str) -> str:
    """Return the page of a lesson that says what was so."""
    pages = re.split(r"\n(?=Lesson \d+: )", printed)
    return next((page for page in pages if "\nOn Linux:" in page), pages[-1])


def shortened(printed: str) -> Iterator[str]:
    """Yield the first lines of an output, as a block of Markdown has them."""
    lines = [line.rstrip() for line in printed.strip("\n").splitlines()]
    yield from lines[:LINES]
    if len(lines) > LINES:
        yield f"… {len(lines) - LINES} more"


def page() -> str:
    """Return the page."""
    with tempfile.TemporaryDirectory() as directory:
        shown = Shown(Path(directory))
        return "\n".join(_parts(shown)) + "\n"


def _parts(shown: Shown) -> Iterator[str]:
    yield HEAD.format(lines=LINES)
    section, before = "", set[str]()
    for row in rows(SOURCE.read_text()):
        if row.section != section:
            section = row.section
            yield f"## {section}\n"
        yield f"**{row.said}.** {row.so}\n"
        for command in row.commands:
            called = list(shown.of(command))
            if not called:
                yield f"`memtwin {command}`: a live machine, or a screen: [its page]({command.split()[0]}.md).\n"
            for line, printed in called:
                if line in before:
                    yield f"`{line}`: see above.\n"
                    continue
                before.add(line)
                yield f"    $ {line}"
                yield from (f"    {text}".rstrip() for text in shortened(printed))
                yield ""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
