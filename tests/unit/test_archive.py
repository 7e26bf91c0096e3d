"""Do the limits on an archive hold for what it unpacks to, and does a damaged one end in a message?"""

from __future__ import annotations

import gzip
import io
import lzma
import subprocess
import tarfile
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from memtwin.errors import SnapshotError
from memtwin.sources import archive
from memtwin.sources.limits import MAX_FILE_BYTES
from memtwin.sources.opening import open_source
from memtwin.sources.source import TarSource

if TYPE_CHECKING:
    from pathlib import Path

MEMINFO = b"MemTotal:         223608 kB\n"
HOLES = "GNU.sparse."


def member(path: str, data: bytes = b"", size: int | None = None, headers: dict[str, str] | None = None) -> bytes:
    info = tarfile.TarInfo(path)
    info.size = len(data) if size is None else size
    info.pax_headers = headers or {}
    padded = data + bytes(-len(data) % tarfile.BLOCKSIZE)
    return info.tobuf(tarfile.PAX_FORMAT if headers else tarfile.GNU_FORMAT) + padded


def sparse(path: str, real: int, pieces: str, data: bytes) -> bytes:
    """Return a sparse member in PAX's form 0.1."""
    headers = {f"{HOLES}size": str(real), f"{HOLES}numblocks": "1", f"{HOLES}map": pieces}
    return member(path, data, headers=headers)


def written(where: Path, *members: bytes, pack: str = "") -> Path:
    data = b"".join(members) + bytes(2 * tarfile.BLOCKSIZE)
    where.write_bytes(lzma.compress(data) if pack == "xz" else data)
    return where


def test_sparse_members_count_as_they_are_unpacked(tmp_path: Path) -> None:
    """Twenty members of 60 MB, all of them holes: refused without the memory of one of them."""
    members = [sparse(f"proc/{n}", 60_000_000, "0,1", b"x") for n in range(20)]
    packed = written(tmp_path / "s.tar.xz", *members, pack="xz")
    assert packed.stat().st_size < 4096
    tracemalloc.start()
    try:
        with pytest.raises(SnapshotError, match="larger than 1024 MiB unpacked"):
            open_source(packed)
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


def test_a_sparse_member_is_as_large_as_any_other(tmp_path: Path) -> None:
    large = sparse("proc/meminfo", MAX_FILE_BYTES + 1, "0,1", b"x")
    with pytest.raises(SnapshotError, match="is larger than 64 MiB"):
        open_source(written(tmp_path / "s.tar", large))


@pytest.mark.parametrize("form", ["gnu", "pax", "oldgnu", "posix"])
def test_a_sparse_member_has_the_bytes_that_tar_saw(tmp_path: Path, form: str) -> None:
    (tmp_path / "t/proc").mkdir(parents=True)
    with (tmp_path / "t/proc/holes").open("wb") as file:
        for at in range(0, 4_000_000, 250_000):  # more pieces than one header holds
            file.seek(at)
            file.write(b"%d" % at * 100)
        file.truncate(5_000_000)
    command = ["tar", "-c", "--sparse", f"--format={form}", "-f", tmp_path / "s.tar", "-C", tmp_path / "t", "proc"]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("this tar writes no sparse members")
    source = open_source(tmp_path / "s.tar")
    assert (source.read("proc/holes") or "").encode() == (tmp_path / "t/proc/holes").read_bytes()


@pytest.mark.parametrize("pieces", ["-1,1", "0,-1", "9,5", "0,99999999999", "x"])
def test_the_map_of_a_sparse_member_stays_within_it(tmp_path: Path, pieces: str) -> None:
    where = written(tmp_path / "s.tar", sparse("proc/meminfo", 10, pieces, b"x"), member("proc/b", b"b"))
    with pytest.raises(SnapshotError, match="cut off or damaged"):
        open_source(where)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE])
def test_a_header_without_bounds_is_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, 3 << 20
    where = written(tmp_path / "s.tar", member("proc/a"), info.tobuf() + b"1" * info.size, member("proc/b"))
    with pytest.raises(SnapshotError, match="a header of 3145728 bytes"):
        open_source(where)


def test_headers_within_headers_end_in_a_message(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 0
    with pytest.raises(SnapshotError, match="cut off or damaged"):
        open_source(written(tmp_path / "s.tar", member("proc/a"), info.tobuf() * 5000))


@pytest.mark.parametrize("size", [-512, -1024, -(1 << 40)])
def test_a_negative_size_does_not_lead_back(tmp_path: Path, size: int) -> None:
    info = tarfile.TarInfo("proc/b")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" + size.to_bytes(11, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(SnapshotError, match="cut off or damaged"):
        open_source(written(tmp_path / "s.tar", member("proc/a"), bytes(header)))


def test_the_number_of_members_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 5)
    with pytest.raises(SnapshotError, match="more than 5 files"):
        open_source(written(tmp_path / "s.tar", *(member(f"proc/{n}") for n in range(6))))


@pytest.mark.parametrize("kind", ["xz", "gz", "zst"])
def test_a_bomb_is_not_unpacked_beyond_the_limit(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_TAR_BYTES", 1 << 20)
    data = member("proc/a", bytes(64 << 20)) + bytes(1024)
    where = tmp_path / "bomb"
    if kind == "zst":
        where.write_bytes(pytest.importorskip("zstandard").compress(data))
    else:
        where.write_bytes(lzma.compress(data, preset=1) if kind == "xz" else gzip.compress(data, 1))
    del data
    tracemalloc.start()
    try:
        with pytest.raises(SnapshotError, match="larger than 1 MiB unpacked"):
            open_source(where)
        assert tracemalloc.get_traced_memory()[1] < 24_000_000
    finally:
        tracemalloc.stop()


def test_a_name_of_a_million_directories_is_passed_over(tmp_path: Path) -> None:
    deep = member("x", b"1", headers={"path": "a/" * 400_000 + "b"})
    source = open_source(written(tmp_path / "s.tar", member("proc/meminfo", MEMINFO), deep))
    assert source.names() == ["proc"]


def test_a_bad_checksum_of_gzip_says_to_copy_the_file_again(tmp_path: Path) -> None:
    data = bytearray(gzip.compress(member("proc/meminfo", MEMINFO) + bytes(1024)))
    data[-8] ^= 1
    (tmp_path / "s.tar.gz").write_bytes(data)
    with pytest.raises(SnapshotError, match=r"cut off or damaged: CRC check failed") as caught:
        open_source(tmp_path / "s.tar.gz")
    assert caught.value.hint == "copy the file again"


@pytest.mark.parametrize("kind", ["tar", "xz", "gz"])
def test_what_stands_whole_before_the_damage_is_salvaged(tmp_path: Path, kind: str) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for number in range(40):
            info = tarfile.TarInfo(f"run/{number}")
            info.size = 30_000
            tar.addfile(info, io.BytesIO(bytes([number]) * info.size))
    data = out.getvalue()
    packed = lzma.compress(data) if kind == "xz" else gzip.compress(data) if kind == "gz" else data
    (tmp_path / "s.tar").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(SnapshotError):
        TarSource(tmp_path / "s.tar")
    source = TarSource(tmp_path / "s.tar", salvage=True)
    names = source.names()
    assert len(names) < 40
    assert all(source.read(name) == chr(int(name)) * 30_000 for name in names if int(name) < 0x80)
    assert names or kind != "tar"
