"""How near what is read of a heap from outside is to what glibc says, and what a look costs.

python benchmarks/glibc_heap.py [ROOT ...]

A ROOT has another glibc: a libc6 package, unpacked (dpkg-deb -x); its programs are run by its own ld.so. One that is
older than this machine's also needs libc6-dev and linux-libc-dev there, and a relative link in lib64. Each row is one
program with 100 MB of blocks: what malloc has free against mallinfo2 (mallinfo before 2.33), what malloc_trim(0) then
gives up against what was foreseen, the CPU time of a look for each 100 MB, and what of the program was otherwise after
the look. The last row allocates and frees all the time: how many of twenty looks had a figure, and how many said that
it changes too fast.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from memtwin.procfs.pid import smaps_rollup
from memtwin.sources.glibc_heap import Kept, kept
from memtwin.sources.process_memory import ProcessMemory

SOURCE = Path(__file__).parents[1] / "tests/trials/heap.c"
LOADER = "ld-linux-x86-64.so.2"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
MODES = ("live", "half", "most", "small", "shuffled", "threads")
MB = 100
LOOKS = 20
SETTLE_S = 0.5
"""Until all its threads sleep: before that its RSS moves by itself."""
ROWS = ("VmRSS", "VmSwap", "VmPTE", "VmHWM", "TracerPid")


def words_of(root: Path | None, where: Path) -> tuple[str, list[str]]:
    """Compile the program for a glibc; return that one's version, and how it is started."""
    program = where / f"heap{len(list(where.iterdir()))}"
    own: list[str] = []
    if root is not None and (root / "usr/include/malloc.h").exists():
        places = [f"{root}/{LIBRARIES}", f"{root}/lib/x86_64-linux-gnu"]
        own = ["-DOLD_LIBC", f"--sysroot={root}", f"-B{places[0]}/", *(f"-L{one}" for one in places)]
        own += ["-Wl,--no-as-needed", "-l:libpthread.so.0", "-Wl,--as-needed"]
    subprocess.run(["gcc", "-O1", "-pthread", "-o", program, SOURCE, *own], check=True)
    if root is None:
        version = subprocess.run(["ldd", "--version"], capture_output=True, text=True, check=True).stdout
        return re.findall(r"[0-9]+\.[0-9]+", version)[0], [str(program)]
    loader = next(one for one in root.rglob(LOADER) if one.exists() or one.is_symlink())
    library = next(root.rglob("libc.so.6")).parent
    loader = library / LOADER if (library / LOADER).exists() else loader.resolve()
    version = subprocess.run([loader, library / "libc.so.6"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"version ([0-9.]+[0-9])", version)
    return found[1] if found else "?", [str(loader), "--library-path", str(library), str(program)]


def started(words: list[str], mode: str) -> tuple[subprocess.Popen[str], list[int]]:
    """Start a program; return it and what it says of its heap."""
    process = subprocess.Popen([*words, mode, str(MB)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    said = [int(word) for word in process.stdout.readline().split()]
    time.sleep(SETTLE_S)
    return process, said


def looked(pid: int) -> tuple[object, float]:
    """Look at a heap; return what was found, and how many seconds of CPU time it took."""
    begin = time.thread_time()
    memory = ProcessMemory(pid)
    try:
        return kept(memory), time.thread_time() - begin
    finally:
        memory.close()


def rss_kib(pid: int) -> int:
    """Return what its page tables say that a program has."""
    path = f"/proc/{pid}/smaps_rollup"
    return smaps_rollup.parse(Path(path).read_text(), path).rows["Rss"]


def state(pid: int) -> dict[str, str]:
    """Return the rows of a program's status that a look may not change."""
    lines = [line.split(":") for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return {words[0]: words[1].strip() for words in lines if words[0] in ROWS}


def row(words: list[str], mode: str) -> tuple[str, ...]:
    """Return the figures of one program."""
    process, (free, system, _) = started(words, mode)
    try:
        before, rss = state(process.pid), rss_kib(process.pid)
        found, seconds = looked(process.pid)
        after = state(process.pid)
        if not isinstance(found, Kept):
            return (mode, str(found), "", "", "", "")
        assert process.stdin
        assert process.stdout
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        given = (rss - rss_kib(process.pid)) << 10
        other = [f"{name} {before[name]} -> {after[name]}" for name in before if before[name] != after[name]]
        off = abs(found.free_bytes - free)
        trim = f"{100 * (found.trim_bytes / given - 1):+.2f} % of {given / 1e6:.1f} MB" if given > 1 << 20 else "none"
        return (
            mode,
            str(found.arenas),
            f"{off:,} of {free:,} B",
            trim if found.trim_bytes > 1 << 20 or given > 1 << 20 else "none, none foreseen",
            f"{1000 * seconds / (system / 100e6):.0f} ms",
            ", ".join(other) or "nothing",
        )
    finally:
        process.kill()
        process.communicate()


def busy(words: list[str]) -> tuple[str, ...]:
    """Return how looks at a program that never rests end."""
    process, _ = started(words, "busy")
    try:
        found = [looked(process.pid) for _ in range(LOOKS)]
        is_there = process.poll() is None
    finally:
        process.kill()
        process.communicate()
    good = sum(isinstance(one, Kept) for one, _ in found)
    longest = max(seconds for _, seconds in found)
    end = f"{good} of {LOOKS} with a figure, {LOOKS - good} change too fast"
    return ("busy", "1", end, "", f"{1000 * longest:.0f} ms at most", "it goes on" if is_there else "it ended")


def main() -> None:
    """Print a table of this machine's glibc, and of those that are given."""
    if os.geteuid():
        print("run as root, or with ptrace rights over one's own processes")
    print("| glibc | program | arenas | free, off by | malloc_trim(0), foreseen | a look | changed by it |")
    print("|---|---|---|---|---|---|---|")
    where = Path(tempfile.mkdtemp())
    try:
        for root in (None, *(Path(one).resolve() for one in sys.argv[1:])):
            version, words = words_of(root, where)
            for cells in (*(row(words, mode) for mode in MODES), busy(words)):
                print(f"| {version} | {' | '.join(cells)} |", flush=True)
    finally:
        shutil.rmtree(where)


if __name__ == "__main__":
    main()
