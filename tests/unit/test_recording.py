"""Is a recording read the same from a directory and a tar, and is one that was cut off refused in words?"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest
from unpacking import unpack

from memtwin.errors import InputError, RecordingError
from memtwin.procfs import sysctl_vm
from memtwin.sources.recording import Recording, resolve, runs_in
from memtwin.sources.source import load

RECORDINGS = Path(__file__).parents[1] / "recordings"
RUN = RECORDINGS / "26-oom-noswap" / "run1.tar.xz"


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A recording as a directory, to be damaged."""
    unpack(RUN, tmp_path)
    return tmp_path / "run1"


def test_a_recording_tells_what_happened() -> None:
    recording = Recording(RUN)
    assert recording.checkpoints == ("boot", "start", "b50", "b90", "after", "end")
    assert len(recording.ops) == len(recording.scenario().ops) == 63
    assert [name for _, name in recording.victims()] == recording.meta["oom_victims"] == ["B", "C"]
    assert recording.outcomes()[25] == ("died", 0)
    assert "Out of memory" in (recording.dmesg or "")
    assert (recording.at("b50").read("proc/meminfo") or "").startswith("MemTotal:")
    assert "B" in recording.at("b50").names("workers")


def test_directory_and_tar_are_the_same_recording(run_dir: Path) -> None:
    tar, directory = Recording(RUN), Recording(run_dir)
    assert tar.checkpoints == directory.checkpoints
    assert tar.ops == directory.ops
    assert tar.meta == directory.meta
    assert tar.at("end").read("proc/vmstat") == directory.at("end").read("proc/vmstat")


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.zst"])
def test_every_kind_of_tar_is_read(run_dir: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"packed{suffix}"
    if suffix == ".tar.zst":
        zstandard = pytest.importorskip("zstandard")
        plain = tmp_path / "plain.tar"
        with tarfile.open(plain, "w") as tar:
            tar.add(run_dir, "run1")
        path.write_bytes(zstandard.ZstdCompressor().compress(plain.read_bytes()))
    else:
        with tarfile.open(path, "w:gz" if suffix.endswith("gz") else "w") as tar:
            tar.add(run_dir, "run1")
    assert Recording(path).ops == Recording(RUN).ops


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: (run / "run.json").unlink(), "run.json is missing"),
        (lambda run: (run / "run.json").write_text('{"complete": false}'), '"complete": true'),
        (lambda run: (run / "run.json").write_text('{"compl'), "run.json is damaged"),
        (lambda run: (run / "ops.jsonl").unlink(), "ops.jsonl is missing"),
        (lambda run: (run / "ops.jsonl").write_text('{"i": 0, "op": "proc R"}\n{"i": 1, '), "half a line"),
        (lambda run: (run / "ops.jsonl").write_text('{"i": 0, "op": "proc R"}\n'), "1 of 63 operations"),
        (lambda run: (run / "scenario.txt").unlink(), "scenario.txt is missing"),
        (lambda run: shutil.rmtree(run / "end"), "checkpoints are missing: end"),
        (lambda run: shutil.rmtree(run / "boot"), "checkpoints are missing: boot"),
    ],
)
def test_a_recording_that_was_cut_off_is_refused_unless_asked_for(run_dir: Path, damage, said: str) -> None:
    damage(run_dir)
    with pytest.raises(RecordingError, match=said) as caught:
        Recording(run_dir)
    assert "again" in (caught.value.hint or "")
    partial = Recording(run_dir, partial=True)
    assert partial.at("start").read("proc/meminfo")


def test_a_damaged_line_in_the_middle_is_refused_always(run_dir: Path) -> None:
    (run_dir / "ops.jsonl").write_text('{"i": 0}\nhalf\n{"i": 2}\n')
    with pytest.raises(RecordingError, match="line 2 is damaged"):
        Recording(run_dir, partial=True)
    (run_dir / "ops.jsonl").write_text('{"op": "sync"}\n')
    with pytest.raises(RecordingError, match="no operation's number"):
        Recording(run_dir, partial=True)


@pytest.mark.parametrize("suffix", [".tar.xz", ".tar.gz", ".tar"])
def test_a_truncated_tar_is_refused_and_its_whole_files_are_read_when_asked_for(
    run_dir: Path, tmp_path: Path, suffix: str
) -> None:
    cut = tmp_path / f"cut{suffix}"
    with tarfile.open(cut, f"w:{suffix[5:]}" if suffix != ".tar" else "w") as tar:
        for file in ("ops.jsonl", "scenario.txt", "boot", "start", "end"):
            tar.add(run_dir / file, f"run1/{file}")
    whole = cut.read_bytes()
    cut.write_bytes(whole[: len(whole) * 9 // 10])
    with pytest.raises(RecordingError, match="cut off") as caught:
        Recording(cut)
    assert caught.value.hint
    partial = Recording(cut, partial=True)
    assert partial.checkpoints[:2] == ("boot", "start")
    assert partial.at("start").read("proc/meminfo") == Recording(RUN).at("start").read("proc/meminfo")


def test_what_is_no_tar_at_all_is_refused_even_in_part(tmp_path: Path) -> None:
    (tmp_path / "run1.tar.xz").write_bytes(b"nothing of the kind" * 100)
    for partial in (False, True):
        with pytest.raises(RecordingError, match="not a tar"):
            Recording(tmp_path / "run1.tar.xz", partial=partial)
    with pytest.raises(InputError, match="No such file"):
        Recording(tmp_path / "absent.tar")


def test_what_is_no_recording_is_refused_and_its_runs_are_named() -> None:
    with pytest.raises(RecordingError, match="is not a recording") as caught:
        Recording(RUN.parent)
    assert "run1.tar.xz" in (caught.value.hint or "")


def test_a_checkpoint_is_named_behind_an_at_sign(run_dir: Path) -> None:
    told = Recording(RUN).at("end").read("proc/meminfo")
    assert resolve(f"{RUN}@end").read("proc/meminfo") == told
    assert resolve(str(run_dir / "end")).read("proc/meminfo") == told
    with pytest.raises(RecordingError, match="no checkpoint 'nope'") as caught:
        resolve(f"{RUN}@nope")
    assert "boot, start, b50" in (caught.value.hint or "")
    with pytest.raises(RecordingError, match="RUN@CHECKPOINT") as caught:
        resolve(str(RUN))
    assert "boot, start, b50" in (caught.value.hint or "")
    with pytest.raises(RecordingError, match="holds 3 runs"):
        resolve(str(RUN.parent))


def test_a_path_that_has_an_at_sign_of_its_own_is_that_path(run_dir: Path, tmp_path: Path) -> None:
    here = tmp_path / "host@office"
    shutil.copytree(run_dir / "end", here)
    assert (resolve(str(here)).read("proc/meminfo") or "").startswith("MemTotal")


def test_a_checkpoint_has_the_settings_that_the_scenario_made_before_it() -> None:
    """sysctl_vm is recorded at boot alone; what was refused, or came later, changes nothing."""
    recording = Recording(RECORDINGS / "33-overcommit2" / "run1.tar.xz")
    modes = {}
    for label in recording.checkpoints:
        settings = load(recording.at(label), sysctl_vm)
        assert settings is not None
        modes[label] = settings["vm.overcommit_memory"]
    assert (modes["boot"], modes["heuristic"], modes["always"]) == ("2", "0", "1")


def test_the_runs_of_a_scenario_are_found_in_order(tmp_path: Path, run_dir: Path) -> None:
    assert [path.name for path in runs_in(RUN.parent)] == ["run1.tar.xz", "run2.tar.xz", "run3.tar.xz"]
    assert runs_in(run_dir.parent) == [run_dir]
    (tmp_path / "run9.tar.xz.tmp").touch()
    (tmp_path / "running").mkdir()
    assert runs_in(tmp_path) == [run_dir]


@pytest.mark.parametrize("path", sorted(RECORDINGS.glob("*/run1.tar.xz")), ids=lambda path: path.parent.name)
def test_every_recording_is_whole(path: Path) -> None:
    recording = Recording(path)
    assert recording.checkpoints == ("boot", *recording.scenario().checkpoints)
    assert set(recording.outcomes()) == set(range(len(recording.ops)))
