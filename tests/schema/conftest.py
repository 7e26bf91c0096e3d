"""The corpus: every file that the recordings hold, by kind, read once a session."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


WRITTEN = {  # files that the lab does not record, laid out as kernels print them
    "pid/limits": (
        (
            "Limit                     Soft Limit           Hard Limit           Units     \n"
            "Max cpu time              unlimited            unlimited            seconds   \n"
            "Max stack size            8388608              unlimited            bytes     \n"
            "Max locked memory         8388608              8388608              bytes     \n"
            "Max nice priority         0                    0                    \n"
        ),
    ),
    "pid/smaps": (
        "",
        (
            "55f0c0a00000-55f0c0a21000 rw-p 00000000 00:00 0                          [heap]\n"
            "Size:                132 kB\nKernelPageSize:        4 kB\nRss:                  40 kB\n"
            "Swap:                 92 kB\nTHPeligible:    0\nProtectionKey:         0\nVmFlags: rd wr mr mw me ac sd \n"
            "7f0000000000-7f0000021000 rw-p 00000000 00:00 0 \n"
            "Size:                132 kB\nVmFlags: rd wr mr mw me ac \n"
        ),
    ),
    "cgroup/amount": ("max\n", "0\n", "536870912\n", "9223372036854771712\n"),
    "cgroup/keyed": (
        "anon 4096\nfile 8192\nworkingset_refault_anon 0\n",
        "low 0\nhigh 12\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\n",
        "cache 8192\nrss 4096\nhierarchical_memory_limit 9223372036854771712\ntotal_inactive_file 4096\n",
    ),
}


def kind_of(path: str) -> str:
    """Return what a recording's file is: ``pid/status``, ``pressure``, ``meminfo``, ``zram/mm_stat``, ..."""
    parts = path.split("/")
    if "workers" in parts[:-2]:
        return f"pid/{parts[-1]}"
    if parts[-3:-1] == ["proc", "pressure"]:
        return "pressure"
    if parts[-3:-2] == ["block"] and parts[-2].startswith("zram"):
        return f"zram/{parts[-1]}"
    return parts[-1]


class Corpus(dict[str, dict[str, str]]):
    """Kind to text to where it stands; told in a word where a test fails, for it holds megabytes."""

    def __repr__(self) -> str:
        return "<corpus>"


@pytest.fixture(scope="session")
def corpus(recordings: Path) -> Corpus:
    """Every text of every kind; one that occurs more than once is kept once."""
    texts = Corpus()
    for tar_path in sorted(recordings.glob("*/run*.tar.xz")):
        with tarfile.open(tar_path) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isreg() else None
                if file is not None:
                    text = file.read().decode(errors="surrogateescape")
                    where = f"{tar_path.parent.name}/{member.name}"
                    texts.setdefault(kind_of(member.name), {}).setdefault(text, where)
    for kind, written in WRITTEN.items():
        for text in written:
            texts.setdefault(kind, {}).setdefault(text, f"written:{kind}")
    return texts
