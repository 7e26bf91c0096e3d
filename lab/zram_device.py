#!/usr/bin/env python3
"""What a real zram device makes of files: a guest writes each to /dev/zram0 and prints mm_stat.

    .venv/bin/python lab/zram_device.py 6.1 lzo,lzo-rle,lz4,zstd            # of the contents of the oracle test
    .venv/bin/python lab/zram_device.py 6.12 lz4,zstd FILE...               # of files

Prints a line an algorithm and a file: the release, the algorithm, the name, the first three numbers of mm_stat (bytes).
``tests/oracle/zram_device.tsv`` is what it printed of :func:`contents`. Debian's kernel 6.12 has no lzo.
"""

from __future__ import annotations

import lzma
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import images
import kernel
import record
from contents import page

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDINGS: Final = Path(__file__).resolve().parents[1] / "tests" / "recordings"
_TARS: Final = ("01-boot-idle", "05-zram-text", "10-file-once", "22-fork-cow", "35-zram-then-disk-small", "90-forks")
_LIMIT_S: Final = 600


def contents() -> dict[str, bytes]:
    """Return contents that are the same on every machine: texts, records, archives, and the scenario language's own."""
    tars = [(RECORDINGS / name / "run1.tar.xz").read_bytes() for name in _TARS]
    texts = b"".join(lzma.decompress(tar) for tar in tars)
    words = b"".join(page(content, 3, number) for number in range(400) for content in ("text", "half", "zero", "mark"))
    return {"texts": texts, "records": b"".join(_records()), "archives": b"".join(tars), "words": words}


def _records() -> Iterator[bytes]:
    """Yield objects as a program's heap has them: pointers near each other, small numbers, short names, room left."""
    draws = random.Random(7)
    for number in range(30_000):
        at = 0x7F3A_0000_0000 + number * 112
        name = draws.choice((b"alpha", b"node", b"memory", b"index", b"value")) + str(draws.randrange(1000)).encode()
        yield struct.pack(
            "<QQQIIq24sdQ16x", at, at - draws.randrange(1 << 16) * 16, draws.choice((0, at + 112)), draws.randrange(9),
            draws.randrange(1 << 12), draws.randrange(-3, 1 << 20), name, draws.random(), 0xFFFF_FFFF_FFFF_FFFF,
        )  # fmt: skip


def measured(profile: str, algorithms: list[str], files: dict[str, bytes]) -> Iterator[str]:
    """Yield a line an algorithm and a file."""
    root, release = kernel.fetch(profile)
    modules = kernel.Modules(root, release)
    order = modules.in_order(["zram", "lzo", "lzo-rle", "lz4", "zstd"])
    lists = {"modules": "".join(f"/m/{name}.ko\n" for name in order), "algorithms": "\n".join([*algorithms, ""])}
    folders = [(name, 0o40755, b"") for name in ("dev", "m", "contents")]
    entries: list[images.Entry] = [
        ("init", 0o100755, images.program(Path(__file__).with_name("zram.c")).binary),
        *folders,
    ]
    entries += [("dev/console", 0o20600, (5, 1)), *((name, 0o100644, text.encode()) for name, text in lists.items())]
    entries += [(f"m/{name}.ko", 0o100644, modules.data(name)) for name in order]
    ram_mib = 256 + 4 * (sum(map(len, files.values())) >> 20)
    padded = {name: data + b"\0" * (-len(data) % images.PAGE_BYTES) for name, data in files.items()}
    entries += [(f"contents/{name}", 0o100644, data) for name, data in padded.items()]
    with tempfile.TemporaryDirectory(dir=kernel.CACHE) as scratch:
        (Path(scratch) / "initrd").write_bytes(images.cpio(entries))
        image = next((root / "boot").glob("vmlinuz-*"))
        words = [
            record.QEMU, "-accel", record.accelerator("auto"), "-M", "pc", "-nodefaults", "-no-user-config", "-display",
            "none", "-no-reboot", "-cpu", record.TCG_CPU[profile], "-m", str(ram_mib),
            "-kernel", str(image), "-initrd", f"{scratch}/initrd", "-append", record.CMDLINE.format(thp="never"),
            "-serial", f"file:{scratch}/console", "-chardev", f"file,id=out,path={scratch}/out",
            "-device", "isa-debugcon,iobase=0xe9,chardev=out",
        ]  # fmt: skip
        subprocess.run(words, check=True, timeout=_LIMIT_S)
        lines = (Path(scratch) / "out").read_text().splitlines()
    if lines[-1:] != ["end"]:
        raise SystemExit("\n".join(lines[-3:]))
    for line in lines[:-1]:
        yield "\t".join([release, *line.split()[:5]])


def main() -> None:
    """Print what the guest measured."""
    profile, algorithms, *paths = sys.argv[1:]
    files = {Path(path).name: Path(path).read_bytes() for path in paths} or contents()
    print("\n".join(measured(profile, algorithms.split(","), files)))


if __name__ == "__main__":
    main()
