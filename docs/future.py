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

What the files of a moment do not say is taken by rules (`machine/processes.py`, `populate.py`): which pages of
a process are resident and which are in swap, what they contain, which pages of a file are cached, the order of the LRU
lists, how much reclaim has lately cost. Where the next operations use a part of a region or of a file, that decides.
Left out are scenarios that later free blocks which the kernel held at that moment: no file says which frames they have.

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
        with tempfile.TemporaryDirectory() as where:
            future(reals[0], label).write(Path(where) / "run")
            twin = Recording(Path(where) / "run", partial=True)
            found.append((directory.name, label, score(reals, twin, since=label)))
    return found


def row(name: str, label: str, verdict: Score) -> str:
    """One line of the table."""
    shares = " | ".join(f"{share:.1%}" for share in (verdict.median, verdict.p90, verdict.mean))
    return f"| {name} | {label} | {shares} | {verdict.victims_matched}/{verdict.victims_asked} |\n"


def summary(found: list[tuple[str, str, Score]]) -> str:
    """What all of them come to."""
    means = quantile((verdict.mean for *_, verdict in found), 0.5)
    within = sum(verdict.p90 <= 0.2 for *_, verdict in found)
    matched, asked = (sum(getattr(v, name) for *_, v in found) for name in ("victims_matched", "victims_asked"))
    words = f"Median of the means {means:.1%}; p90 within 20 % in {within} of {len(found)}"
    return f"{words}; victims {matched} of {asked}.\n\n"


if __name__ == "__main__":
    every = judged()
    (HERE / "future.md").write_text(HEAD + summary(every) + TABLE + "".join(row(*one) for one in every))
