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
logs
    The lines of a log: events and deaths, of any number.
traces
    The samples of a trace, as they are before they are packed: files, or a ValueError.

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
    include=[f"memtwin.{part}" for part in ("procfs", "sysfs", "cgroupfs", "sources", "scenario", "machine", "oom")]
):
    import mutations
    from kinds import MODULES

    from memtwin import scenario
    from memtwin.oom.deaths.watch import Watch
    from memtwin.oom.faces import data as faces
    from memtwin.oom.read.parse import events_of
    from memtwin.oom.read.shape import restored
    from memtwin.oom.tell import brief
    from memtwin.oom.why.analysis import analyses
    from memtwin.sources import archive, deltas, frames

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


def read_log(data: bytes) -> None:
    """Find the events and deaths of a log, and say what happened."""
    watch = Watch()
    lines = data.decode(errors="surrogateescape").split("\n")
    for number, analysis in enumerate(analyses(events_of(watch.over(restored(lines)))), 1):
        watch.note(number, analysis.event)
        brief(analysis)
        faces.data(analysis)
    watch.time_line()


def read_trace(data: bytes) -> None:
    """Go through a trace whose payloads are the lines of *data*, and look for frames in its bytes."""
    frames.scan(data)
    state = deltas.FileState()
    for payload in data.split(b"\xc1"):  # no byte of msgpack
        try:
            state.apply(payload)
        except ValueError as problem:
            check_message(problem)
            return
        for path in list(state.paths())[:MOST_READ]:
            state.text(path)


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


def logs() -> Iterator[bytes]:
    """Yield the logs of recorded runs in which the OOM killer came, plain and as others write them."""
    for name in ("26-oom-noswap", "107-oom-four-adj"):
        with tarfile.open(RECORDINGS / name / "run1.tar.xz") as tar:
            for member in tar:
                file = tar.extractfile(member) if member.name.endswith("dmesg.txt") else None
                if file is not None:
                    text = file.read()
                    lines = text.split(b"\n")
                    at = next((i for i, line in enumerate(lines) if b"invoked oom-killer" in line), 0)
                    yield b"\n".join(lines[at : at + 60])
                    yield b"\n".join(b"Nov 29 03:12:05 db1 kernel: " + line for line in lines[at : at + 80])
    yield b"db1 systemd[1]: redis.service: A process of this unit has been killed by the OOM killer.\n" * 3
    yield b'{"MESSAGE": "Out of memory: Killed process 12 (a) total-vm:1kB, anon-rss:1kB", "_PID": "0"}\n'


def traces() -> Iterator[bytes]:
    """Yield payloads as a recorder writes them."""
    encoder, made = deltas.Encoder(), []
    for tick in range(6):
        files = {
            "proc/meminfo": b"MemTotal: 8 kB\nMemFree: %6d kB\n" % (tick * 977),
            f"proc/{7 + tick % 3}/stat": b"7 (a%d b) S %d 007 0x1f" % (tick, tick * tick),
            "proc/swaps": b"Filename\n" * (1 + tick // 3),
        }
        gone = ["proc/8/stat"] if tick == 2 else []
        made.append(encoder.payload(tick * 1000, files, gone, meta=None if tick else {"version": 1}))
        yield b"\xc1".join(made)


TARGETS: dict[str, tuple[Callable[[bytes], None], Callable[[], Iterator[bytes]]]] = {
    "readers": (read_file, texts),
    "archives": (read_archive, tars),
    "scenarios": (read_scenario, scenarios),
    "boot": (boot_machine, boots),
    "logs": (read_log, logs),
    "traces": (read_trace, traces),
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
