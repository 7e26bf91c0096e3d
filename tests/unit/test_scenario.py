"""Is every line of the scenario language understood, and every mistake told where and what?"""

from __future__ import annotations

import tarfile
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtwin import scenario as sc
from memtwin.errors import InputError, ScenarioError

RECORDINGS = sorted((Path(__file__).parents[1] / "recordings").glob("*/run1.tar.xz"))
HANDED_OUT = Path(__file__).resolve().parents[3] / "shared" / "lab" / "scenarios"

EVERY_LINE = """\
# all words of the language
machine ram=1G cpus=2 kernel=6.12 thp=madvise lru_gen=on cmdline=a,b=c   # comment
swap zram size=96M algo=zstd prio=5
swap disk size=300M prio=7 rot=0
swap disk size=2M
swap disk name=spare size=1M on=0
sysctl vm.lowmem_reserve_ratio=256,256,32
file data 10M content=zero
tmpfs size=64M
swap zswap max_pool_percent=30 accept_threshold=80 compressor=lz4 zpool=zsmalloc same_filled=off
proc A adj=-500
A   mmap heap\t3P
A fmap m data private
A touch heap 4K 8K w hot:10:20%:90:3 content=half
A touch heap 0 3P r pow:5:16:1
A fread data 1 8K 4K
A fwrite out 0 8K 4K rand:3:18446744073709551615
A fsync out
A madvise heap 0 4K pageout
A mlock heap 0 4K
A munlock heap 0 4K
A munmap m
A fork B
B touch heap 0 4K w seq
B exit
A kill
sleep 1.5
sync
drop_caches 3
compact
swapon spare prio=5
swapon disk2
swapoff zram
sysctl vm.swappiness=10
kalloc pins 0 300 unmovable
kfree pins every:2
kfree pins all
checkpoint end
proc C
C shm a 8K
C shm k 8K as pool
C shm f 8K as memfd:ring
C shm l as pool
C fwrite tmp/x 0 8K 4K
C unlink tmp/x
C unlink pool
C mprotect a 0 4K none
C limit stack 1M
C limit as none
C stack 64K
C malloc rows 100 x3 untouched
C malloc one 1M
C free rows every:2
C malloc_trim
C mallopt trim_threshold 1M
C thread T
T malloc rows 10 x2
T free rows
C realloc rows 4000 every:3 untouched
T realloc one 2M
"""


def test_every_word_of_the_language_becomes_its_typed_line() -> None:
    s = sc.parse(EVERY_LINE, "x.mem")
    given = frozenset({"ram", "cpus", "kernel", "thp", "lru_gen", "cmdline"})
    assert s.machine == sc.MachineLine(1 << 30, 2, "6.12", "madvise", "on", ("a", "b=c"), given)
    assert s.swaps == (
        sc.SwapZram(96 << 20, algo="zstd", prio=5),
        sc.SwapDisk(300 << 20, prio=7, rot=0),
        sc.SwapDisk(2 << 20, name="disk2"),
        sc.SwapDisk(1 << 20, name="spare", on=False),
    )
    assert s.zswap == sc.Zswap(30, 80, "lz4", "zsmalloc", same_filled=False)
    assert s.swap_devices == {
        "zram": "/dev/zram0", "disk": "/dev/vdb", "disk2": "/dev/vdc", "spare": "/dev/vdd",
    }  # fmt: skip
    assert s.sysctls == (sc.Sysctl("vm.lowmem_reserve_ratio", "256 256 32"),)
    assert s.files == (sc.FileDef("data", 10 << 20, "zero"),)
    assert s.checkpoints == ("end",)
    assert s.tmpfs == {"tmp": 64 << 20}
    assert [op.index for op in s.ops] == list(range(50))
    assert s.ops[29:33] == (
        sc.Shm(29, 40, "C shm a 8K", "C", "a", 8192, None),
        sc.Shm(30, 41, "C shm k 8K as pool", "C", "k", 8192, "pool"),
        sc.Shm(31, 42, "C shm f 8K as memfd:ring", "C", "f", 8192, "memfd:ring"),
        sc.Shm(32, 43, "C shm l as pool", "C", "l", None, "pool"),
    )
    assert s.ops[40:] == (
        sc.Malloc(40, 51, "C malloc rows 100 x3 untouched", "C", "rows", 100, 3, untouched=True, thread=""),
        sc.Malloc(41, 52, "C malloc one 1M", "C", "one", 1 << 20, 1, untouched=False, thread=""),
        sc.Free(42, 53, "C free rows every:2", "C", "rows", 2, ""),
        sc.MallocTrim(43, 54, "C malloc_trim", "C"),
        sc.Mallopt(44, 55, "C mallopt trim_threshold 1M", "C", "trim_threshold", 1 << 20),
        sc.ThreadStart(45, 56, "C thread T", "C", "T"),
        sc.Malloc(46, 57, "T malloc rows 10 x2", "C", "rows", 10, 2, untouched=False, thread="T"),
        sc.Free(47, 58, "T free rows", "C", "rows", 1, "T"),
        sc.Realloc(48, 59, "C realloc rows 4000 every:3 untouched", "C", "rows", 4000, 3, untouched=True, thread=""),
        sc.Realloc(49, 60, "T realloc one 2M", "C", "one", 2 << 20, 1, untouched=False, thread="T"),
    )
    assert s.ops[36:40] == (
        sc.Mprotect(36, 47, "C mprotect a 0 4K none", "C", "a", 0, 1, "none"),
        sc.Limit(37, 48, "C limit stack 1M", "C", "stack", 1 << 20),
        sc.Limit(38, 49, "C limit as none", "C", "as", None),
        sc.Stack(39, 50, "C stack 64K", "C", 64 << 10),
    )
    assert s.ops[34:36] == (
        sc.Unlink(34, 45, "C unlink tmp/x", "C", "tmp/x"), sc.Unlink(35, 46, "C unlink pool", "C", "pool"),
    )  # fmt: skip
    assert s.ops[1] == sc.Mmap(1, 12, "A mmap heap 3P", "A", "heap", 12288)
    assert s.ops[3] == sc.Touch(
        3, 14, "A touch heap 4K 8K w hot:10:20%:90:3 content=half", "A", "heap", 1, 2,
        write=True, pattern=sc.Hot(10, 20, 90, 3), content="half",
    )  # fmt: skip
    kinds = " ".join(type(op).__name__ for op in s.ops)
    assert kinds == (
        "Proc Mmap Fmap Touch Touch Fread Fwrite Fsync Madvise Mlock Munlock Munmap Fork Touch Exit Kill "
        "Sleep Sync DropCaches Compact SwapOn SwapOn SwapOff SetSysctl Kalloc Kfree Kfree Checkpoint "
        "Proc Shm Shm Shm Shm Fwrite Unlink Unlink Mprotect Limit Limit Stack "
        "Malloc Malloc Free MallocTrim Mallopt ThreadStart Malloc Free Realloc Realloc"
    )
    assert s.ops[20:23] == (
        sc.SwapOn(20, 31, "swapon spare prio=5", "spare", 5),
        sc.SwapOn(21, 32, "swapon disk2", "disk2", None),
        sc.SwapOff(22, 33, "swapoff zram", "zram"),
    )
    assert sc.parse("proc A\nA truncate f\nA close f &\n").ops[1:] == (
        sc.Truncate(1, 2, "A truncate f", "A", "f"),
        sc.Close(2, 3, "A close f", "A", "f", beside=True),
    )
    fread = s.ops[5]
    assert isinstance(fread, sc.Fread)
    assert fread.pattern == sc.Seq()
    sleep = s.ops[16]
    assert isinstance(sleep, sc.Sleep)
    assert sleep.sleep_ns == 1_500_000_000


def test_an_empty_scenario_has_the_documented_defaults() -> None:
    s = sc.parse("")
    assert s.machine == sc.MachineLine(ram_bytes=256 << 20, cpus=1, kernel="6.1", thp="never")
    assert (s.swaps, s.sysctls, s.files, s.ops) == ((), (), (), ())
    assert sc.parse("swap disk size=1M\nswap zram size=1M").swaps == (
        sc.SwapDisk(1 << 20, prio=-2, rot=None, name="disk", on=True),
        sc.SwapZram(1 << 20, algo="lzo-rle", prio=100),
    )


@pytest.mark.parametrize(
    ("text", "lineno", "expected", "hint"),
    [
        ("frobnicate", 1, "an operation", None),
        ("slep 2", 1, "an operation", "`sleep`"),
        ("A mmap h 4K", 1, "a process started before", "proc A"),
        ("proc A\nA tuch h 0 4K r seq", 2, "after its name", "`touch`"),
        ("proc A\nA", 2, "A OPERATION", None),
        ("proc A\nproc A", 2, "already used", None),
        ("proc A\nA exit\nproc A", 3, "already used", None),
        ("proc A\nA fork A", 2, "already used", None),
        ("proc 1", 1, "process's name", None),
        ("proc sleep", 1, "no operation", None),
        ("proc A adj=2000", 1, "-1000..1000", None),
        ("proc A nice=3", 1, "a key: one of adj", None),
        ("proc A\nA mmap h 4K\nA touch g 0 4K r seq", 3, "a region that A mapped", "A mmap g"),
        ("proc A\nproc B\nA mmap h 4K\nB touch h 0 4K r seq", 4, "a region that B mapped", None),
        ("proc A\nA mmap h 4k", 2, "SIZE as bytes", None),
        ("proc A\nA mmap h 5000", 2, "whole pages", None),
        ("proc A\nA mmap h 9223372036854775807G", 2, "below 2^63", None),
        ("proc A\nA mmap h ٣P", 2, "SIZE as bytes", None),
        ("proc A\nA mmap h", 2, "NAME mmap REGION SIZE", "too few words"),
        ("proc A\nA mmap h 4K 4K", 2, "NAME mmap REGION SIZE", "too many words"),
        ("proc A\nA mmap h 4K\nA touch h 0 100 r seq", 3, "LEN in whole pages", None),
        ("proc A\nA mmap h 4K\nA touch h 0 4K x seq", 3, "r or w", None),
        ("proc A\nA mmap h 4K\nA touch h 0 4K r seq:3", 3, "PATTERN", None),
        ("proc A\nA mmap h 4K\nA touch h 0 4K r pow:3:17:1", 3, "A as an integer 1..16", None),
        ("proc A\nA mmap h 4K\nA touch h 0 4K r rand:3:-1", 3, "SEED", None),
        ("proc A\nA mmap h 4K\nA touch h 0 0 r rand:3:1", 3, "at least a page", None),
        ("proc A\nA mmap h 4K\nA touch h 0 4K w seq content=txt", 3, "content: one of", "`text`"),
        ("proc A\nA mmap h 4K\nA madvise h 0 4K wontneed", 3, "ADVICE", "`dontneed`"),
        ("proc A\nA fmap m f sharing", 2, "shared, private", "`shared`"),
        ("proc A\nA fread f 0 10K 4K seq", 2, "divides LEN", None),
        ("proc A\nA fread f 0 4M 2M seq", 2, "at most 1M", None),
        ("proc A\nA fread f 0 4K 0 seq", 2, "CHUNK", None),
        ("proc A\nA fread f 0 4K 4K into=h", 2, "a region that A mapped before, not 'h'", "A mmap h SIZE"),
        ("proc A\nA mmap h 4K\nA fread f 0 4K 4K into=h+1K", 3, "OFF in whole pages", None),
        ("proc A\nA mmap h 4K\nA fread f 0 4G 4G into=h", 3, "at most 2147479552 bytes", None),
        ("proc A\nA fread f 0 4K 4K hot:3:1:1:1", 2, "seq or rand", None),
        ("proc A\nA fread ../f 0 4K 4K", 2, "file's name", None),
        ("proc A\nmachine ram=1G", 2, "header lines stand before", None),
        ("machine ram=1G\nmachine ram=1G", 2, "one machine line", None),
        ("tmpfs size=1M\ntmpfs size=1M", 2, "one line for the tmpfs tmp", None),
        ("disk data free=1M\ndisk data free=1M", 2, "one disk line", None),
        ("disk data free=0", 1, "a page or more that is free", None),
        ("tmpfs size=0", 1, "at least a page", "without a limit"),
        ("tmpfs", 1, "size=SIZE", "too few words"),
        ("disk data fs=xfs\ndisk data fs=xfs", 2, "one disk line", None),
        ("disk data", 1, "disk data [read=SIZE]", "too few words"),
        ("disk swap read=1M", 1, "data, not 'swap'", "disk data [read=SIZE]"),
        ("disk data read=1K", 1, "4K to 16G bytes a second", None),
        ("disk data write=17G", 1, "4K to 16G bytes a second", None),
        ("disk data latency=80", 1, "a time such as 500us", None),
        ("disk data latency=11s", 1, "a latency of at most 10s", None),
        ("disk data depth=33", 1, "depth as an integer 1..32", None),
        ("disk data nr_requests=3", 1, "nr_requests as an integer 4..4096", None),
        ("disk data readahead=1K", 1, "whole pages", None),
        ("disk data readahead=0", 1, "a readahead of 4K to 1G", None),
        ("disk data fs=btrfs", 1, "fs: one of ext4, xfs", None),
        ("file tmp/x 1M", 1, "a file of the data disk", "empty at boot"),
        ("proc A\nA shm r", 2, "NAME shm REGION SIZE", "too few words"),
        ("proc A\nA shm r 4K as", 2, "NAME shm REGION SIZE", None),
        ("proc A\nA shm r 4K for k", 2, "NAME shm REGION SIZE", None),
        ("proc A\nA shm r as", 2, "NAME shm REGION SIZE", None),
        ("proc A\nA shm r as k k", 2, "NAME shm REGION SIZE", None),
        ("proc A\nA shm r 100 as k", 2, "whole pages", None),
        ("proc A\nA shm r 4K as -k", 2, "a key", None),
        ("proc A\nA shm r 4K as poll\nA unlink pool", 3, "a key of shared memory", "`poll`"),
        ("proc A\nA mmap h 4K\nA mprotect h 0 4K wr", 3, "rights: one of none, r, rw, rx, rwx", None),
        ("proc A\nA mprotect h 0 4K r", 2, "a region that A mapped", None),
        ("proc A\nA limit memory 4K", 2, "a limit: one of as, data, stack, memlock", None),
        ("proc A uid=-1", 1, "uid as an integer", None),
        ("proc A uid=root", 1, "uid as an integer", None),
        ("proc A user=1", 1, "a key: one of adj, uid", None),
        ("proc A\nA mmap h 4K\nA mremap h 8K move", 3, "maymove or nothing", None),
        ("proc A\nA mmap h 4K\nA mremap h 100", 3, "whole pages", None),
        ("proc A\nA mremap h 8K", 2, "a region that A mapped", None),
        ("proc A\nA brk d", 2, "NAME brk REGION SIZE", "too few words"),
        ("proc A\nA brk d 4K\nA brk e 4K", 3, "the region d", None),
        ("proc A\nA mmap d 4K\nA brk d 4K", 3, "a new region", None),
        ("proc A\nA brk d 4K\nA munmap d", 3, "a region that was mapped", None),
        ("proc A\nA brk d 4K\nA mremap d 8K", 3, "changes by brk", None),
        ("proc A\nA malloc a 1\nA brk d 4K", 3, "a process without malloc", None),
        ("proc A\nA brk d 4K\nA malloc a 1", 3, "does not use brk", None),
        ("proc A\nA brk d 4K\nA fork B\nB malloc a 1", 4, "does not use brk", None),
        ("proc A\nA vm_read B h 0 4K", 2, "a process started before", None),
        ("proc A\nproc B\nB mmap heap 4K\nA vm_read B hep 0 4K", 4, "a region that B mapped", "`heap`"),
        ("file f 1M\nproc A\nA fmap m f shared none", 3, "rights: one of r, rw, rx, rwx", None),
        ("tmpfs data size=1M", 1, "that no other file system has", None),
        ("tmpfs a size=1M\ntmpfs a size=1M", 2, "one line for the tmpfs a", None),
        ("tmpfs size=1M\ntmpfs tmp size=1M", 2, "one line for the tmpfs tmp", None),
        ("tmpfs run size=0", 1, "at least a page", "without a limit"),
        ("tmpfs run", 1, "key=value", None),
        ("".join(f"tmpfs t{n} size=1M\n" for n in range(8)), 8, "at most 7 tmpfs", None),
        ("tmpfs run size=1M\nproc A\nA fread ron/x 0 4K 4K", 3, "a tmpfs of the header", "`run`"),
        ("proc A\nA fwrite run/x 0 4K 4K", 2, "a tmpfs of the header", "tmpfs run size=SIZE"),
        ("tmpfs run size=1M\nfile run/x 4K", 2, "a file of the data disk", "fwrite"),
        ("proc A\nA limit as 100", 2, "whole pages", None),
        ("proc A\nA limit as", 2, "NAME limit", "too few words"),
        ("proc A\nA stack 65M", 2, "at most 64M of stack", "several operations"),
        ("proc A\nA stack x", 2, "SIZE as bytes", None),
        ("proc A\nA malloc a", 2, "NAME malloc TAG SIZE", "too few words"),
        ("proc A\nA malloc rows 1\nA realloc row 9", 3, "blocks that A allocated before", "`rows`"),
        ("proc A\nA malloc a 1\nA realloc a 0", 3, "at least 1 byte", None),
        ("proc A\nA malloc a 1\nA realloc a 9 x2", 3, "`every:K`", None),
        ("proc A\nA malloc a 1\nA realloc a 9 untouched every:2", 3, "every:K, untouched", None),
        ("proc A\nA malloc a 100 3", 2, "xN, untouched", None),
        ("proc A\nA malloc a 100 x0", 2, "N as an integer", None),
        ("proc A\nA malloc a 100 untouched x3", 2, "xN, untouched", None),
        ("proc A\nA malloc a 2000G", 2, "at most 1024G", None),
        ("proc A\nA free a", 2, "blocks that A allocated", None),
        ("proc A\nA malloc ab 1\nA free abc", 3, "blocks that A allocated", "`ab`"),
        ("proc A\nA malloc a 1\nA free a half", 3, "every:K", None),
        ("proc A\nA mallopt trim 1", 2, "a parameter of malloc", None),
        ("proc A\nA mallopt arena_max 0", 2, "VALUE as an integer 1..1024", None),
        ("proc A\nA thread A", 2, "already used", None),
        ("proc A\nA thread T\nproc T", 3, "already used", None),
        ("proc A\nA thread T\nT mmap h 4K", 3, "malloc or free of the thread T", "all else A does"),
        ("proc A\nA thread T\nT", 3, "malloc or free of the thread T", None),
        ("proc A\nA unlink data", 2, "tmp/FILE", "stay"),
        ("machine ram=1000K", 1, "whole MiB", None),
        ("machine ram", 1, "key=value", None),
        ("machine thp=alway", 1, "never, madvise, always", "`always`"),
        ("machine cpus=0", 1, "cpus as an integer", None),
        ("machine kernel=six", 1, "a kernel version", None),
        ("swap disk prio=3", 1, "size=SIZE", "size= is missing"),
        ("swap zram size=1M\nswap zram size=1M", 2, "at most one swap on zram", None),
        ("swap zram size=1M on=0", 1, "a key: one of size, prio, algo", None),
        ("swap disk size=600G", 1, "a swap area of at most 512G", None),
        ("swap zram size=536870916K", 1, "a swap area of at most 512G", None),
        ("swap disk size=4K", 1, "a swap area of at least 8K", "EINVAL"),
        ("swap zram size=0", 1, "a swap area of at least 8K", "EINVAL"),
        ("file f 16T", 1, "SIZE as bytes", None),
        ("file f 16384G", 1, "a file of at most 17592186040320 bytes", "ext4"),
        ("swap disk size=1M algo=lz4", 1, "a key: one of name, size, prio, rot, on", None),
        ("swap disk size=1M on=yes", 1, "on as an integer 0..1", None),
        ("swap disk name=2nd size=1M", 1, "a swap disk's name", None),
        ("swap disk name=zram size=1M", 1, "'zram' is the name of the swap on zram", None),
        ("swap disk name=a size=1M\nswap disk name=a size=1M", 2, "'a' is already there", None),
        ("swap disk name=disk2 size=1M\nswap disk size=1M", 2, "'disk2' is already there", None),
        ("\n".join(["swap disk size=1M"] * 17), 17, "at most 16 swap disks", None),
        ("swapon", 1, "swapon NAME [prio=N]", "too few words"),
        ("swapon disk", 1, "the name of a swap area of the header", "name=disk"),
        ("swap disk name=second size=1M\nswapoff secnd", 2, "not 'secnd'", "`second`"),
        ("swap disk size=1M\nswapon disk 5", 2, "key=value with a key of prio", None),
        ("swap disk size=1M\nswapon disk prio=40000", 2, "prio as an integer", None),
        ("swap disk size=1M\nswapoff disk prio=1", 2, "swapoff NAME", "too many words"),
        ("swap zram size=1M algo=zst", 1, "algo: one of", "`zstd`"),
        ("swap floppy size=1M", 1, "disk, zram, zswap", None),
        ("swap zswap\nswap zswap", 2, "one swap zswap line", None),
        ("swap zswap size=1M", 1, "a key: one of max_pool_percent, accept_threshold, compressor", None),
        ("swap zswap max_pool_percent=101", 1, "max_pool_percent as an integer 0..100", None),
        ("swap zswap zpool=zbad", 1, "zpool: one of zbud, z3fold, zsmalloc", "`zbud`"),
        ("sysctl vm.swappiness", 1, "NAME=VALUE", None),
        ("file f 1M\nfile f 2M", 2, "already there", None),
        ("checkpoint boot", 1, "another label", None),
        ("checkpoint a b", 1, "checkpoint LABEL", None),
        ("checkpoint a/b", 1, "a label", None),
        ("checkpoint a\ncheckpoint a", 2, "already used", None),
        ("sleep -1", 1, "SECONDS", None),
        ("sleep .", 1, "SECONDS", None),
        ("sleep inf", 1, "SECONDS", None),
        ("drop_caches 0", 1, "1..4", None),
        ("sync now", 1, "`sync`", None),
        ("proc A\nA truncate", 2, "`NAME truncate FILE`", None),
        ("proc A\nA truncate f 8K", 2, "`NAME truncate FILE`", None),
        ("proc A\nA close ../f", 2, "a file's name", None),
    ],
)
def test_a_mistake_is_told_with_line_and_expectation(text: str, lineno: int, expected: str, hint: str | None) -> None:
    with pytest.raises(ScenarioError) as caught:
        sc.parse(text, "bad.mem")
    problem = caught.value
    assert problem.lineno == lineno
    assert expected in problem.expected
    assert str(problem).startswith(f"bad.mem:{lineno}: expected ")
    assert hint is None or hint in (problem.hint or "")


def test_loops_repeat_their_lines_and_each_repetition_has_numbers_of_its_own() -> None:
    text = "proc A\nA mmap h 8K\nloop 2 {\n A touch h 0 4K w seq &\n loop 2 {\n  sync\n }\n}\nwait A\nat 5 wait\n"
    ops = sc.parse(text).ops
    assert [op.index for op in ops] == list(range(11))
    assert [op.lineno for op in ops[2:8]] == [4, 6, 6, 4, 6, 6]
    assert [op.beside for op in ops if isinstance(op, sc.Touch)] == [True, True]
    assert ops[8:] == (
        sc.Wait(8, 9, "wait A", ("A",)),
        sc.Until(9, 10, "at 5", 5_000_000_000, is_strict=True),
        sc.Wait(10, 10, "wait", ()),
    )


def test_a_pace_is_bytes_a_second_and_a_pause() -> None:
    text = "proc A\nA mmap h 8K\nA touch h 0 4K r seq think=2ms rate=50M/s\nA fread f 0 8K 4K rate=1P/s\n"
    touch, fread = sc.parse(text).ops[2:]
    assert touch.pace == sc.Pace(50 << 20, 2_000_000)
    assert fread.pace == sc.Pace(4096, 0)


PROCESS = "proc A\nA mmap h 8K\n"


@pytest.mark.parametrize(
    ("text", "expected", "hint"),
    [
        ("proc A\nwait B", "a process started before, not 'B'", "start it with `proc B`"),
        ("loop 3 {\nsync", "a `}` that ends this loop", None),
        ("}", "an operation", "no `loop N {` stands before this `}`"),
        ("loop 2 {\n}", "a line between `loop N {` and its `}`", None),
        ("loop 0 {\nsync\n}", "N as an integer 1..1000000, not '0'", None),
        ("loop {\nsync\n}", "`loop N {` with its `}` in a line of its own", None),
        ("loop 1000000 {\nloop 2 {\nsync\n}\n}", "at most 1,000,000 operations", None),
        ("loop 2 {\nfile f 1M\n}", "an operation: header lines stand before the first one", None),
        ("loop 2 {\ncheckpoint a\n}", "a new label; 'a' is already used", None),
        ("sleep 5\nat 3 sync", "a time to come, not '3'", "by the lines before, the run is at least 5 s old here"),
        ("at 5", "`at SECONDS OPERATION ...`", None),
        ("at x sync", "SECONDS as a decimal number, not 'x'", None),
        ("sync &", "touch, fread, fwrite, fsync, close, munmap before `&`", "all else is over at once"),
        (
            PROCESS + "A mlock h 0 4K &",
            "touch, fread, fwrite, fsync, close, munmap before `&`",
            "all else is over at once",
        ),
        (PROCESS + "A touch h 0 4K r seq think=5", "think= as a time such as 500us, 2ms or 1s, not '5'", None),
        (PROCESS + "A touch h 0 4K r seq rate=5M", "rate= as bytes a second such as 50M/s, not '5M'", None),
        (PROCESS + "A touch h 0 4K r seq rate=0/s", "a rate of 1/s to 16G/s, not '0/s'", None),
        (PROCESS + "A fread f 0 4K 4K rate=5M/s seq", "a pattern and then into=, rate= and think=", None),
        (PROCESS + "A fread f 0 4K 4K content=zero", "a key: one of into, rate, think, not 'content'", None),
    ],
)
def test_what_has_no_time_or_no_end_is_refused(text: str, expected: str, hint: str | None) -> None:
    with pytest.raises(ScenarioError) as complaint:
        sc.parse(text)
    assert expected in str(complaint.value)
    assert hint is None or hint in (complaint.value.hint or "")


def test_a_forked_child_knows_its_parents_regions_and_a_process_may_bear_an_operations_name() -> None:
    s = sc.parse("proc sync\nsync mmap h 4K\nsync fork machine\nmachine touch h 0 4K r seq\nsync\nsync exit")
    assert [type(op).__name__ for op in s.ops] == ["Proc", "Mmap", "Fork", "Touch", "Sync", "Exit"]


# Numbers that the reference implementation of the language drew.
VECTORS = [
    (sc.Seq(), 4, [0, 1, 2, 3]),
    (sc.Rand(8, 5), 8192, [858, 5880, 327, 6469, 7621, 68, 6945, 3883]),
    (sc.Rand(4, (1 << 64) - 1), 1000, [936, 969, 1, 842]),
    (sc.Hot(8, 20, 90, 7), 8192, [906, 1347, 1371, 7666, 581, 736, 5178, 4298]),
    (sc.Hot(6, 100, 50, 1), 10, [9, 5, 8, 3, 0, 0]),
    (sc.Hot(8, 1, 50, 3), 10, [4, 0, 8, 5, 0, 0, 5, 0]),
    (sc.Pow(8, 3, 9), 8192, [2602, 3465, 153, 3959, 148, 12, 2206, 7794]),
    (sc.Pow(8, 1, 2), 100, [59, 74, 59, 76, 31, 34, 72, 73]),
]


@pytest.mark.parametrize(("pattern", "npages", "visited"), VECTORS)
def test_patterns_visit_the_pages_that_the_reference_visits(
    pattern: sc.Pattern, npages: int, visited: list[int]
) -> None:
    assert list(sc.pages(pattern, npages)) == visited


def test_splitmix64_draws_its_published_numbers() -> None:
    assert list(islice(sc.splitmix64(1234567), 5)) == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


@given(
    st.integers(1, 10**6),
    st.one_of(
        st.builds(sc.Rand, st.integers(0, 50), st.integers(0, 2**64 - 1)),
        st.builds(sc.Hot, st.integers(0, 50), st.integers(0, 100), st.integers(0, 100), st.integers(0, 2**64 - 1)),
        st.builds(sc.Pow, st.integers(0, 50), st.integers(1, 16), st.integers(0, 2**64 - 1)),
    ),
)
def test_a_pattern_stays_inside_its_pages_and_makes_n_draws(npages: int, pattern: sc.Rand | sc.Hot | sc.Pow) -> None:
    visited = list(sc.pages(pattern, npages))
    assert len(visited) == pattern.n
    assert all(0 <= page < npages for page in visited)


@given(st.text(alphabet=st.sampled_from("procA mheapt0:14K=w\n#seqkil.swzx\u2028\x0c\x00é")))
def test_no_text_does_anything_but_parse_or_complain(text: str) -> None:
    with suppress(ScenarioError):
        assert len(sc.parse(text).ops) <= len(text)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.parent.name)
def test_every_recorded_scenario_parses_with_as_many_operations_as_were_recorded(path: Path) -> None:
    with tarfile.open(path) as tar:
        text, ops = (tar.extractfile(f"run1/{name}").read().decode() for name in ("scenario.txt", "ops.jsonl"))  # type: ignore[union-attr]
    assert len(sc.parse(text, str(path)).ops) == len(ops.splitlines())


@pytest.mark.skipif(not HANDED_OUT.is_dir(), reason="the lab's scenarios are not beside this checkout")
def test_every_scenario_of_the_lab_parses() -> None:
    paths = sorted(HANDED_OUT.glob("*.mem"))
    assert paths
    assert all(sc.load(path).ops for path in paths)


def test_what_is_no_text_file_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "nul").write_bytes(b"proc A\0\n")
    (tmp_path / "latin").write_bytes(b"# caf\xe9\n")
    for name, said in [
        ("nul", "NUL byte"),
        ("latin", "not UTF-8"),
        ("absent", "cannot be read"),
        (".", "cannot be read"),
    ]:
        with pytest.raises(InputError, match=said) as caught:
            sc.load(tmp_path / name)
        assert caught.value.hint
