"""Run programs of a Debian on a real Linux kernel in a QEMU guest, and record the machine over time: a trace.

    .venv/bin/python lab/programs.py lab/programs/sort.toml                  # -> recordings/sort/run1/host.trace
    .venv/bin/python lab/programs.py --ram 341M --tag less lab/programs/sort.toml
    .venv/bin/memtwin replay recordings/sort/run1/host.trace --check

Needs what record.py needs, debootstrap, and root for it.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import debian
import images
import kernel
import orders
import record
import stream
from memtwin import __version__
from memtwin import scenario as sc
from memtwin.errors import InputError, MemtwinError
from memtwin.sources.host import USER_HZ
from memtwin.sources.recorder import Readings
from memtwin.sources.trace_writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OUT: Final = Path("recordings")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,31}")
_KEYS: Final = {"header": str, "packages": list, "every_ms": int, "limit_s": int, "programs": dict}
_TENTH: Final = 10
_SHORTEST_MS: Final = 10
_LONGEST_SCRIPT: Final = 100 << 10
"""What the sampler reads of one."""
_MOST_PROGRAMS: Final = 32


@dataclass(frozen=True, slots=True)
class Description:
    """What runs: the machine as a scenario's header says, packages, scripts by name, and the time between samples."""

    machine: sc.Scenario
    packages: tuple[str, ...]
    programs: dict[str, str]
    every_ms: int
    limit_s: int
    working_set: bool = False
    """Whether the sampler forgets references after each tenth sample, and reads smaps there."""
    pages: bool = False
    """Whether it reads at each sample which pages every process has and has touched."""


def load(path: Path) -> Description:
    """Read the description at *path*; raise InputError for what is none."""
    try:
        read: dict[str, Any] = tomllib.loads(path.read_text())
    except (OSError, ValueError) as problem:
        raise InputError(f"{path}: {problem}") from None
    for key, value in read.items():
        if not isinstance(value, _KEYS.get(key, ())):
            raise InputError(f"{path}: {key}: not one of {', '.join(f'{k} ({t.__name__})' for k, t in _KEYS.items())}")
    scripts = read.get("programs", {})
    for name, script in scripts.items():
        if not _NAME.fullmatch(name) or not isinstance(script, str) or len(script) >= _LONGEST_SCRIPT:
            raise InputError(f"{path}: program {name}: a name of letters, digits, - and _, and a script of the shell")
    if not 0 < len(scripts) <= _MOST_PROGRAMS:
        raise InputError(f"{path}: programs: 1 to {_MOST_PROGRAMS}")
    every_ms, limit_s = read.get("every_ms", 100), read.get("limit_s", 600)
    if every_ms < _SHORTEST_MS or limit_s < 1:
        raise InputError(f"{path}: every_ms: at least {_SHORTEST_MS}; limit_s: at least 1")
    machine = sc.parse(read.get("header", ""), str(path))
    if machine.ops or machine.files:
        raise InputError(f"{path}: header: a machine, swap areas and settings alone")
    return Description(machine, tuple(read.get("packages", ())), scripts, every_ms, limit_s)


def changed(
    description: Description, ram: str | None, profile: str | None, *, working_set: bool = False, pages: bool = False
) -> Description:
    """Return the description on another amount of RAM, written as in a scenario, or another kernel."""
    machine = description.machine.machine
    if ram is not None:
        machine = replace(machine, ram_bytes=sc.parse(f"machine ram={ram}", "--ram").machine.ram_bytes)
    if profile is not None:
        machine = replace(machine, kernel=profile)
    return replace(
        description, machine=replace(description.machine, machine=machine), working_set=working_set, pages=pages
    )


def initrd(guest: record.Guest, described: Description, known: kernel.Modules, sampler: images.Program) -> bytes:
    """Return the initial file system: the sampler, the modules, the programs' scripts and the orders."""
    modules = guest.modules(known)
    configuration = orders.configuration(described.machine, modules)
    configuration += f"every_ms {described.every_ms}\nlimit_s {described.limit_s}\n"
    configuration += "forgets 1\n" if described.working_set else ""
    configuration += "pages 1\n" if described.pages else ""
    configuration += "".join(f"program {name}\n" for name in described.programs)
    return images.cpio(
        [
            ("dev", 0o40755, b""),
            ("dev/console", 0o20600, (5, 1)),
            ("m", 0o40755, b""),
            ("p", 0o40755, b""),
            ("init", 0o100755, sampler.binary),
            *((f"m/{name}.ko", 0o100644, known.data(name)) for name in modules),
            *((f"p/{name}", 0o100644, script.encode()) for name, script in described.programs.items()),
            ("run.cfg", 0o100644, configuration.encode()),
        ]
    )


def samples(files: Mapping[str, bytes]) -> Iterator[tuple[int, Readings]]:
    """Yield each sample that the guest sent: milliseconds since its boot, and what was read and is gone."""
    by_number: dict[int, dict[str, bytes]] = {}
    for path, data in files.items():
        sample, _, name = path.partition("/")
        if sample.isdigit():
            by_number.setdefault(int(sample), {})[name] = data
    paths: dict[str, set[str]] = {}
    for number in sorted(by_number):
        read = by_number[number]
        if not {"ms", "pids"} <= read.keys():  # the guest was stopped in the middle of it
            return
        boot_ms, present = int(read.pop("ms")), set(read.pop("pids").decode().split())
        gone = [path for pid in paths.keys() - present for path in sorted(paths.pop(pid))]
        found = {name: data for name, data in read.items() if data and not _is_gone(name, present)}
        for name in found:
            if pid := _pid(name):
                paths.setdefault(pid, set()).add(name)
        yield boot_ms, Readings(found, gone, {})


def _pid(name: str) -> str | None:
    words = name.split("/")
    return words[1] if len(words) > 2 and words[0] == "proc" and words[1].isdigit() else None


def _is_gone(name: str, present: set[str]) -> bool:
    pid = _pid(name)
    return pid is not None and pid not in present


def write_trace(path: Path, files: Mapping[str, bytes], release: str, described: Description) -> int:
    """Write what the guest sent as a trace; returns how many samples it has."""
    meta = {
        "memtwin": __version__, "kernel": release, "page_bytes": images.PAGE_BYTES, "ticks_per_s": USER_HZ,
        "every_ms": described.every_ms,
        "working_set_ms": described.every_ms * _TENTH if described.working_set else None,
    }  # fmt: skip
    writer = Writer(str(path), meta)
    for boot_ms, readings in samples(files):
        writer.add(readings, stream.WRITTEN * 1000 + boot_ms, boot_ms)
    writer.close()
    return writer.written


def output(files: Mapping[str, bytes]) -> str:
    """Return what the programs wrote: seconds since the guest's boot when the line was read, the program, the line."""
    begun: dict[str, bytes] = {}
    lines: list[tuple[int, str, str]] = []
    for path, data in files.items():
        kind, _, rest = path.partition("/")
        if kind != "output":
            continue
        ms, _, name = rest.partition("/")
        *whole, begun[name] = (begun.get(name, b"") + data).split(b"\n")
        lines += [(int(ms), name, line.decode(errors="replace")) for line in whole]
    end = max((ms for ms, _, _ in lines), default=0)
    lines += [(end, name, left.decode(errors="replace")) for name, left in begun.items() if left]
    return "".join(f"{ms / 1000:.3f} {name} {line}\n" for ms, name, line in lines)


def run(path: Path, described: Description, args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Run the programs once and write the recording; returns run.json."""
    profile = described.machine.machine.kernel
    if profile not in kernel.PACKAGES:
        raise SystemExit(f"{path}: kernel={profile}: there are {', '.join(kernel.PACKAGES)}")
    root, release = kernel.fetch(profile)
    known = kernel.Modules(root, release)
    disk = debian.disk(described.packages)
    sampler = images.program(images.LAB / "sampler.c")
    machine, instead = record.without_lzo(described.machine, profile)
    described = replace(described, machine=machine)
    guest = record.Guest(machine, profile, record.accelerator(args.accel), None, disk=disk)
    image = root / "boot" / f"vmlinuz-{release}"
    ran = record.execute(guest, image, initrd(guest, described, known, sampler), args.timeout)
    read = stream.decode(ran.out)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    taken = write_trace(out / "host.trace", read.files, release, described)
    ended = {str(op["program"]): op for op in read.ops}
    log = stream.dmesg(read.files["./kmsg"]) if "./kmsg" in read.files else ran.console
    meta = {
        "name": path.stem, "kernel_profile": profile, "kernel": release, "accel": guest.accel,
        "qemu": kernel.command(record.QEMU, "--version").splitlines()[0], "cmdline": guest.cmdline,
        "header": described.machine.text, "ram_bytes": machine.machine.ram_bytes, "substitutions": instead,
        "sampler_c": sampler.digest, "packages": debian.versions(disk), "every_ms": described.every_ms,
        "samples": taken, "wall_s": ran.wall_s, "complete": read.complete, "timed_out": ran.timed_out,
        "recorded": record.recorded(),
        "errors": read.errors, "oom_killed": _killed(log.decode(errors="replace")),
        "programs": {name: {"script": script, **ended.get(name, {"ended": False})}
                     for name, script in described.programs.items()},
    }  # fmt: skip
    (out / "output.txt").write_text(output(read.files))
    (out / "dmesg.txt").write_bytes(log)
    (out / "run.json").write_text(f"{json.dumps(meta, indent=1)}\n")
    if not read.complete:
        (out / "console.txt").write_bytes(ran.console[-20000:])
    return meta


def _killed(log: str) -> list[str]:
    """Return the names of the processes that the OOM killer took, in order."""
    return re.findall(r"Out of memory: Killed process \d+ \((.*?)\) total-vm", log)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("descriptions", nargs="+", type=Path, metavar="PROGRAMS.toml")
    parser.add_argument("--runs", type=int, default=1, help="runs of each description")
    parser.add_argument("--first", type=int, default=1, help="number of the first run")
    parser.add_argument("--out", type=Path, default=OUT, help="where recordings go; default: recordings")
    parser.add_argument("--tag", default="", help="recordings go to NAME.TAG/")
    parser.add_argument("--ram", metavar="SIZE", help="another amount of RAM than the description's, such as 341M")
    parser.add_argument("--kernel", choices=sorted(kernel.PACKAGES), help="another kernel than the description's")
    parser.add_argument("--working-set", action="store_true", help="also what is touched between tenth samples")
    parser.add_argument("--pages", action="store_true", help="also which pages are touched between samples")
    parser.add_argument("--accel", choices=["auto", "kvm", "tcg"], default="auto")
    parser.add_argument("--timeout", type=int, default=1800, help="seconds that a run may take")
    parser.add_argument("--check", action="store_true", help="only read the descriptions")
    return parser.parse_args()


def main() -> int:
    """Record every description of the command line."""
    args = arguments()
    failed = 0
    for path in args.descriptions:
        try:
            described = changed(load(path), args.ram, args.kernel, working_set=args.working_set, pages=args.pages)
        except MemtwinError as problem:
            print(problem, file=sys.stderr)
            failed += 1
            continue
        for number in range(args.first, args.first + (0 if args.check else args.runs)):
            name = f"{path.stem}.{args.tag}" if args.tag else path.stem
            meta = run(path, described, args, args.out / name / f"run{number}")
            failed += not meta["complete"]
            ends = (f"{program} {end.get('signal') or end.get('code', 'still runs')}"
                    for program, end in meta["programs"].items())  # fmt: skip
            print(
                f"{name} run{number}: {'ok' if meta['complete'] else 'FAILED'} {meta['accel']} {meta['kernel']} "
                f"{meta['wall_s']} s, {meta['samples']} samples, ended {', '.join(ends)}, "
                f"OOM killed {','.join(meta['oom_killed']) or '-'} {'; '.join(meta['errors'])}",
                flush=True,
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
