"""What the guest says through QEMU's debug console, and the recording that becomes of it."""

from __future__ import annotations

import io
import json
import re
import shutil
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

WRITTEN: Final = 1_704_067_200
"""The time of every file in a recording: the guest's clock starts there too."""


@dataclass(slots=True)
class Told:
    """What came: files by path, one object an operation, errors, and whether the guest came to its end."""

    files: dict[str, bytes] = field(default_factory=dict)
    ops: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    complete: bool = False


def decode(out: bytes) -> Told:
    """Read the stream: lines ``@F CHECKPOINT PATH``, ``@D N`` and N bytes, ``@O JSON``, ``@E WORDS``, ``@Z``."""
    told, at, path = Told(), 0, ""
    while (end := out.find(b"\n", at)) >= 0:
        head, at = out[at:end].decode(errors="replace"), end + 1
        kind, _, rest = head.partition(" ")
        if kind == "@F":
            path = rest.replace(" ", "/", 1)
            told.files.setdefault(path, b"")
        elif kind == "@D":
            told.files[path] += out[at : at + int(rest)]
            at += int(rest)
        elif kind == "@O":
            told.ops.append(json.loads(rest))
        elif kind == "@E":
            told.errors.append(rest)
        elif kind == "@Z":
            told.complete = True
    return told


def dmesg(kmsg: bytes) -> bytes:
    """Return the records of /dev/kmsg as dmesg prints them."""
    lines = []
    for record in kmsg.decode(errors="replace").splitlines():
        match = re.match(r"\d+,\d+,(\d+),[^;]*;(.*)", record)
        if match:
            seconds, micros = divmod(int(match[1]), 1_000_000)
            text = match[2].replace("\\x0a", "\n")
            lines.append(f"[{seconds:5d}.{micros:06d}] {text}\n")
    return "".join(lines).encode()


def write(recording: Mapping[str, bytes], out: Path, *, as_dir: bool) -> None:
    """Write a recording as the directory *out*, or as *out*.tar.xz."""
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out, ignore_errors=True)
    if as_dir:
        for name, data in recording.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return
    partial = out.with_name(f"{out.name}.tar.xz.partial")
    with tarfile.open(partial, "w:xz", preset=6) as tar:
        for name in sorted(recording):
            info = tarfile.TarInfo(f"{out.name}/{name}")
            info.size, info.mtime = len(recording[name]), WRITTEN
            tar.addfile(info, io.BytesIO(recording[name]))
    partial.rename(out.with_name(f"{out.name}.tar.xz"))
