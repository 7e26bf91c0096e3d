"""Write docs/fidelity.md: every recorded scenario, held against the real kernel (``make fidelity``)."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

from memtwin.cli import main

HERE = Path(__file__).parent
RECORDINGS = HERE.parent / "tests" / "recordings"
HEAD = """# Fidelity

Made by `make fidelity`: each recorded scenario is run from its own boot snapshot and held against every run of the
real kernel. A figure inside the range of the real runs has error 0; *exact* is the share of those. Mean caps each
error at 100 %. The bars: mean 2 % and p90 5 % where nothing is reclaimed; 10 % and 30 % elsewhere; no figure missing.
The `.k612` recordings are of a newer kernel whose reclaim is another (multi-gen LRU): the twin follows 6.1, and where
they reclaim they show how far apart the two are. A `.worker` recording is of the same scenario with the newer worker
program of the lab ([lab/README.md](../lab/README.md)). What is *not yet* names the mechanism that the scenario needs
first. Differences whose cause is known stand in [kernel-map.md](kernel-map.md).

| scenario | exact | median | p90 | mean | victims | missing | |
|---|---|---|---|---|---|---|---|
"""


def row(verdict: dict[str, object]) -> str:
    """One line of the table."""
    name = verdict["scenario"]
    if verdict["state"] != "scored":
        return f"| {name} | | | | | | | {verdict['state']}: {verdict['reason']} |\n"
    shares = " | ".join(f"{verdict[key]:.1%}" for key in ("exact", "median", "p90", "mean"))
    figures = f"{verdict['missing']} of {verdict['compared'] + verdict['missing']}"  # type: ignore[operator]
    return f"| {name} | {shares} | {verdict['victims_matched']}/{verdict['victims_asked']} | {figures} | |\n"


def judged() -> list[dict[str, object]]:
    """Every scenario's verdict, from ``memtwin validate --json``."""
    out = io.StringIO()
    directories = sorted(str(path) for path in RECORDINGS.iterdir() if path.is_dir())
    with contextlib.redirect_stdout(out):
        main(["validate", "--json", *directories])
    found = json.loads(out.getvalue())["data"]["scenarios"]
    assert isinstance(found, list)
    return found


if __name__ == "__main__":
    (HERE / "fidelity.md").write_text(HEAD + "".join(row(verdict) for verdict in judged()))
