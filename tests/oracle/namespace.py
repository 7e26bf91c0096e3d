"""Asks real tools what they print when our files lie over /proc: each case is bound in a mount namespace of its own.

This needs root and unshare(1); :func:`why_not` says why a tool cannot be asked.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tarfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RECORDINGS = Path(__file__).parents[1] / "recordings"
SCENARIOS = ("03-anon-swap-disk", "05-zram-text", "23-shared-map", "35-zram-then-disk-small")


def said(cases: Sequence[Mapping[str, str]], commands: Sequence[str], scratch: Path) -> list[list[str]]:
    """Return what each of *commands* prints for each case: files of /proc by name, the same names in all cases."""
    shown = {name: scratch / f"shown-{name.replace('/', '-')}" for name in cases[0]}
    script = []
    for name, path in shown.items():
        path.touch()
        script.append(f"mount --bind {path} /proc/{name} || exit 9")
    for i, case in enumerate(cases):
        for name, path in shown.items():
            given = scratch / f"in{i}-{name.replace('/', '-')}"
            given.write_text(case[name])
            script.append(f"cat {given} > {path}")
        script += [f"{command} > {scratch}/out{i}.{j} 2>/dev/null" for j, command in enumerate(commands)]
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    done = subprocess.run(["unshare", "-m", "sh"], input="\n".join(script), text=True, check=False, env=env)
    assert done.returncode != 9, "a file could not be bound"
    return [[(scratch / f"out{i}.{j}").read_text() for j in range(len(commands))] for i in range(len(cases))]


@cache
def why_not(tool: str, versions: str) -> str:
    """Return why *tool* of *versions* (a pattern) cannot be asked here, or nothing."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return "needs root and unshare(1)"
    if not shutil.which(tool):
        return f"{tool} is not installed"
    version = subprocess.run([tool, "-V"], capture_output=True, text=True, check=False).stdout
    if not re.search(versions, version):
        return f"{version.strip()} is not the version that the view follows"
    can = subprocess.run(
        ["unshare", "-m", "mount", "--bind", "/dev/null", "/proc/swaps"], capture_output=True, check=False
    )
    return "" if can.returncode == 0 else "this machine does not let us bind over /proc"


def recorded(*names: str) -> list[dict[str, str]]:
    """Return the files *names* of every checkpoint of some real runs, among them with disk, zram and both."""
    cases: dict[str, dict[str, str]] = {}
    for scenario in SCENARIOS:
        with tarfile.open(RECORDINGS / scenario / "run1.tar.xz") as tar:
            for member in tar:
                checkpoint, proc, name = member.name.partition("/proc/")
                if proc and name in names:
                    file = tar.extractfile(member)
                    assert file is not None
                    cases.setdefault(f"{scenario}/{checkpoint}", {})[name] = file.read().decode()
    return [case for case in cases.values() if len(case) == len(names)]
