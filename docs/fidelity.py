"""Write docs/fidelity.md: every recorded scenario, held against the real kernel (``make fidelity``)."""

from __future__ import annotations

import contextlib
import io
import json
import re
import tempfile
from multiprocessing import Pool
from pathlib import Path
from typing import Any

from memtwin.cli import main
from memtwin.procfs.pid import status
from memtwin.run.speed import rerun
from memtwin.sources.recording import Recording, runs_in
from memtwin.units import PAGE_KIB

HERE = Path(__file__).parent
RECORDINGS = HERE.parent / "tests" / "recordings"
STALLS_HEAD = """
## Who waited

Stalls depend on the microsecond at which a thread gets the CPU, so two runs of the same kernel differ. Here an error is
the distance from the range of the real runs over its middle, at most 100 %, mean over the checkpoints; after the stroke
stands the *control*: what each real run has against the others. The bar, where there are three real runs: the control
and 10 points, for `allocstall`, PSI memory `some` and `full`; a figure beyond it is in bold. Empty: nothing stalled.

| scenario | runs | allocstall | PSI some | PSI full | kswapd scan | direct scan | compact_stall | migrated | scanned |
|---|---|---|---|---|---|---|---|---|---|
"""
STALLS = (
    "allocstall", "psi_some", "psi_full", "pgscan_kswapd", "pgscan_direct", "compact_stall", "pgmigrate_success",
    "compact_migrate_scanned",
)  # fmt: skip
BESIDE_HEAD = """
## Tasks side by side

Recordings with several CPUs, or with tasks that run side by side, made with `lab/record.py --realtime` on a host of two
processors: the guests went before all else there. *Waited* is how long the guest's CPUs had work and no processor, over
the wall time, least and most of all runs: with four CPUs at work there were not enough.
Judged are the figures of which the real runs differ by a third at most; there the bars are mean 10 % and p90 30 %, and
the same victims. After the stroke stands the *control*: a real run that is left out, held against the others. Load
averages and pressure are judged where the real runs agree within 20 %: how many of those are in their range, or at most
10 % beside it.

| scenario | CPUs | runs | judged | mean | p90 | victims | load and pressure | waited |
|---|---|---|---|---|---|---|---|---|
"""
USER_HEAD = """
## User space

Recordings of the C library's malloc, of shared memory and tmpfs, and of rights and limits; the bars here are mean 6 %
and p90 20 %, the same outcomes, and sizes within 2 %. *Outcomes*: operations that ended as in the first real run (ok,
the error's number, the signal). *Sizes*: how far a process's private memory in RAM and in swap, its address space and
its page tables are off at the worst of all checkpoints, where it has 2 MiB or more (one page of page tables is not
counted). *Recorded*: as run.json says; it says so since 30 November 2026.

| scenario | kernel | recorded | runs | outcomes | sizes | mean | p90 |
|---|---|---|---|---|---|---|---|
"""
USER = re.compile(r"(20[0-7]|21[0-6]|22[0-3]|26[0-9]|27[0-9]|28[0-3])-")
USER_BARS = {"mean": 0.06, "p90": 0.2, "sizes": 0.02}
SMALL_KIB = 2 << 10
BARRED = 3
HUGE = (
    "nr_anon_transparent_hugepages", "thp_fault_alloc", "thp_fault_fallback", "thp_collapse_alloc", "thp_split_page",
    "thp_split_pmd", "thp_deferred_split_page", "thp_swpout", "thp_swpout_fallback",
)  # fmt: skip
NOTHING_RECLAIMED = {"mean": 0.02, "p90": 0.05}
RECLAIMING = {"mean": 0.1, "p90": 0.3}
SIX_TWELVE = {"mean": 0.08, "p90": 0.25}
HEAD = """# Fidelity

Made by `make fidelity`: each recorded scenario is run from its own boot snapshot and held against every run of the
real kernel. A figure inside the range of the real runs has error 0; *exact* is the share of those. Mean caps each
error at 100 %. The bars: mean 2 % and p90 5 % where nothing is reclaimed; 10 % and 30 % elsewhere, on Linux 6.12 8 %
and 25 %; no figure missing; the same victims. What is beyond its bar is in bold. There is one table for each kernel; a
machine has the features of its own (`linux/features.py`). *Real runs* is the mean of each real run held against the
others, where there are several; *other boots*, the means of the twin that starts from the boots of the other real runs:
where they differ much, chance decides. A `.worker` recording is of the same scenario with the newer
worker program of the lab ([lab/README.md](../lab/README.md)). What is *not yet* names the mechanism that the scenario
needs first. Where the host was not busy, a machine has the speed of the recording's emulated processor, by what its
operations took before memory was short, or by how long it took to boot (`run/speed.py`). Differences whose cause is
known stand in [kernel-map.md](kernel-map.md).
"""
TABLE = """
## Linux {release}

{what}

| scenario | exact | median | p90 | mean | real runs | other boots | victims | missing | |
|---|---|---|---|---|---|---|---|---|---|
"""
HUGE_HEAD = """
## Huge pages

Of the recordings on machines with huge pages: how many there are, and what became of them, measured as those who waited
(below): twin / control. *Entries*: PMD entries that were split; *waited*: for being split; *swapped*, as a whole or in
*parts*. Empty: fewer than eight.

| scenario | runs | mean | p90 | there | faults | fallbacks | collapsed | split | entries | waited | swapped | parts |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
"""
KERNELS = {
    "6.1": "Debian 12's kernel; active and inactive lists.",
    "6.12": "Debian 13's kernel, of which the bars are 8 % and 25 %. It reclaims by generations, but for recordings\n"
    "whose name says *lists* (`lru_gen=off`); see [generations.md](generations.md).",
}
"""What a table is of, by the release that `run.json` names."""


def row(verdict: dict[str, Any]) -> str:
    """One line of the table; what misses its bar in bold."""
    name = verdict["scenario"]
    if verdict["state"] != "scored":
        return f"| {name} | | | | | | | | | {verdict['state']}: {verdict['reason']} |\n"
    if not is_reclaiming(verdict):
        bars = NOTHING_RECLAIMED
    else:
        bars = SIX_TWELVE if release_of(RECORDINGS / str(name)) == "6.12" else RECLAIMING
    shares = " | ".join(
        marked(f"{verdict[key]:.1%}", verdict[key] > bars.get(key, 1)) for key in ("exact", "median", "p90", "mean")
    )
    matched, asked = verdict["victims_matched"], verdict["victims_asked"]
    missing = f"{verdict['missing']} of {verdict['compared'] + verdict['missing']}"
    victims = marked(f"{matched}/{asked}", matched < asked)
    others = ", ".join(f"{other['mean']:.1%}" for other in verdict["other_boots"])
    real = [run["mean"] for run in verdict["control"]]
    noise = f"{sum(real) / len(real):.1%}" if real else ""
    return f"| {name} | {shares} | {noise} | {others} | {victims} | {marked(missing, verdict['missing'] > 0)} | |\n"


def marked(cell: str, is_beyond: bool) -> str:  # noqa: FBT001 - a cell and whether it is in bold
    """A cell, in bold if it is beyond its bar."""
    return f"**{cell}**" if is_beyond else cell


def is_reclaiming(verdict: dict[str, Any]) -> bool:
    """Whether pages were scanned, or memory ran out."""
    return verdict["victims_asked"] > 0 or any(
        stall["figure"].startswith("pgscan") for stall in verdict.get("stalls") or ()
    )


def natural(name: str) -> list[tuple[int, str]]:
    """A key by which 2 comes before 10."""
    return [(int(digits or 0), text) for digits, text in re.findall(r"(\d*)(\D*)", name)]


def release_of(directory: Path) -> str:
    """The release of the kernel that a scenario was recorded on."""
    kernel = str(Recording(next(iter(runs_in(directory)))).meta.get("kernel", "6.1."))
    return ".".join(kernel.split(".")[:2])


def tables(verdicts: list[dict[str, Any]]) -> list[str]:
    """One table for each kernel."""
    releases = {path.name: release_of(path) for path in RECORDINGS.iterdir() if path.is_dir()}
    lines = []
    for release, what in KERNELS.items():
        lines.append(TABLE.format(release=release, what=what))
        lines += [row(verdict) for verdict in verdicts if releases[str(verdict["scenario"])] == release]
    return lines


def stall_row(verdict: dict[str, Any], runs: int) -> str:
    """One line of the table of stalls; nothing where nothing stalled."""
    stalls = verdict.get("stalls")
    if not isinstance(stalls, list) or not stalls:
        return ""
    by_name = {stall["figure"]: stall for stall in stalls}
    cells = [stall_cell(by_name.get(name), barred=number < BARRED) for number, name in enumerate(STALLS)]
    return f"| {verdict['scenario']} | {runs} | {' | '.join(cells)} |\n"


def stall_cell(stall: dict[str, float] | None, *, barred: bool) -> str:
    """The twin's error and the control's."""
    if stall is None:
        return ""
    control = "-" if stall["control"] is None else f"{stall['control']:.0%}"
    cell = f"{stall['error']:.0%} / {control}"
    return cell if stall["within"] or not barred else f"**{cell}**"


def huge_row(verdict: dict[str, Any], runs: int) -> str:
    """One line of the table of huge pages; nothing where there are none."""
    by_name = {stall["figure"]: stall for stall in verdict.get("huge_pages") or ()}
    if not by_name:
        return ""
    cells = [stall_cell(by_name.get(name), barred=False) for name in HUGE]
    shares = f"{verdict['mean']:.1%} | {verdict['p90']:.1%}"
    return f"| {verdict['scenario']} | {runs} | {shares} | {' | '.join(cells)} |\n"


def means(verdicts: list[dict[str, Any]]) -> str:
    """The last line of the table of stalls: the mean of each column, twin and control."""
    cells = []
    for name in STALLS:
        found = [s for v in verdicts for s in v.get("stalls") or () if s["figure"] == name]
        found = [s for s in found if s["control"] is not None]
        twin, control = (sum(s[key] for s in found) / max(len(found), 1) for key in ("error", "control"))
        cells.append(f"{twin:.0%} / {control:.0%}" if found else "")
    return f"| *mean* | | {' | '.join(cells)} |\n"


def is_side_by_side(directory: Path) -> bool:
    """Whether a scenario has several CPUs, or tasks that run side by side."""
    scenario = Recording(next(iter(runs_in(directory)))).scenario()
    return scenario.machine.cpus > 1 or any(getattr(op, "beside", False) for op in scenario.ops)


def beside_row(verdict: dict[str, Any]) -> str:
    """One line of the table of tasks side by side; what misses its bar in bold."""
    recordings = [Recording(path) for path in runs_in(RECORDINGS / str(verdict["scenario"]))]
    found = verdict.get("agreed") or {**verdict, "judged": verdict["compared"], "waits": ()}
    cells = [
        marked(f"{found[key]:.1%}", found[key] > RECLAIMING[key]) + control(found.get(f"control_{key}"))
        for key in ("mean", "p90")
    ]
    matched, asked = verdict["victims_matched"], verdict["victims_asked"]
    waits = [wait for wait in found["waits"] if wait["judged"]]
    inside = sum(wait["inside"] for wait in waits)
    shares = [
        float(run.meta["host_wait_s"]) / float(run.meta["wall_s"]) for run in recordings if "host_wait_s" in run.meta
    ]
    words = (
        verdict["scenario"], recordings[0].scenario().machine.cpus, len(recordings),
        f"{found['judged']} of {verdict['compared']}", *cells, marked(f"{matched}/{asked}", matched < asked),
        f"{inside} of {len(waits)}", f"{min(shares):.1f}-{max(shares):.1f}" if shares else "not known",
    )  # fmt: skip
    return f"| {' | '.join(map(str, words))} |\n"


def user_row(verdict: dict[str, Any]) -> str:
    """One line of the table of user space; what misses its bar in bold."""
    name = str(verdict["scenario"])
    real = [Recording(path) for path in runs_in(RECORDINGS / name)]
    found = {**verdict, "sizes": sizes_off(real[0])}
    shares = [marked(f"{found[key]:.1%}", found[key] > most) for key, most in reversed(USER_BARS.items())]
    same, asked = verdict["outcomes_same"], verdict["outcomes_asked"]
    day = str(real[0].meta.get("recorded", ""))[:10]
    cells = (
        name, release_of(RECORDINGS / name), day, len(real), marked(f"{same}/{asked}", same < asked), shares[0],
        shares[2], shares[1],
    )  # fmt: skip
    return f"| {' | '.join(map(str, cells))} |\n"


def sizes_off(real: Recording) -> float:
    """How far the sizes of processes are off in the model at the worst checkpoint, as a share."""
    worst = 0.0
    with tempfile.TemporaryDirectory() as directory:
        rerun(real, Path(directory) / "run")
        own = Recording(Path(directory) / "run")
        for label in real.checkpoints[1:]:
            names = re.findall(r"^(\S+) ", real.at(label).read("workers.txt") or "", re.MULTILINE)
            for process in names:
                before, after = (sizes_kib(one.at(label).read(f"workers/{process}/status")) for one in (real, own))
                if before[0] >= SMALL_KIB:
                    pairs = list(zip(after, before, strict=True))
                    pairs = pairs[:2] if abs(after[2] - before[2]) <= PAGE_KIB else pairs
                    worst = max(worst, *(abs(one - other) / other for one, other in pairs))
    return worst


def sizes_kib(text: str | None) -> tuple[int, int, int]:
    """Private memory in RAM and in swap, address space, page tables; 0 of a process that is not there."""
    found = status.parse(text or "")
    anon, swap, size, tables = (found.kib(row) or 0 for row in ("RssAnon", "VmSwap", "VmSize", "VmPTE"))
    return anon + swap, size, tables


def control(share: float | None) -> str:
    """The control's figure behind a stroke."""
    return " / -" if share is None else f" / {share:.1%}"


def judged() -> list[dict[str, Any]]:
    """Every scenario's verdict, as many at a time as there are CPUs."""
    names = sorted((path.name for path in RECORDINGS.iterdir() if path.is_dir()), key=natural)
    with Pool() as pool:
        return pool.map(verdict_of, names, chunksize=1)


def verdict_of(name: str) -> dict[str, Any]:
    """A scenario's verdict, from ``memtwin validate --boots --json``."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main(["validate", "--boots", "--json", str(RECORDINGS / name)])
    found: dict[str, Any] = json.loads(out.getvalue())["data"]["scenarios"][0]
    return found


if __name__ == "__main__":
    verdicts = judged()
    runs = {path.name: len(list(path.glob("run*"))) for path in RECORDINGS.iterdir() if path.is_dir()}
    beside = [verdict for verdict in verdicts if is_side_by_side(RECORDINGS / str(verdict["scenario"]))]
    alone = [verdict for verdict in verdicts if verdict not in beside]
    lines = [HEAD, *tables(alone), HUGE_HEAD]
    lines += [huge_row(verdict, runs[str(verdict["scenario"])]) for verdict in verdicts]
    lines += [USER_HEAD, *(user_row(verdict) for verdict in verdicts if USER.match(str(verdict["scenario"])))]
    lines += [BESIDE_HEAD, *map(beside_row, beside), STALLS_HEAD]
    lines += [stall_row(verdict, runs[str(verdict["scenario"])]) for verdict in verdicts]
    (HERE / "fidelity.md").write_text("".join(lines) + means(verdicts))
