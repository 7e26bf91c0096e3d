"""Running a scenario: the directory that it leaves, what it refuses, and what bad input comes to."""

from __future__ import annotations

import csv
import json
import lzma
import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from overlaid import Overlaid
from unpacking import unpack

import memtwin
from memtwin.cli import main
from memtwin.errors import ModelBug, NotModelledError, OutputError, SnapshotError, UsageError
from memtwin.linux.check import invariants, testing
from memtwin.linux.mm import oom_kill
from memtwin.procfs.counters import figures_with
from memtwin.run import operations, run, settings
from memtwin.scenario import Compact, parse
from memtwin.sources.opening import open_source
from memtwin.sources.recording import Recording
from memtwin.story import story
from memtwin.twin.twin import Twin

SMALL = "machine ram=192M\nproc A\nA mmap h 8M\nA touch h 0 8M w seq\ncheckpoint end\n"


def unpacked(recordings: Path, name: str, where: Path) -> Path:
    """A recording's run1 as a directory, to be damaged."""
    unpack(recordings / name / "run1.tar.xz", where)
    return where / "run1"


def told(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line; a traceback is never there."""
    code = main(args)
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def test_a_run_has_a_recordings_layout(tmp_path: Path) -> None:
    """The same reader reads it: checkpoints, operations, outcomes, workers' files."""
    run.run_scenario(parse(SMALL), None, tmp_path / "r")
    left = Recording(tmp_path / "r")
    assert left.checkpoints == ("boot", "end")
    assert [op["op"] for op in left.ops] == ["proc A", "A mmap h 8M", "A touch h 0 8M w seq", "checkpoint end"]
    assert left.ops[2]["d"]["pgfault"] == 2048
    files = {"status", "statm", "stat", "maps", "smaps", "smaps_rollup", "oom_score", "oom_score_adj"}
    assert set(left.at("end").names("workers/A")) == files
    assert left.scenario().text == SMALL
    assert "wall_s" not in left.meta


OWN = ("psi_some", "psi_full", "compressed")
"""Columns that are no counters of /proc/vmstat and no rows of /proc/meminfo."""


def test_the_timeline_has_a_row_each_second_and_each_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """timeline.csv rises in time; a sleep of 3.5 s gives its whole seconds and its end."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    run.run_scenario(parse("machine ram=192M\nproc A\nsleep 3.5\ncheckpoint end\n"), None, tmp_path / "r")
    rows = list(csv.DictReader((tmp_path / "r" / "timeline.csv").read_text().splitlines()))
    assert list(rows[0]) == ["time_ns", "ops_done", *figures_with("timeline"), *OWN]
    times = [int(row["time_ns"]) for row in rows]
    assert times == sorted(times)
    assert sum(time % 1_000_000_000 == 0 for time in times) >= 3
    assert [row["ops_done"] for row in rows][-1] == "3"
    assert all(int(row["MemFree"]) > 0 for row in rows)


def test_a_long_sleep_has_fewer_samples_than_seconds() -> None:
    """Eleven days: a sample a second for a thousand seconds, then ever fewer, 500 each time the time doubles."""
    done = run.simulate(parse("machine ram=128M\nproc A\nsleep 1000000\n"), None)
    times = [sample.time_ns // 1_000_000_000 for sample in done.samples if not sample.between]
    steps = [later - earlier for earlier, later in pairwise(times)]
    assert steps[:998] == [1] * 998
    assert steps == sorted(steps)
    assert set(steps) == {2**doubling for doubling in range(11)}
    assert len(times) < 1000 + 500 * 10
    assert done.machine.state.clock_ns > 1_000_000 * 1_000_000_000


def test_nobody_is_looked_for_among_the_living_while_nobody_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """150 processes, 300 operations: the OOM killer's counter did not move, so no process is asked."""
    asked: list[int] = []
    monkeypatch.setattr(oom_kill, "is_killed", lambda _state, task: asked.append(task))
    lines = [f"proc p{number}" for number in range(150)]
    run.simulate(parse("\n".join(["machine ram=256M", *lines, *(f"p{n} exit" for n in range(150))])), None)
    assert not asked


def test_with_pyarrow_the_timeline_is_parquet(tmp_path: Path) -> None:
    """The extra `data` makes it a Parquet file with the same columns."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `data` is not installed")
    run.run_scenario(parse(SMALL), None, tmp_path / "r")
    table = parquet.read_table(tmp_path / "r" / "timeline.parquet")
    assert table.column_names[:3] == ["time_ns", "ops_done", "MemFree"]
    assert table.num_rows == 5


def test_a_twin_prints_what_its_records_hold(tmp_path: Path) -> None:
    """Every file of a checkpoint parses into the record that the twin built (both ways are equal)."""
    from memtwin.procfs import buddyinfo, meminfo, vmstat, zoneinfo
    from memtwin.sources.source import load

    done = run.simulate(parse(SMALL), None)
    twin = Twin(done.machine, done.processes.by_name)
    for module, record in ((meminfo, twin.meminfo()), (vmstat, twin.vmstat()), (buddyinfo, twin.buddyinfo())):
        assert load(twin, module) == record
    assert load(twin, zoneinfo) == twin.zoneinfo()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a file cannot be written there is no directory of that name, and no half of one."""
    done = run.simulate(parse(SMALL), None)
    written: list[int] = []
    real = os.write

    def full(file: int, data: bytes) -> int:
        written.append(file)
        if len(written) > 5:
            raise OSError(28, "No space left on device")
        return real(file, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OutputError, match="No space left"):
        done.write(tmp_path / "r")
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_does_not_look_whole(tmp_path: Path) -> None:
    """A process killed while it writes leaves no directory of the run's name."""
    code = (
        "import os, pathlib; from memtwin.run import run; from memtwin.scenario import parse\n"
        f"done = run.simulate(parse({SMALL!r}), None)\n"
        "os.rename = lambda *_, **__: os._exit(9)\n"
        f"done.write(pathlib.Path({str(tmp_path / 'r')!r}))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert not (tmp_path / "r").exists()
    (partial,) = tmp_path.iterdir()
    assert ".partial" in partial.name


def test_a_run_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """-o of something that is there already: exit 2, told before anything runs."""
    (tmp_path / "s.mem").write_text(SMALL)
    code, out, err = told(capsys, "run", str(tmp_path / "s.mem"), "-o", str(tmp_path))
    assert (code, out) == (2, "")
    assert "is there already" in err


def test_what_the_model_cannot_do_is_told_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operation, its path and line are named, and nothing was run."""
    monkeypatch.delitem(operations.OF_MACHINE, Compact)
    (tmp_path / "s.mem").write_text("swap disk size=1M\nproc A\ncompact\n")
    code, out, err = told(capsys, "run", str(tmp_path / "s.mem"))
    assert (code, out) == (1, "")
    assert "s.mem:3: the model cannot do 'compact'" in err
    assert "nothing was run" in err


def test_memory_that_cannot_be_had_is_a_kill() -> None:
    """Without swap the process that fills all memory is killed: the operation dies, the kernel's report is there."""
    text = "machine ram=192M\nproc A\nA mmap h 300M\nA touch h 0 300M w seq\nA touch h 0 1M w seq\n"
    scenario = parse(text, "s.mem")
    killed = run.Run(scenario, settings.prepare(scenario, None, settings.settings_of(["vm.overcommit_memory=1"])))
    killed.machine.write_sysctl("overcommit_memory", "1")
    killed.execute()
    assert [done.outcome for done in killed.done][-2:] == ["died", "skipped"]
    assert any("Out of memory: Killed process" in line for line in killed.dmesg)
    assert [death["name"] for death in killed.done[-2].deaths] == ["A"]
    invariants.validate(killed.machine.state)


@pytest.mark.parametrize(
    "damage", [b"proc A\n\x00\x01\x02", b"\xff\xfe proc", b"proc A\nA mmap h 8Q\n", b"A mmap h 4M"]
)
def test_a_bad_scenario_is_an_error_with_its_place(
    damage: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Binary, undecodable or ill-formed: one message with the path, exit 1."""
    (tmp_path / "s.mem").write_bytes(damage)
    code, out, err = told(capsys, "run", str(tmp_path / "s.mem"))
    assert (code, out) == (1, "")
    assert "s.mem" in err


def test_a_truncated_scenario_is_an_error(recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A scenario cut off in the middle of a line names that line."""
    text = Recording(recordings / "22-fork-cow" / "run1.tar.xz").scenario().text
    (tmp_path / "s.mem").write_text(text[: text.index("seq content=text") - 2])
    code, _, err = told(capsys, "run", str(tmp_path / "s.mem"))
    assert code == 1
    assert "s.mem:6: expected" in err


@pytest.mark.parametrize("missing", ["proc/meminfo", "proc/vmstat", "proc/zoneinfo", "proc/buddyinfo"])
def test_a_snapshot_without_a_needed_file_names_it(missing: str, recordings: Path, tmp_path: Path) -> None:
    """Each file that a machine is built from is asked for by name."""
    root = unpacked(recordings, "02-anon-fits", tmp_path)
    (root / "boot" / missing).unlink()
    with pytest.raises(SnapshotError, match=missing):
        run.simulate(parse(SMALL.replace("192M", "512M")), open_source(root / "boot"))


@pytest.mark.parametrize("missing", ["proc/pagetypeinfo", "proc/slabinfo", "proc/pressure/memory", "sysctl_vm"])
def test_a_snapshot_without_roots_files_still_boots(missing: str, recordings: Path, tmp_path: Path) -> None:
    """What only root may read, or old kernels lack, may be missing: the machine says so and runs."""
    root = unpacked(recordings, "01-boot-idle", tmp_path)
    (root / "boot" / missing).unlink()
    done = run.simulate(parse("proc A\nA mmap h 8M\nA touch h 0 8M w seq\n"), open_source(root / "boot"))
    invariants.validate(done.machine.state)
    assert bool(done.machine.notes) == (missing in {"proc/pagetypeinfo", "proc/slabinfo"})


def test_unknown_and_missing_lines_are_tolerated(recordings: Path, tmp_path: Path) -> None:
    """A line that nobody knows is printed back; one that is missing is not made up."""
    root = unpacked(recordings, "01-boot-idle", tmp_path)
    path = root / "boot" / "proc" / "meminfo"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("Percpu")]
    path.write_text("\n".join([*lines[:3], "FutureField:        7 kB", *lines[3:]]) + "\n")
    done = run.simulate(parse("sleep 1\ncheckpoint end\n"), open_source(root / "boot"))
    printed = done.checkpoints["end"]["proc/meminfo"]
    assert "FutureField:           7 kB" in printed.replace("FutureField:        7 kB", "FutureField:           7 kB")
    assert "Percpu" not in printed


def test_a_snapshot_that_contradicts_itself_is_an_error(recordings: Path, tmp_path: Path) -> None:
    """More page cache than memory in use: told, not believed."""
    root = unpacked(recordings, "01-boot-idle", tmp_path)
    path = root / "boot" / "proc" / "zoneinfo"
    path.write_text(path.read_text().replace("nr_zone_unevictable 429", "nr_zone_unevictable 42900"))
    vmstat = root / "boot" / "proc" / "vmstat"
    vmstat.write_text(vmstat.read_text().replace("nr_unevictable 429", "nr_unevictable 42900"))
    with pytest.raises(SnapshotError, match="more pages than are in use"):
        run.simulate(parse("sleep 1\n"), open_source(root / "boot"))


def test_a_recording_cut_off_is_an_error(recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Half a tar.xz, half a tar, a directory without its end: a message each, exit 1."""
    whole = (recordings / "02-anon-fits" / "run1.tar.xz").read_bytes()
    (tmp_path / "half.tar.xz").write_bytes(whole[: len(whole) // 2])
    plain = lzma.decompress(whole)
    (tmp_path / "half.tar").write_bytes(plain[: len(plain) // 2])
    root = unpacked(recordings, "02-anon-fits", tmp_path)
    shutil.rmtree(root / "end")
    for name in ("half.tar.xz", "half.tar", "run1"):
        code, out, err = told(capsys, "run", str(tmp_path / name))
        assert (code, out) == (1, ""), name
        assert name in err


def test_a_header_that_disagrees_names_both(
    recordings: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Scenario says 512M, snapshot has 256 MiB: a note has both, and the snapshot is the machine."""
    (tmp_path / "s.mem").write_text(SMALL.replace("192M", "512M"))
    boot = str(recordings / "01-boot-idle" / "run1.tar.xz")
    code, _, err = told(capsys, "run", str(tmp_path / "s.mem"), "--boot", boot)
    assert code == 0
    assert "note: the scenario says machine ram=512M, it has 255 MiB: the snapshot" in err


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("vm.swappiness=900", "0..200"), ("vm.nothing=1", "not a setting"), ("machine.ram=lots", "a size"),
        ("machine.ram=64M", "128 MiB"), ("swap.zram.size=1G", "no such swap area"), ("colour=red", "no such setting"),
        ("vm.swappiness", "KEY=VALUE"), ("swap.zswap.enabled=yes", "on or off"), ("swap.zswap.zpool=zbad", "zbud"),
        ("swap.zswap.size=1M", "max_pool_percent"),
    ],
)  # fmt: skip
def test_a_bad_setting_says_what_is_accepted(word: str, says: str) -> None:
    """--set with a bad key or value is a usage error that says what would do."""
    with pytest.raises(UsageError, match=says):
        run.simulate(parse(SMALL), None, settings=[word])


def test_zswap_by_setting_header_and_snapshot(recordings: Path) -> None:
    """--set over the header; a header that is not what the snapshot has is an error; z3fold cannot be done."""
    text = "machine ram=192M\nswap zswap max_pool_percent=30\nswap disk size=64M\nproc A\n"
    done = run.simulate(parse(text), None, settings=["swap.zswap.max_pool_percent=15", "swap.zswap.same_filled=off"])
    told = done.machine.boot.zswap
    assert (told["enabled"], told["max_pool_percent"], told["same_filled_pages_enabled"]) == ("Y", "15", "N")
    assert told["accept_threshold_percent"] == "90"
    real = Recording(recordings / "112-zswap-fits" / "run1.tar.xz")
    assert run.simulate(parse("proc A\n"), real.at("boot")).machine.boot.zswap["zpool"] == "zbud"
    header = "swap zswap max_pool_percent=30\nswap disk size=384M\nproc A\n"
    with pytest.raises(UsageError, match=r"max_pool_percent=30, .* max_pool_percent=40"):
        run.simulate(parse(header), real.at("boot"))
    changed = run.simulate(parse(header), real.at("boot"), settings=["swap.zswap.compressor=lz4"])
    assert (changed.machine.boot.zswap["compressor"], changed.machine.boot.zswap["max_pool_percent"]) == ("lz4", "30")
    with pytest.raises(NotModelledError, match="z3fold"):
        run.simulate(parse("swap zswap zpool=z3fold\nproc A\n"), None)


def test_settings_win_over_the_header() -> None:
    """--set over the scenario's header: size, swap and vm settings."""
    text = "machine ram=192M\nswap disk size=64M\nsysctl vm.overcommit_ratio=10\nproc A\n"
    done = run.simulate(
        parse(text), None, settings=["machine.ram=1G", "swap.disk.size=128M", "vm.overcommit_ratio=100"]
    )
    assert 900 * 256 < done.machine.state.memory_total < 1024 * 256
    assert done.machine.state.swap_pages == (32767, 32767)
    assert done.machine.sysctl["overcommit_ratio"] == "100"


def test_swap_disks_have_the_headers_order_and_one_that_is_off_stays_off() -> None:
    """Devices are counted whether on or off, priorities that the kernel chooses only for those that are on."""
    text = "swap disk size=64M\nswap disk name=spare size=8M on=0\nswap zram size=32M\nswap disk size=16M\nproc A\n"
    done = run.simulate(parse(text), None, settings=["swap.disk3.size=24M"])
    assert [(area.filename, int(area.size_kib), area.priority) for area in done.machine.boot.swaps.areas] == [
        ("/dev/vdb", 65532, -2), ("/dev/zram0", 32764, 100), ("/dev/vdd", 24572, -3),
    ]  # fmt: skip
    assert done.machine.state.swap_pages == ((65532 + 32764 + 24572) // 4,) * 2


def test_a_fork_that_cannot_be_promised_leaves_no_child() -> None:
    """overcommit 2: the fork is refused with ENOMEM, nothing stays promised, and the parent goes on."""
    text = (
        "machine ram=192M\nproc A\nA mmap h 50M\nA touch h 0 50M w seq\nsysctl vm.overcommit_memory=2\nA fork B\n"
        "A touch h 0 50M w seq\nB touch h 0 4K w seq\n"
    )
    done = run.simulate(parse(text), None)
    outcomes = [(d.outcome, d.errno) for d in done.done]
    assert outcomes[4] == ("error", 12)
    assert outcomes[5] == ("ok", 0)
    assert outcomes[6] == ("skipped", 0)
    invariants.validate(done.machine.state)


def test_the_story_tells_why_a_request_was_refused() -> None:
    """The words name the rule in force and its numbers."""
    done = run.simulate(parse("machine ram=192M\nproc A\nA mmap h 1G\n"), None)
    assert any("refused (ENOMEM). Overcommit_memory is 0" in line for line in story.tell(done))


@pytest.mark.parametrize(
    ("ops", "errno", "says"),
    [
        ("A mmap z 0", 22, "A asks for 0 KiB (z) and is refused (EINVAL). A mapping has a length."),
        ("sysctl vm.max_map_count=8\nA mmap a 1M\nA mmap b 1M", 12, "more areas than vm.max_map_count, 8."),
        ("A mmap a 204800G", 12, "A process has 128 TiB of addresses, and so much is not left of them."),
        ("A mmap a 8589934591G", 12, "A process has 128 TiB of addresses, and so much is not left of them."),
        ("sysctl vm.overcommit_memory=0\nA mmap a 1G", 12, "Overcommit_memory is 0: one request may not exceed"),
        ("sysctl vm.overcommit_memory=2\nsysctl vm.overcommit_ratio=0\nA mmap a 1M", 12, "Overcommit_memory is 2: "),
        ("sysctl vm.overcommit_memory=2\nsysctl vm.overcommit_ratio=0\nA fork B", 12, "Overcommit_memory is 2: "),
        ("sysctl vm.max_map_count=8\nA fread f 0 4K 4K", 12, 'A reads "f" and fails (errno 12): a process may not'),
        (
            "sysctl vm.max_map_count=8\nA fwrite f 0 4K 4K",
            12,
            'A writes to "f" and fails (errno 12): a process may not',
        ),
        (
            "sysctl vm.overcommit_memory=2\nsysctl vm.overcommit_ratio=0\nproc B",
            12,
            "B cannot be started (ENOMEM). Over",
        ),
        ("swapon none", 22, "swapon none is refused: it has no slot behind its header (errno 22)."),
    ],
)
def test_a_refusal_names_the_rule_that_refused(ops: str, errno: int, says: str) -> None:
    """The errno is the kernel's, and the reason is told in the story and kept in ops.jsonl; counts stay right."""
    head = "machine ram=192M\nswap disk name=none size=4K on=0\nfile f 1M\nsysctl vm.overcommit_memory=1\nproc A\n"
    done = run.simulate(parse(head + ops), None)
    assert (done.done[-1].outcome, done.done[-1].errno) == ("error", errno)
    assert says in story.tell(done)[-2], story.tell(done)
    assert json.loads(done.files()["ops.jsonl"].splitlines()[-1])["info"] == done.done[-1].why
    assert bool(done.done[-1].why) == (errno == 12 or "mmap" in ops)
    invariants.validate(done.machine.state)


def test_what_others_gave_back_by_their_death_is_not_told_as_a_process_s_own() -> None:
    """b writes 60 MiB, and for that another is killed that had 60: no size that is told is negative."""
    text = (
        "machine ram=128M\nproc v adj=1000\nv mmap h 60M\nv touch h 0 60M w seq\n"
        "proc b\nb mmap h 60M\nb touch h 0 10M w seq\nb touch h 10M 50M w seq\n"
    )
    done = run.simulate(parse(text), None)
    assert [d.outcome for d in done.done] == ["ok"] * 7
    assert any(d.ooms for d in done.done)
    told = story.tell(done)
    assert not [line for line in told if " -" in line]
    assert any("; with what the OOM killer made free, " in line for line in told)


def test_json_of_a_run_is_whole(tmp_path: Path) -> None:
    """run.json parses, and says complete only because everything else is there."""
    run.run_scenario(parse(SMALL), None, tmp_path / "r")
    meta = json.loads((tmp_path / "r" / "run.json").read_text())
    assert meta["complete"] is True
    assert meta["ops"] == meta["ops_done"] == 4


def test_a_model_bug_tells_what_led_to_it() -> None:
    """A broken invariant inside an operation is a ModelBug whose story ends with that operation."""
    scenario = parse(SMALL.replace("checkpoint end", "A munmap h"))
    broken = run.Run(scenario, settings.prepare(scenario, None, settings.settings_of(())))
    for op in scenario.ops[:-1]:
        broken.do(op)
    process = broken.processes.by_name["A"]
    testing.corrupt_page(broken.machine.state, process.task, process.regions["h"].start)
    with pytest.raises(ModelBug, match=r"not what was written to it[\s\S]*A munmap h"):
        broken.do(scenario.ops[-1])


def test_without_the_compiled_core_the_hint_says_how_to_build_it(tmp_path: Path) -> None:
    """A checkout that was never built: one message and a hint, no traceback."""
    source = Path(memtwin.__file__).parent
    bare = tmp_path / "memtwin"
    shutil.copytree(source, bare, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    (tmp_path / "s.mem").write_text(SMALL)
    command = [sys.executable, "-c", "import sys; from memtwin.cli import main; sys.exit(main())", "run", "s.mem"]
    env = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin"}
    ended = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path, env=env)
    assert ended.returncode == 1
    assert ended.stderr.startswith("memtwin: this needs the model, whose core is compiled")
    assert "make build" in ended.stderr


def test_a_described_machine_has_the_disks_and_the_compressor_of_its_header() -> None:
    """rot= decides how slots are sought (and swap read ahead), algo= how long pages become: 1,358 bytes by zstd."""
    from memtwin.linux.drivers.block import zram
    from memtwin.linux.mm import swapon

    text = (
        "machine ram=128M\nswap {}\nproc A\nA mmap h 1M\nA touch h 0 1M w seq content=text\nA madvise h 0 1M pageout\n"
    )
    firsts = {}
    for kind in ("disk rot=0 size=512M", "disk rot=1 size=512M", "disk size=512M"):
        done = run.simulate(parse(text.format(kind).partition("proc")[0]), None)
        firsts[kind] = swapon.take_slot(done.machine.state)
    assert list(firsts.values()) == [(0, 16384), (0, 1), (0, 1)]
    for algorithm, mean in (("zstd", 1358), ("lz4", 2229), ("lzo-rle", 1831)):
        done = run.simulate(parse(text.format(f"zram size=64M algo={algorithm}")), None)
        stat = zram.mm_stat(done.machine.state, 0)
        assert abs(stat["compr_data_size"] / (stat["orig_data_size"] >> 12) - mean) < 5


def test_run_json_tells_what_swap_wears(tmp_path: Path) -> None:
    """Bytes written to the disk are pswpout's pages; a day's worth follows from the simulated time; zram is no disk."""
    swap = "swap zram size=16M\nswap disk size=128M prio=-2\n"
    text = f"machine ram=128M\n{swap}proc A\nA mmap h 200M\nA touch h 0 160M w seq\n"
    done = run.simulate(parse(text), None)
    (wear,) = done.meta()["swap_written"]
    elapsed = done.samples[-1].time_ns - done.samples[0].time_ns
    assert wear["device"] == "/dev/vdb"
    assert 0 < wear["bytes"] < done.machine.state.events_by_name()["pswpout"] * 4096
    assert wear["bytes_per_day"] == wear["bytes"] * 86_400_000_000_000 // elapsed


def test_the_report_of_a_kill_on_a_kernel_that_counts_less(recordings: Path, tmp_path: Path) -> None:
    """Newer kernels lack nr_bounce and others: the reason is told all the same, and the log has the report."""
    boot = unpacked(recordings, "26-oom-noswap", tmp_path) / "boot"
    for path in ("proc/vmstat", "proc/zoneinfo"):
        lines = (boot / path).read_text().splitlines(keepends=True)
        (boot / path).write_text("".join(line for line in lines if "nr_bounce" not in line and "_temp" not in line))
    text = "machine\nsysctl vm.overcommit_memory=1\nproc A\nA mmap h 400M\nA touch h 0 400M w seq\n"
    done = run.simulate(parse(text), open_source(boot))
    assert [event.victim.name for event in done.ooms if event.victim] == ["A"]
    assert any("bounce:0kB" in line for line in done.dmesg)
    assert any("was out of memory" in line for line in story.tell(done))


def test_a_touch_of_what_was_refused_is_told_as_a_failure() -> None:
    """The mmap was refused, so there is nothing to touch: not "every page was there"."""
    done = run.simulate(parse("machine ram=128M\nproc A\nA mmap h 900M\nA touch h 0 900M w seq\n"), None)
    assert "A writes (mark) 900 MiB of h and fails: no such region is mapped." in story.tell(done)


@pytest.mark.parametrize("word", ["cmdline=nosmap"])
def test_a_header_word_that_the_model_does_not_honour_is_noted(
    word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], recordings: Path
) -> None:
    """On a machine made from the header, and on a snapshot that has not what the word says."""
    (tmp_path / "s.mem").write_text(f"machine {word}\nproc A\n")
    for boot in ((), ("--boot", str(recordings / "01-boot-idle" / "run1.tar.xz"))):
        code, out, err = told(capsys, "run", str(tmp_path / "s.mem"), *boot)
        assert (code, out != "") == (0, True)
        assert f"note: the scenario asks for {word}, which nothing in the model depends on" in err
    (tmp_path / "s.mem").write_text("machine thp=never kernel=6.1 lru_gen=off\nproc A\n")
    assert "note:" not in told(capsys, "run", str(tmp_path / "s.mem"))[2]


def test_a_header_whose_huge_pages_a_snapshot_has_otherwise_is_noted(recordings: Path) -> None:
    """A machine made from the header has them; a snapshot's own setting stays."""
    scenario = parse("machine thp=always\nproc A\n")
    assert run.simulate(scenario, None).machine.notes == ()
    notes = run.simulate(scenario, Recording(recordings / "01-boot-idle" / "run1.tar.xz").at("boot")).machine.notes
    assert [note.partition(";")[0] for note in notes] == ["the scenario asks for thp=always"]


def test_a_compressor_that_was_not_measured_is_noted() -> None:
    done = run.simulate(parse("swap zram size=8M algo=deflate\nswap zswap compressor=842\nproc A\n"), None)
    assert [re.findall(r"compresses with (\S+)", note) for note in done.machine.notes] == [["deflate"], ["842"]]


def test_a_snapshot_with_generations_and_huge_pages_needs_no_note() -> None:
    """The multi-gen LRU of 6.1, and huge pages where a program asks: both are modelled."""
    files = {
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
        "sys/kernel/mm/lru_gen/enabled": "0x0007\n",
    }
    done = run.simulate(parse("machine lru_gen=on thp=madvise\nproc A\n"), Overlaid(files))
    assert done.machine.notes == ()


@pytest.mark.parametrize(
    ("everywhere", "of_64", "noted"),
    [
        ("always madvise [never]", "always inherit madvise [never]", ""),
        ("always madvise [never]", "always [inherit] madvise never", ""),
        ("[always] madvise never", "always [inherit] madvise never", "overlaid has huge pages of 64 kB on"),
        ("always [madvise] never", "[always] inherit madvise never", "overlaid has huge pages of 64 kB on"),
        ("always [madvise] never", "not what the kernel prints", ""),
    ],
)
def test_huge_pages_of_small_sizes_are_noted_where_they_are_on(everywhere: str, of_64: str, noted: str) -> None:
    files = {
        "sys/kernel/mm/transparent_hugepage/enabled": f"{everywhere}\n",
        "sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled": f"{of_64}\n",
    }
    done = run.simulate(parse("machine thp=madvise\nproc A\n"), Overlaid(files))
    found = [note.partition(":")[0] for note in done.machine.notes if "huge pages of" in note]
    assert found == ([noted] if noted else [])


def test_a_directory_of_runs_is_its_first(capsys: pytest.CaptureFixture[str]) -> None:
    """As `validate` takes it: the runs have one scenario; whose boot it is stands on stderr."""
    code, out, err = told(capsys, "run", str(Path(__file__).parents[1] / "recordings" / "22-fork-cow"))
    assert code == 0
    assert out.startswith("- ")
    assert "holds 2 runs of one scenario: the boot is that of run1.tar.xz" in err
