"""Coverage-guided fuzzing (``make fuzz``) of what reads other people's bytes; one target a process.

readers
    Every reader of /proc, /sys and cgroup files: a record that can be printed, or a ProcParseError. The first byte
    chooses the reader, the rest is the file.
archives
    The plain bytes of a tar: files that lie within it and below the limits, or a SnapshotError.
scenarios
    The text of a scenario: one that comes back from its own text, or a ScenarioError of bounded length.
boot
    The files of a recorded boot, damaged as the bytes choose: a machine whose invariants hold, or a MemtwinError.

It needs atheris, which has an environment of its own.
"""

from __future__ import annotations

import io
import random
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import atheris  # type: ignore[import-not-found]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

sys.path.insert(0, str(Path(__file__).parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).parents[1] / "model"))
with atheris.instrument_imports(
    include=[f"memtwin.{part}" for part in ("procfs", "sysfs", "cgroupfs", "archive", "scenario", "machine")]
):
    import mutations
    from kinds import MODULES

    from memtwin import scenario
    from memtwin.sources import archive

from memtwin.errors import ProcParseError, ScenarioError, SnapshotError
from memtwin.sources.limits import MAX_TAR_BYTES, is_inside

READERS = tuple(MODULES.values())
RECORDINGS = Path(__file__).parents[1] / "recordings"
LONGEST_MESSAGE = 3000
_BOOTS: dict[str, dict[str, str]] = {}
MOST_READ, LARGEST_READ = 8, 1 << 20


def check_message(problem: Exception) -> None:
    """Assert that a message does not grow with the input."""
    assert len(str(problem)) < LONGEST_MESSAGE


def read_file(data: bytes) -> None:
    """Read one text with one reader."""
    module = READERS[data[0] % len(READERS)] if data else READERS[0]
    text = data[1:].decode(errors="surrogateescape")
    try:
        record = module.parse(text, "fuzz")
    except ProcParseError as problem:
        check_message(problem)
        return
    module.render(record)


def read_archive(data: bytes) -> None:
    """List the files of a tar and cut some of them out."""
    try:
        files = archive.index(data, "fuzz")
    except SnapshotError as problem:
        check_message(problem)
        return
    assert sum(file.size for file in files.values()) <= MAX_TAR_BYTES
    assert all(is_inside(path) for path in files)
    for file in list(files.values())[:MOST_READ]:
        if file.size <= LARGEST_READ:
            assert len(archive.cut(data, file)) == file.size


def read_scenario(data: bytes) -> None:
    """Parse a scenario, and its own text again."""
    try:
        found = scenario.parse(data.decode(errors="surrogateescape"), "fuzz")
    except ScenarioError as problem:
        check_message(problem)
        return
    assert scenario.parse(found.text, "fuzz") == found


def boot_machine(data: bytes) -> None:
    """Build a machine from a damaged snapshot: the first byte says of which, the rest how it is damaged."""
    choices = atheris.FuzzedDataProvider(data)

    def choose(count: int) -> int:
        return int(choices.ConsumeIntInRange(0, count - 1))

    name = mutations.BOOTS[choose(len(mutations.BOOTS))]
    if name not in _BOOTS:
        _BOOTS[name] = mutations.recorded(name)
    ram = ("machine.ram=268435456",) if choose(4) == 0 else ()
    mutations.outcome(mutations.damage(_BOOTS[name], choose), ram)


def boots() -> Iterator[bytes]:
    """Yield choices of all kinds."""
    yield from (random.Random(number).randbytes(64) for number in range(64))


def recorded() -> Iterator[tuple[str, bytes]]:
    """Yield the files of two recordings by name."""
    for name in ("03-anon-swap-disk", "05-zram-text"):
        with tarfile.open(RECORDINGS / name / "run1.tar.xz") as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is not None:
                    yield member.name, file.read()


def texts() -> Iterator[bytes]:
    """Yield what a recorded kernel printed, one file a reader."""
    from conftest import WRITTEN, kind_of

    kinds = list(MODULES)
    found = {kind: texts[0].encode() for kind, texts in WRITTEN.items()}
    for name, data in recorded():
        if kind_of(name) in MODULES:
            found.setdefault(kind_of(name), data)
    yield from (bytes([kinds.index(kind)]) + text for kind, text in found.items())


def tars() -> Iterator[bytes]:
    """Yield small tars of each format, with long names and sparse files."""
    holes = {"GNU.sparse.size": "9000", "GNU.sparse.numblocks": "2", "GNU.sparse.map": "0,1,5000,1"}
    names = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "proc/b",
        "GNU.sparse.realsize": "9000",
    }
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        for headers, content in (({}, b"x\n"), (holes, b"xy"), (names, b"1\n0\n1\n" + bytes(506) + b"x")):
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w", format=form) as tar:
                for path in ("proc/a", "proc/" + "d/" * 60 + "long"):
                    member = tarfile.TarInfo(path)
                    member.size, member.pax_headers = len(content), headers
                    if form != tarfile.USTAR_FORMAT or len(path) < tarfile.LENGTH_NAME:
                        tar.addfile(member, io.BytesIO(content))
            yield out.getvalue()[: 5 * tarfile.BLOCKSIZE] + bytes(2 * tarfile.BLOCKSIZE)
            yield out.getvalue()


def scenarios() -> Iterator[bytes]:
    """Yield the recorded scenarios."""
    yield from (data for name, data in recorded() if name.endswith("scenario.txt"))
    yield from (path.read_bytes() for path in sorted((Path(__file__).parents[2] / "scenarios").glob("*.mem")))


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], Iterator[bytes]]]] = {
    "readers": (read_file, texts),
    "archives": (read_archive, tars),
    "scenarios": (read_scenario, scenarios),
    "boot": (boot_machine, boots),
}


def sow(directory: Path, seeds: Iterator[bytes]) -> None:
    """Write what a target begins from."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (directory / f"seed-{number}").write_bytes(seed)


if __name__ == "__main__":
    one, seeds = TARGETS[sys.argv.pop(1)]
    sow(Path(sys.argv[1]), seeds())
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
