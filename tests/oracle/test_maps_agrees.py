"""Does `memtwin maps` have the rows and sums of Debian's pmap -X, on live processes and on the twin?"""

from __future__ import annotations

import json
import mmap
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from namespace import why_not

from memtwin import cli
from memtwin.run import run
from memtwin.scenario import parse
from memtwin.views.maps import SHOWN
from processes import wait_until_it_sleeps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIGURES = {"Size": "size", **{label: title.lower() for label, title in SHOWN.items()}}
SCENARIO = """\
machine ram=256M
swap zram size=64M
tmpfs size=16M
proc A
proc B
A mmap heap 16M
A touch heap 0 12M w seq content=text
A mprotect heap 4M 4M r
A mprotect heap 8M 1M none
A shm seg 8M as pool
A touch seg 0 6M w seq
B shm seg as pool
B touch seg 0 3M r seq
A fwrite tmp/x 0 2M 64K
A fmap file tmp/x private
A touch file 0 1M w seq
A mlock heap 0 1M
A madvise heap 4M 2M pageout
checkpoint end
"""


@pytest.fixture(scope="module")
def sleeper() -> Iterator[int]:
    """A process with anonymous, shared, read-only and file mappings."""
    code = (
        "import mmap, sys; a = mmap.mmap(-1, 1 << 22); a[: 1 << 20] = bytes(1 << 20); "
        "b = mmap.mmap(-1, 1 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ); "
        "print(1, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
        assert program.stdout
        program.stdout.readline()
        wait_until_it_sleeps(program.pid)
        yield program.pid
        program.kill()


def of_pmap(text: str) -> tuple[list[dict[str, object]], dict[str, int]]:
    """The rows of pmap -X, and its sums."""
    lines = text.splitlines()
    titles = lines[1].split()
    rows = []
    ruled = next(i for i, line in enumerate(lines) if line.lstrip().startswith("==="))
    for line in lines[2:ruled]:
        cells = line.split(maxsplit=len(titles) - 1)
        row: dict[str, object] = {title: int(cell) for title, cell in zip(titles[5:-1], cells[5:], strict=False)}
        rows.append({"address": int(cells[0], 16), "perms": cells[1], "inode": int(cells[4]), **row})
    return rows, dict(zip(titles[5:-1], map(int, lines[ruled + 1].split()[:-1]), strict=False))


def of_memtwin(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    capsys.readouterr()
    assert cli.main(["maps", *words, "--json"]) == 0
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)["data"]["mappings"]
    return found


def compare(pmap: str, ours: list[dict[str, object]], *, alone: bool) -> None:
    """Hold all figures against each other; not *alone*, other processes that map the same libraries come and go."""
    rows, sums = of_pmap(pmap)
    shown = [label for label in FIGURES if label in sums and (alone or "Pss" not in label)]
    assert {"Size", "Rss", "Referenced", "Anonymous", "Swap", "Locked"} <= set(shown)
    assert len(rows) == len(ours) > 8
    for theirs, mine in zip(rows, ours, strict=True):
        assert (theirs["address"], theirs["perms"], theirs["inode"]) == (
            int(str(mine["address"]), 16), mine["perms"], mine["inode"],
        )  # fmt: skip
        assert [theirs[label] for label in shown] == [
            int(str(mine[f"{FIGURES[label]}_bytes"])) >> 10 for label in shown
        ]
    for label in shown:
        assert sums[label] == sum(int(str(row[f"{FIGURES[label]}_bytes"])) for row in ours) >> 10, label


@pytest.mark.skipif(shutil.which("pmap") is None, reason="pmap of procps is not installed")
def test_a_live_process_has_the_rows_and_sums_of_pmap(sleeper: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Two readings of a process that sleeps, and nothing between them."""
    said = subprocess.run(["pmap", "-X", str(sleeper)], capture_output=True, text=True, check=True).stdout
    compare(said, of_memtwin(capsys, str(sleeper)), alone=False)


def test_the_twin_has_the_rows_and_sums_of_pmap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The real pmap reads the twin's smaps, laid over /proc."""
    if reason := why_not("pmap", "procps"):
        pytest.skip(reason)
    done = run.simulate(parse(SCENARIO), None)
    assert [one.op.text for one in done.done if one.outcome != "ok"] == []
    done.write(tmp_path / "out")
    root = f"{tmp_path / 'out'}@end"
    pid = done.processes.by_name["A"].pid
    main = "import sys; from memtwin.cli import main; sys.exit(main())"
    said = subprocess.run(
        [sys.executable, "-c", main, "exec", root, "--", "pmap", "-X", str(pid)],
        capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C.UTF-8"},
    ).stdout  # fmt: skip
    ours = of_memtwin(capsys, str(pid), "--root", root)
    compare(said, ours, alone=True)
    kinds = {str(row["kind"]) for row in ours}
    assert {"code", "heap", "anonymous", "reserved", "shared", "stack", "kernel"} <= kinds
    assert any(row["mapping"] == "/tmp/x" and row["anonymous_bytes"] == 1 << 20 for row in ours)
    swapped = sum(int(str(row["swap_bytes"])) for row in ours)
    assert swapped >= 2 << 20


def test_what_cannot_be_shown_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No such process, a snapshot without smaps, and a picture of one."""
    assert cli.main(["maps", "4194304"]) == 1
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "status").write_text("Name:\tx\nVmSize:\t      8 kB\n")
    (tmp_path / "proc" / "7" / "maps").write_text("00400000-00402000 r-xp 00000000 00:00 0 \n")
    capsys.readouterr()
    assert cli.main(["maps", "7", "--root", str(tmp_path)]) == 0
    assert "smaps is not in these files" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["maps", "7", "--picture", "--root", str(tmp_path)]) == 1
    assert "smaps" in capsys.readouterr().err


def test_a_picture_draws_what_is_there_and_the_holes(capsys: pytest.CaptureFixture[str]) -> None:
    """This process: its mappings, holes between them, a legend."""
    kept = mmap.mmap(-1, 1 << 20)
    assert cli.main(["maps", str(os.getpid()), "--picture"]) == 0
    said = capsys.readouterr().out
    assert "nothing is mapped" in said
    assert "[heap]" in said
    assert "\u2588 in memory" in said
    kept.close()
