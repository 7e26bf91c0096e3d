"""What every run and every view prints, as digests: a change of layout must not move one of them.

``make fingerprint`` runs each recorded scenario from its own boot snapshot, and each view in each form over saved
machines, and compares the digests with those of ``tests/fingerprint/digests.tsv``; it names what moved. With
``--move`` it writes them anew: the commit that does so names the files that changed and the reason.

A run has one line for its directory (every file but ``run.json``'s version of the program), and one for its story.
A view has one line for each root and each set of options; exit code and stderr are part of it.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DIGESTS = HERE / "digests.tsv"
RECORDINGS = Path("tests/recordings")
SCENARIOS = Path("scenarios")
VIEWS = (
    "account", "buddyinfo", "free", "limits", "loadavg", "meminfo", "pressure", "ps", "slabtop", "swaps", "swapuse",
    "vmstat", "zoneinfo",
)  # fmt: skip
FORMS = ("", "--json", "--csv", "--openmetrics")
MORE = (
    "free --explain", "free -h", "free -b -t -w", "free -L", "free --as htop", "meminfo --explain",
    "meminfo --explain MemAvailable", "ps --explain", "slabtop --explain", "swaps --explain", "swaps --bytes --raw",
    "swaps --show=NAME,PRIO,USED", "vmstat --explain", "vmstat -s", "vmstat -a", "vmstat -w", "vmstat -d", "vmstat -D",
    "vmstat -m", "vmstat -f", "slabtop -o -s c", "buddyinfo --order 4", "buddyinfo --order 9 --json",
    "oom --live", "oom --live --json",
)  # fmt: skip
VIEWED = ("03-anon-swap-disk", "107-oom-four-adj", "113-zswap-limit", "22-fork-cow.k612", "35-zram-then-disk-small")
"""Recordings whose last checkpoint the views are asked about, beside the boot of the first."""
LOGS = ("26-oom-noswap", "107-oom-four-adj", "118-oom-zram-text")
"""Recordings whose kernel log the post-mortem reads."""
VERSION = re.compile(r'("?(?:memtwin|twin)"?[": ]+)\d+\.\d+[^",\s]*')
"""The program's own version, which moves with a release and says nothing of the model."""


def digest(parts: Iterable[str]) -> str:
    """Return 16 hexadecimal digits of the parts, the program's version taken out."""
    found = hashlib.sha256()
    for part in parts:
        found.update(VERSION.sub(r"\1VERSION", part).encode(errors="surrogateescape") + b"\0")
    return found.hexdigest()[:16]


def runs(name: str) -> Iterator[tuple[str, str]]:
    """Yield the digests of one scenario: a recording's from its own boot, or a file's on the machine of its header."""
    from subjects import run_texts

    files, story = run_texts(ROOT / name)
    yield f"run {name}", digest(f"{path}\n{text}" for path, text in sorted(files.items()))
    yield f"story {name}", digest([story])


def views(root: str) -> Iterator[tuple[str, str]]:
    """Yield the digests of every view over *root*, a checkpoint of a recording."""
    commands = [f"{view} {form}".strip() for view in VIEWS for form in FORMS]
    for command in (*commands, *MORE):
        yield f"view {command} --root {root}", digest(_output(*command.split(), "--root", root))


def post_mortems(name: str) -> Iterator[tuple[str, str]]:
    """Yield the digests of what the post-mortem says of a recording's kernel log."""
    run = first_run(name)
    for form in ("", "--json"):
        yield f"oom {name} {form}".strip(), digest(_output("oom", "--run", run, *form.split()))


def first_run(name: str) -> str:
    """Return the path of a recording's first run, from the tree's root."""
    return str(min((RECORDINGS / name).glob("run*.tar.xz")))


def last_checkpoint(run: str) -> str:
    """Return ``RUN@LABEL`` of a recording's last checkpoint."""
    from subjects import checkpoints

    return f"{run}@{checkpoints(run)[-1]}"


def _output(*words: str) -> tuple[str, ...]:
    from memtwin.cli import main

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(words))
    return str(code), out.getvalue(), err.getvalue()


def jobs() -> list[tuple[str, str]]:
    """Return every piece of work as the name of a function and its argument, the longest first."""
    scenarios = [str(path) for path in sorted(SCENARIOS.glob("*.mem"))]
    recordings = [str(path) for path in sorted(RECORDINGS.iterdir()) if path.is_dir()]
    roots = [f"{first_run(VIEWED[0])}@boot", *(last_checkpoint(first_run(name)) for name in VIEWED)]
    work = [("runs", name) for name in (*scenarios, *recordings)]
    return [*work, *(("views", root) for root in roots), *(("post_mortems", name) for name in LOGS)]


def carry_out(job: tuple[str, str]) -> list[tuple[str, str]]:
    """Return the digests of one piece of work."""
    os.chdir(ROOT)
    os.environ.update(COLUMNS="100", LC_ALL="C.UTF-8", TZ="UTC", NO_COLOR="1")
    return list({"runs": runs, "views": views, "post_mortems": post_mortems}[job[0]](job[1]))


def main() -> int:
    """Compare, or with ``--move`` write."""
    os.chdir(ROOT)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        now = dict(pair for pairs in pool.map(carry_out, jobs()) for pair in pairs)
    if "--move" in sys.argv[1:]:
        DIGESTS.write_text("".join(f"{value}\t{name}\n" for name, value in sorted(now.items())))
        print(f"{len(now)} digests written")
        return 0
    lines = (line.split("\t") for line in DIGESTS.read_text().splitlines())
    before = {name: value for value, name in lines}
    moved = sorted(name for name in before | now if before.get(name) != now.get(name))
    for name in moved:
        print(f"moved: {name}" if name in before and name in now else f"{'new' if name in now else 'gone'}: {name}")
    print(f"{len(moved)} of {len(before | now)} digests moved")
    return 1 if moved else 0


if __name__ == "__main__":
    sys.exit(main())
