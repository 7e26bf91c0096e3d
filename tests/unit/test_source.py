"""Does a source give what lies below its root, and nothing else, from directories and tars?"""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from memtwin.errors import ProcParseError, SnapshotError
from memtwin.procfs import meminfo, pressure
from memtwin.sources.opening import open_source
from memtwin.sources.source import DirectorySource, load

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "proc/meminfo": "MemTotal:         223608 kB\n",
    "proc/pressure/memory": "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n",
}


def plain_tar(files: dict[str, str], top: str = "") -> bytes:
    """Return a tar of *files*, below the directory *top* if there is one."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{top}{path}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def compressed(data: bytes, kind: str) -> bytes:
    """Return *data* as tar, xz, gz or zst."""
    if kind == "xz":
        import lzma

        return lzma.compress(data)
    if kind == "gz":
        import gzip

        return gzip.compress(data)
    return pytest.importorskip("zstandard").ZstdCompressor().compress(data) if kind == "zst" else data


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory that holds FILES."""
    where = tmp_path / "snapshot"
    for path, text in FILES.items():
        (where / path).parent.mkdir(parents=True, exist_ok=True)
        (where / path).write_text(text)
    return where


def test_directory(root: Path) -> None:
    """A directory's files are read and listed; what is absent is None, and the reason is kept."""
    source = open_source(root)
    assert {path: source.read(path) for path in FILES} == FILES
    assert source.names("proc") == ["meminfo", "pressure"]
    assert source.names("nowhere") == []
    assert source.read("proc/vmstat") is None
    assert source.unread == {"proc/vmstat": "absent"}


@pytest.mark.parametrize("kind", ["tar", "xz", "gz", "zst"])
@pytest.mark.parametrize("top", ["", "./", "run1/", "./run1/"])
def test_tar(tmp_path: Path, kind: str, top: str) -> None:
    """Every compression, told by content and not by name, with and without a top directory, reads alike."""
    where = tmp_path / "snapshot.bin"
    where.write_bytes(compressed(plain_tar(FILES, top), kind))
    source = open_source(where)
    assert {path: source.read(path) for path in FILES} == FILES
    assert source.names("proc/pressure") == ["memory"]
    assert source.read("proc/vmstat") is None


@pytest.mark.parametrize("kind", ["tar", "xz", "gz", "zst"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated_tar(tmp_path: Path, kind: str, part: float) -> None:
    """A tar that was cut off within its files is a SnapshotError that names it."""
    many = {f"proc/file{n}": os.urandom(400).hex() for n in range(26)}
    data = compressed(plain_tar(many), kind)
    where = tmp_path / "cut.tar"
    where.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(SnapshotError, match=r"cut\.tar"):
        open_source(where)


@pytest.mark.parametrize("content", [b"", b"no tar at all", b"\0" * 10_240, b"\xfd7zXZ\x00 no xz"])
def test_not_a_tar(tmp_path: Path, content: bytes) -> None:
    """A file that is no tar, or an empty one, is a SnapshotError with a hint or a reason."""
    where = tmp_path / "file"
    where.write_bytes(content)
    with pytest.raises(SnapshotError):
        open_source(where)


@pytest.mark.parametrize("where", ["/nowhere/at/all", "nul\0byte"])
def test_absent_snapshot(where: str) -> None:
    """What is not there at all is a SnapshotError that says what would do."""
    with pytest.raises(SnapshotError) as caught:
        open_source(where)
    assert caught.value.hint


@pytest.mark.parametrize("path", ["../secret", "proc/../../secret", "/etc/passwd", "proc/nul\0byte"])
def test_paths_do_not_lead_out(root: Path, path: str) -> None:
    """A path that steps up, or starts at the root, reads nothing, from a part of a source too."""
    (root.parent / "secret").write_text("secret")
    for source in (open_source(root), open_source(root).sub("proc")):
        assert source.read(path) is None
        assert path in source.unread


def test_links_do_not_lead_out(root: Path) -> None:
    """A link is followed within the snapshot and counts as absent if it leads out."""
    (root.parent / "secret").write_text("secret")
    (root / "proc/out").symlink_to(root.parent / "secret")
    (root / "proc/in").symlink_to("meminfo")
    source = open_source(root)
    assert source.read("proc/out") is None
    assert source.read("proc/in") == FILES["proc/meminfo"]


def test_tar_links_and_escapes_are_passed_over(tmp_path: Path) -> None:
    """A tar's links and names that lead out are not there; its other files are."""
    out = io.BytesIO(plain_tar(FILES | {"../escape": "x", "/absolute": "x"}))
    with tarfile.open(fileobj=out, mode="a") as tar:
        link = tarfile.TarInfo("proc/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    where = tmp_path / "bad.tar"
    where.write_bytes(out.getvalue())
    source = open_source(where)
    assert source.names() == ["proc"]
    assert source.names("proc") == ["meminfo", "pressure"]


def test_special_files_are_not_read(root: Path) -> None:
    """A named pipe does not hang the reader, and a directory is no file."""
    os.mkfifo(root / "proc/pipe")
    source = DirectorySource(root)
    assert source.read("proc/pipe") is None
    assert source.read("proc") is None


def test_load(root: Path) -> None:
    """A module's PATH is filled and read; an absent file is None; an error names the file."""
    source = open_source(root)
    record = load(source, meminfo)
    assert record is not None
    assert record["MemTotal"] == 223608
    assert load(source, pressure, resource="memory") is not None
    assert load(source, pressure, resource="io") is None
    (root / "proc/meminfo").write_text("MemTotal: much\n")
    with pytest.raises(ProcParseError, match=r"snapshot/proc/meminfo:1: expected"):
        load(source, meminfo)


def test_sub(root: Path) -> None:
    """A part of a source reads as a source of its own and names its files in full."""
    part = open_source(root).sub("proc")
    assert part.read("meminfo") == FILES["proc/meminfo"]
    assert part.names() == ["meminfo", "pressure"]
    assert part.label("meminfo").endswith("snapshot/proc/meminfo")
    assert part.read("vmstat") is None


def test_undecodable_bytes_are_kept(root: Path) -> None:
    """A byte that is no UTF-8 comes back when the text is encoded again."""
    (root / "proc/odd").write_bytes(b"\xff\n")
    text = open_source(root).read("proc/odd")
    assert text is not None
    assert text.encode(errors="surrogateescape") == b"\xff\n"


@pytest.mark.parametrize("path", ["proc/\0", "proc/\ud800", "../proc/meminfo", "/proc/meminfo"])
def test_what_is_no_path_below_the_root_is_absent(tmp_path: Path, path: str) -> None:
    """Names may come from JSON, which has characters that no file's name has."""
    source = DirectorySource(tmp_path)
    assert (source.read(path), source.names(path), source.folders(path), source.link(path)) == (None, [], [], None)
    assert source.unread[path] == "absent"


def test_an_error_of_the_program_is_never_an_absent_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the system's errors say that a file cannot be read."""

    def fail(*_: object) -> bytes:
        raise ValueError("a slip")

    monkeypatch.setattr(DirectorySource, "_bytes", fail)
    with pytest.raises(ValueError, match="a slip"):
        DirectorySource("/").read("proc/meminfo")
