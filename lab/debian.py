"""The data disk of the second guest: a Debian root file system with the packages that its programs need."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kernel import CACHE, archive, command

if TYPE_CHECKING:
    from collections.abc import Sequence

SUITE: Final = "bookworm"
_ROOM_MIB: Final = 1024
"""What programs may write beside the system."""


def disk(packages: Sequence[str]) -> Path:
    """Return the ext4 image of a minimal Debian with *packages*, made with debootstrap unless it is in the cache."""
    digest = hashlib.sha256(" ".join([SUITE, *sorted(packages)]).encode()).hexdigest()[:16]
    image = CACHE / f"debian-{digest}.img"
    if image.exists():
        return image
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        tree, partial = Path(scratch) / "tree", Path(scratch) / "image"
        include = [f"--include={','.join(packages)}"] if packages else []
        command("debootstrap", "--variant=minbase", *include, SUITE, str(tree), archive())
        for kept in ("var/cache/apt/archives", "var/lib/apt/lists"):
            shutil.rmtree(tree / kept, ignore_errors=True)
        size_mib = int(command("du", "-sm", str(tree)).split()[0])
        command(
            "mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard",
            "-d", str(tree), str(partial), f"{size_mib * 9 // 8 + _ROOM_MIB}M",
        )  # fmt: skip
        partial.with_suffix(".versions").write_text(_versions(tree))
        partial.with_suffix(".versions").rename(image.with_suffix(".versions"))
        partial.rename(image)
    return image


def versions(image: Path) -> dict[str, str]:
    """Return the packages of a disk and their versions."""
    lines = image.with_suffix(".versions").read_text().splitlines()
    return dict(sorted(line.split(" ") for line in lines))


def _versions(tree: Path) -> str:
    shown = "--showformat=${Package} ${Version}\\n"
    return subprocess.check_output(["dpkg-query", f"--admindir={tree}/var/lib/dpkg", "--show", shown], text=True)
