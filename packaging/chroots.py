"""Install memtwin on fresh Debians, as a newcomer would, and see how long the first answer takes.

    make chroots                     # Debian 12 and 13: no compiler; needs root, debootstrap and some minutes
    make chroots WITH=compiler       # and with one: make run, make test (half an hour each)

Each release is unpacked once below $MEMTWIN_CHROOTS (~/.cache/memtwin), from the archive that this machine's apt uses,
with Python, venv, pip and pipx; a trial is made on a copy. A command runs in a mount namespace of its own, so nothing
is left mounted.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
HOME = Path(os.environ.get("MEMTWIN_CHROOTS", Path.home() / ".cache" / "memtwin"))
SUITES = ("bookworm", "trixie")
FIRST_ANSWER_S = 30
VIEWS = (
    "account", "buddyinfo", "doctor", "export", "free", "limits", "loadavg", "meminfo", "pressure", "ps", "slabtop",
    "swaps", "swapuse", "top -b -n 1", "vmstat", "zoneinfo", "oom --live", "snapshot -o snap.tar.xz",
    "free --root snap.tar.xz", "diff snap.tar.xz live",
)  # fmt: skip
PASSED_ON = ("PIP_CERT", "PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "SSL_CERT_FILE", "http_proxy", "https_proxy")

_ENTER = """
mount --rbind "$0" "$0"
for name in dev sys; do mount --rbind "/$name" "$0/$name"; done
mount -t proc proc "$0/proc"
cd "$0"
pivot_root . mnt
umount -l /mnt
cd /root
exec sh -ec "$1"
"""
"""What a shell does in a mount namespace of its own to be on the Debian in the directory $0 and run $1 there."""


def call(*words: str | Path, **env: str) -> str:
    """Run a command; show what it printed only if it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ | env)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Took(NamedTuple):
    """How long something took: seconds of the clock, and of a CPU."""

    s: float
    cpu_s: float

    def __str__(self) -> str:
        return f"{self.s:.1f} s ({self.cpu_s:.1f} s of a CPU)"


class Chroot:
    """A Debian in a directory."""

    def __init__(self, where: Path) -> None:
        self.where = where

    def run(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a shell's *script* in its /root, with a /proc of its own."""
        env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        env |= {"PATH": "/root/.local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
        space = ("env", "--default-signal=INT", "unshare", "--mount", "--pid", "--fork", "sh", "-ec", _ENTER)
        done = subprocess.run([*space, self.where, script], capture_output=True, text=True, check=False, env=env)
        if check and done.returncode:
            raise SystemExit(f"{self.where}: {script}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def seconds(self, script: str) -> Took:
        """Run *script* and return how long it took, and how much of a CPU."""
        start, before = time.monotonic(), os.times()
        self.run(script)
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Took(time.monotonic() - start, cpu)


def archive() -> str:
    """Return the address that this machine's own apt takes the main archive from."""
    for line in call("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)").splitlines():
        site, _, release = line.partition(" ")
        if "/debian" in site and "security" not in site + release:
            return site
    raise SystemExit("apt has no Debian archive configured")


def fresh(suite: str, name: str) -> Chroot:
    """Return a copy of a release that nothing has been installed on; unpack the release if it is not there."""
    base = HOME / f"chroot-{suite}"
    if not (base / "usr" / "bin" / "pipx").exists():
        shutil.rmtree(base, ignore_errors=True)
        base.parent.mkdir(parents=True, exist_ok=True)
        packages = "--include=python3,python3-venv,python3-pip,pipx,ca-certificates"
        call("debootstrap", "--variant=minbase", packages, suite, base, archive())
    copy = HOME / f"chroot-{suite}-{name}"
    shutil.rmtree(copy, ignore_errors=True)
    call("cp", "-a", base, copy)
    certificates = os.environ.get("PIP_CERT")
    for path in ("/etc/resolv.conf", *([certificates] if certificates else [])):
        (copy / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy / path[1:])
    return Chroot(copy)


def sdist(target: Path) -> str:
    """Build the source distribution into *target* and return its name."""
    os.chdir(ROOT)
    call(sys.executable, "setup.py", "-q", "sdist", "--dist-dir", target, MEMTWIN_CORE="without")
    return next(target.glob("memtwin-*.tar.gz")).name


def without_compiler(suite: str) -> None:
    """Install the sdist by pip and by pipx; ask every view; copy the one file there."""
    machine = fresh(suite, "bare")
    packed = sdist(machine.where / "root")
    version = machine.run("python3 --version; ! command -v cc gcc").stdout.strip()
    print(f"{suite}: {version}, no compiler", flush=True)
    pip = machine.seconds(f"python3 -m venv v; v/bin/pip install -q {packed}; v/bin/memtwin free")
    pipx = machine.seconds(f"pipx install ./{packed}; memtwin free")
    print(f"  install and first answer: {pip} by pip, {pipx} by pipx", flush=True)
    failed = [view for view in VIEWS if machine.run(f"memtwin {view}", check=False).returncode]
    print(f"  {len(VIEWS) - len(failed)} of {len(VIEWS)} views answer{': not ' + ', '.join(failed) if failed else ''}")
    (machine.where / "root" / "s.mem").write_text("machine ram=128M\nproc A\n")
    refused = machine.run("memtwin run s.mem", check=False)
    print(f"  memtwin run: exit code {refused.returncode}, {refused.stderr.splitlines()[0]}")
    call(sys.executable, ROOT / "packaging" / "one_file.py", machine.where / "root" / "memtwin.pyz")
    one_file = machine.seconds("python3 -I -S memtwin.pyz free")
    print(f"  memtwin.pyz: first answer {one_file}", flush=True)
    shutil.rmtree(machine.where)
    if failed or pip.s > FIRST_ANSWER_S or refused.returncode != 1:
        raise SystemExit(f"{suite}: not as it should be")


def with_compiler(suite: str) -> None:
    """Run the two commands of the README in an unpacked sdist."""
    machine = fresh(suite, "compiler")
    packed = sdist(machine.where / "root")
    machine.run("apt-get update -qq; apt-get install -qq --no-install-recommends gcc libc6-dev python3-dev make")
    machine.run(f"tar xf {packed}")
    folder = packed.removesuffix(".tar.gz")
    took = machine.seconds(f"cd {folder}; make run")
    print(f"{suite}: with a compiler: make run {took}", flush=True)
    start = time.monotonic()
    tested = machine.run(f"cd {folder}; make test", check=False)
    last = tested.stdout.strip().splitlines()[-1]
    print(f"{suite}: with a compiler: make test {time.monotonic() - start:.0f} s, {last}")
    if tested.returncode:
        raise SystemExit(tested.stdout[-20000:])
    shutil.rmtree(machine.where)


def main() -> None:
    """Try each release."""
    for suite in SUITES:
        without_compiler(suite)
        if "compiler" in sys.argv[1:]:
            with_compiler(suite)


if __name__ == "__main__":
    main()
