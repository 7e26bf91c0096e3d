"""Do zram and zswap say what they hold and cost, and does the view know where the next page goes?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from memtwin import cli
from memtwin.procfs.swaps import SwapArea, Swaps
from memtwin.render.grid import texts
from memtwin.sources.recording import Recording
from memtwin.sysfs.zram import mm_stat
from memtwin.units import Bytes, Kib
from memtwin.views.compressed_swap import Zram, Zswap, sentences

if TYPE_CHECKING:
    import pytest

RECORDINGS = Path(__file__).parents[1] / "recordings"
ZRAM = RECORDINGS / "35-zram-then-disk-small" / "run1.tar.xz"
ZSWAP = RECORDINGS / "113-zswap-limit" / "run1.tar.xz"
NONE = Zswap(None, None, None, None, None, None, {}, None)


def run(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    assert cli.main(["swaps", *args]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_zram_is_told_as_its_mm_stat_says(capsys: pytest.CaptureFixture[str]) -> None:
    (device,) = json.loads(run(capsys, "--root", f"{ZRAM}@f350", "--json"))["data"]["zram"]
    stat = [int(word) for word in (Recording(ZRAM).at("f350").read("sys/block/zram0/mm_stat") or "").split()]
    assert [device[key] for key in ("data_bytes", "compressed_bytes", "memory_bytes")] == stat[:3]
    assert device["ratio"] == stat[0] / stat[2]
    assert (device["algorithm"], device["disksize_bytes"]) == ("lzo-rle", 100663296)
    text = run(capsys, "--root", f"{ZRAM}@f350", "--explain")
    assert "disksize 96M is how much data it takes, not RAM: now 96M of data take 47.8M of RAM" in text.replace(
        "\n  ", " "
    )


def test_zswap_at_its_limit_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    zswap = json.loads(run(capsys, "--root", f"{ZSWAP}@refilled", "--json"))["data"]["zswap"]
    source = Recording(ZSWAP).at("refilled")
    debug = {
        name: int(source.read(f"sys/kernel/debug/zswap/{name}") or "") for name in ("pool_total_size", "stored_pages")
    }
    assert zswap["on"] is True
    assert abs(zswap["pool_bytes"] - debug["pool_total_size"]) <= 4096
    assert zswap["data_bytes"] == debug["stored_pages"] * 4096
    assert "is at its limit (41.2M, max_pool_percent 20)" in run(capsys, "--root", f"{ZSWAP}@refilled", "--explain")


def said(areas: list[tuple[str, int, int, int]], devices: tuple[Zram, ...] = (), zswap: Zswap = NONE) -> str:
    made = Swaps(tuple(SwapArea(name, "partition", Kib(size), Kib(used), rank) for name, size, used, rank in areas))
    return " ".join(texts(sentences(made, devices, zswap)))


def test_the_next_page_goes_to_the_highest_priority_with_room() -> None:
    full = [("/dev/zram0", 100, 100, 100), ("/dev/sda2", 100, 5, -2)]
    assert "next page that is swapped out goes to /dev/sda2" in said(full)
    assert "/dev/zram0 (priority 100); then /dev/sda2 (priority -2)" in said(list(reversed(full)))
    pair = [("/dev/sda2", 100, 5, 5), ("/dev/sdb2", 100, 5, 5), ("/swap", 9, 0, -2)]
    assert "in turns: /dev/sda2 and /dev/sdb2 (priority 5); then /swap (priority -2)" in said(pair)
    assert "All areas are full" in said([("/dev/sda2", 100, 100, -2)])
    assert "There is no swap area" in said([])


def test_what_brings_little_is_said() -> None:
    stat = mm_stat.MmStat(Bytes(4096000), Bytes(4000000), Bytes(4050000), Bytes(0), Bytes(4050000), 0, 0, 900)
    device = Zram("zram0", stat, 2**30, "lz4")
    areas = [("/dev/zram0", 1048572, 4000, 100)]
    assert "a ratio of 1.01 brings little" in said(areas, (device,))
    assert "compressed twice" in said(areas, (device,), NONE._replace(on=True))
    assert Zram("zram0", None, None, None).ratio is None


def test_metrics_are_per_area(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "--root", f"{ZRAM}@f350", "--openmetrics")
    assert 'node_swap_used_bytes{device="/dev/vdb",swap_type="partition"} 136851456\n' in text
