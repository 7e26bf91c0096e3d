"""Kill memtwin at random moments of its work and look at what it left (``make kills``: 200 kills of each kind).

Half of the kills come at any time between the start and the end, the other half while a draft is there. After each, the
target must be absent, or the old file, or whole to the byte; all else must be a leftover by its name, which no reader
takes. In the end one more process must complete and delete every leftover.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import layouts

from memtwin.errors import MemtwinError
from memtwin.files.output import is_leftover
from memtwin.sources.opening import open_source

SCENARIO = "machine ram=192M\nproc A\nA mmap h 8M\nA touch h 0 8M w seq\n" + "".join(
    f"checkpoint c{number}\n" for number in range(12)
)
OLD = b"an old page\n"
PROCESSES = 300


class Outcome(NamedTuple):
    """Of so many kills: how often the target was as before, how often new and whole, and how many drafts were left."""

    kills: int
    as_before: int
    whole: int
    drafts: int


class Kind(NamedTuple):
    """A command of which *target* is the output."""

    name: str
    args: tuple[str, ...]
    target: str
    old: bytes | None = None


KINDS = (
    Kind("run", ("run", "s.mem", "-o", "out/target"), "target"),
    Kind("snapshot to a directory", ("snapshot", "--root", "machine", "-o", "out/target"), "target"),
    Kind("snapshot to a tar", ("snapshot", "--root", "machine", "-o", "out/target.tar.xz"), "target.tar.xz"),
    Kind("oom --html", ("oom", "log", "--html", "out/target.html"), "target.html", OLD),
)


def prepare(where: Path, processes: int = PROCESSES) -> None:
    """Write what the commands read: a scenario, a machine with many processes, a log with many events."""
    (where / "s.mem").write_text(SCENARIO)
    (where / "log").write_text("".join(f"{line}\n" for line in layouts.report(layouts.LAYOUTS[5]) * 60))
    for pid in range(1, processes + 1):
        process = where / "machine/proc" / str(pid)
        process.mkdir(parents=True)
        for name in ("comm", "status", "stat", "statm", "maps", "smaps_rollup", "cgroup", "limits"):
            (process / name).write_text(f"{name} of {pid}\n" * 20)
    (where / "machine/proc/meminfo").write_text("MemTotal:         223608 kB\n")


def contents(path: Path) -> dict[str, bytes] | bytes | None:
    """Return all that lies at *path*, to be compared."""
    if path.is_dir():
        return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}
    return path.read_bytes() if path.exists() else None


def started(kind: Kind, where: Path) -> subprocess.Popen[bytes]:
    """Start the command, by the interpreter that runs here."""
    command = [sys.executable, "-m", "memtwin", *kind.args]
    return subprocess.Popen(command, cwd=where, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def reset(kind: Kind, where: Path) -> None:
    """Put the target back to what it was before."""
    target = where / "out" / kind.target
    shutil.rmtree(target, ignore_errors=True) if target.is_dir() else target.unlink(missing_ok=True)
    if kind.old is not None:
        target.write_bytes(kind.old)


def drafts(where: Path, kind: Kind) -> list[str]:
    """Return what lies beside the target."""
    return [path.name for path in (where / "out").iterdir() if path.name != kind.target]


def kill_once(kind: Kind, where: Path, lasts_s: float, chance: random.Random, *, within_draft: bool) -> None:
    """Start the command and kill it."""
    before = set(drafts(where, kind))
    process = started(kind, where)
    start = time.monotonic()
    if within_draft:
        while process.poll() is None and (time.monotonic() - start < lasts_s / 3 or before >= set(drafts(where, kind))):
            time.sleep(0.0005)
        time.sleep(chance.random() * 0.05 * lasts_s)
    else:
        time.sleep(chance.random() * lasts_s)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def check_leftovers(where: Path, kind: Kind) -> int:
    """Assert that what lies beside the target is a draft, which no reader takes; return how many there are."""
    found = drafts(where, kind)
    for name in found:
        assert is_leftover(name), name
        try:
            open_source(where / "out" / name)
        except MemtwinError as problem:
            assert "was not completed" in str(problem)  # noqa: PT017 - a script too
        else:
            raise AssertionError(name)
    return len(found)


def kill(kind: Kind, kills: int, where: Path, seed: int = 1) -> Outcome:
    """Kill *kind* so many times in the prepared directory *where*, and check what is left each time."""
    chance = random.Random(seed)
    (where / "out").mkdir(exist_ok=True)
    reset(kind, where)
    start = time.monotonic()
    process = started(kind, where)
    process.communicate()
    assert process.returncode == 0
    lasts_s = time.monotonic() - start
    whole = contents(where / "out" / kind.target)
    counts, left = {"before": 0, "whole": 0}, 0
    for number in range(kills):
        reset(kind, where)
        kill_once(kind, where, lasts_s, chance, within_draft=number % 2 == 1)
        found = contents(where / "out" / kind.target)
        assert found in (kind.old, whole), f"{kind.name}: {'a part' if found else 'nothing'} was left at the target"
        counts["whole" if found == whole else "before"] += 1
        left = max(left, check_leftovers(where, kind))
    left_at_end = drafts(where, kind)
    reset(kind, where)
    process = started(kind, where)
    _, errors = process.communicate()
    assert process.returncode == 0
    assert (b"deleted what a process that was killed had left" in errors) == bool(left_at_end)
    assert contents(where / "out" / kind.target) == whole
    assert drafts(where, kind) == []
    reset(kind._replace(old=None), where)
    return Outcome(kills, counts["before"], counts["whole"], left)


def main(kills: int) -> None:
    """Kill each kind and print what was found."""
    with tempfile.TemporaryDirectory(prefix="memtwin-kills-") as scratch:
        prepare(Path(scratch))
        for kind in KINDS:
            found = kill(kind, kills, Path(scratch))
            print(
                f"{kind.name}: {found.kills} kills; target as before {found.as_before}, whole {found.whole}, half 0; "
                f"at most {found.drafts} drafts at a time, all recognised, all deleted by the next",
                flush=True,
            )


if __name__ == "__main__":
    main(int(sys.argv[1]))
