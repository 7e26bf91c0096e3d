"""Run memory scenarios on a real Linux kernel in a QEMU guest and record what the kernel did.

    .venv/bin/python lab/record.py lab/scenarios/94-swapoff.mem              # one run
    .venv/bin/python lab/record.py --runs 2 lab/scenarios/*.mem              # all, twice
    .venv/bin/python lab/record.py --kernel 6.12 --tag k612 lab/scenarios/94-swapoff.mem

Needs qemu-system-x86, gcc with a static libc, e2fsprogs, apt-get and dpkg; root only for KVM.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import images
import kernel
import orders
import stream
from memtwin import scenario as sc
from memtwin.errors import MemtwinError

RECORDINGS: Final = Path(__file__).resolve().parents[1] / "tests" / "recordings"
QEMU: Final = "qemu-system-x86_64"
# QEMU 7.2's TCG gets the flags of an unlocked cmpxchg16b wrong the way 6.12's SLUB uses it (random oopses in
# kmem_cache_alloc); without the feature the kernel takes its spinlock path.
TCG_CPU: Final = {
    "6.1": "max,la57=off,erms=off,fsrm=off",
    "6.1-generic": "max,la57=off,erms=off,fsrm=off",
    "6.12": "max,la57=off,erms=off,fsrm=off,cx16=off",
    "6.12-generic": "max,la57=off,erms=off,fsrm=off,cx16=off",
}
CMDLINE: Final = (
    "console=ttyS0 loglevel=1 nokaslr norandmaps mitigations=off panic=-1 transparent_hugepage={thp} "
    "rootfstype=ramfs rdinit=/init random.trust_cpu=on nowatchdog"
)
DRIVE: Final = "cache=unsafe,aio=threads,if=none,format=raw"


def accelerator(wanted: str) -> str:
    """Return kvm where it is the plain one of the processor: paravirtual nesting runs only guests patched for it."""
    plain = any(Path("/sys/module", name).exists() for name in ("kvm_intel", "kvm_amd"))
    usable = plain and os.access("/dev/kvm", os.R_OK | os.W_OK)
    return wanted if wanted != "auto" else "kvm" if usable else "tcg"


def without_lzo(scenario: sc.Scenario, profile: str) -> tuple[sc.Scenario, dict[str, str]]:
    """Give zram lz4 where the kernel has no lzo; returns what was put in place of what too."""
    swaps, instead = list(scenario.swaps), {}
    for number, swap in enumerate(swaps):
        if isinstance(swap, sc.SwapZram) and profile == "6.12" and swap.algo in {"lzo", "lzo-rle"}:
            instead["zram algo"] = f"{swap.algo} -> lz4 (Debian's 6.12 zram has no lzo)"
            swaps[number] = replace(swap, algo="lz4")
    return replace(scenario, swaps=tuple(swaps)), instead


@dataclass(frozen=True, slots=True)
class Guest:
    """A scenario on a kernel, ready to start."""

    scenario: sc.Scenario
    profile: str
    accel: str
    icount: str | None
    faults: bool = False
    disk: Path | None = None
    """The data disk; None: one with the scenario's files."""

    def modules(self, known: kernel.Modules) -> list[str]:
        """Return the modules to load, in order."""
        wanted = ["virtio_pci", "virtio_blk"]
        for swap in self.scenario.swaps:
            if isinstance(swap, sc.SwapZram):
                wanted += [orders.ZRAM_MODULES.get(swap.algo, swap.algo), "zram"]
        if zswap := self.scenario.zswap:
            wanted += [orders.ZRAM_MODULES.get(zswap.compressor, zswap.compressor), zswap.zpool]
        if self.profile.endswith("-generic"):
            wanted += ["crc32c_generic", "ext4"]  # built into the cloud kernel
        if orders.needs_blocks(self.scenario):
            wanted.append("blocks")
        return known.in_order(wanted)

    @property
    def cmdline(self) -> str:
        """The kernel's command line."""
        return " ".join([CMDLINE.format(thp=self.scenario.machine.thp), *self.scenario.machine.cmdline])

    @property
    def cpu(self) -> str:
        """QEMU's ``-cpu``."""
        return TCG_CPU[self.profile] if self.accel == "tcg" else "host"

    def initrd(self, known: kernel.Modules, modules: list[str], programs: dict[str, images.Program]) -> bytes:
        """Return the initial file system: the programs, the modules and the orders."""
        names = {"coordinator": "init"}
        return images.cpio(
            [
                ("dev", 0o40755, b""),
                ("dev/console", 0o20600, (5, 1)),
                ("m", 0o40755, b""),
                *((names.get(name, name), 0o100755, made.binary) for name, made in programs.items()),
                *((f"m/{name}.ko", 0o100644, known.data(name)) for name in modules),
                ("run.cfg", 0o100644, orders.configuration(self.scenario, modules, faults=self.faults).encode()),
                ("ops.txt", 0o100644, orders.operations(self.scenario).encode()),
            ]
        )

    def qemu(self, image: Path, scratch: Path) -> list[str]:
        """Return the command that runs the guest; makes its swap disks in *scratch*."""
        machine = self.scenario.machine
        accel = self.accel + (f",thread={'single' if self.icount else 'multi'}" if self.accel == "tcg" else "")
        words = [
            QEMU, "-name", "guest,debug-threads=on", "-accel", accel, "-M", "pc",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-cpu", self.cpu, "-smp", str(machine.cpus), "-m", str(machine.ram_bytes >> 20), "-rtc", "base=2024-01-01",
            "-kernel", str(image), "-initrd", str(scratch / "initrd"), "-append", self.cmdline,
            "-serial", f"file:{scratch}/console", "-chardev", f"file,id=out,path={scratch}/out",
            "-device", "isa-debugcon,iobase=0xe9,chardev=out",
            "-drive", f"id=data,file={self.disk or images.data_disk(self.scenario.files)},snapshot=on,{DRIVE}"
            + orders.throttled(self.scenario),
            "-device", "virtio-blk-pci,drive=data",
        ]  # fmt: skip
        if self.icount:
            words += ["-icount", self.icount]
        for swap in self.scenario.swaps:
            if isinstance(swap, sc.SwapDisk):
                name = Path(self.scenario.swap_devices[swap.name]).name
                images.swap_disk(scratch / name, swap.size_bytes)
                words += ["-drive", f"id={name},file={scratch}/{name},{DRIVE}"]
                words += ["-device", f"virtio-blk-pci,drive={name}"]
        return words


@dataclass(frozen=True, slots=True)
class Ran:
    """What a guest left behind."""

    out: bytes
    console: bytes
    qemu_output: str
    timed_out: bool
    wall_s: float
    waited_s: float
    """How long its processors had work and waited for one of the host's."""


def execute(guest: Guest, image: Path, initrd: bytes, timeout_s: int, *, first: bool = False) -> Ran:
    """Run the guest to its end, or to the timeout; *first*: before all else that the host has to do."""
    with tempfile.TemporaryDirectory(dir=kernel.CACHE, prefix="run-") as name:
        scratch = Path(name)
        (scratch / "initrd").write_bytes(initrd)
        words = guest.qemu(image, scratch)
        started = time.monotonic()
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "TMPDIR": name},
        )  # fmt: skip
        said, timed_out, waited_s = None, False, 0.0
        while said is None:
            try:
                said = process.communicate(timeout=0.25)[0]
            except subprocess.TimeoutExpired:
                waited_s = max(waited_s, run_delay_s(process.pid))
                if first:
                    prefer(process.pid)
                timed_out = time.monotonic() - started > timeout_s
                if timed_out:
                    process.kill()
        wall_s = round(time.monotonic() - started, 2)
        out, console = (path.read_bytes() if (path := scratch / file).exists() else b"" for file in ("out", "console"))
    return Ran(out, console, said.decode(errors="replace"), timed_out, wall_s, round(waited_s, 2))


def processors(pid: int) -> tuple[list[int], list[int]]:
    """Return the threads of QEMU that are the guest's processors, and the others, which are its devices."""
    found: tuple[list[int], list[int]] = [], []
    for path in Path(f"/proc/{pid}/task").glob("*/comm"):
        with contextlib.suppress(OSError):
            found[not path.read_text().startswith("CPU ")].append(int(path.parent.name))
    return found


def prefer(pid: int) -> None:
    """Let QEMU's threads go before what else the host runs, and its devices before its processors."""
    for priority, threads in enumerate(processors(pid), 1):
        for thread in threads:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(priority))


def run_delay_s(pid: int) -> float:
    """Return how long the guest's processors have waited on a run queue so far, 0 where the host does not say."""
    found = 0
    for thread in processors(pid)[0]:
        with contextlib.suppress(OSError):
            found += int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[1])
    return found / 1_000_000_000


def hashes(programs: dict[str, images.Program]) -> dict[str, str]:
    """Return what run.json says of the programs: ``guest_c`` is the worker, whose pages the twin knows by it."""
    return {"guest_c" if name == "worker" else f"{name}_c": made.digest for name, made in programs.items()}


def recorded() -> str:
    """Return the date and time, UTC, as run.json has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def record(path: Path, args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Run the scenario at *path* once and write its recording; returns run.json."""
    scenario = sc.load(path)
    profile = args.kernel or scenario.machine.kernel
    if profile not in kernel.PACKAGES:
        raise SystemExit(f"{path}: kernel={profile}: there are {', '.join(kernel.PACKAGES)}")
    root, release = kernel.fetch(profile)
    known = kernel.Modules(root, release)
    if orders.needs_blocks(scenario):
        known.ours["blocks"] = kernel.build(profile, images.LAB / "blocks.c")
    sources = {name: images.LAB / f"{name}.c" for name in ("coordinator", *orders.programs(scenario))}
    sources["worker"] = args.worker or sources["worker"]
    programs = {name: images.program(source) for name, source in sources.items()}
    changed, instead = without_lzo(scenario, profile)
    guest = Guest(changed, profile, accelerator(args.accel), args.icount, faults=args.faults)
    modules = guest.modules(known)
    ran = execute(
        guest, root / "boot" / f"vmlinuz-{release}", guest.initrd(known, modules, programs),
        args.timeout, first=args.realtime,
    )  # fmt: skip
    told = stream.decode(ran.out)
    told.ops.sort(key=lambda op: op["i"])  # what ran beside the main line is over later than what follows it
    lines = [{"i": op["i"], "op": scenario.ops[op["i"]].text, **op} for op in told.ops]
    killed = [death for op in told.ops if op["d"].get("oom_kill") for death in op["deaths"] if death["signal"] == 9]
    meta = {
        "scenario": path.stem, "kernel_profile": profile, "kernel": release, "accel": guest.accel,
        "qemu": kernel.command(QEMU, "--version").splitlines()[0], "cmdline": guest.cmdline, "icount": args.icount,
        "cpu": guest.cpu, **hashes(programs), "modules": modules, "substitutions": instead, "wall_s": ran.wall_s,
        "host_wait_s": ran.waited_s, "realtime": args.realtime, "recorded": recorded(),
        "complete": told.complete, "timed_out": ran.timed_out, "errors": told.errors,
        "oom_victims": [death["name"] for death in killed], "ops": len(scenario.ops), "ops_done": len(told.ops),
        "not_ok": [[op["i"], op["outcome"], op["errno"]] for op in told.ops if op["outcome"] != "ok"],
    }  # fmt: skip
    if ran.qemu_output.strip():
        meta["qemu_output"] = ran.qemu_output[-2000:]
    files = {name: data for name, data in told.files.items() if name != "./kmsg"}
    files["scenario.txt"] = scenario.text.encode()
    files["ops.jsonl"] = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    files["dmesg.txt"] = stream.dmesg(told.files["./kmsg"]) if "./kmsg" in told.files else ran.console
    if guest.faults:
        files["worker.elf.txt"] = programs["worker"].headers.encode()
        meta["worker_bytes"] = len(programs["worker"].binary)
    files["run.json"] = f"{json.dumps(meta, indent=1)}\n".encode()
    if not told.complete:
        files["console.txt"] = ran.console[-20000:]
    stream.write(files, out, as_dir=args.dir)
    return meta


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("scenarios", nargs="+", type=Path, metavar="SCENARIO.mem")
    parser.add_argument("--runs", type=int, default=1, help="runs of each scenario")
    parser.add_argument("--first", type=int, default=1, help="number of the first run")
    parser.add_argument("--out", type=Path, default=RECORDINGS, help="where recordings go; default: tests/recordings")
    parser.add_argument("--tag", default="", help="recordings go to SCENARIO.TAG/")
    parser.add_argument("--kernel", choices=sorted(kernel.PACKAGES), help="another kernel than the scenario's")
    parser.add_argument("--accel", choices=["auto", "kvm", "tcg"], default="auto")
    parser.add_argument("--icount", help="QEMU's -icount, for example shift=1")
    parser.add_argument("--faults", action="store_true", help="record each page fault, for program.py")
    parser.add_argument("--worker", type=Path, metavar="SOURCE.c", help="another worker program than worker.c")
    parser.add_argument("--realtime", action="store_true", help="the guest before all else that the host does (root)")
    parser.add_argument("--timeout", type=int, default=900, help="seconds that a run may take")
    parser.add_argument("--dir", action="store_true", help="write a directory, not a .tar.xz")
    parser.add_argument("--check", action="store_true", help="only parse the scenarios")
    args = parser.parse_args()
    if args.realtime and os.geteuid():
        parser.error("--realtime: only root may let the guest run before other programs; leave it out, or use root")
    return args


def main() -> int:
    """Record every scenario of the command line."""
    args = arguments()
    failed = 0
    for path in args.scenarios:
        try:
            sc.load(path)
        except MemtwinError as problem:
            print(problem, file=sys.stderr)
            failed += 1
            continue
        for number in range(args.first, args.first + (0 if args.check else args.runs)):
            name = f"{path.stem}.{args.tag}" if args.tag else path.stem
            meta = record(path, args, args.out / name / f"run{number}")
            failed += not meta["complete"]
            state = "ok" if meta["complete"] else "FAILED"
            print(
                f"{name} run{number}: {state} {meta['accel']} {meta['kernel']} {meta['wall_s']} s, operations "
                f"{meta['ops_done']}/{meta['ops']}, killed {','.join(meta['oom_victims']) or '-'}, "
                f"not ok {len(meta['not_ok'])} {'; '.join(meta['errors'])}",
                flush=True,
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
