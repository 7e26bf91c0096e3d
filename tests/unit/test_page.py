"""`memtwin page`: where one page of a live process is."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
from typing import TYPE_CHECKING

from memtwin import cli

if TYPE_CHECKING:
    import pytest

ROOT = os.geteuid() == 0


def asked(capsys: pytest.CaptureFixture[str], address: int) -> dict[str, object]:
    capsys.readouterr()
    assert cli.main(["page", str(os.getpid()), f"{address:x}", "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)["data"]
    return found


def test_a_page_is_nowhere_until_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """A private page before and after its first write; the walk's four entries are the address's bits."""
    area = mmap.mmap(-1, 1 << 16, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    held = (ctypes.c_char * (1 << 16)).from_buffer(area)
    address = ctypes.addressof(held) + 3 * 4096
    before = asked(capsys, address)
    assert (before["present"], before["swapped"], before["frame"]) == (False, False, None)
    held[3 * 4096] = b"x"
    after = asked(capsys, address)
    assert (after["present"], after["perms"]) == (True, "rw-p")
    walk = after["walk"]
    assert isinstance(walk, list)
    indexes = [row["entry"] for row in walk]
    assert sum(index << shift for index, shift in zip(indexes, (39, 30, 21, 12), strict=True)) == address & ~0xFFF
    if ROOT and after["frame"]:
        assert after["mappings"] == 1
        assert {"anon", "mmap", "swapbacked"} <= set(str(after["flags"]).split())
    del held
    area.close()


def test_what_cannot_be_looked_up_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """No such process, no mapping there, no address."""
    assert cli.main(["page", "4194304", "1000"]) == 1
    assert cli.main(["page", str(os.getpid()), "0x10"]) == 1
    assert "maps nothing at 0x10" in capsys.readouterr().err
    assert cli.main(["page", str(os.getpid()), "here"]) == 2
    assert "hexadecimal" in capsys.readouterr().err
