"""Does a snapshot hold, byte for byte, what its machine said, and does it say what it could not read?"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from unpacking import unpack

from memtwin import cli
from memtwin.errors import SnapshotError
from memtwin.sources.host import PAGE_SIZES, host, page_size, taken_unix_ms
from memtwin.sources.opening import open_source
from memtwin.sources.recording import Recording, resolve
from memtwin.sources.snapshot import Taken, matching, save, take
from memtwin.sources.source import DirectorySource, Source

RECORDINGS = Path(__file__).parents[1] / "recordings"
DISK = RECORDINGS / "03-anon-swap-disk" / "run1.tar.xz"


def files_below(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def checkpoint() -> Source:
    return Recording(DISK).at("f400")


@pytest.mark.parametrize("name", ["s.tar", "s.tar.gz", "s.tar.xz", "s.tar.zst", "s"])
def test_a_snapshot_in_any_form_gives_back_the_bytes(checkpoint: Source, tmp_path: Path, name: str) -> None:
    taken = take(checkpoint)
    assert taken.files["proc/meminfo"].startswith(b"MemTotal:")
    save(taken, tmp_path / name)
    again = open_source(tmp_path / name)
    for path, data in taken.files.items():
        assert (again.read(path) or "").encode(errors="surrogateescape") == data, path
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_snapshot_of_a_snapshot_is_the_same(checkpoint: Source, tmp_path: Path) -> None:
    save(take(checkpoint), tmp_path / "one")
    save(take(open_source(tmp_path / "one")), tmp_path / "two")
    assert files_below(tmp_path / "one") == files_below(tmp_path / "two")


def test_the_live_snapshot_knows_page_size_and_kernel_and_this_process(tmp_path: Path) -> None:
    if not Path("/proc/meminfo").exists():
        pytest.skip("no /proc on this machine")
    assert cli.main(["snapshot", "-o", str(tmp_path / "live")]) == 0
    source = open_source(tmp_path / "live")
    facts = host(source)
    assert facts.page_bytes == os.sysconf("SC_PAGE_SIZE")
    assert facts.kernel == os.uname().release
    assert abs((taken_unix_ms(source) or 0) / 1000 - time.time()) < 60
    mine = source.read(f"proc/{os.getpid()}/status")
    assert mine is not None
    assert mine.startswith("Name:")
    assert source.read("proc/sys/vm/swappiness") == Path("/proc/sys/vm/swappiness").read_text()


def test_arguments_can_be_left_out(tmp_path: Path) -> None:
    secret = subprocess.Popen([sys.executable, "-c", "input()", "--password=hunter2"], stdin=subprocess.PIPE)
    try:
        one, two = take(open_source("live")), take(open_source("live"), arguments=False)
    finally:
        secret.communicate(b"\n")
    assert b"hunter2" in one.files[f"proc/{secret.pid}/cmdline"]
    assert f"proc/{secret.pid}/status" in two.files
    assert not any(b"hunter2" in data for data in two.files.values())


def test_smaps_has_a_price_that_is_said_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default it is in a snapshot of a host while it is cheap, and left out where it is not; options decide."""
    own = f"proc/{os.getpid()}/smaps"
    if not Path(f"/{own}").exists():
        pytest.skip("no /proc on this machine")

    def taken(name: str, *words: str) -> tuple[bool, str]:
        assert cli.main(["snapshot", "-o", str(tmp_path / name), *words]) == 0
        said = next(line for line in capsys.readouterr().err.splitlines() if "smaps of " in line)
        assert re.search(r"smaps of [0-9,]+ process(es)? takes [0-9.]+ s and has some [0-9,]+ [KM]iB of text", said)
        return (tmp_path / name / own).exists(), said.partition(" of text")[2]

    assert taken("cheap") == (True, "")
    assert taken("without", "--no-smaps") == (False, ": left out")
    monkeypatch.setattr("memtwin.cli.snapshot._MOST_S", 0)
    assert taken("dear") == (False, ": left out, --smaps reads it")
    assert taken("asked", "--smaps") == (True, "")


def test_what_could_not_be_read_is_listed_and_remembered(tmp_path: Path) -> None:
    told = {"page_bytes": 4096, "unread": {"proc/slabinfo": "Permission denied"}}
    files = {"proc/meminfo": b"MemTotal: 1 kB\n", "snapshot.json": json.dumps(told).encode()}
    save(Taken(files, {}), tmp_path / "s")
    source = open_source(tmp_path / "s")
    assert source.read("proc/slabinfo") is None
    assert source.read("proc/swaps") is None
    assert source.unread == {"proc/slabinfo": "Permission denied", "proc/swaps": "absent"}


@pytest.mark.parametrize("facts", ["", "[]", "{", '{"page_bytes": 5}', '{"unread": 3}', '{"page_bytes": [4096]}', "\0"])
def test_damaged_facts_are_as_none(tmp_path: Path, facts: str, checkpoint: Source) -> None:
    files = {path: (checkpoint.read(path) or "").encode() for path in ("proc/meminfo", "proc/zoneinfo")}
    save(Taken(files | {"snapshot.json": facts.encode()}, {}), tmp_path / "s")
    source = open_source(tmp_path / "s")
    assert host(source).page_bytes == 4096
    assert source.read("proc/none") is None


def test_a_directory_that_is_there_is_not_touched(checkpoint: Source, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    with pytest.raises(SnapshotError, match="is there already"):
        save(take(checkpoint), tmp_path / "s")
    assert not list((tmp_path / "s").iterdir())


@pytest.mark.parametrize("name", ["x.zip", "x.tgz", "x.gz", "x.tar.bz2"])
def test_another_archive_is_no_directory(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["snapshot", "-o", str(tmp_path / name)]) == 1
    assert "an archive that is not written\nhint: .tar, .tar.gz" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_large_machine_file_is_read_whole_and_orders_are_not_read() -> None:
    source = DirectorySource("/")
    if not source.names("proc/sys/vm"):
        pytest.skip("no /proc on this machine")
    paths = list(matching(source, "proc/sys/vm/*"))
    assert "proc/sys/vm/swappiness" in paths
    assert not {"proc/sys/vm/compact_memory", "proc/sys/vm/drop_caches"} & set(paths)


def test_two_stars_are_any_depth(tmp_path: Path) -> None:
    for path in ("a/memory.max", "a/b.slice/memory.max", "a/b.slice/c/memory.max", "a/b.slice/c/cpu.max"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("max\n")
    found = list(matching(DirectorySource(tmp_path), "a/**/memory.*"))
    assert sorted(found) == ["a/b.slice/c/memory.max", "a/b.slice/memory.max"]


@pytest.mark.parametrize("size", PAGE_SIZES)
def test_the_page_size_follows_from_two_counts_of_the_same_pages(size: int) -> None:
    assert page_size(123_456 * size // 1024, 123_456) == size
    assert page_size(123_456, 0) is None


def test_the_nearest_checkpoint_is_found_by_the_clock_of_the_kernels_log() -> None:
    recording = Recording(DISK)
    up = {label: float((recording.at(label).read("proc/uptime") or "0").split()[0]) for label in recording.checkpoints}
    for label, seconds in up.items():
        source = resolve(f"{DISK}@{seconds + 0.01:.2f}s")
        assert source.read("proc/meminfo") == recording.at(label).read("proc/meminfo")
        assert label in (source.note or "")


def test_a_sosreport_is_a_root(tmp_path: Path, capsys: pytest.CaptureFixture[str], checkpoint: Source) -> None:
    top = tmp_path / "sosreport-db1-2026"
    (top / "proc").mkdir(parents=True)
    (top / "sos_commands" / "memory").mkdir(parents=True)
    (top / "sos_commands" / "memory" / "free").write_text("not of interest\n")
    (top / "free").symlink_to("sos_commands/memory/free")
    (top / "proc" / "meminfo").write_text(checkpoint.read("proc/meminfo") or "")
    with tarfile.open(tmp_path / "sos.tar.xz", "w:xz") as tar:
        tar.add(top, top.name)
    for root in (top, tmp_path / "sos.tar.xz"):
        assert cli.main(["meminfo", "--root", str(root)]) == 0
        assert capsys.readouterr().out == checkpoint.read("proc/meminfo")


def test_a_checkpoint_finds_at_boot_what_never_changes_and_nothing_else(tmp_path: Path) -> None:
    run = RECORDINGS / "35-zram-then-disk-small" / "run1.tar.xz"
    unpack(run, tmp_path)
    zram = "sys/block/zram0"
    for name in ("comp_algorithm", "mm_stat", "stat"):
        (tmp_path / "run1" / "f350" / zram / name).unlink()
    (tmp_path / "run1" / "f350" / "proc" / "swaps").unlink()
    checkpoint = Recording(tmp_path / "run1").at("f350")
    assert checkpoint.read(f"{zram}/comp_algorithm") == Recording(run).at("boot").read(f"{zram}/comp_algorithm")
    assert [checkpoint.read(path) for path in (f"{zram}/mm_stat", f"{zram}/stat", "proc/swaps")] == [None, None, None]
    boot = checkpoint.at_boot
    assert boot is not None
    assert boot.read("proc/meminfo") == Recording(run).at("boot").read("proc/meminfo")
    assert boot.at_boot is None
