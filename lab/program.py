#!/usr/bin/env python3
"""Write what the twin needs to know of a worker program: its areas, and the pages that it reads and writes.

    .venv/bin/python lab/record.py --faults lab/scenarios/121-worker-idle.mem
    .venv/bin/python lab/program.py tests/recordings/121-worker-idle/run1.tar.xz

The recording holds the program's ELF headers (worker.elf.txt) and, for each operation, every page fault with its
address (faults/N); ``maps`` at its checkpoints has the areas. The result is ``src/memtwin/data/programs/GUEST_C.toml``.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from memtwin.procfs.pid import maps
from memtwin.sources.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PROGRAMS = Path(__file__).resolve().parents[1] / "src" / "memtwin" / "data" / "programs"
PAGE_SHIFT = 12
USER_PAGES = 1 << 35
WRITE = 2
"""In a fault's error code."""
FAULT = re.compile(r"-(\d+) +\[.*page_fault_\w+: address=(?:0x)?([0-9a-f]+) .*error_code=0x([0-9a-f]+)")
SEGMENT = re.compile(r"^ +(LOAD|GNU_RELRO) +0x\w+ 0x(\w+) 0x\w+ 0x(\w+) 0x(\w+) ", re.MULTILINE)
EXEC_FILLS = 1
"""Pages that the kernel writes for exec itself, not by way of a fault: the arguments on the stack."""


class Fault(NamedTuple):
    """A page fault of a process."""

    pid: int
    page: int
    write: bool


class Pages(NamedTuple):
    """Pages that were read and written, each in order."""

    read: list[int]
    written: list[int]


def faults(recording: Recording, op: int) -> Iterator[Fault]:
    """Yield the faults on user addresses during an operation."""
    for pid, address, code in FAULT.findall(recording.read(f"faults/{op}") or ""):
        page = int(address, 16) >> PAGE_SHIFT
        if page < USER_PAGES:
            yield Fault(int(pid), page, bool(int(code, 16) & WRITE))


def pages(found: Iterable[Fault], pid: int) -> Pages:
    """Return the pages that a process read and wrote."""
    own = [fault for fault in found if fault.pid == pid]
    return Pages(*(list(dict.fromkeys(f.page for f in own if f.write is write)) for write in (False, True)))


def pids(recording: Recording, label: str) -> dict[str, int]:
    """Return the processes of a checkpoint by name."""
    lines = (recording.at(label).read("workers.txt") or "").splitlines()
    return {name: int(pid) for name, pid, _ in (line.split() for line in lines)}


def rows(recording: Recording, label: str) -> list[maps.Mapping]:
    """Return the areas of process P at a checkpoint."""
    return list(maps.parse(recording.at(label).read("workers/P/maps") or "").rows)


class Segments(NamedTuple):
    """What the ELF headers say, as page numbers: the end of the file's part, of the bss, and the relro range."""

    file_end: int
    bss_end: int
    relro: range

    @classmethod
    def read(cls, headers: str) -> Segments:
        """Read what ``readelf --program-headers --wide`` printed."""
        found = [(kind, *(int(word, 16) for word in words)) for kind, *words in SEGMENT.findall(headers)]
        loads = [words for kind, *words in found if kind == "LOAD"]
        start, in_file, in_memory = loads[-1]
        relro = next(words for kind, *words in found if kind == "GNU_RELRO")
        up = (1 << PAGE_SHIFT) - 1
        return cls(
            (start + in_file + up) >> PAGE_SHIFT,
            (start + in_memory + up) >> PAGE_SHIFT,
            range(relro[0] >> PAGE_SHIFT, (relro[0] + relro[2]) >> PAGE_SHIFT),
        )


def area(row: maps.Mapping, path: str, segments: Segments) -> dict[str, object]:
    """Return one area as the data has it."""
    start, end = row.start >> PAGE_SHIFT, row.end >> PAGE_SHIFT
    source = {path: "binary", "[vvar]": "vvar", "[vdso]": "vdso"}.get(row.path or "", "anon")
    flags = [flag for flag, letter in (("READ", "r"), ("WRITE", "w"), ("EXEC", "x")) if letter in row.perms]
    if source == "binary" and "w" not in row.perms and start in segments.relro:
        flags.append("ACCOUNT")  # it was writable until the program had relocated itself
    if source == "anon" and (start, end) == (segments.file_end, segments.bss_end):
        flags.append("BSS")
    if source in {"vvar", "vdso"}:
        flags.append("PFNMAP")
    if row.path == "[stack]":
        flags.append("GROWSDOWN")
    offset = row.offset >> PAGE_SHIFT if source == "binary" else 0
    return {
        "start": start, "pages": end - start, "flags": flags, "source": source, "offset": offset,
        "perms": row.perms, "name": row.path or "",
    }  # fmt: skip


def ops(recording: Recording, words: str) -> list[int]:
    """Return the numbers of the operations that begin with *words*."""
    return [op["i"] for op in recording.ops if f"{op['op']} ".startswith(f"{words} ")]


def union(*lists: list[int]) -> list[int]:
    """Return each page once, in order."""
    return list(dict.fromkeys(page for found in lists for page in found))


def derive(recording: Recording) -> dict[str, object]:
    """Return the data of the recording's program by name."""
    headers = recording.read("worker.elf.txt")
    if headers is None:
        raise SystemExit(f"{recording.path} was not recorded with --faults")
    segments = Segments.read(headers)
    parent, child = (pids(recording, "forked")[name] for name in ("P", "C"))
    by_op = {op["i"]: list(faults(recording, op["i"])) for op in recording.ops}
    start, fork = ops(recording, "proc P")[0], ops(recording, "P fork")[0]
    first, *_, later = ops(recording, "P mmap")
    at_start = pages(by_op[start], parent)
    mmaps = [
        pages(by_op[i], pid) for i, pid in ((first, parent), (later, parent), (ops(recording, "C mmap")[0], child))
    ]
    forked, parted = pages(by_op[fork], child), pages(by_op[fork], parent)
    commands = [pages(by_op[ops(recording, f"{name} munlock")[0]], pid) for name, pid in (("C", child), ("P", parent))]
    started, mapped, buffered = (rows(recording, label) for label in ("started", "mapped", "buffered"))
    path = next(row.path for row in started if row.path)
    known = {row.start for row in mapped}
    buffer = next(row for row in buffered if row.start not in known)
    counted = recording.ops[start]["d"]["pgfault"]
    return {
        "guest_c": recording.meta["guest_c"],
        "path": path,
        "binary_pages": -(-recording.meta["worker_bytes"] >> PAGE_SHIFT),
        "first_region": next(row.start for row in mapped if row.start not in {r.start for r in started}) >> PAGE_SHIFT,
        "io_buffer": buffer.start >> PAGE_SHIFT,
        "io_buffer_pages": (buffer.end - buffer.start) >> PAGE_SHIFT,
        "arguments": (next(row.end for row in started if row.path == "[stack]") >> PAGE_SHIFT) - 1,
        "faults_before_exec": counted - sum(fault.pid == parent for fault in by_op[start]) - EXEC_FILLS,
        "read_at_start": at_start.read,
        "written_at_start": at_start.written,
        "written_by_command": union(*(found.written for found in commands)),
        "read_by_mmap": union(*(found.read for found in mmaps)),
        "written_by_mmap": union(*(found.written for found in mmaps)),
        "read_after_fork": forked.read,
        "written_by_parent": parted.written,
        "written_by_child": forked.written,
        "areas": [area(row, path or "", segments) for row in started],
    }


def written(entry: dict[str, object]) -> str:
    """Return an entry as TOML, page numbers in hexadecimal."""

    def value(name: str, found: object) -> str:
        if isinstance(found, int):
            return f"{found}" if name.endswith("pages") or name.startswith("faults") else f"{found:#x}"
        if isinstance(found, list):
            return f"[{', '.join(value(name, each) for each in found)}]"
        return f'"{found}"'

    areas = entry["areas"]
    assert isinstance(areas, list)
    lines = [f"{name} = {value(name, found)}" for name, found in entry.items() if name != "areas"]
    for each in areas:
        lines += ["", "[[areas]]", *(f"{name} = {value(name, found)}" for name, found in each.items())]
    return "# Written by lab/program.py\n" + "\n".join(lines) + "\n"


def main() -> None:
    """Write the data of a recording's program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("recording")
    parser.add_argument("--out", type=Path, default=PROGRAMS, help="the directory of GUEST_C.toml")
    parser.add_argument("--guest-c", help="the name that the program has in its recordings, if it is another")
    parser.add_argument("--path", help="and its path in them: /init")
    args = parser.parse_args()
    entry = derive(Recording(args.recording))
    text = written(entry)
    if args.path:
        text = text.replace(f'"{entry["path"]}"', f'"{args.path}"')
    if args.guest_c:
        text = text.replace(f'"{entry["guest_c"]}"', f'"{args.guest_c}"')
    out = args.out / f"{args.guest_c or entry['guest_c']}.toml"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text)
    print(out)


if __name__ == "__main__":
    main()
