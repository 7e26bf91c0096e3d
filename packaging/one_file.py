"""Write ``memtwin.pyz``: every view, and what they need of other packages, as one file for any Python >= 3.11.

    make zipapp
    scp build/memtwin.pyz server:
    ssh server python3 memtwin.pyz free --explain

Nothing in it is compiled: no model (its commands say so), and MessagePack by the pure part of msgpack. The packages are
taken as they are installed beside this Python, so that their versions are the locked ones.
"""

from __future__ import annotations

import sys
import tempfile
import zipapp
from importlib.metadata import files
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
PACKAGES = ("click", "msgpack")
MAIN = """\
import sys

if sys.version_info < (3, 11):
    sys.exit("memtwin.pyz needs Python 3.11 or newer, this is " + sys.version.split()[0])
from memtwin.cli import main

sys.exit(main())
"""
KEPT_OF_CORE = {"linux/__init__.py", "linux/core/__init__.py"}
"""What says that the core is not there."""
DATA = {".py", ".toml", ".xz", ".typed"}


def main() -> None:
    """Write the file that is named, build/memtwin.pyz by default."""
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "build/memtwin.pyz")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        stage = Path(name)
        for path, text in {**own(), **others()}.items():
            (stage / path).parent.mkdir(parents=True, exist_ok=True)
            (stage / path).write_bytes(text)
        (stage / "__main__.py").write_text(MAIN)
        zipapp.create_archive(stage, target, interpreter="/usr/bin/env python3", compressed=True)
    print(f"{target}: {target.stat().st_size >> 10:,} KiB")


def own() -> dict[str, bytes]:
    """Return the files of memtwin without the core."""
    package = SOURCE / "memtwin"
    paths = [path.relative_to(package) for path in sorted(package.rglob("*")) if path.suffix in DATA]
    kept = [path for path in paths if path.parts[0] != "linux" or path.as_posix() in KEPT_OF_CORE]
    return {f"memtwin/{path}": (package / path).read_bytes() for path in kept}


def others() -> dict[str, bytes]:
    """Return the Python files of the packages, and what says under which licence they are."""
    found = {}
    for package in PACKAGES:
        for path in files(package) or []:
            if path.suffix == ".py" or "licenses" in path.parts or path.name in {"COPYING", "LICENSE", "LICENSE.txt"}:
                found[str(path)] = Path(str(path.locate())).read_bytes()
    return {path: text for path, text in found.items() if ".." not in path}


if __name__ == "__main__":
    main()
