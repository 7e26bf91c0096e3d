"""Do htop and sar, asked on this machine, print the "used" that we say they print?"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from memtwin.procfs.meminfo import Meminfo, render
from memtwin.views.used import used

if TYPE_CHECKING:
    from pathlib import Path

MEMINFO = {
    "MemTotal": 100_000_000, "MemFree": 1_000_000, "MemAvailable": 30_000_000, "Buffers": 2_000_000,
    "Cached": 40_000_000, "SwapCached": 300_000, "Active": 0, "Inactive": 0, "SwapTotal": 50_000_000,
    "SwapFree": 20_000_000, "Dirty": 0, "Shmem": 7_000_000, "Slab": 9_000_000, "SReclaimable": 5_000_000,
    "Committed_AS": 60_000_000,
}  # fmt: skip


def asked(command: str, scratch: Path) -> str:
    """Return what *command* prints with our meminfo bound over /proc/meminfo."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and unshare(1)")
    (scratch / "meminfo").write_text(render(Meminfo(MEMINFO)))
    script = f"mount --bind {scratch}/meminfo /proc/meminfo || exit 9\n{command}\n"
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TERM": "xterm", "HOME": str(scratch)}
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, check=False, env=env, timeout=60
    )
    if done.returncode == 9:
        pytest.skip("this machine does not let us bind over /proc")
    return re.sub(r"\x1b(\[[0-9;?]*[a-zA-Z]|[()][A-Z0-9])", "", done.stdout)


def test_sar_counts_slab_as_cache(tmp_path: Path) -> None:
    if not shutil.which("sar"):
        pytest.skip("sar is not installed (Debian: sysstat)")
    lines = [line.split() for line in asked("sar -r 1 1", tmp_path).splitlines() if line]
    heads = next(words for words in lines if "kbmemused" in words)
    printed = dict(zip(heads[1:], lines[-1][1:], strict=True))
    assert int(printed["kbmemused"]) == used(MEMINFO, "sar")


def test_htop_32_leaves_shared_memory_out_of_the_number(tmp_path: Path) -> None:
    if not shutil.which("htop") or not shutil.which("script"):
        pytest.skip("htop or script is not installed")
    version = subprocess.run(["htop", "--version"], capture_output=True, text=True, check=False).stdout
    formula = "htop-3.2" if re.search(r"htop 3\.[12]\.", version) else "htop"
    drawn = asked("(sleep 1; printf q) | script -qc 'stty cols 200 rows 30; htop' /dev/null", tmp_path)
    gib = re.search(r"Mem\[[^]]*?([0-9.]+)G/", drawn)
    assert gib, drawn
    size = used(MEMINFO, formula)
    assert size is not None
    assert float(gib[1]) == pytest.approx(size / 2**20, abs=0.06)
