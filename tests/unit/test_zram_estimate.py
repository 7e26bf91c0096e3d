"""Does a sample of pages leave what it reads as it is, and say what it costs, what it found and what it could not?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from memtwin import cli
from memtwin.sources import compressors, page_sample
from memtwin.sources.compressors import is_same
from memtwin.sysfs.zram.zsmalloc import Classes
from memtwin.views.zram_estimate import SAME, Measured, estimate
from processes import wait_until_it_sleeps

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 4096
HOLDER = """
import mmap, os, sys
held = mmap.mmap(-1, 400 * 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for number in range(200):
    held[number * 4096 : number * 4096 + 4096] = os.urandom(4096)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder() -> Iterator[int]:
    """A process with 200 pages of random bytes, and as many that it never touched."""
    words = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "ready\n"
        wait_until_it_sleeps(process.pid)
        yield process.pid
        process.stdin.close()


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compressor that is everywhere: zlib's in the place of lz4."""
    import zlib

    monkeypatch.setattr(compressors, "_MAKERS", {"lz4": lambda *, is_new: lambda data: zlib.compress(data, 1)})


def own_rows(pid: int) -> list[str]:
    """Return smaps_rollup without shares and kinds that others change, who come and go with the same libraries."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return [row for row in rows if not row.startswith(("Pss", "Shared", "Private"))]


@pytest.mark.usefixtures("library")
def test_a_processs_pages_are_read_and_left(holder: int, capsys: pytest.CaptureFixture[str]) -> None:
    before = own_rows(holder)
    assert cli.main(["zram-estimate", str(holder), "--json"]) == 0
    out, err = capsys.readouterr()
    assert own_rows(holder) == before
    data = json.loads(out)["data"]
    (row,) = data["algorithms"]
    assert row["whole_percent"] * data["looked"]["pages"] / 100 >= 200
    assert row["mem_low"] <= row["mem_used_total"] <= row["mem_high"]
    assert "reads " in err
    assert "under its process's mmap_lock" in err


@pytest.mark.usefixtures("library")
def test_untouched_pages_are_not_made(holder: int) -> None:
    population = page_sample.of_processes([holder])
    resident = int(Path(f"/proc/{holder}/statm").read_text().split()[1])
    assert 200 <= population.pages <= resident


def test_every_page_of_a_file_comes_once(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"".join(number.to_bytes(4, "little") * 1024 for number in range(50)) + b"end")
    population = page_sample.of_file(str(file))
    assert population.pages == 51
    pages = list(page_sample.sample(population, 1000))
    assert [page[:4] for page in pages[:-1]] == [number.to_bytes(4, "little") for number in range(50)]
    assert pages[-1] == b"end".ljust(PAGE, b"\0")
    assert len(set(page_sample.sample(population, 20))) == 20


def test_a_page_of_one_word_takes_nothing() -> None:
    assert is_same(b"12345678" * 512)
    assert not is_same(b"12345678" * 511 + b"12345679")
    found = estimate(Measured("x", (SAME, SAME), 0), 10, Classes(is_new=False))
    assert (found.mem_used_total, found.compr_data_size, found.ratio, found.page_us) == (0, 0, None, None)


def test_classes_are_those_of_the_model() -> None:
    """3,257 bytes and more are stored whole; three objects of 2,500 bytes lie in two pages; since 6.3 3,625."""
    old, new = Classes(is_new=False), Classes(is_new=True)
    assert (old.stored(3256), old.stored(3257)) == (3256, PAGE)
    assert (new.stored(3624), new.stored(3625)) == (3624, PAGE)
    assert old.of(2500)[1:] == (2, 3)
    assert old.pool_bytes([2500] * 4) == 4 * PAGE
    assert old.pool_bytes([2500] * 3, 2.0) == 4 * PAGE


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "give PIDs, a FILE, or --all"),
        (("1", "--all"), "give PIDs, a FILE, or --all"),
        (("4194300",), "No such file"),
        (("absent",), "No such file"),
        (("1", "absent"), "PIDs, or one FILE"),
        (("/dev/zero",), "/dev/zero"),
        (("/",), "/"),
        (("/dev/null",), "/dev/null"),
        (("/proc/version", "--kernel", "x"), "no release"),
        (("/proc/version", "--kernel", "6"), "no release"),
        (("/proc/version", "--algorithm", "lzo-rle"), "lzo-rle"),
        (("/proc/version", "--pages", "1"), "--pages"),
    ],
)
@pytest.mark.usefixtures("library")
def test_what_is_wrong_is_refused(words: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["zram-estimate", *words]) in {1, 2}
    out, err = capsys.readouterr()
    assert out == ""
    assert why in err
    assert "bug of memtwin" not in err


@pytest.mark.usefixtures("library")
def test_its_own_memory_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["zram-estimate", str(os.getpid())]) == 2
    assert "changes while it looks" in capsys.readouterr().err


@pytest.mark.usefixtures("library")
def test_an_empty_file_has_no_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").touch()
    assert cli.main(["zram-estimate", str(tmp_path / "empty")]) == 1
    assert "no page of it" in capsys.readouterr().err


def test_without_a_library_it_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(*, is_new: bool) -> None:
        raise ImportError(str(is_new))

    (tmp_path / "f").write_bytes(b"x" * PAGE)
    monkeypatch.setattr(compressors, "_MAKERS", {"lz4": absent, "zstd": absent})
    assert cli.main(["zram-estimate", str(tmp_path / "f")]) == 1
    assert "memtwin[zram]" in capsys.readouterr().err
    assert cli.main(["zram-estimate", str(tmp_path / "f"), "--algorithm", "zstd"]) == 1
    assert "the library of zstd is not installed" in capsys.readouterr().err


@pytest.mark.usefixtures("library")
def test_a_file_may_have_any_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a\x1b[31m\u202eb"
    file.write_bytes(os.urandom(20 * PAGE))
    assert cli.main(["zram-estimate", str(file)]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\u202e" not in out + err
