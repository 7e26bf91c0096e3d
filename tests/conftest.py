"""What every suite may use: where the recordings of real kernels are; and what its processes begin with.

A shell lets what runs in its background ignore SIGINT, and processes inherit that: those of the tests obey it. swapon
and mkswap are in sbin, which is not everybody's path.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from memtwin.sources import archive

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDINGS = Path(__file__).parent / "recordings"
SBIN = "/usr/sbin:/sbin"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:{SBIN}"

settings.register_profile("memtwin", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("memtwin"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "memtwin")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The directory of real kernels' recordings, one directory a scenario, run1.tar.xz and on in each."""
    return RECORDINGS


@pytest.fixture(scope="session", autouse=True)
def recordings_are_unpacked_once() -> Iterator[None]:
    """Keep the last recordings as they were unpacked: a test that asks many questions of one opens it for each."""
    plain = archive.Archive
    kept = lru_cache(maxsize=8)(plain)

    def opened(name: str, *, salvage: bool = False) -> archive.Archive:
        return kept(name) if name.startswith(f"{RECORDINGS}/") and not salvage else plain(name, salvage=salvage)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "Archive", opened)
        yield


@pytest.fixture
def readable_by_others() -> None:
    """Skip a test that becomes another user where that user cannot read this checkout or its interpreter."""
    for path in (Path(__file__), Path(sys.executable), Path(sys.executable).resolve()):
        for parent in path.parents:
            if not parent.stat().st_mode & stat.S_IXOTH:
                pytest.skip(f"{parent} is closed to other users")
