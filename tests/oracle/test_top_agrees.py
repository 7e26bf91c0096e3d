"""Does top print byte for byte what procps' top prints when both read the same files?"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from namespace import RECORDINGS, why_not

from memtwin.procfs.pid import stat as pid_stat
from memtwin.procfs.pid import statm as statm_file
from memtwin.procfs.pid import status as status_file
from memtwin.sources.opening import open_source
from memtwin.sources.recording import Recording
from memtwin.sources.snapshot import Taken, take
from memtwin.units import Kib, Pages

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = r"procps-ng 4\.0\.2\b"
OURS = """
import contextlib, sys
from memtwin.cli import main
for i, words in enumerate(sys.argv[2:]):
    with open(f"{sys.argv[1]}/ours{i}", "w") as file, contextlib.redirect_stdout(file):
        main(["top", *words.split()])
"""
"""Prints one answer after the other: starting Python is most of the time."""
FROM_THE_HOST = ("cpuinfo", "self/stat", "self/status", "sys/kernel/osrelease")
"""What top reads of the machine that it runs on, and a snapshot does not keep."""
ARGUMENTS = (
    "-o -PID", "-o -PID -w 60 -E g", "-o -PID -w 31", "-o +PID -w 200 -c -1", "-o -PID -E k", "-p 90000",
)  # fmt: skip
"""Without -u: with a user top 4.0.2 prints rows of another time, or of pid 0, now and then."""
COMMAND_LINES = (
    b"", b"/bin/a\0-b\0", b"long" * 99, b"sh\0-c\0\n\nwhile :\ndo\tsleep 1\n done \n\0", b"\x1b[31mred\x7f\0", b"\n",
    b"caf\xc3\xa9\0\xe4\xba\xa4\0\xff\xc3\0", b"two  blanks \0",
)  # fmt: skip


def answers(root: Path, arguments: Sequence[str], scratch: Path) -> list[tuple[str, str]]:
    """Return what top and ours print for each of *arguments* with the directory *root*/proc in the place of /proc."""
    for name in FROM_THE_HOST:
        path = root / "proc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Path(f"/proc/{name}").read_text())
    commands = [f"-b -n 1 {words}" for words in arguments]
    (scratch / "ours.py").write_text(OURS)
    lines = [f"mount --bind {root}/proc /proc || exit 9"]
    lines += [f"top {words} > {scratch}/top{i}" for i, words in enumerate(commands)]
    lines.append(f"{sys.executable} {scratch}/ours.py {scratch} {' '.join(map(repr, commands))}")
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(scratch)}
    done = subprocess.run(["unshare", "-m", "sh"], input="\n".join(lines), text=True, check=False, env=env)
    assert done.returncode != 9, "the directory could not be bound"
    return [((scratch / f"top{i}").read_text(), (scratch / f"ours{i}").read_text()) for i in range(len(commands))]


def at_any_time(text: str) -> str:
    return re.sub(r"top - \d\d:\d\d:\d\d", "top - TIME", text)


def odd_machine(root: Path, rng: random.Random) -> None:
    """Write 120 processes of all magnitudes over the machine that lies at *root*."""
    for number in range(120):
        pid = 2000 + number * rng.randint(1, 5)
        pages = [Pages(int(2 ** rng.uniform(0, rng.choice([10, 20, 30, 38])))) for _ in range(7)]
        values = {
            "ppid": 1, "rss": pages[1],
            "priority": rng.choice([20, 0, -2, -51, -100, 39]), "nice": rng.choice([0, -20, 19]),
            "num_threads": rng.randint(1, 900), "utime": int(2 ** rng.uniform(0, 33)), "stime": rng.randint(0, 99),
            "starttime": rng.randint(0, 10**7),
        }  # fmt: skip
        rest = tuple(values.get(name, 0) for name in pid_stat.FIELDS)
        name = rng.choice(["a", "sixteen-letters-x", "a b) c", "naïve-交換", "kworker/u8:2-ext4-rsv-conversion"])
        record = pid_stat.PidStat(pid, name, rng.choice("RSDTtZI"), rest)
        uid = rng.choice([0, 1, 1000, 123456789])
        rows = {"Name": name, "Uid": f"{uid}\t{uid}\t{uid}\t{uid}", "Gid": "0\t0\t0\t0",
                "VmSwap": status_file.memory(Kib(rng.randint(0, 10**7)))}  # fmt: skip
        home = root / "proc" / str(pid)
        home.mkdir(exist_ok=True)
        os.chown(home, uid, 0)  # top takes the directory's owner for the user
        (home / "stat").write_text(pid_stat.render(record))
        (home / "statm").write_text(statm_file.render(statm_file.Statm(*pages)))
        (home / "status").write_text(status_file.render(status_file.Status(rows)))
        (home / "cmdline").write_bytes(rng.choice(COMMAND_LINES))
        (home / "comm").write_text(f"{name}\n")


def lay_out(taken: Taken, root: Path) -> None:
    """Write the files as a snapshot has them, without waiting for the disk."""
    for path, data in taken.files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if reason := why_not("top", VERSION):
        pytest.skip(reason)
    home = tmp_path_factory.mktemp("machines")
    recording = take(Recording(RECORDINGS / "35-zram-then-disk-small" / "run1.tar.xz").at("f350"))
    lay_out(take(open_source("live")), home / "host")
    lay_out(recording, home / "recording")
    lay_out(recording, home / "odd")
    for name in ("recording", "odd"):
        with (home / name / "proc/83/status").open("a") as status:
            status.write("Uid:\t0\t0\t0\t0\n")  # the lab does not record it
    odd_machine(home / "odd", random.Random(3))
    return {path.name: path for path in home.iterdir()}


@pytest.mark.parametrize("machine", ["host", "recording", "odd"])
def test_top_prints_what_top_prints(machine: str, machines: dict[str, Path], tmp_path: Path) -> None:
    printed = answers(machines[machine], ARGUMENTS, tmp_path)
    for words, (theirs, ours) in zip(ARGUMENTS, printed, strict=True):
        assert at_any_time(ours) == at_any_time(theirs), words


def test_it_sorts_as_top_sorts(machines: dict[str, Path], tmp_path: Path) -> None:
    """Equal tasks may stand in any order: which a directory has is the file system's choice."""
    keys = {"RES": 5, "TIME+": 10, "NI": 3}
    printed = answers(machines["odd"], [f"-o {key}" for key in keys], tmp_path)
    for (key, at), (theirs, ours) in zip(keys.items(), printed, strict=True):
        rows = [[line.split() for line in text.splitlines()[7:]] for text in (ours, theirs)]
        assert [row[at] for row in rows[0]] == [row[at] for row in rows[1]], key
        assert sorted(rows[0]) == sorted(rows[1])


def test_the_load_of_a_program_is_what_it_used() -> None:
    """A program that spins takes its share of a CPU, one that sleeps none; TIME+ is what the kernel accounts for."""
    code = "import sys, time; t = time.time()\nwhile time.time() - t < float(sys.argv[1]): pass\ntime.sleep(60)"
    busy = subprocess.Popen([sys.executable, "-c", code, "60"])
    done = subprocess.Popen([sys.executable, "-c", code, "0"])
    try:
        time.sleep(0.5)
        words = [sys.executable, "-c", "import sys; from memtwin.cli import main; sys.exit(main())", "top", "-b", "-n",
                 "2", "-d", "1", "-p", f"{busy.pid},{done.pid}", "-w", "100"]  # fmt: skip
        before = used(busy.pid)
        text = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        after = used(busy.pid)
    finally:
        for one in (busy, done):
            one.send_signal(signal.SIGKILL)
            one.wait()
    rows = {int(line.split()[0]): line.split() for line in text.split("\n\n")[-1].splitlines()[1:]}
    assert float(rows[done.pid][8]) < 3
    assert 10 < float(rows[busy.pid][8]) <= 101
    minutes, seconds = rows[busy.pid][10].split(":")
    assert before - 0.02 <= int(minutes) * 60 + float(seconds) <= after + 0.02


def used(pid: int) -> float:
    record = pid_stat.parse(Path(f"/proc/{pid}/stat").read_text())
    return ((record.field("utime") or 0) + (record.field("stime") or 0)) / 100
