"""How soon a process obeys ^C, as time on a CPU: a loaded host must not fail a test."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import subprocess

PROMISED_S: Final = 0.5
_HANGS_S: Final = 30


def cpu_s_after_interrupt(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> float:
    """Send SIGINT, wait for the end, and return the CPU time between them in seconds; TimeoutError after 30 s."""
    before = _cpu_s(process.pid)
    process.send_signal(signal.SIGINT)
    old = signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(_HANGS_S)
    try:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)
        process.kill()
    return used.ru_utime + used.ru_stime - before


def _cpu_s(pid: int) -> float:
    """Return the CPU time that a process and the children it has waited for have used."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11:15])) / os.sysconf("SC_CLK_TCK")


def _give_up(*_: object) -> None:
    raise TimeoutError(f"^C was not obeyed within {_HANGS_S} s")
