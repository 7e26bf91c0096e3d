"""Tars in memory: an index of the files, checked against limits before any file is unpacked.

A tar from elsewhere is hostile input. It is decompressed up to a limit, then its headers are read once: sizes count as
they are after unpacking, so that sparse members, which are small in the tar, count in full. Each file's bytes are cut
out when they are asked for.

Not read: links, devices, and names that lead out of the tar or that no file system could hold.
"""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from memtwin.errors import SnapshotError, quoted
from memtwin.sources.limits import ACCEPTED, MAX_FILE_BYTES, MAX_TAR_BYTES, is_inside

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MEMBERS: Final = 500_000
"""The most files, directories and links of a tar."""
MAX_HEADER_BYTES: Final = 1 << 20
"""The largest extended header (a long name, a PAX record, the map of a sparse file)."""
MAX_HOLES: Final = 1 << 16
"""The most pieces of a sparse file."""
MAX_PATH: Final = 4096
"""Characters of the longest name that is read (PATH_MAX)."""
_AGAIN: Final = "copy the file again"
_MAGIC: Final = {b"\xfd7zXZ\x00": "xz", b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_BLOCK: Final = tarfile.BLOCKSIZE
_HOLES_PER_BLOCK: Final = 21
_CHUNK_BYTES: Final = 1 << 18
_ZSTD_CHUNK_BYTES: Final = 1 << 8
"""Compressed bytes at a time: a block of 128 KiB may have as few as four."""


class File(NamedTuple):
    """Where a file's bytes lie in the tar; *pieces* are (offset in the file, bytes) of a sparse one."""

    start: int
    size: int
    pieces: tuple[tuple[int, int], ...] | None = None


class Archive:
    """The files of the tar *name* by path. With *salvage*, a damaged tar has those that end before the damage."""

    def __init__(self, name: str, *, salvage: bool = False) -> None:
        self._data = _unpacked(name, salvage=salvage)
        self.files = index(self._data, name, salvage=salvage)

    def read(self, path: str) -> bytes:
        """Return the bytes of the file at *path*; raise FileNotFoundError where there is none."""
        try:
            file = self.files[path]
        except KeyError:
            raise FileNotFoundError(path) from None
        return cut(self._data, file)


class _Member(tarfile.TarInfo):
    """A header, refused before the standard library reads more of it than is safe."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        is_header = self.type in _HEADER_TYPES
        if self.size < 0 or (is_header and self.size > MAX_HEADER_BYTES):
            raise tarfile.ReadError(f"a header of {self.size} bytes")
        return super()._proc_member(tar)  # type: ignore[misc,no-any-return]  # the entry point for subclasses

    def _proc_sparse(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        """Refuse an endless map of an old GNU sparse file."""
        file = tar.fileobj
        assert file is not None
        here, extended, blocks = file.tell(), self._sparse_structs[1], 0  # type: ignore[attr-defined]
        while extended:
            block = file.read(_BLOCK)
            blocks += 1
            if len(block) < _BLOCK or blocks * _HOLES_PER_BLOCK > MAX_HOLES:
                raise tarfile.ReadError("the map of a sparse file has no end")
            extended = bool(block[504])
        file.seek(here)
        return super()._proc_sparse(tar)  # type: ignore[misc,no-any-return]

    def _proc_gnusparse_10(self, member: tarfile.TarInfo, headers: dict[str, str], tar: tarfile.TarFile) -> None:
        """Refuse an endless map of a sparse file in PAX's form 1.0."""
        file = tar.fileobj
        assert file is not None
        here = file.tell()
        if int(file.read(_BLOCK).split(b"\n", 1)[0]) > MAX_HOLES:
            raise tarfile.ReadError("the map of a sparse file is too long")
        file.seek(here)
        super()._proc_gnusparse_10(member, headers, tar)  # type: ignore[misc]


_HEADER_TYPES: Final = {
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
}  # fmt: skip


def cut(data: bytes, file: File) -> bytes:
    """Return the bytes of *file* out of the plain tar *data*."""
    if file.pieces is None:
        return data[file.start : file.start + file.size]
    whole = bytearray(file.size)
    at = file.start
    for offset, size in file.pieces:
        whole[offset : offset + size] = data[at : at + size]
        at += size
    return bytes(whole)


def index(data: bytes, name: str, *, salvage: bool = False) -> dict[str, File]:
    """Return the files of the plain tar *data* by path; raise SnapshotError where it is damaged or over a limit."""
    files: dict[str, File] = {}
    try:
        for path, file in _members(data, name):
            files[path] = file  # noqa: PERF403 - those before the damage stay
    except SnapshotError:
        raise
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError) as error:
        if not salvage:
            raise SnapshotError(name, f"cut off or damaged: {error}", hint=_AGAIN) from error
    if not files and not salvage:
        raise SnapshotError(name, "a tar without files", hint=ACCEPTED)
    return files


def _members(data: bytes, name: str) -> Iterator[tuple[str, File]]:
    """Yield the regular files of a tar with their paths, and raise where it ends too early or is too large."""
    count = total = 0
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:", tarinfo=_Member) as tar:
        before = -1
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # a list that would grow with the tar
            count += 1
            if tar.offset <= before:
                raise tarfile.ReadError("a header that leads back")
            before = tar.offset
            if count > MAX_MEMBERS:
                raise SnapshotError(name, f"more than {MAX_MEMBERS:,} files")
            if member.isreg():
                total += member.size
                _refuse_size(member, total, name)
                path = "/".join([part for part in member.name.split("/") if part not in {"", "."}])
                if path and len(path) <= MAX_PATH and is_inside(member.name):
                    yield path, _file(member, len(data))
        end = data[tar.offset : tar.offset + _BLOCK]
    if end != bytes(_BLOCK):  # tarfile takes any garbage after the first file for the end
        raise tarfile.ReadError("the mark of a tar's end is missing")


def _refuse_size(member: tarfile.TarInfo, total: int, name: str) -> None:
    if member.size > MAX_FILE_BYTES:
        raise SnapshotError(name, f"{quoted(member.name)} is larger than {MAX_FILE_BYTES >> 20} MiB")
    if total > MAX_TAR_BYTES:
        raise SnapshotError(name, f"larger than {MAX_TAR_BYTES >> 20} MiB unpacked")


def _file(member: tarfile.TarInfo, length: int) -> File:
    """Return where the bytes of *member* lie in a tar of *length* bytes."""
    sparse: list[tuple[int, int]] | None = getattr(member, "sparse", None)
    pieces = None if sparse is None else tuple(sparse)
    packed = member.size if pieces is None else sum(size for _, size in pieces)
    if pieces is not None and any(at < 0 or size < 0 or at + size > member.size for at, size in pieces):
        raise tarfile.ReadError("the map of a sparse file leads out of it")
    if member.offset_data < 0 or member.offset_data + packed > length:
        raise EOFError(f"the end of {quoted(member.name)} is missing")
    return File(member.offset_data, member.size, pieces)


def _unpacked(name: str, *, salvage: bool) -> bytes:
    """Return the bytes of a tar, decompressed whole, so that damage shows before anything is believed."""
    import gzip
    import lzma
    import zlib

    out = io.BytesIO()
    try:
        with open(name, "rb") as file:
            for chunk in _plain(file, name):
                out.write(chunk)
                if out.tell() > MAX_TAR_BYTES:
                    raise SnapshotError(name, f"larger than {MAX_TAR_BYTES >> 20} MiB unpacked")
    except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
        if not salvage:
            raise SnapshotError(name, f"cut off or damaged: {error}", hint=_AGAIN) from error
    except OSError as error:
        raise SnapshotError(name, f"cannot be read: {error.strerror or error}", hint=ACCEPTED) from error
    data = out.getvalue()
    if len(data) < _BLOCK or not _begins_as_tar(data):
        raise SnapshotError(name, "not a tar", hint=ACCEPTED)
    return data


def _begins_as_tar(data: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(data[:_BLOCK], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _plain(file: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the plain bytes of *file*, by what its first bytes say (never by its name)."""
    start = file.read(6)
    file.seek(0)
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)
    if kind == "zstd":
        yield from _zstd(file, name)
        return
    plain = file
    if kind == "xz":
        import lzma

        plain = lzma.LZMAFile(file)  # type: ignore[assignment]  # noqa: SIM115 - its file is the caller's to close
    elif kind == "gzip":
        import gzip

        plain = gzip.GzipFile(fileobj=file)  # type: ignore[assignment]  # BinaryIO in all but name
    while chunk := plain.read1(_CHUNK_BYTES):  # type: ignore[attr-defined]  # what comes before damage comes
        yield chunk


def _zstd(file: BinaryIO, name: str) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError as error:
        hint = "pip install 'memtwin[zstd]'"
        raise SnapshotError(name, "compressed with zstd, which needs an extra", hint=hint) from error
    unpack = zstandard.ZstdDecompressor().decompressobj()
    try:
        while not unpack.eof:
            chunk = file.read(_ZSTD_CHUNK_BYTES)
            if not chunk:
                raise EOFError("the end of the zstd frame is missing")
            yield unpack.decompress(chunk)
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from error
