"""What a screen costs that stays: CPU, memory and start of ``memtwin htop`` and ``top`` beside other programs.

Each runs in tmux, 120 columns by 40 rows, at 1.5 s, beside so many sleeping processes; rounds take turns, and the
median counts. CPU is utime and stime of the program, of one core.

    python benchmarks/screens.py [--sleepers N] [--rounds N] [--seconds N]

With ``--soak MINUTES`` memtwin's two screens run for so long while 500 processes are born a minute, of a minute's life:
what they hold, in memory and descriptors, must not grow.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from typing import NamedTuple

MEMTWIN = str(Path(sys.executable).with_name("memtwin"))
TOOLS = {
    "memtwin htop": f"{MEMTWIN} htop -d 1.5", "memtwin top": f"{MEMTWIN} top -d 1.5", "top": "top -d 1.5",
    "htop": "htop -d 15", "btop": "btop", "glances": "glances -t 1.5",
}  # fmt: skip
MARK = {"btop": "Used:", "glances": "MEM", "htop": "Command"}
"""What stands on the screen when there is data."""
SETTLE_S = 4.0
BORN_A_MINUTE = 500


class Cost(NamedTuple):
    """Of one run."""

    cpu_percent: float
    rss_mb: float
    start_s: float
    key_ms: float


class Terminal:
    """A program in tmux."""

    def __init__(self, command: str) -> None:
        self.where = tempfile.mkdtemp()
        self.begun = time.monotonic()
        env = {
            "PATH": os.environ["PATH"],
            "HOME": self.where,
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
            "SHELL": "/bin/sh",
        }
        self._do("new-session", "-d", "-x", "120", "-y", "40", "-s", "t", f"exec {command}", env=env)

    def _do(self, *words: str, env: dict[str, str] | None = None) -> str:
        command = ["tmux", "-u", "-f", "/dev/null", "-S", f"{self.where}/tmux", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout

    @property
    def pid(self) -> int:
        return int(self._do("display-message", "-p", "-t", "t", "#{pane_pid}"))

    def picture(self) -> str:
        """What stands there, with its colours: a cursor may be nothing else."""
        return self._do("capture-pane", "-p", "-e", "-t", "t")

    def press(self, key: str) -> None:
        self._do("send-keys", "-t", "t", key)

    def end(self) -> None:
        self._do("kill-server")
        shutil.rmtree(self.where, ignore_errors=True)


def cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def measure(name: str, seconds: float) -> Cost:
    terminal = Terminal(TOOLS[name])
    try:
        mark = MARK.get(name, "COMMAND")
        while mark not in terminal.picture() and time.monotonic() < terminal.begun + 20:
            time.sleep(0.01)
        start = time.monotonic() - terminal.begun
        time.sleep(SETTLE_S)
        pid = terminal.pid
        before, since = cpu_s(pid), time.monotonic()
        time.sleep(seconds)
        spent = (cpu_s(pid) - before) / (time.monotonic() - since) * 100
        return Cost(spent, rss_mb(pid), start, keys(terminal) if "htop" in name else 0.0)
    finally:
        terminal.end()


def keys(terminal: Terminal) -> float:
    """Return the ninth tenth of how long 20 presses take to change the screen, in ms; what tmux takes included."""
    taken = []
    for at in range(20):
        before = terminal.picture()
        since = time.monotonic()
        terminal.press("Down" if at % 10 < 9 else "Home")
        while terminal.picture() == before and time.monotonic() < since + 1:
            pass
        taken.append((time.monotonic() - since) * 1000)
    return sorted(taken)[17]


def soak(minutes: int) -> None:
    """Print what memtwin's screens hold after each minute in which 500 processes are born."""
    screens = {name: Terminal(command) for name, command in TOOLS.items() if name.startswith("memtwin")}
    pids = {name: screen.pid for name, screen in screens.items()}
    living: deque[subprocess.Popen[bytes]] = deque()
    print("| minute |" + "".join(f" {name}: RSS, descriptors |" for name in pids) + "\n|---|" + "---|" * len(pids))
    try:
        began = time.monotonic()
        for born in range(1, minutes * BORN_A_MINUTE + 1):
            living.append(subprocess.Popen(["sleep", "60"]))
            while len(living) > BORN_A_MINUTE:
                living.popleft().wait()
            time.sleep(max(began + born * 60 / BORN_A_MINUTE - time.monotonic(), 0.0))
            if born % BORN_A_MINUTE == 0:
                held = "".join(f" {rss_mb(pid):.1f} MB, {descriptors(pid)} |" for pid in pids.values())
                print(f"| {born // BORN_A_MINUTE} |{held}", flush=True)
    finally:
        for one in living:
            one.kill()
            one.wait()
        for screen in screens.values():
            screen.end()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sleepers", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=24.0)
    parser.add_argument("--soak", type=int, metavar="MINUTES")
    asked = parser.parse_args()
    if asked.soak is not None:
        soak(asked.soak)
        return
    names = [name for name, command in TOOLS.items() if shutil.which(shlex.split(command)[0])]
    sleepers = [subprocess.Popen(["sleep", "36000"]) for _ in range(asked.sleepers)]
    found: dict[str, list[Cost]] = {name: [] for name in names}
    try:
        for _ in range(asked.rounds):
            for name in names:
                found[name].append(measure(name, asked.seconds))
    finally:
        for one in sleepers:
            one.kill()
        for one in sleepers:
            one.wait()
    print(f"{asked.sleepers} sleeping processes, {asked.rounds} rounds of {asked.seconds:g} s, medians")
    print("| | CPU of a core | RSS | first data | key, p90 |\n|---|---|---|---|---|")
    for name, costs in found.items():
        cpu, rss, start, key = (statistics.median(getattr(one, part) for one in costs) for part in Cost._fields)
        print(f"| {name} | {cpu:.2f} % | {rss:.0f} MB | {start:.2f} s | {f'{key:.0f} ms' if key else ''} |")


if __name__ == "__main__":
    main()
