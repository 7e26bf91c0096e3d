"""Write docs/future.md: every recording run on from its middle, held against the real kernel (``make future``)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from memtwin.sources.recording import Recording, runs_in
from memtwin.study.validate import Score, quantile, score

HERE = Path(__file__).parent
RECORDINGS = HERE.parent / "tests" / "recordings"
sys.path.insert(0, str(HERE.parent / "tests" / "oracle"))

from future import frees_blocks, future, middle  # noqa: E402 - of the tests

HEAD = """# The future of a booted machine

Made by `make future`: each recorded scenario with at least three checkpoints is booted from the one in its
middle, its workers are attached to, and the rest is run and held against every run of the real kernel, as
[fidelity.md](fidelity.md) does from boot. The bars: the median of the means 6 %, three quarters of the scenarios with a
p90 of 20 %, all victims.

What the programs know of themselves (their regions, their open files, what malloc has handed out, what they wrote
where) is theirs to say and no kernel's: it is taken from the model's run of the scenario up to there. What the files of
a moment do not say is taken by rules (`machine/processes.py`, `vma.py`, `populate.py`, `page_cache.py`, `marks.py`):
which pages of a process are resident and which are in swap, the order of the LRU lists, which pages are referenced, how
much reclaim has lately cost; of files, that those pages are cached that were used last, and those dirty that were
written last. Where the next operations use a part of a region or of a file, that decides: a set of pages that is used
again and again at the low end of a region is taken for what went to swap first. Runs of the model from boot show how
much of the error that is: [fidelity.md](fidelity.md).
Left out are scenarios that later free blocks which the kernel held at that moment: no file says which frames they have.

"""
KNOWN = """
## What it is worth to know where each page is

Newer recordings have the page runs of every worker (`workers/NAME/pages`): which pages are in memory, on which list,
in the swap cache, and in which slot. The same futures without and with them. What is still not known is the order of
the lists, which pages were used since they were scanned, and which of a file's pages are cached.

| scenario | from | mean | p90 | mean with page runs | p90 |
|---|---|---|---|---|---|
"""
TABLE = """| scenario | from | median | p90 | mean | victims |
|---|---|---|---|---|---|
"""


def judged() -> list[tuple[str, str, Score]]:
    """Return (scenario, checkpoint, score) of every recording that is long enough."""
    found = []
    for directory in sorted(path for path in RECORDINGS.iterdir() if "." not in path.name):
        reals = [Recording(path) for path in runs_in(directory)]
        if len(reals[0].checkpoints) < 4:  # boot among them
            continue
        label = middle(reals[0])
        if frees_blocks(reals[0], label):
            continue
        found.append((directory.name, label, verdict(reals, label)))
    return found


def verdict(reals: list[Recording], label: str, *, with_pages: bool = True) -> Score:
    """Hold the rest of a recording, run from checkpoint *label*, against all real runs."""
    with tempfile.TemporaryDirectory() as where:
        future(reals[0], label, with_pages=with_pages).write(Path(where) / "run")
        return score(reals, Recording(Path(where) / "run", partial=True), since=label)


def known(found: list[tuple[str, str, Score]]) -> str:
    """The table of the recordings that say where each page is."""
    rows = []
    for name, label, with_pages in found:
        reals = [Recording(path) for path in runs_in(RECORDINGS / name)]
        source = reals[0].at(label)
        if any(source.read(f"workers/{worker}/pages") for worker in source.names("workers")):
            without = verdict(reals, label, with_pages=False)
            shares = (without.mean, without.p90, with_pages.mean, with_pages.p90)
            rows.append(f"| {name} | {label} | {' | '.join(f'{share:.1%}' for share in shares)} |\n")
    return KNOWN + "".join(rows)


def row(name: str, label: str, found: Score) -> str:
    """One line of the table."""
    shares = " | ".join(f"{share:.1%}" for share in (found.median, found.p90, found.mean))
    return f"| {name} | {label} | {shares} | {found.victims_matched}/{found.victims_asked} |\n"


def summary(found: list[tuple[str, str, Score]]) -> str:
    """What all of them come to."""
    means = quantile((one.mean for *_, one in found), 0.5)
    within = sum(one.p90 <= 0.2 for *_, one in found)
    matched, asked = (sum(getattr(v, name) for *_, v in found) for name in ("victims_matched", "victims_asked"))
    words = f"Median of the means {means:.1%}; p90 within 20 % in {within} of {len(found)}"
    return f"{words}; victims {matched} of {asked}.\n\n"


if __name__ == "__main__":
    every = judged()
    rows = "".join(row(*one) for one in every)
    (HERE / "future.md").write_text(HEAD + summary(every) + TABLE + rows + known(every))
