"""The guest's kernels and modules: a Debian kernel unpacked from its package, and which modules need which."""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

CACHE: Final = Path(os.environ.get("MEMLAB_CACHE", Path.home() / ".cache" / "memlab"))
"""Kernels and disk images; may be deleted at any time."""

PACKAGES: Final = {
    "6.1": ("linux-image-cloud-amd64", ""),
    "6.1-generic": ("linux-image-amd64", ""),
    "6.12": ("linux-image-cloud-amd64", "bookworm-backports"),
    "6.12-generic": ("linux-image-amd64", "bookworm-backports"),
}
"""Kernel profile -> the package that depends on the newest kernel, and its suite when it is not the machine's own."""

KEYRING: Final = "/usr/share/keyrings/debian-archive-keyring.gpg"


def command(*words: str, cwd: Path | None = None) -> str:
    """Run a command and return what it prints; an error tells what the command said."""
    done = subprocess.run(words, capture_output=True, text=True, cwd=cwd, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {done.returncode}\n{done.stderr.strip()}")
    return done.stdout


def archive() -> str:
    """Return the address that this machine's own apt takes the main archive from."""
    for line in command("apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)").splitlines():
        site, _, release = line.partition(" ")
        if "/debian" in site and "security" not in site + release:
            return site
    raise SystemExit("apt has no Debian archive configured")


def options(profile: str) -> list[str]:
    """Return the words with which apt reads a profile's own suite, whose lists are fetched if they are not there."""
    suite = PACKAGES[profile][1]
    if not suite:
        return []
    home = CACHE / "kernel" / profile / "apt"
    settings = {
        "Dir::Etc::sourcelist": home / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": home / "lists",
        "Dir::Cache": home / "cache",
    }
    words = [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]
    if not (home / "sources.list").exists():
        for directory in ("lists/partial", "cache/archives/partial"):
            (home / directory).mkdir(parents=True)
        (home / "sources.list").write_text(f"deb [signed-by={KEYRING}] {archive()} {suite} main\n")
        command("apt-get", *words, "update")
    return words


def needed(profile: str, package: str, pattern: str) -> list[str]:
    """Return the packages that *package* depends on and whose names match *pattern*."""
    return re.findall(rf"Depends: ({pattern}\S+)", command("apt-cache", *options(profile), "depends", package))


def fetch(profile: str) -> tuple[Path, str]:
    """Download and unpack a profile's kernel unless it is there; returns its root and its release."""
    home = CACHE / "kernel" / profile
    if not (home / "ok").exists():
        package = PACKAGES[profile][0]
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        depends = needed(profile, package, "linux-image-")
        if not depends:
            raise SystemExit(f"{package} depends on no kernel")
        command("apt-get", *options(profile), "download", depends[0], cwd=home)
        package_file = next(home.glob("*.deb"))
        command("dpkg", "-x", str(package_file), str(home / "root"))
        (home / "ok").write_text(f"{package_file.name}\n")
    image = next((home / "root/boot").glob("vmlinuz-*"))
    return home / "root", image.name.removeprefix("vmlinuz-")


def build(profile: str, source: Path) -> bytes:
    """Build a module of ours for a profile's kernel with Debian's headers, unpacked beside it; returns the .ko file."""
    _, release = fetch(profile)
    headers = CACHE / "kernel" / profile / "headers"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    built = CACHE / "kernel" / profile / f"{source.stem}-{digest}.ko"
    if built.exists():
        return built.read_bytes()
    package = f"linux-headers-{release}"
    sources = headers / "usr/src"
    if not (headers / "ok").exists():
        shutil.rmtree(headers, ignore_errors=True)
        headers.mkdir()
        names = [package, *needed(profile, package, "linux-(?:headers|kbuild)-")]
        command("apt-get", *options(profile), "download", *names, cwd=headers)
        for archive in headers.glob("*.deb"):
            command("dpkg", "-x", str(archive), str(headers))
        makefile = sources / package / "Makefile"
        makefile.write_text(makefile.read_text().replace("/usr/src/", f"{sources}/"))
        (headers / "ok").write_text("")
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        shutil.copy(source, scratch)
        (Path(scratch) / "Kbuild").write_text(f"obj-m := {source.stem}.o\n")
        no_btf = "CONFIG_DEBUG_INFO_BTF_MODULES="  # it would need pahole
        command("make", "-s", "-C", str(sources / package), f"M={scratch}", no_btf, "modules")
        command("strip", "-g", f"{scratch}/{source.stem}.ko")
        shutil.copy(f"{scratch}/{source.stem}.ko", built)
    return built.read_bytes()


class Modules:
    """The .ko files of a kernel, with their dependencies out of the modules' own .modinfo."""

    def __init__(self, root: Path, release: str) -> None:
        base = root / "lib/modules" / release
        if not base.exists():
            base = root / "usr/lib/modules" / release
        self.paths = {_plain(path.name): path for path in base.rglob("*.ko*")}
        self.ours: dict[str, bytes] = {}
        built_in = base / "modules.builtin"
        lines = built_in.read_text().split() if built_in.exists() else []
        self.built_in = {_plain(Path(line).name) for line in lines}

    def data(self, name: str) -> bytes:
        """Return a module's ELF file."""
        if name in self.ours:
            return self.ours[name]
        path = self.paths[name]
        data = path.read_bytes()
        return lzma.decompress(data) if path.suffix == ".xz" else data

    def in_order(self, names: list[str]) -> list[str]:
        """Return the modules to load for *names*, each after those that it needs."""
        found: list[str] = []

        def visit(name: str) -> None:
            if name in self.ours and name not in found:
                found.append(name)
            if name in self.built_in or name in found or name not in self.paths:
                return
            needs = re.search(rb"\0depends=([^\0]+)\0", b"\0" + self.data(name))
            for other in needs[1].decode().split(",") if needs else []:
                visit(_plain(other))
            found.append(name)

        for name in names:
            visit(_plain(name))
        return found


def _plain(name: str) -> str:
    """A module's name as the kernel spells it, from a file name or an option."""
    return name.partition(".ko")[0].replace("-", "_")
