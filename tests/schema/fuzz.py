"""Coverage-guided fuzzing of the /proc, /sys and cgroup readers (``make fuzz``): a record that can be
printed, or a ProcParseError; nothing else, whatever the bytes.

The first byte chooses the reader, the rest is the file. It needs atheris, which has an environment of its own.
"""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

import atheris  # type: ignore[import-not-found]

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
with atheris.instrument_imports(include=["memtwin.procfs", "memtwin.sysfs", "memtwin.cgroupfs"]):
    from kinds import MODULES

from memtwin.errors import ProcParseError

READERS = tuple(MODULES.values())


def one(data: bytes) -> None:
    """Read one text with one reader."""
    module = READERS[data[0] % len(READERS)] if data else READERS[0]
    text = data[1:].decode(errors="surrogateescape")
    try:
        record = module.parse(text, "fuzz")
    except ProcParseError:
        return
    module.render(record)


def sow(directory: Path) -> None:
    """Write what a recorded kernel printed, one file a reader, to begin from."""
    from conftest import WRITTEN, kind_of

    kinds = list(MODULES)
    texts = {kind: texts[0].encode() for kind, texts in WRITTEN.items()}
    for scenario in ("03-anon-swap-disk", "05-zram-text"):
        with tarfile.open(Path(__file__).parents[1] / "recordings" / scenario / "run1.tar.xz") as tar:
            for member in tar:
                kind, file = kind_of(member.name), tar.extractfile(member)
                if file is not None and kind in MODULES:
                    texts.setdefault(kind, file.read())
    directory.mkdir(parents=True, exist_ok=True)
    for kind, text in texts.items():
        (directory / kind.replace("/", "-")).write_bytes(bytes([kinds.index(kind)]) + text)


if __name__ == "__main__":
    sow(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
