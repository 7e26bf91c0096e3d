"""How fast is the core?  Run by ``make bench``; prints the tables and writes them to ``docs/bench.md``.

Work is counted first: each measurement asserts how many touches, faults and pages it made.  The model, a plain C loop
over the same trace and the kernel of this machine take turns within each round, so that a slow moment of the machine
meets all of them; rates are medians over the rounds, ratios are medians of the ratios within one round.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import beside
import thrash

import model
from memtwin.learn.act import perform, sizes_of, turned
from memtwin.learn.lessons import all_lessons

HERE = Path(__file__).parent
ROOT = HERE.parent
REPORT = ROOT / "docs" / "bench.md"
BOOT_IDLE = ROOT / "tests" / "recordings" / "01-boot-idle" / "run1.tar.xz"
COMMAND = [sys.executable, "-c", "import sys; from memtwin.cli import main; sys.exit(main())"]
ROUNDS = 7
TRAVERSE = (1, 2)
"""Times that the tool that counts instructions sees an operation: the difference is one time."""
COUNTED = (
    "hit-seq-read", "hit-seq-write", "hit-rand-read", "hit-rand-write", "hit-pow-read", "fault+unmap",
    "fault+cow+unmap",
)  # fmt: skip

Rates = dict[str, list[float]]


def compile_c(name: str, out: Path) -> Path:
    """Compile one of the programs beside this file."""
    program = out / name
    subprocess.run(["cc", "-O2", "-o", program, HERE / f"{name}.c"], check=True)
    return program


def limit(program: Path, kind: str, *, write: bool) -> float:
    """Touches a second of the C loop; the pages that it sets are those of the model's trace."""
    touches = model.PASSES * model.REGION_PAGES if kind == "seq" else model.DRAWS
    args = [kind, model.REGION_PAGES, touches, model.SEED, model.EXPONENT, int(write)]
    done = subprocess.run([program, *map(str, args)], check=True, capture_output=True, text=True)
    made, ns, seen = map(int, done.stdout.split())
    assert made == touches
    assert 0 < seen <= model.REGION_PAGES
    assert seen == model.REGION_PAGES or kind == "pow"
    return made / ns * 1e9


def host(program: Path) -> dict[str, float]:
    """Pages a second of this machine's kernel, by operation."""
    done = subprocess.run([program, str(model.REGION_PAGES)], check=True, capture_output=True, text=True)
    rates = {}
    for line in done.stdout.splitlines():
        name, pages, ns, faults = line.split()
        expected = int(pages) if name in {"fault", "cow"} else int(pages) // model.HUGE_PAGES if name == "huge" else 0
        assert expected <= int(faults) <= expected + 64, line
        rates[name] = int(pages) / int(ns) * 1e9
    return rates


def measure(out: Path) -> tuple[Rates, Rates, Rates, thrash.Rounds]:
    """All rounds: rates of the model, of the C loop, of the host, by operation; and the swap thrash."""
    flat, touch = compile_c("touch_limit", out), compile_c("host_touch", out)
    resident, moving, huge = (
        model.Model(filled=True),
        model.Model(filled=False),
        model.Model(filled=False, thp="always"),
    )
    swapping = thrash.Rounds(out)
    ours: Rates = {}
    c_loop: Rates = {}
    kernel: Rates = {}
    model.cycle(moving)  # the host gives the model's own memory: once
    for _ in range(ROUNDS):
        for name, pattern in model.HITS.items():
            for access in ("read", "write"):
                made, took = resident.hits(pattern, write=access == "write")
                ours.setdefault(f"{name}-{access}", []).append(made / took)
                rate = limit(flat, name.removeprefix("hit-"), write=access == "write")
                c_loop.setdefault(f"{name}-{access}", []).append(rate)
        for name, (made, took) in model.cycle(moving).items():
            ours.setdefault(name, []).append(made / took)
        made, took = huge.huge_fault()
        ours.setdefault("huge", []).append(made / took)
        for name, rate in host(touch).items():
            kernel.setdefault(name, []).append(rate)
        swapping.round()
    return ours, c_loop, kernel, swapping


def measure_files() -> dict[str, list[model.Moved]]:
    """All rounds of file work."""
    files = model.Files()
    found: dict[str, list[model.Moved]] = {}
    for _ in range(ROUNDS):
        for name, moved in files.cycle().items():
            found.setdefault(name, []).append(moved)
    return found


def ratio(ours: list[float], theirs: list[float]) -> str:
    """Median of the ratios within each round."""
    found = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    return f"{found:.2f}" if found < 10 else f"{found:.0f}"


def instructions(operation: str, times: int, out: Path) -> tuple[int, int]:
    """Instructions of a whole process that carries out *operation* so many times, and its work in one time."""
    file = out / f"callgrind.{operation}.{times}"
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={file}", sys.executable]
    done = subprocess.run(
        [*command, str(HERE / "model.py"), operation, str(times)],
        check=True, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    counted = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    assert counted, done.stderr
    return int(counted[1]), int(done.stdout)


def count_instructions(out: Path) -> dict[str, float]:
    """Instructions of one operation, each from two runs that differ by one time of it; empty without valgrind."""
    if not shutil.which("valgrind"):
        return {}
    jobs = [(operation, times) for operation in COUNTED for times in TRAVERSE]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(jobs, pool.map(lambda job: instructions(*job, out), jobs), strict=True))
    counts = {}
    for operation in COUNTED:
        (once, made), (twice, again) = (found[operation, times] for times in TRAVERSE)
        assert made == again > 0
        counts[operation] = (twice - once) / made
    return counts


VIEWS = ("free", "meminfo", "swaps", "vmstat", "slabtop", "buddyinfo", "zoneinfo", "pressure", "loadavg", "account",
         "swapuse", "limits", "ps")  # fmt: skip
PSUTIL = "import psutil; print(psutil.virtual_memory(), psutil.swap_memory())"


def start_up(out: Path) -> dict[str, float]:
    """Medians of whole processes, in milliseconds."""
    scenario = out / "01-boot-idle.txt"
    with tarfile.open(BOOT_IDLE) as tar:
        member = tar.extractfile("run1/scenario.txt")
        assert member is not None
        scenario.write_bytes(member.read())
    commands = {
        "python alone": [sys.executable, "-c", "pass"],
        "memtwin free, a saved machine": [*COMMAND, "free", "--root", f"{BOOT_IDLE}@boot"],
        "memtwin run, scenario 01 on a described machine": [*COMMAND, "run", str(scenario)],
        "memtwin run, scenario 01 on its recorded machine": [*COMMAND, "run", str(BOOT_IDLE)],
    }
    if Path("/proc/meminfo").exists():
        commands |= {f"memtwin {view}, this machine": [*COMMAND, view] for view in VIEWS}
        commands["memtwin alone (its screen), this machine"] = [*COMMAND, "--root", "live"]
        commands["psutil: virtual_memory(), swap_memory()"] = [sys.executable, "-c", PSUTIL]
        commands |= {f"{tool} of this machine": [tool] for tool in ("free", "vmstat") if shutil.which(tool)}
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, check=name.startswith(("python", "memtwin run")), capture_output=True)
            took[name].append((time.perf_counter() - began) * 1000)
    return {name: statistics.median(times) for name, times in took.items()}


def lessons() -> dict[str, list[float]]:
    """Run each lesson of ``memtwin learn`` with its first sizes and with each change; seconds, the changes together."""
    took: dict[str, list[float]] = {}
    for lesson in all_lessons():
        sizes = sizes_of(lesson, 0)
        for run in (sizes, *(turned(sizes, turn) for turn in lesson.turns(sizes))):
            times = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                assert perform(lesson, run).holds
                times.append(time.perf_counter() - began)
            took.setdefault(lesson.key, []).append(statistics.median(times))
    return took


def lessons_table(took: dict[str, list[float]]) -> str:
    """What a reader of a lesson waits for, in milliseconds; 1,000 are the most that it may be."""
    rows = [(key, f"{1000 * times[0]:.0f}", f"{1000 * max(times[1:]):.0f}") for key, times in took.items()]
    return table(("lesson", "run ms", "slowest change ms"), rows)


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown, columns aligned."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    line = lambda row: "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"  # noqa: E731
    return "\n".join([line(head), "|" + "|".join("-" * (w + 2) for w in widths) + "|", *map(line, rows)])


def rate(values: list[float]) -> str:
    """A median rate."""
    return f"{statistics.median(values):.2e}".replace("e+0", "e")


def hits_table(ours: Rates, c_loop: Rates) -> str:
    """Resident hits beside the C loop."""
    rows = [(name, rate(ours[name]), rate(c_loop[name]), ratio(ours[name], c_loop[name])) for name in c_loop]
    return table(("touches of resident pages", "model /s", "C loop /s", "model / C"), rows)


def pages_table(ours: Rates, kernel: Rates) -> str:
    """Faults, copies and unmaps beside the host's kernel."""
    said = {
        "hit-seq-write": ("hit", "write to a resident page"),
        "fault": ("fault", "first write of an anonymous page"),
        "huge": ("huge", "the same in huge pages, a page of 4 KiB"),
        "cow": ("cow", "write to a page shared since a fork"),
        "unmap": ("unmap", "unmap a page"),
        "fork": ("", "fork, per page of the parent"),
    }
    rows = [
        (
            text,
            rate(ours[name]),
            rate(kernel[theirs]) if theirs in kernel else "",
            ratio(ours[name], kernel[theirs]) if theirs in kernel else "",
        )
        for name, (theirs, text) in said.items()
    ]
    return table(("pages", "model /s", "this machine's kernel /s", "model / kernel"), rows)


def files_table(found: dict[str, list[model.Moved]]) -> str:
    """File work: pages a second, and how many of them were read from the disk and reclaimed."""
    said = {
        "hit": "read from the page cache",
        "stream": "read from the disk, past the end of memory",
        "thrash-seq": "read again in order, 1.5 times the memory",
        "thrash-rand": "read at random, 1.5 times the memory",
        "write": "write and write back, 1.5 times the memory",
    }
    rows = []
    for name, text in said.items():
        rates = [moved.asked / moved.seconds for moved in found[name]]
        taken = [moved.reclaimed / moved.seconds for moved in found[name]]
        last = found[name][-1]
        shares = (f"{last.read / last.asked:.2f}", f"{last.reclaimed / last.asked:.2f}")
        rows.append((text, rate(rates), *shares, rate(taken) if last.reclaimed else ""))
    return table(("file pages", "model /s", "from disk a page", "reclaimed a page", "reclaimed /s"), rows)


def thrash_table(swapping: thrash.Rounds) -> str:
    """Swap thrash beside libCacheSim's LRU; "-" where libCacheSim is not installed."""
    rows = []
    for swap, pattern in thrash.CASES:
        ours, theirs = swapping.thrashed[swap, pattern], swapping.replayed[swap, pattern]
        last = ours[-1]
        assert all(thrashed[:5] == last[:5] for thrashed in ours)
        touches = [thrashed.touches / thrashed.seconds for thrashed in ours]
        faults = [thrashed.faults / thrashed.seconds for thrashed in ours]
        requests = [replayed.requests / replayed.seconds for replayed in theirs]
        missed = f"{theirs[-1].misses / theirs[-1].requests:.3f}" if theirs else "-"
        rows.append((
            f"{swap}, {pattern}", rate(touches), rate(faults), f"{last.swapped_in / last.touches:.3f}",
            f"{last.swapped_out / last.touches:.3f}", f"{last.resident:,}", f"{last.major / last.touches:.3f}", missed,
            rate(requests) if theirs else "-", ratio(touches, requests) if theirs else "-",
        ))  # fmt: skip
    head = (
        "swap, pattern", "writes /s", "faults /s", "swapped in", "swapped out", "resident", "major faults",
        "LRU misses", "LRU requests /s", "model / LRU",
    )  # fmt: skip
    return table(head, rows)


def thrash_text(swapping: thrash.Rounds) -> str:
    """What the table of swap thrash shows."""
    absent = "" if any(swapping.replayed.values()) else " It could not be installed here."
    pages, draws = swapping.machines["zram"].pages, thrash.SLICES * thrash.DRAWS
    return f"""{pages:,} anonymous pages, {thrash.WORKING_SET} times a machine of 512 MiB, each written once in order;
then {draws:,} random writes are measured: uniform (`rand`) or skewed (`pow`, exponent {thrash.EXPONENT}).
Swapped in, swapped out and major faults are per write; "resident" is the mean RssAnon in pages. libCacheSim replays the
same trace on an LRU cache of that many pages.{absent} Its misses differ from the model's major faults because the
kernel approximates LRU by accessed bits on two lists, varies how much memory the process has, and finds some pages in
the swap cache."""


def beside_table() -> str:
    """What a page costs with tasks side by side."""
    head = ("pages", "one task, ns a page", f"{len(beside.TASKS)} tasks, ns a page", "ratio")
    return table(head, beside.rows(ROUNDS))


def instructions_table(counts: dict[str, float]) -> str:
    """Instructions an operation."""
    if not counts:
        return "skipped: valgrind is not installed"
    rows = [(name, f"{count:.1f}") for name, count in counts.items()]
    return table(("operation", "instructions a page"), rows)


def start_table(times: dict[str, float]) -> str:
    """Start-up times."""
    return table(("whole process", "median ms"), [(name, f"{ms:.0f}") for name, ms in times.items()])


def machine() -> str:
    """The kind of machine, in general words."""
    virtual = "hypervisor" in Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else False
    kind = "virtual machine" if virtual else "machine"
    version = ".".join(platform.python_version_tuple()[:2])
    return f"a {platform.machine()} {kind} with {os.cpu_count()} processors, {platform.system()}, Python {version}"


def report(
    rates: tuple[Rates, Rates, Rates, thrash.Rounds],
    files: dict[str, list[model.Moved]],
    counts: dict[str, float],
    times: dict[str, float],
    runs: dict[str, list[float]],
) -> str:
    """The page of results; *rates*: of the model, the C loop, the host, and of swap thrash; *runs*: of the lessons."""
    ours, c_loop, kernel, swapping = rates
    return f"""# How fast it is

Written by `make bench` on {machine()}.
Absolute figures hold for that machine; ratios hold more widely. A figure is the median of {ROUNDS} rounds in which the
model, the C loop and the kernel take turns, a ratio the median of the ratios within a round. Each measurement first
counts its work: touches, faults, pages.

## Memory accesses

The model touches 256 MiB (65,536 pages) of a simulated machine with 512 MiB: all pages in order (`seq`), or
{model.DRAWS:,} random ones, uniform (`rand`) or skewed (`pow`, exponent {model.EXPONENT}). The C loop replays the same
trace on a flat array of 64-bit entries and sets the accessed and dirty bits: no page tables, content or clock.

{hits_table(ours, c_loop)}

## Faults, beside the kernel of this machine

The kernel also clears and copies pages of 4 KiB; the model moves content tags instead.

{pages_table(ours, kernel)}

## Tasks side by side

{len(beside.TASKS)} tasks on {beside.CPUS} CPUs do together what one task does alone, each in pieces of some 20 us.

{beside_table()}

## Files

Reads and writes of 64 KiB (at random: {model.FILE_DRAWS:,} of 4 KiB) on a simulated machine with 512 MiB, with
readahead, kswapd and the flusher. No data moves: only frames, lists, trees, shadow entries and content tags.

{files_table(files)}

## Swap thrash

{thrash_text(swapping)}

{thrash_table(swapping)}

## Instructions

By valgrind's callgrind, per page: the difference between two runs, one of which makes the operation once more on all
its pages. `fault+cow+unmap` is a page's first write, the fork, its copy, the child's exit and both unmaps.

{instructions_table(counts)}

## Start-up

The whole process, including Python's own start.

{start_table(times)}

## Lessons

The runs of `memtwin learn`, including building the machine and writing checkpoints. The limit is 1,000 ms.

{lessons_table(runs)}
"""


def main() -> None:
    """Measure, print, write the page."""
    model.prove_trace()
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        rates = measure(out)
        files = measure_files()
        times = start_up(out)
        counts = count_instructions(out)
    text = report(rates, files, counts, times, lessons())
    print(text)
    REPORT.parent.mkdir(exist_ok=True)
    REPORT.write_text(text)


if __name__ == "__main__":
    main()
