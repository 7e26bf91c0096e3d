"""Page tables of a kernel made by hand: its types, where its tasks are, and the bits of each page."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from memtwin import cli
from memtwin.errors import InputError
from memtwin.sources import page_looks, page_tables
from memtwin.sources.btf import Types
from memtwin.sources.page_tables import Kcore, PageLooks
from memtwin.sources.recorder import Readings

DIRECT = 0xFFFF_8880_0000_0000
"""Where the kernel has all memory."""
INIT, TASK, MM, PGD, PUD, PMD, PTE = (0x1000 * number for number in range(1, 8))
"""Frames."""
TASKS, TGID, MM_AT, PGD_AT = 64, 128, 72, 24
PID = 77


def btf() -> bytes:
    """Return types with task_struct, and mm_struct whose members are in an unnamed struct within it."""
    names = bytearray(b"\0")

    def name(word: str) -> int:
        at = len(names)
        names.extend(word.encode() + b"\0")
        return at if word else 0

    def structure(title: str, *members: tuple[str, int, int]) -> bytes:
        head = struct.pack("<III", name(title) if title else 0, 4 << 24 | len(members), 512)
        return head + b"".join(
            struct.pack("<III", name(word) if word else 0, kind, at * 8) for word, kind, at in members
        )

    types = struct.pack("<IIII", name("int"), 1 << 24, 4, 32)
    types += structure("task_struct", ("tasks", 1, TASKS), ("mm", 1, MM_AT), ("tgid", 1, TGID))
    types += structure("", ("pgd", 1, PGD_AT - 8))
    types += structure("mm_struct", ("", 3, 8))
    head = struct.pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(names))
    return head + types + bytes(names)


def kernel(root: Path, pages: dict[int, int]) -> None:
    """Make the files of a kernel whose one process has these entries in its first page table."""
    memory = bytearray(0x9000)

    def word(at: int, value: int) -> None:
        struct.pack_into("<Q", memory, at, value)

    word(INIT + TASKS, DIRECT + TASK + TASKS)
    word(TASK + TASKS, DIRECT + INIT + TASKS)
    struct.pack_into("<I", memory, TASK + TGID, PID)
    word(TASK + MM_AT, DIRECT + MM)
    word(MM + PGD_AT, DIRECT + PGD)
    for table, below in ((PGD, PUD), (PUD, PMD), (PMD, PTE)):
        word(table, below | 0x27)
    for number, entry in pages.items():
        word(PTE + 8 * number, entry)
    elf = bytearray(64)
    struct.pack_into("<Q", elf, 32, 64)
    struct.pack_into("<H", elf, 56, 1)
    # the first frame is not memory, so that no physical address is 0
    elf += struct.pack("<IIQQQQQQ", 1, 7, 0x2000, DIRECT + 0x1000, 0x1000, len(memory) - 0x1000, len(memory), 0)
    files = {
        "proc/kcore": bytes(elf.ljust(0x2000, b"\0")) + bytes(memory[0x1000:]),
        "proc/kallsyms": b"0000000000000000 A first\n%016x D init_task\n" % (DIRECT + INIT),
        "proc/cpuinfo": b"processor\t: 0\nflags\t\t: fpu pse\n\n",
        "sys/kernel/btf/vmlinux": btf(),
    }
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)


PRESENT, ACCESSED, SOFT_DIRTY, SWAPPED = 1, 0x20, 0x800, 0x1234_0000
ENTRIES = {
    1: 0x5000 | PRESENT, 2: 0x5000 | PRESENT | ACCESSED, 3: 0x5000 | PRESENT | ACCESSED | SOFT_DIRTY,
    500: SWAPPED | SOFT_DIRTY | ACCESSED,
}  # fmt: skip


def test_pages_are_read_of_the_tables_of_a_task(tmp_path: Path) -> None:
    kernel(tmp_path, ENTRIES)
    kcore = Kcore(tmp_path)
    tasks = kcore.tasks()
    assert list(tasks) == [PID]
    own = page_looks.parse(kcore.pages(tasks[PID]), "").own
    assert list(own) == [0]
    assert own[0].had == sum(1 << page for page in ENTRIES)
    assert own[0].touched == 0b1100
    assert own[0].written == 0b1000


def test_a_look_has_its_mappings_and_forgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel(tmp_path, ENTRIES)
    cleared: list[tuple[int, bytes]] = []
    monkeypatch.setattr(page_tables, "_clear", lambda pid, what: cleared.append((pid, what)))
    monkeypatch.setattr(Path, "read_bytes", lambda path: str(path).encode())
    monkeypatch.setattr(page_tables.open_files, "of_process", lambda _: b"")

    made = Readings({}, [], {})
    kcore = Kcore.__new__(Kcore)
    monkeypatch.setattr(kcore, "tasks", lambda: {PID: 5}, raising=False)
    monkeypatch.setattr(kcore, "pages", lambda _: "text", raising=False)
    looks = PageLooks(60, kcore)
    looks.look([PID, 1], made)
    looks.look([PID, 1], made)
    assert made.files[f"proc/{PID}/maps"] == f"/proc/{PID}/maps".encode()
    assert made.files[f"memtwin/{PID}/pages"] == b"text"
    assert cleared == [(PID, b"1"), (PID, b"4")]
    assert "% of the time" in looks.price([PID])


def test_what_changes_while_it_is_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that lies nowhere, a list that leads nowhere and a process that has ended: no error, no files."""
    kernel(tmp_path, ENTRIES)
    kcore = Kcore(tmp_path)
    where = kcore.tasks()[PID]
    monkeypatch.setattr(kcore, "_word", lambda _: 1)
    with pytest.raises(InputError, match="has no address"):
        kcore.pages(where)
    made = Readings({}, [], {})
    PageLooks(60, kcore).look([PID], made)
    ended = subprocess.Popen(["true"])
    ended.wait()
    monkeypatch.setattr(kcore, "tasks", lambda: {ended.pid: where})
    PageLooks(60, kcore).look([ended.pid], made)
    assert not made.files


def test_members_are_found_in_what_has_no_name_of_its_own() -> None:
    types = Types(btf())
    assert types.offset("mm_struct", "pgd") == PGD_AT
    assert types.offset("task_struct", "tgid") == TGID
    with pytest.raises(InputError, match="struct task_struct has no colour"):
        types.offset("task_struct", "colour")
    with pytest.raises(InputError, match="no description of types"):
        Types(b"text that is none" * 9)


def test_without_what_it_needs_it_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kernel(tmp_path, ENTRIES)
    (tmp_path / "proc/kallsyms").write_bytes(b"0000000000000000 D init_task\n")
    with pytest.raises(InputError, match="init_task"):
        Kcore(tmp_path)
    assert cli.main(["record", "-o", str(tmp_path / "t"), "--pages", "1s", "--working-set", "1s"]) != 0
    assert "exclude each other" in capsys.readouterr().err
