"""What every suite may use: where the recordings of real kernels are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

RECORDINGS = Path(__file__).parent / "recordings"

settings.register_profile("memtwin", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("memtwin"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "memtwin")


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The directory of real kernels' recordings, one directory a scenario, run1.tar.xz and on in each."""
    return RECORDINGS
