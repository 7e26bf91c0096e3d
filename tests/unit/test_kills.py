"""What do a kill, an interrupt and a full disk leave: nothing, the old file, or all of the new one?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import kills
import layouts
import pytest

from interrupts import PROMISED_S, cpu_s_after_interrupt

if TYPE_CHECKING:
    from pathlib import Path

FULL = """
import io, json, os, subprocess, sys
from contextlib import redirect_stderr, redirect_stdout
disk, old = sys.argv[1], sys.argv[3]
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={sys.argv[2]}k", "tmpfs", disk], check=True)
if old:
    open(f"{disk}/{old}", "w").write("an old page\\n")
from memtwin.cli import main
errors, out = io.StringIO(), io.StringIO()
with redirect_stderr(errors), redirect_stdout(out):
    code = main(sys.argv[4:])
left = {name: open(f"{disk}/{name}").read() if os.path.isfile(f"{disk}/{name}") else None for name in os.listdir(disk)}
print(json.dumps({"code": code, "err": errors.getvalue(), "out": out.getvalue(), "left": left}))
"""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("kills")
    kills.prepare(where, processes=60)
    return where


@pytest.mark.parametrize("kind", kills.KINDS, ids=lambda kind: kind.name)
def test_a_kill_at_any_moment_leaves_no_half(prepared: Path, kind: kills.Kind) -> None:
    found = kills.kill(kind, 10, prepared)
    assert found.as_before + found.whole == 10


def on_a_full_disk(where: Path, size_kib: int, old: str, *args: str) -> dict[str, object]:
    """Run memtwin with a tmpfs of *size_kib* at *where*, in a mount namespace of its own; return what came of it."""
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs takes root")
    where.mkdir()
    command = ["unshare", "-m", sys.executable, "-c", FULL, str(where), str(size_kib), old, *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("size_kib", [4, 64, 200])
@pytest.mark.parametrize(
    ("target", "old", "args"),
    [
        ("target", "", ("run", "s.mem", "-o")),
        ("target", "", ("snapshot", "--root", "machine", "-o")),
        ("target.tar", "target.tar", ("snapshot", "--root", "machine", "-o")),
        ("page", "page", ("oom", "log", "--html")),
    ],
)
def test_a_full_disk_keeps_what_was_there(
    prepared: Path, tmp_path: Path, target: str, old: str, args: tuple[str, ...], size_kib: int
) -> None:
    disk = tmp_path / "disk"
    named = (args[0], *(str(prepared / word) if (prepared / word).exists() else word for word in args[1:]))
    found = on_a_full_disk(disk, size_kib, old, *named, str(disk / target))
    assert found["code"] == 1
    assert str(found["err"]).count("memtwin: ") == 1
    assert f"{disk / target}: cannot be written: No space left on device\n" in str(found["err"])
    assert found["left"] == ({old: "an old page\n"} if old else {})
    assert ("on a machine with" in str(found["out"])) == (args[0] == "run" and size_kib > 4) or size_kib == 4


@pytest.mark.parametrize(
    "args",
    [
        ("oom", "large.log"),
        ("oom", "large.log", "--html", "page"),
        ("snapshot", "--root", "large", "-o", "taken"),
        ("snapshot", "--root", "large", "-o", "taken.tar.xz"),
    ],
)
def test_an_interrupt_is_obeyed_at_once_and_leaves_nothing(tmp_path: Path, args: tuple[str, ...]) -> None:
    report = "".join(f"{line}\n" for line in layouts.report(layouts.LAYOUTS[5]))
    (tmp_path / "large.log").write_text(report * 8000)
    (tmp_path / "large/proc").mkdir(parents=True)
    (tmp_path / "large/proc/meminfo").write_text("MemTotal:         223608 kB\n")
    (tmp_path / "large/proc/slabinfo").write_bytes(os.urandom(24 << 20).hex().encode())
    for pid in range(3000):
        (tmp_path / f"large/proc/{pid}").mkdir()
        (tmp_path / f"large/proc/{pid}/status").write_text("Name:\tx\n")
    before = sorted(tmp_path.iterdir())
    command = [sys.executable, "-m", "memtwin", *args]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1.2)
    assert process.poll() is None, "it ended before it could be interrupted"
    assert cpu_s_after_interrupt(process) < PROMISED_S
    assert process.returncode == 130
    assert sorted(tmp_path.iterdir()) == before
