"""^C anywhere in a run: what is under way ends early, wherever the time goes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from growing import Growing

from interrupts import PROMISED_S, cpu_s_after_interrupt
from memtwin.linux.mm import swapon

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

    from memtwin.linux.core.state import State


class CutError(Exception):
    """What the handler of a signal raises."""


def raise_cut(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal as ^C is handled."""
    raise CutError


@pytest.mark.parametrize(
    "ops",
    [
        "A mmap h 4M\nA touch h 0 4M r rand:9000000000:1",
        "A mmap h 400M\nA touch h 0 400M w rand:9000000000:1 content=text",
        "A fread f 0 4M 4K rand:900000000:1",
        "A fwrite f 0 4M 4K rand:900000000:1",
        "sleep 999999999",
    ],
)
def test_a_run_ends_soon_after_the_interrupt(ops: str, tmp_path: Path) -> None:
    """The operation would take a minute and more; exit code 130, no traceback, no output."""
    path = tmp_path / "long.mem"
    path.write_text(f"machine ram=192M\nswap disk size=512M rot=0\nfile f 4M\nproc A\n{ops}\n")
    code = (
        "import signal, sys; from memtwin.cli import main; from memtwin.run import run; first = run.Run.do\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "def do(self, op):\n"
        "    if op.index == len(self.scenario.ops) - 1: print('last', flush=True)\n"
        "    first(self, op)\n"
        "run.Run.do = do; sys.exit(main(['run', sys.argv[1]]))"
    )
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ran:
        assert ran.stdout is not None
        assert ran.stderr is not None
        assert ran.stdout.readline() == "last\n"
        time.sleep(0.3)
        assert ran.poll() is None
        took_s = cpu_s_after_interrupt(ran)
        checks_too = Growing("machine ram=128M\n").state.checks  # the debug build's are no part of the promise
        assert took_s < (10 * PROMISED_S if checks_too else PROMISED_S)
        assert ran.returncode == 130
        assert (ran.stdout.read() + ran.stderr.read()).strip() == ""


WRITTEN = "sysctl vm.dirty_ratio=90\nsysctl vm.dirty_background_ratio=80\nA fwrite f 0 500M 1M"


def cut_off(run: Growing, op: str) -> None:
    """Carry out an operation, with a signal a millisecond after it began."""
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    run.do(op)


def pages(name: str) -> Callable[[State], int]:
    """Read a counter of the node."""
    return lambda state: int(state.node_stats()[name])


def held(state: State) -> int:
    """Slots of the first area that are in use."""
    return swapon.area_info(state, 0).inuse


def not_locked(state: State) -> int:
    """How much of 700 MiB is not locked."""
    return 700 * 256 - int(state.zone_stats(1)["nr_mlock"])


@pytest.mark.parametrize(
    ("before", "op", "left"),
    [
        ("A mmap h 700M\nA touch h 0 700M w seq", "A munmap h", pages("nr_anon_pages")),
        ("A mmap h 700M\nA touch h 0 700M w seq", "A exit", pages("nr_anon_pages")),
        ("A mmap h 700M\nA touch h 0 700M w seq", "A madvise h 0 700M dontneed", pages("nr_anon_pages")),
        ("A mmap h 700M\nA touch h 0 700M w seq", "A madvise h 0 700M pageout", pages("nr_anon_pages")),
        ("A fread f 0 700M 1M", "drop_caches 1", pages("nr_file_pages")),
        (WRITTEN, "A fsync f", pages("nr_dirty")),
        (WRITTEN, "sync", pages("nr_dirty")),
        (
            "A mmap h 700M\nA touch h 0 700M w seq\nA madvise h 0 700M pageout",
            "swapoff disk",
            held,
        ),
        ("A mmap h 700M", "A mlock h 0 700M", not_locked),
    ],
)
def test_a_signal_cuts_an_operation_off(before: str, op: str, left: Callable[[State], int]) -> None:
    """The handler's exception comes while there is work left, not at the operation's end."""
    run = Growing("machine ram=1G\nswap disk size=1G rot=0\nfile f 700M\n")
    for line in ("proc A", *before.split("\n")):
        assert run.do(line) == "ok"
    old = signal.signal(signal.SIGALRM, raise_cut)
    try:
        with pytest.raises(CutError):
            cut_off(run, op)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert left(run.state) > 500
