"""Does the lab give the guest the orders that the scenario holds, and read back what the guest says?"""

from __future__ import annotations

import re
import sys
import tarfile
from pathlib import Path

import pytest

from memtwin import scenario as sc
from memtwin.errors import InputError
from memtwin.sources.trace import Trace

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted((ROOT / "lab" / "scenarios").glob("*.mem"))

sys.path.insert(0, str(ROOT / "lab"))
import images  # noqa: E402
import orders  # noqa: E402
import programs  # noqa: E402
import stream  # noqa: E402

sys.path.pop(0)

TEXT = """\
machine ram=1G thp=always lru_gen=off
swap disk name=fast size=64M prio=10 rot=0
swap zswap max_pool_percent=30 compressor=lz4
swap zram size=96M algo=zstd
swap disk name=late size=1M prio=3 on=0
sysctl vm.lowmem_reserve_ratio=256,256,32
proc A adj=-5
A mmap heap 3P
A touch heap 4K 8K w hot:10:20%:90:3 content=half
A touch heap 0 8K r seq
A fread data 1 8K 4K rand:3:7
A fork B
swapon late
swapon late prio=20
swapoff zram
sysctl vm.swappiness=10
sleep 1.5
drop_caches 3
compact
kalloc pins 3 20 movable
kfree pins every:4
kfree pins all
A kill
proc D
proc E
D mmap heap 8K
D touch heap 0 8K w seq rate=1M/s &
E fwrite new 0 8K 4K think=2ms &
E fsync new &
at 2.5 checkpoint busy
until 3
loop 2 {
wait D E
}
wait
E truncate new
E close new &
checkpoint end
"""


def test_the_guest_is_set_up_as_the_header_says() -> None:
    assert orders.configuration(sc.parse(TEXT), ["virtio_blk"]).splitlines() == [
        "module /m/virtio_blk.ko",
        "data /dev/vda",
        "put /sys/kernel/mm/lru_gen/enabled 0",
        "put /sys/kernel/mm/transparent_hugepage/enabled always",
        "zswap",
        "put /sys/module/zswap/parameters/compressor lz4",
        "put /sys/module/zswap/parameters/zpool zbud",
        "put /sys/module/zswap/parameters/max_pool_percent 30",
        "put /sys/module/zswap/parameters/accept_threshold_percent 90",
        "put /sys/module/zswap/parameters/same_filled_pages_enabled Y",
        "put /sys/module/zswap/parameters/enabled Y",
        "swap /dev/vdb 10 0 1",
        f"zram {96 << 20} zstd 100",
        "swap /dev/vdc 3 - 0",
        "sysctl vm.lowmem_reserve_ratio 256,256,32",
    ]


def test_faults_are_recorded_where_they_are_asked_for() -> None:
    assert "faults" not in orders.configuration(sc.parse(TEXT), []).splitlines()
    assert "faults" in orders.configuration(sc.parse(TEXT), [], faults=True).splitlines()


def test_the_guest_has_the_programs_that_its_processes_run() -> None:
    assert orders.programs(sc.parse(TEXT)) == ["worker"]


def test_what_the_guest_cannot_do_is_refused() -> None:
    with pytest.raises(InputError, match="do not write clear_refs"):
        orders.operations(sc.parse("proc A\nA clear_refs\n"))


def test_every_operation_becomes_an_order() -> None:
    assert orders.operations(sc.parse(TEXT)).splitlines() == [
        "0 proc A -5 /worker",
        "1 mmap A heap 12288",
        "2 touch A heap 4096 8192 w half hot 10 20 90 3",
        "3 touch A heap 0 8192 r mark seq 0 0 0 0",
        "4 fread A data 1 8192 4096 rand 3 7",
        "5 fork A B",
        "6 swapon /dev/vdc 3",
        "7 swapon /dev/vdc 20",
        "8 swapoff /dev/zram0",
        "9 sysctl vm.swappiness 10",
        "10 sleep 1.500000000",
        "11 drop_caches 3",
        "12 compact",
        "13 kalloc pins 3 20 movable",
        "14 kfree pins 4",
        "15 kfree pins 1",
        "16 kill A",
        "17 proc D 0 /worker",
        "18 proc E 0 /worker",
        "19 mmap D heap 8192",
        "20 &touch D heap 0 8192 w mark seq 0 0 0 0 1048576 0",
        "21 &fwrite E new 0 8192 4096 seq 0 0 0 2000000",
        "22 &fsync E new",
        "23 at 2.500000000",
        "24 checkpoint busy",
        "25 until 3.000000000",
        "26 wait D E",
        "27 wait D E",
        "28 wait",
        "29 truncate E new",
        "30 &close E new",
        "31 checkpoint end",
    ]


def test_a_wait_for_more_names_than_the_guest_reads_is_refused() -> None:
    names = [f"P{number}" for number in range(orders.MAX_WAITED + 1)]
    text = "machine ram=64M\n" + "".join(f"proc {name}\n" for name in names)
    assert orders.operations(sc.parse(f"{text}wait {' '.join(names[1:])}\n"))
    with pytest.raises(InputError, match="at most 16 names"):
        orders.operations(sc.parse(f"{text}wait {' '.join(names)}\n"))


ON_HEAP = """\
proc A
A malloc rows 2000 x10
A mallopt top_pad 64K
A thread T
T malloc jobs 1M untouched
T free jobs every:2
A realloc rows 3000 every:2 untouched
T realloc jobs 2M
A malloc_trim
A kill
"""


def test_a_process_that_uses_malloc_runs_the_heap_program() -> None:
    assert orders.programs(sc.parse(ON_HEAP + "proc B\n")) == ["heap", "worker"]
    assert orders.operations(sc.parse(ON_HEAP)).splitlines() == [
        "0 proc A 0 /heap",
        "1 malloc A rows 2000 10 w -",
        "2 mallopt A top_pad 65536",
        "3 threadstart A T",
        "4 malloc A jobs 1048576 1 u T",
        "5 free A jobs 2 T",
        "6 realloc A rows 3000 2 u -",
        "7 realloc A jobs 2097152 1 w T",
        "8 malloctrim A",
        "9 kill A",
    ]


def test_a_process_that_uses_malloc_does_nothing_else_in_the_guest() -> None:
    with pytest.raises(InputError, match="does nothing else"):
        orders.operations(sc.parse("proc A\nA malloc rows 2000\nA mmap heap 1M\n"))


def test_a_read_into_a_region_is_refused() -> None:
    with pytest.raises(InputError, match="through its buffer only"):
        orders.operations(sc.parse("proc A\nA mmap h 4K\nA fread f 0 4K 4K into=h\n"))


def test_a_disk_has_the_speed_and_the_queue_of_its_line() -> None:
    """QEMU holds reads and writes together to one bandwidth; the queue is the guest's own setting."""
    scenario = sc.parse("disk data read=100M write=100M nr_requests=64 readahead=1M\nproc A\n")
    assert orders.throttled(scenario) == ",throttling.bps-total=104857600"
    assert orders.configuration(scenario, []).splitlines() == [
        "put /sys/block/vda/queue/nr_requests 64",
        "put /sys/block/vda/queue/read_ahead_kb 1024",
        "data /dev/vda",
    ]
    assert orders.throttled(sc.parse("disk data write=5M\n")) == ",throttling.bps-total=5242880"
    assert orders.throttled(sc.parse("proc A\n")) == ""


@pytest.mark.parametrize(
    ("words", "refused"),
    [
        ("read=100M write=50M", "read= and write= that differ"), ("latency=1ms", "latency="), ("depth=1", "depth="),
        ("fs=xfs", "fs=xfs"), ("read=1M free=1M", "free="),
    ],
)  # fmt: skip
def test_what_the_disk_of_the_lab_cannot_be_is_refused_by_name(words: str, refused: str) -> None:
    with pytest.raises(InputError, match=f":1: disk data {refused}: the lab can give"):
        orders.configuration(sc.parse(f"disk data {words}\nproc A\n"), [])


def test_what_the_guest_says_is_read_to_where_it_ends() -> None:
    told = stream.decode(
        b'@F boot proc/a b\n@D 3\nx\ny@D 2\nz\n@O {"i": 0}\n@E swapon: no\n@F . kmsg\n@D 0\n@Z done\n@D'
    )
    assert told.files == {"boot/proc/a b": b"x\nyz\n", "./kmsg": b""}
    assert (told.ops, told.errors, told.complete) == ([{"i": 0}], ["swapon: no"], True)
    assert not stream.decode(b"@F boot proc/stat\n@D 4\ncpu").complete


def test_kernel_records_are_printed_as_dmesg_prints_them() -> None:
    kmsg = b"6,1,2000017,-;two\\x0alines\n SUBSYSTEM=x\n4,2,3,-,caller=T1;early\n"
    assert stream.dmesg(kmsg) == b"[    2.000017] two\nlines\n[    0.000003] early\n"


@pytest.mark.parametrize("as_dir", [True, False])
def test_a_recording_is_written_whole(tmp_path: Path, *, as_dir: bool) -> None:
    stream.write({"b/c": b"1", "a": b"2"}, tmp_path / "x" / "run1", as_dir=as_dir)
    if as_dir:
        assert (tmp_path / "x/run1/b/c").read_bytes() == b"1"
    else:
        with tarfile.open(tmp_path / "x/run1.tar.xz") as tar:
            assert tar.getnames() == ["run1/a", "run1/b/c"]
    assert len(list((tmp_path / "x").iterdir())) == 1


def test_a_swap_disk_is_what_mkswap_makes(tmp_path: Path) -> None:
    images.swap_disk(tmp_path / "vdb", 1 << 20)
    data = (tmp_path / "vdb").read_bytes()
    assert len(data) == 1 << 20
    assert data[4086:4096] == b"SWAPSPACE2"
    assert (data[1024:1028], data[1028:1032]) == (b"\1\0\0\0", (255).to_bytes(4, "little"))


def test_an_archive_is_padded_to_words_and_ends_with_its_trailer() -> None:
    archive = images.cpio([("dev/console", 0o20600, (5, 1)), ("a", 0o100644, b"xyz")])
    assert len(archive) % 4 == 0
    assert archive[:6] == b"070701"
    assert archive.endswith(b"TRAILER!!!\0\0\0\0")
    assert archive.count(b"070701") == 3


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_scenario_here_gives_orders_and_was_recorded(path: Path) -> None:
    scenario = sc.load(path)
    assert len(orders.operations(scenario).splitlines()) == len(scenario.ops)
    with tarfile.open(ROOT / "tests" / "recordings" / path.stem / "run1.tar.xz") as tar:
        recorded = tar.extractfile("run1/scenario.txt")
        assert recorded
        assert recorded.read().decode() == scenario.text


DESCRIPTION = """\
packages = ["python3-minimal"]
every_ms = 50
header = "machine ram=192M kernel=6.12\\nswap disk size=64M rot=0\\nsysctl vm.swappiness=10\\n"
[programs]
one = "exec sort /tmp/in"
two = '''
echo "two lines"
'''
"""


def described(tmp_path: Path, text: str) -> programs.Description:
    path = tmp_path / "x.toml"
    path.write_text(text)
    return programs.load(path)


def test_a_description_of_programs_is_a_machine_packages_and_scripts(tmp_path: Path) -> None:
    found = described(tmp_path, DESCRIPTION)
    assert (found.packages, found.every_ms, list(found.programs)) == (("python3-minimal",), 50, ["one", "two"])
    assert (found.machine.machine.ram_bytes, found.machine.machine.kernel) == (192 << 20, "6.12")
    other = programs.changed(found, "128M", "6.1").machine.machine
    assert (other.ram_bytes, other.kernel) == (128 << 20, "6.1")
    assert not found.working_set
    assert programs.changed(found, None, None, working_set=True).working_set


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("programs = 1", "programs: not one of"),
        ("colour = 'red'", "colour: not one of"),
        ("packages = []", "programs: 1 to 32"),
        ("[programs]\n'a b' = 'true'", "program a b: a name"),
        ("[programs]\na = 1", "program a: a name"),
        ("every_ms = 1\n[programs]\na = 'true'", "every_ms: at least 10"),
        ("header = 'file x 1M'\n[programs]\na = 'true'", "a machine, swap areas and settings alone"),
        ("header = 'machine ram=much'\n[programs]\na = 'true'", "much"),
        ("[programs", "Expected"),
    ],
)
def test_a_description_that_is_none_is_refused_with_the_reason(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(InputError, match=re.escape(why)):
        described(tmp_path, text)


def test_a_description_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        programs.load(tmp_path / "none.toml")


@pytest.mark.parametrize("path", sorted((ROOT / "lab" / "programs").glob("*.toml")), ids=lambda path: path.stem)
def test_every_description_here_can_be_run(path: Path) -> None:
    assert programs.load(path).programs


SENT = (
    b"@F 0 ms\n@D 4\n2000@F 0 proc/meminfo\n@D 24\nMemTotal:       1000 kB\n@F 0 proc/7/comm\n@D 2\na\n"
    b"@F 0 pids\n@D 4\n1\n7\n@F output 2050/one\n@D 7\nx 1\nx 2"
    b"@F 1 ms\n@D 4\n2100@F 1 proc/meminfo\n@D 24\nMemTotal:       1000 kB\n@F 1 proc/8/comm\n@D 2\nb\n"
    b"@F 1 proc/9/comm\n@D 2\nc\n@F 1 pids\n@D 4\n1\n8\n@F output 2100/one\n@D 1\n\n@F 2 ms\n@D 4\n2200"
)


def test_samples_become_a_trace_with_those_processes_that_were_there(tmp_path: Path) -> None:
    files = stream.decode(SENT).files
    assert programs.write_trace(tmp_path / "host.trace", files, "6.1.0", described(tmp_path, DESCRIPTION)) == 2
    trace = Trace(str(tmp_path / "host.trace"))
    assert trace.at("first").read("proc/7/comm") == "a\n"
    last = trace.at("last")
    assert last.names("proc") == ["8", "meminfo"]
    assert last.read("proc/meminfo") == "MemTotal:       1000 kB\n"


def test_output_has_the_time_at_which_a_line_was_read_whole() -> None:
    assert programs.output(stream.decode(SENT).files) == "2.050 one x 1\n2.100 one x 2\n"
