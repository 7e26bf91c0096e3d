"""Is an output whole under its name or absent, whatever lies there and however the process or the disk ends?"""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from memtwin.cli import main
from memtwin.errors import OutputError, SnapshotError
from memtwin.files import output
from memtwin.sources.opening import open_source
from memtwin.sources.recording import Recording, resolve
from memtwin.sources.snapshot import Taken, save

SMALL = "machine ram=192M\nproc A\nA mmap h 8M\nA touch h 0 8M w seq\ncheckpoint end\n"
TAKEN = Taken({"snapshot.json": b"{}\n", "proc/meminfo": b"MemTotal:         223608 kB\n"}, {})
LEFT = ".partial-memtwin-0123456789abcdef"


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def written(target: Path, files: list[str], error: type[BaseException] | None = None) -> None:
    """Write *files* below *target*, then raise *error*."""
    with output.directory(target) as directory:
        for name in files:
            directory.write(name, b"1")
        if error:
            raise error


def modes(root: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in (root, *root.rglob("*"))}


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every write stores half of its bytes, and the next one fails."""
    real, written = os.write, [0]

    def write(file: int, data: bytes) -> int:
        written[0] += 1
        if written[0] % 2 == 0:
            raise OSError(28, "No space left on device")
        return real(file, bytes(data)[: max(len(data) // 2, 1)])

    monkeypatch.setattr(os, "write", write)


def test_a_directory_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    with output.directory(tmp_path / "out") as directory:
        directory.write("a/b/c", b"1")
        directory.write("a/d", b"2")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out/a/b/c").read_bytes() == b"1"
    assert names_in(tmp_path) == ["out"]


def test_every_file_and_directory_is_synced_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a crash of the machine may not lose: all is on disk when the name is given, and then the name is."""
    synced: list[str] = []
    real, rename = os.fsync, os.rename

    def fsync(file: int) -> None:
        synced.append(Path(f"/proc/self/fd/{file}").readlink().name)
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", lambda *args, **where: (synced.append("rename"), rename(*args, **where)))
    written(tmp_path / "out", ["a/b/c", "d"])
    before = synced[: synced.index("rename")]
    assert {"a", "b", "c", "d"} < set(before)
    assert synced[-2:] == ["rename", tmp_path.name]
    synced.clear()
    output.write_file(tmp_path / "page", b"1")
    assert synced[1:] == ["rename", tmp_path.name]


def test_an_error_leaves_neither_a_directory_nor_a_draft(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        written(tmp_path / "out", ["a"], KeyboardInterrupt)
    assert names_in(tmp_path) == []


def test_no_file_of_a_directory_is_written_twice(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="File exists"):
        written(tmp_path / "out", ["a", "a"])
    assert names_in(tmp_path) == []


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_keeps_the_old_file_and_names_it_once(tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"old page")
    with pytest.raises(OutputError, match=r"page: cannot be written: No space left on device$"):
        output.write_file(tmp_path / "page", b"new page, longer than the old")
    assert (tmp_path / "page").read_bytes() == b"old page"
    assert names_in(tmp_path) == ["page"]


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("name", ["s", "s.tar"])
def test_a_full_disk_leaves_no_snapshot(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=rf"{name}: cannot be written: No space left"):
        save(TAKEN, tmp_path / name)
    assert names_in(tmp_path) == []


def test_a_file_keeps_the_permissions_of_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "page").touch(0o640)
    output.write_file(tmp_path / "page", b"new")
    assert stat.S_IMODE((tmp_path / "page").stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["s", "s.tar", "s.tar.xz"])
def test_only_its_owner_reads_a_snapshot(tmp_path: Path, name: str) -> None:
    before = os.umask(0o022)
    try:
        save(TAKEN, tmp_path / name)
    finally:
        os.umask(before)
    assert modes(tmp_path / name) <= {0o600, 0o700}


def test_a_new_tar_is_its_owners_even_where_the_old_one_was_not(tmp_path: Path) -> None:
    (tmp_path / "s.tar").touch(0o644)
    save(TAKEN, tmp_path / "s.tar")
    assert modes(tmp_path / "s.tar") == {0o600}


@pytest.mark.parametrize("leads_to", ["victim", "nowhere"])
@pytest.mark.parametrize("name", ["s", "s.tar", "page.html"])
def test_a_link_at_the_target_is_refused_and_not_followed(tmp_path: Path, name: str, leads_to: str) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / name).symlink_to(tmp_path / leads_to)
    with pytest.raises((OutputError, SnapshotError)):
        output.write_file(tmp_path / name, b"new") if "." in name else save(TAKEN, tmp_path / name)
    with pytest.raises(OutputError):
        output.check(tmp_path / name, is_directory="." not in name)
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert names_in(tmp_path) == sorted(["victim", name])


def test_links_beside_the_target_are_not_followed(tmp_path: Path) -> None:
    """No private name can be guessed, and one that is there already is not used."""
    (tmp_path / "victim").write_bytes(b"precious")
    for name in ("s.tar.tmp", f".s.tar{LEFT}"):
        (tmp_path / name).symlink_to(tmp_path / "victim")
    save(TAKEN, tmp_path / "s.tar")
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert not (tmp_path / "s.tar").is_symlink()


def test_a_private_name_that_is_there_already_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = iter(["0" * 16, "0" * 16, "1" * 16])
    monkeypatch.setattr(output.secrets, "token_hex", lambda _: next(names))
    (tmp_path / ".out.partial-memtwin-0000000000000000").mkdir()
    (tmp_path / ".out.partial-memtwin-0000000000000000/stale").touch()
    with output.directory(tmp_path / "out") as directory:
        directory.write("new", b"")
    assert names_in(tmp_path / "out") == ["new"]


@pytest.mark.parametrize("target", ["/proc/x", "nowhere/x", "file/x"])
@pytest.mark.parametrize("is_directory", [False, True])
def test_a_place_that_takes_nothing_is_refused_before_the_work(
    tmp_path: Path, target: str, *, is_directory: bool
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        output.check(tmp_path / target, is_directory=is_directory)


def test_a_directory_without_permission_is_refused_before_the_work(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "d").mkdir(0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        output.check(tmp_path / "d/x", is_directory=True)


def test_check_leaves_nothing_behind(tmp_path: Path) -> None:
    for is_directory in (False, True):
        assert output.check(tmp_path / "x", is_directory=is_directory) == []
    assert names_in(tmp_path) == []


def test_leftovers_of_the_same_target_are_deleted_and_no_others(tmp_path: Path) -> None:
    for name in (f".out{LEFT}", f".other{LEFT}", ".out.partial123", f"out{LEFT}"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "boot").touch()
    (tmp_path / f".out{LEFT[:-1]}0").touch()
    (tmp_path / f".out{LEFT[:-1]}1").symlink_to(tmp_path / f".other{LEFT}")
    assert output.check(tmp_path / "out", is_directory=True) == [f".out{LEFT[:-1]}0", f".out{LEFT}"]
    assert names_in(tmp_path) == sorted([f".other{LEFT}", ".out.partial123", f"out{LEFT}", f".out{LEFT[:-1]}1"])
    assert (tmp_path / f".other{LEFT}/boot").exists()


def test_the_draft_of_a_running_process_is_not_deleted(tmp_path: Path) -> None:
    with output.directory(tmp_path / "out") as directory:
        directory.write("a", b"")
        assert output.check(tmp_path / "out", is_directory=True) == []
        directory.write("b", b"")
    assert names_in(tmp_path / "out") == ["a", "b"]


def test_a_draft_that_is_deleted_before_it_is_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, stolen = fcntl.flock, []

    def flock(fd: int, operation: int) -> None:
        if not stolen:
            stolen.extend(names_in(tmp_path))
            (tmp_path / stolen[0]).rmdir()
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with output.directory(tmp_path / "out") as directory:
        directory.write("a", b"")
    assert stolen
    assert names_in(tmp_path) == ["out"]


def test_a_leftover_is_never_read(tmp_path: Path) -> None:
    save(TAKEN, tmp_path / "s")
    (tmp_path / "s").rename(tmp_path / f".s{LEFT}")
    (tmp_path / f".s.tar{LEFT}").write_bytes((tmp_path / f".s{LEFT}/proc/meminfo").read_bytes())
    for read in (
        open_source,
        Recording,
        lambda path: Recording(path, partial=True),
        lambda path: resolve(f"{path}@boot"),
    ):
        for name in (f".s{LEFT}", f".s.tar{LEFT}", f".s{LEFT}/proc"):
            with pytest.raises(SnapshotError, match="was not completed"):
                read(tmp_path / name)


def test_a_longest_name_has_a_private_name(tmp_path: Path) -> None:
    with output.directory(tmp_path / ("é" * 127)) as directory:
        directory.write("a", b"")
    assert names_in(tmp_path) == ["é" * 127]


def test_a_device_is_written_and_not_replaced(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    output.write_file(Path(f"/dev/fd/{writer}"), b"page")
    assert os.read(reader, 9) == b"page"
    os.close(reader), os.close(writer)
    output.write_file(Path("/dev/null"), b"page")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with pytest.raises(OutputError, match=r"/dev/full: cannot be written: No space left"):
        output.write_file(Path("/dev/full"), b"page")
    with pytest.raises(OutputError, match="is a directory"):
        output.write_file(tmp_path, b"page")


def test_the_story_is_printed_even_where_the_run_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.mem").write_text(SMALL)
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    assert main(["run", str(tmp_path / "s.mem"), "-o", str(tmp_path / "out")]) == 1
    out, err = capsys.readouterr()
    assert "on a machine with" in out
    assert err.count("memtwin:") == 1
    assert f"{tmp_path}/out: cannot be written: No space left" in err
    assert names_in(tmp_path) == ["s.mem"]


@pytest.mark.parametrize("reader", ["> /dev/full", "| true"])
def test_the_run_is_written_even_where_its_story_cannot_be_printed(tmp_path: Path, reader: str) -> None:
    (tmp_path / "s.mem").write_text(SMALL)
    line = f"{sys.executable} -m memtwin run s.mem -o out {reader}"
    subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, check=False)
    assert Recording(tmp_path / "out").checkpoints == ("boot", "end")


@pytest.mark.parametrize("target", ["/proc/x", "link", "nowhere/out"])
def test_a_run_that_cannot_be_written_does_not_begin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str
) -> None:
    (tmp_path / "s.mem").write_text(SMALL)
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    assert main(["run", str(tmp_path / "s.mem"), "-o", str(tmp_path / target)]) in {1, 2}
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("label", ["timeline.csv", "timeline.parquet", "swap_areas.csv", "run.json"])
def test_a_label_that_is_a_file_of_the_run_is_refused_before_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], label: str
) -> None:
    (tmp_path / "s.mem").write_text(f"{SMALL}checkpoint {label}\n")
    assert main(["run", str(tmp_path / "s.mem"), "-o", str(tmp_path / "out")]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{label!r} is a name that every run uses itself" in err


def test_the_next_run_deletes_what_a_killed_one_left_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.mem").write_text(SMALL)
    code = (
        "import os; os.rename = lambda *_, **__: os._exit(9)\n"
        f"from memtwin.cli import main; main(['run', {str(tmp_path / 's.mem')!r}, '-o', {str(tmp_path / 'out')!r}])\n"
    )
    killed = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert killed.returncode == 9
    (left,) = (path for path in tmp_path.iterdir() if path.name != "s.mem")
    (left / "stale").touch()
    assert main(["run", str(tmp_path / "s.mem"), "-o", str(tmp_path / "out")]) == 0
    err = capsys.readouterr().err
    assert err.count("deleted what a process that was killed had left") == 1
    assert left.name in err
    assert names_in(tmp_path) == ["out", "s.mem"]
    assert not (tmp_path / "out/stale").exists()


def test_a_page_that_cannot_be_written_is_refused_before_the_log_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["oom", str(tmp_path / "absent.log"), "--html", str(tmp_path / "nowhere/page.html")]) == 1
    assert "nowhere/page.html: there is no directory" in capsys.readouterr().err
