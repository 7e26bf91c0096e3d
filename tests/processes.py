"""Programs that tests start in order to read them."""

from __future__ import annotations

import time
from pathlib import Path


def wait_until_it_sleeps(pid: int) -> None:
    """Return when all threads of *pid* sleep: after its last line it may still fault on the way to its read."""
    while any(
        stat.read_text(errors="replace").rpartition(") ")[2][0] != "S"
        for stat in Path(f"/proc/{pid}/task").glob("*/stat")
    ):
        time.sleep(0.01)
