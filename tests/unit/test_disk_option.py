"""``memtwin run --disk``: the words of a scenario's ``disk data`` line, over it."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from memtwin import cli
from memtwin import scenario as sc
from memtwin.errors import UsageError
from memtwin.run.disk_option import with_disks
from memtwin.scenario.disk import FIELDS, DataDisk

if TYPE_CHECKING:
    from pathlib import Path

LINES = "file big 64M\nproc A\nA fread big 0 64M 128K seq\n"


def test_it_is_the_line_of_the_scenario() -> None:
    line = "disk data read=100M write=50M latency=1ms depth=4 nr_requests=32 readahead=256K fs=xfs free=1G\n"
    word = "data=" + ",".join(line.split()[2:])
    given = with_disks(sc.parse(LINES), [word]).disk
    assert given is not None
    assert given == sc.parse(line + LINES).disk
    assert set(FIELDS.values()) == {one.name for one in fields(DataDisk)} - {"lineno"}


def test_what_it_does_not_name_stays_as_the_line_says() -> None:
    there = sc.parse(f"disk data read=100M write=50M fs=xfs\n{LINES}")
    disk = with_disks(there, ["data=write=7M", "data=latency=2ms,read=9M"]).disk
    assert disk is not None
    assert (disk.read_bytes_per_s, disk.write_bytes_per_s, disk.latency_ns) == (9 << 20, 7 << 20, 2_000_000)
    assert disk.file_system == "xfs"
    assert with_disks(there, []) == there
    assert with_disks(there, ["data=read=9M free=1G"]).disk == with_disks(there, ["data=read=9M,free=1G"]).disk


@pytest.mark.parametrize(
    "word",
    [
        "data",
        "data=",
        "data=read",
        "data=read=no",
        "data=speed=1M",
        "sdb=read=1M",
        "data=read=1M,read=2M",
        "",
        "data\nproc A=read=1M",
    ],
)
def test_what_a_line_would_refuse_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="--disk "):
        with_disks(sc.parse(LINES), [word])


def test_the_run_takes_as_long_as_the_disk_says(tmp_path: Path) -> None:
    path = tmp_path / "read.mem"
    path.write_text(LINES)
    took = {}
    for speed in ("16M", "640M"):
        out = tmp_path / speed
        assert cli.main(["run", str(path), "-q", "--disk", f"data=read={speed}", "-o", str(out)]) == 0
        took[speed] = [json.loads(line)["us"] for line in (out / "ops.jsonl").read_text().splitlines()][-1]
    assert took["16M"] == pytest.approx(4e6, rel=0.1)
    assert took["640M"] < 4e5
    assert cli.main(["run", str(path), "--runs", "2", "--disk", "data=read=16M"]) == 2
