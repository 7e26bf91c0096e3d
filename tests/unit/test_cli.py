"""Does the command line keep its manners: data on stdout, one complaint on stderr, the right exit code?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import pytest
from unpacking import unpack

from memtwin import cli
from memtwin.errors import ModelBug, NotModelledError
from memtwin.sources.recording import Recording

RECORDINGS = Path(__file__).parents[1] / "recordings"
OOM = RECORDINGS / "26-oom-noswap"
DISK = RECORDINGS / "03-anon-swap-disk"
END = f"{DISK}/run1.tar.xz@f400"
COMMAND = [sys.executable, "-c", "import sys; from memtwin.cli import main; sys.exit(main())"]


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = cli.main(list(args))
    out, err = capsys.readouterr()
    return code, out, err


def test_free_of_a_checkpoint_is_printed_with_the_tools_flags(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "free", "--root", END, "-h", "-w", "-t")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["total", "Mem:", "Swap:", "Total:"]
    assert "511Mi" in out


def test_free_json_is_one_object_a_sample(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "free", "--json", "-s", "0.001", "-c", "3")
    samples = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert len(samples) == 3
    assert {sample["view"] for sample in samples} == {"free"}
    code, out, _ = run(capsys, "free", "--root", END, "--json")
    sample = json.loads(out)
    assert sample["root"] == END
    assert sample["data"]["swap"]["total_bytes"] == 536866816


def test_the_live_machine_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/proc/meminfo").exists():
        pytest.skip("no /proc on this machine")
    code, out, _ = run(capsys, "free", "-b")
    total_kib = int(Path("/proc/meminfo").read_text().split()[1])
    assert code == 0
    assert out.splitlines()[1].split()[1] == str(total_kib * 1024)


def test_meminfo_is_the_file_byte_for_byte(capsys: pytest.CaptureFixture[str]) -> None:
    text = Recording(f"{DISK}/run1.tar.xz").at("f400").read("proc/meminfo")
    assert run(capsys, "meminfo", "--root", END) == (0, text, "")
    code, out, _ = run(capsys, "meminfo", "--root", END, "--json")
    assert (code, json.loads(out)["data"]["SwapTotal_bytes"]) == (0, 536866816)


def test_swaps_take_the_flags_of_swapon_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "swaps", "--root", END, "--show=NAME,SIZE", "--noheadings", "--raw", "--bytes") == (
        0, "/dev/vdb 536866816\n", "",
    )  # fmt: skip
    assert run(capsys, "swaps", "--root", END, "--show") == run(capsys, "swaps", "--root", END)
    _, out, _ = run(capsys, "swaps", "--root", END, "--json")
    assert json.loads(out)["data"]["areas"][0]["priority"] == -2


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["free", "-b", "-m"], 2, "several units at once: --bytes and --mebi"),
        (["free", "--nonsense"], 2, "--nonsense"),
        (["free", "-s", "nan"], 2, "--seconds nan"),
        (["free", "-s", "0"], 2, "--seconds 0.0"),
        (["free", "-c", "0"], 2, "--count"),
        (["frob"], 2, "no command 'frob'"),
        (["fre"], 2, "did you mean free?"),
        (["swapon"], 2, "did you mean swaps?"),
        (["free", "--explan"], 2, "Did you mean '--explain'?"),
        (["--root", "live", "free"], 2, "memtwin free ..."),
        (["--root", "/nonexistent-directory"], 1, "/nonexistent-directory"),
        (["swaps", "--show=FOO"], 2, "unknown column: FOO"),
        (["free", "--root", f"{DISK}/run1.tar.xz"], 1, "hint: its checkpoints are boot, f180"),
        (["free", "--root", f"{DISK}/run1.tar.xz@nope"], 1, "no checkpoint 'nope'"),
        (["free", "--root", str(DISK)], 1, "holds 3 runs"),
        (["free", "--root", "/nonexistent-directory"], 1, "/nonexistent-directory"),
        (["validate", "/nonexistent-directory"], 1, "is not there"),
        (["validate"], 2, "RECORDING"),
        (["validate", str(DISK), str(OOM), "--against", str(DISK)], 2, "one run against one scenario, not 2"),
    ],
)
def test_a_mistake_is_told_on_stderr_without_a_traceback(
    capsys: pytest.CaptureFixture[str], args: list[str], code: int, said: str
) -> None:
    got, out, err = run(capsys, *args)
    assert (got, out) == (code, "")
    assert said in err
    assert "Traceback" not in err


def test_a_damaged_file_is_told_with_line_and_hostile_bytes_are_escaped(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "buddyinfo").write_text("Node 0, zone   Normal   \x1b[2J\n")
    code, out, err = run(capsys, "buddyinfo", "--root", str(tmp_path))
    assert (code, out) == (1, "")
    assert "proc/buddyinfo:1: expected" in err
    assert "\x1b" not in err
    (tmp_path / "proc" / "buddyinfo").unlink()
    code, _, err = run(capsys, "free", "--root", str(tmp_path))
    assert code == 1
    assert "proc/meminfo is missing" in err


def test_a_bug_of_ours_is_one_line_unless_its_traceback_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(cli.group, "main", broken)
    code, _, err = run(capsys, "free")
    assert code == 1
    assert err.startswith("memtwin: ZeroDivisionError: oops\nhint: ")
    monkeypatch.setenv(cli.TRACEBACK_VARIABLE, "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["free"])


def test_help_lists_every_command_without_importing_one() -> None:
    code = (
        "import sys; from memtwin.cli import main; main(['--help']); "
        "sys.exit(any(name.startswith('memtwin.cli.') for name in sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert told.returncode == 0
    assert all(name in told.stdout for name in cli.COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--version", "-V"):
        assert run(capsys, option) == (0, "memtwin 0.1.0\n", "")


def test_help_has_a_short_name_where_the_command_has_no_other_use_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "-h") == run(capsys, "--help")
    assert run(capsys, "ps", "-h")[1].startswith("Usage: memtwin ps")
    assert run(capsys, "free", "-h", "--root", END)[1].startswith("               total")


def test_without_a_command_and_a_terminal_it_is_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys)
    assert (code, out.split("\n")[0]) == (0, "Usage: memtwin [OPTIONS] [COMMAND] [ARGS]...")


def test_names_that_other_programs_use_are_of_commands() -> None:
    assert set(cli.ALSO_CALLED.values()) <= set(cli.COMMANDS)
    assert not set(cli.ALSO_CALLED) & set(cli.COMMANDS)


def test_a_reader_that_goes_away_is_no_error_message() -> None:
    with subprocess.Popen(
        [*COMMAND, "free", "-s", "0.001"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as tool:  # fmt: skip
        assert tool.stdout is not None
        assert tool.stderr is not None
        tool.stdout.readline()
        tool.stdout.close()
        assert tool.stderr.read() == b""
        assert tool.wait(timeout=20) == 1


def test_a_full_disk_is_told() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this machine")
    with Path("/dev/full").open("w") as full:
        told = subprocess.run([*COMMAND, "free", "--root", END], check=False, stdout=full, stderr=subprocess.PIPE)
    assert told.returncode == 1
    assert b"No space left on device" in told.stderr
    assert b"Traceback" not in told.stderr


def test_an_interrupt_ends_with_130_and_no_message() -> None:
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from memtwin.cli import main; sys.exit(main())"
    )
    command = [sys.executable, "-c", code, "free", "-s", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tool:
        assert tool.stdout is not None
        tool.stdout.readline()
        os.kill(tool.pid, signal.SIGINT)
        _, err = tool.communicate(timeout=20)
    assert err.strip() == b""
    assert tool.returncode == 130


def test_free_reads_no_more_modules_than_it_needs() -> None:
    code = (
        "import sys; from memtwin.cli import main; main(['free']); "
        "heavy = ('msgspec', 'tarfile', 'json', 'memtwin.scenario', 'memtwin.recording', 'difflib', "
        "'memtwin.linux.core.state', 'zstandard', 'rich'); "
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    told = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert told.stderr == "[]\n"


# ------------------------------------------------------------------------------------------------ validate


def test_validate_against_a_run_prints_its_score(capsys: pytest.CaptureFixture[str]) -> None:
    reals = [f"{DISK}/run1.tar.xz", f"{DISK}/run2.tar.xz"]
    code, out, err = run(capsys, "validate", *reals, "--against", f"{DISK}.k612/run1.tar.xz", "-v")
    assert (code, err) == (0, "")
    head, row = out.splitlines()[:2]
    assert head.split()[:8] == ["scenario", "exact", "median", "p90", "mean", "victims", "missing", "figures"]
    assert row.split()[:8] == ["03-anon-swap-disk", "7%", "1.0%", "90.6%", "21.0%", "0/0", "0", "198"]
    assert "the worst figures" in out
    assert "who waited: twin/control" in out
    assert "who waited, at its end" in out


def test_validate_takes_single_runs_and_groups_them_by_scenario_and_kernel(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = [f"{DISK}/run1.tar.xz", f"{DISK}/run2.tar.xz"]
    code, out, _ = run(capsys, "validate", *runs, "--against", runs[1], "--json")
    told = json.loads(out)["data"]
    assert code == 0
    assert [one["scenario"] for one in told["scenarios"]] == ["03-anon-swap-disk"]
    assert told["scenarios"][0]["exact"] == told["pooled"]["exact"] == 1.0
    code, _, err = run(capsys, "validate", runs[0], f"{DISK}.k612/run1.tar.xz", "--against", runs[1])
    assert code == 2
    assert "not 2" in err


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A model that copies a real run of its scenario, or says that it cannot."""
    module = types.ModuleType("memtwin.run.speed")

    def rerun(real: Recording, out: Path, *, progress=None) -> None:
        scenario = real.scenario()
        assert real.at("boot").read("proc/meminfo")
        if progress:
            progress(1, 2)
        if any("shared" in op.text for op in scenario.ops):
            raise NotModelledError("s:3", "shared maps")
        if any("fork" in op.text for op in scenario.ops):
            raise ModelBug("a frame is free twice", story=("fork",))
        source = Path(scenario.path).parent
        unpack(source, out.parent)
        (out.parent / source.name.partition(".")[0]).rename(out)

    module.rerun = rerun  # type: ignore[attr-defined]  # a module that is made here
    monkeypatch.setitem(sys.modules, "memtwin.run.speed", module)
    return module


@pytest.mark.usefixtures("model")
def test_validate_runs_the_model_on_each_scenario_and_pools_them(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "validate", str(OOM), str(DISK))
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.partition("\n\n")[0].splitlines()[1:]]
    assert [row[0] for row in rows] == ["26-oom-noswap", "03-anon-swap-disk", "pooled"]
    assert [row[4] for row in rows] == ["0.0%"] * 3
    assert rows[0][5] == "2/2"


@pytest.mark.usefixtures("model")
def test_a_scenario_that_the_model_cannot_do_yet_does_not_fail_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = run(capsys, "validate", str(RECORDINGS / "23-shared-map"), str(OOM))
    assert code == 0
    assert out.splitlines()[1].split() == ["23-shared-map", "not", "yet"]
    assert "23-shared-map: shared maps" in out
    assert out.splitlines()[2].split()[4] == "0.0%"


@pytest.mark.usefixtures("model")
def test_a_scenario_on_which_the_model_breaks_fails_but_the_others_are_scored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = run(capsys, "validate", str(RECORDINGS / "22-fork-cow"), str(OOM), "--json")
    told = json.loads(out)["data"]
    assert code == 1
    assert [one["state"] for one in told["scenarios"]] == ["failed", "scored"]
    assert "free twice" in told["scenarios"][0]["reason"]
