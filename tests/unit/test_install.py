"""Does memtwin go where nothing can be compiled: an installation without a compiler, one file of views?"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from memtwin import cli
from memtwin.sources import msgpack as codec
from memtwin.sources.deltas import Payload

ROOT = Path(__file__).parents[2]
RUN = ROOT / "tests" / "recordings" / "35-zram-then-disk-small" / "run1.tar.xz"
AT = f"{RUN}@f350"
ASKED_OTHERWISE = {"maps", "oom", "snapshot", "top"}
"""Commands with --root that take other words too."""


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``make zipapp``."""
    path = tmp_path_factory.mktemp("one") / "memtwin.pyz"
    subprocess.run([sys.executable, ROOT / "packaging" / "one_file.py", path], check=True, capture_output=True)
    return path


def bare(one_file: Path, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the one file as a Python does that has nothing else: no environment, no site-packages."""
    return subprocess.run(
        [sys.executable, "-I", "-S", one_file, *words],
        capture_output=True, text=True, check=False, cwd=one_file.parent, input=text,
    )  # fmt: skip


def takes_root(name: str) -> bool:
    command = cli.group.get_command(cli.click.Context(cli.group), name)
    return any("--root" in param.opts for param in command.params)


def test_one_file_has_every_view(one_file: Path) -> None:
    calls = [[name, "--root", AT] for name in cli.COMMANDS if takes_root(name) and name not in ASKED_OTHERWISE]
    assert len(calls) > 12
    calls += [[name, "--explain", "--root", AT] for name in ("free", "meminfo", "ps", "swaps")]
    calls += [
        ["diff", f"{RUN}@boot", AT],
        ["oom", "--live", "--root", AT],
        ["oom", "log.txt"],
        ["leak", str(ROOT / "none.trace")],
        ["top", "-b", "-n", "1", "--root", AT],
        ["snapshot", "--root", AT, "-o", "kept.tar.xz"],
        ["free", "--root", "kept.tar.xz"],
        ["exec", AT, "--", "true"],
        ["completion", "bash"],
        *([name, "--help"] for name in cli.COMMANDS),
    ]
    (one_file.parent / "log.txt").write_text("Out of memory: Killed process 4242 (hog) total-vm:9kB\n")
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from memtwin.cli import main\n"
        "codes = [main(call) for call in json.loads(sys.argv[2])]\n"
        "ours = [m.__file__ or '' for n, m in sys.modules.items() if n.startswith('memtwin')]\n"
        "inside = all(path.startswith(sys.argv[1]) for path in ours)\n"
        "sys.stderr.write('\\n' + json.dumps([codes, inside]))"
    )
    words = [sys.executable, "-I", "-S", "-c", code, str(one_file), json.dumps(calls)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=one_file.parent)
    codes, inside = json.loads(done.stderr.splitlines()[-1])
    failed = [call for call, code in zip(calls, codes, strict=True) if code]
    assert [call[0] for call in failed if call[0] != "exec"] == ["leak"], done.stderr  # there is no such trace
    assert inside
    assert "bug of memtwin" not in done.stderr


def test_one_file_writes_and_reads_traces_as_an_installation_does(one_file: Path) -> None:
    trace = one_file.parent / "own.trace"
    made = bare(one_file, "record", "-o", str(trace), "-p", str(os.getpid()), "--every", "100ms", "--for", "300ms")
    assert made.returncode == 0, made.stderr
    at = f"{trace}@first"
    installed = [sys.executable, "-m", "memtwin", "meminfo", "--root", at]
    expected = subprocess.run(installed, capture_output=True, text=True, check=True)
    assert bare(one_file, "meminfo", "--root", at).stdout == expected.stdout


def test_one_file_says_what_it_lacks(one_file: Path) -> None:
    (one_file.parent / "s.mem").write_text("machine ram=128M\nproc A\n")
    for words in (["run", "s.mem"], ["validate", str(RUN)], ["learn"]):
        done = bare(one_file, *words)
        assert (done.returncode, done.stdout) == (1, ""), words
        assert done.stderr.startswith("memtwin: this needs the model"), words
        assert "Traceback" not in done.stderr, words


def test_one_file_and_an_older_python(one_file: Path, tmp_path: Path) -> None:
    """The main file of the archive is read by any Python 3, and says which one it needs."""
    shutil.unpack_archive(one_file, tmp_path, "zip")
    main = (tmp_path / "__main__.py").read_text()
    with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer, this is 3\.9\.2"):
        exec(main.replace("import sys\n", ""), {"sys": type("Old", (), OLD)})


OLD = {"version_info": (3, 9, 2), "version": "3.9.2 (default)", "exit": staticmethod(sys.exit)}

PAYLOAD = Payload(
    5, [("proc/a", b"x 1\n")], [(0, b"\xff")], [(1, [(0, b"l")])], [(2, [1, -70000])], [1, 200], [], [("p", "why")],
    1, {"clock": 100},
)  # fmt: skip


def test_both_codecs_of_a_trace_are_one() -> None:
    pytest.importorskip("msgpack")
    data = codec.encode(PAYLOAD)
    assert codec.pure_encode(PAYLOAD) == data
    assert codec.pure_decode(data, Payload)._asdict().keys() == PAYLOAD._asdict().keys()
    assert codec.pure_encode(codec.pure_decode(data, Payload)) == codec.encode(codec.decode(data, Payload)) == data


@pytest.mark.parametrize(
    "change",
    [
        {"boot_ms": "5"},
        {"new": [("a",)]},
        {"whole": [(0, "text")]},
        {"same": [True]},
        {"changed": [(1, [b"x"])]},
        {"meta": [1]},
        {"meta": {1: 2}},
        {"gone": {"a": 1}},
    ],
)  # fmt: skip
def test_both_codecs_refuse_what_is_no_sample(change: dict[str, object]) -> None:
    pytest.importorskip("msgpack")
    data = codec.encode(PAYLOAD._replace(**change))
    for decode in (codec.decode, codec.pure_decode):
        with pytest.raises(ValueError, match=r"\w"):
            decode(data, Payload)
    for damaged in (b"", b"\x93", data[:-1], b"\xa3abc", b"\x91\x01"):
        for decode in (codec.decode, codec.pure_decode):
            with pytest.raises(ValueError, match=r"\w"):
                decode(damaged, Payload)


def checkout(where: Path) -> Path:
    """Copy what is built from, without what was built."""
    built = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")
    for name in ("src", "docs", "packaging"):
        shutil.copytree(ROOT / name, where / name, ignore=built)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, where)
    return where


def pip(where: Path, target: Path, **env: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "pip", "install", "-v", "--no-index", "--no-deps", "--no-build-isolation"]
    return subprocess.run(
        [*words, "--target", target, where], capture_output=True, text=True, check=False, env=os.environ | env
    )


def test_without_a_compiler_the_views_are_installed(tmp_path: Path) -> None:
    """``pip install .`` where there is no compiler: a wheel for any machine, and what was left out is said."""
    target = tmp_path / "site"
    done = pip(checkout(tmp_path / "tree"), target, CC=str(tmp_path / "no-cc"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no C compiler" in done.stdout + done.stderr
    assert "py3-none-any" in done.stdout
    assert not list(target.rglob("*.so"))
    share = target / "share"
    assert (share / "man" / "man1" / "memtwin-free.1").read_text().startswith(".TH")
    for path in ("bash-completion/completions/memtwin", "zsh/site-functions/_memtwin"):
        assert "_MEMTWIN_COMPLETE" in (share / path).read_text()
    assert "complete" in (share / "fish" / "vendor_completions.d" / "memtwin.fish").read_text()
    code = f"import sys; sys.path.insert(0, {str(target)!r}); from memtwin.cli import main; sys.exit(main())"
    view = subprocess.run([sys.executable, "-c", code, "free"], capture_output=True, text=True, check=False)
    assert view.stdout.split()[:2] == ["total", "used"], view.stderr


@pytest.mark.parametrize(("compiler", "named"), [("/nonexistent/cc", ["click"]), ("", ["click", "cython"])])
def test_cython_is_needed_only_to_compile(compiler: str, named: list[str]) -> None:
    """What pip installs before it builds."""
    code = "import backend; print(*backend.get_requires_for_build_wheel(), sep='\\n')"
    env = os.environ | {"PYTHONPATH": str(ROOT / "packaging")} | ({"CC": compiler} if compiler else {})
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert [word.split(">")[0] for word in done.stdout.split()] == named


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"MEMTWIN_CORE": "require", "CC": "/nonexistent/cc"}, "cannot be compiled: no C compiler"),
        ({"MEMTWIN_CORE": "require", "CC": "false"}, "cannot be compiled: no Python headers"),
        ({"MEMTWIN_CORE": "yes"}, "MEMTWIN_CORE=yes: expected auto, require or without"),
    ],
)
def test_a_core_that_is_required_and_cannot_be_is_an_error(env: dict[str, str], said: str) -> None:
    words = [sys.executable, "setup.py", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=os.environ | env, cwd=ROOT)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_sdist_is_complete(tmp_path: Path) -> None:
    """Every file under version control is in it, tests and recordings too, and nothing that was built."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    kept = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    if kept.returncode:
        pytest.skip("this is no checkout")
    names = {name for name in kept.stdout.split("\0")[:-1] if (ROOT / name).exists()}
    tree = tmp_path / "tree"
    for name in names:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).symlink_to(ROOT / name)
    words = [sys.executable, "setup.py", "-q", "sdist", "--dist-dir", str(tmp_path)]
    subprocess.run(words, capture_output=True, check=True, cwd=tree, env=os.environ | {"MEMTWIN_CORE": "without"})
    with tarfile.open(next(tmp_path.glob("memtwin-*.tar.gz"))) as archive:
        packed = {member.name.partition("/")[2] for member in archive if not member.isdir()}
    assert names <= packed
    assert {name.partition("/")[0] for name in packed - names} <= {"PKG-INFO", "setup.cfg", "src"}
    assert not [name for name in packed if name.endswith((".so", ".pyc"))]
