"""What the guest boots from and works on: its programs, the initial file system, the disks."""

from __future__ import annotations

import hashlib
import io
import json
import random
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from kernel import CACHE, command

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from memtwin.scenario import FileDef

LAB: Final = Path(__file__).parent
PAGE_BYTES: Final = 4096
Entry = tuple[str, int, bytes | tuple[int, int]]
"""Of the initial file system: a path, its mode, and its content or, of a device, its numbers."""


class Program(NamedTuple):
    """A program of the guest: a static binary, the hash of it, and its ELF headers as readelf prints them."""

    binary: bytes
    digest: str
    headers: str


@cache
def program(source: Path) -> Program:
    """Compile a program of the guest; the same source, compiler and library give the same bytes."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        out = Path(scratch) / source.stem
        flags = ["-O2", "-w", "-static", "-Wl,--build-id=none", *(["-pthread"] if source.stem == "heap" else [])]
        command("gcc", *flags, "-o", str(out), source.name, cwd=source.resolve().parent)
        command("strip", str(out))
        binary = out.read_bytes()
        headers = command("readelf", "--wide", "--file-header", "--program-headers", str(out))
    return Program(binary, hashlib.sha256(binary).hexdigest()[:16], headers)


def cpio(entries: Iterable[Entry]) -> bytes:
    """Return a newc archive, as the kernel unpacks it into its root."""
    archive = io.BytesIO()
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        device, body = (data, b"") if isinstance(data, tuple) else ((0, 0), data)
        path = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(body), 0, 0, *device, len(path), 0)
        archive.write(b"070701" + b"".join(b"%08X" % field for field in fields) + path)
        archive.write(b"\0" * (-(110 + len(path)) % 4))
        archive.write(body + b"\0" * (-len(body) % 4))
    return archive.getvalue()


def data_disk(files: Sequence[FileDef]) -> Path:
    """Return the ext4 image that holds *files*; the same files give the same image, file system UUID included."""
    told = [{"name": file.name, "bytes": file.size_bytes, "content": file.content} for file in files]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode() + b"v2").hexdigest()[:16]
    image = CACHE / f"data-{digest}.img"
    if image.exists():
        return image
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        tree, partial = Path(scratch) / "tree", Path(scratch) / "image"
        tree.mkdir()
        block = random.Random(1).randbytes(1 << 20)
        for file in files:
            with (tree / file.name).open("wb") as out:
                if file.content == "zero":
                    out.truncate(file.size_bytes)
                for done in range(0, file.size_bytes if file.content == "random" else 0, len(block)):
                    out.write(block[: file.size_bytes - done])
        total = sum(file.size_bytes for file in files)
        features = "lazy_itable_init=0,lazy_journal_init=0,nodiscard,hash_seed=6d656d6c-6162-4000-8000-000000000002"
        command(
            "mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-I", "256",
            "-U", "6d656d6c-6162-4000-8000-000000000001", "-E", features, "-d", str(tree),
            str(partial), f"{(total + total // 16 >> 20) + 512}M",
        )  # fmt: skip
        partial.rename(image)
    return image


def swap_disk(path: Path, size_bytes: int) -> None:
    """Write a sparse swap partition: a version-1 header and nothing else."""
    with path.open("wb") as out:
        out.truncate(size_bytes)
        out.seek(1024)
        out.write((1).to_bytes(4, "little") + (size_bytes // PAGE_BYTES - 1).to_bytes(4, "little"))
        out.seek(PAGE_BYTES - 10)
        out.write(b"SWAPSPACE2")
