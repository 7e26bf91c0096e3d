"""``top`` on a terminal: its keys, what it sends, and how it leaves the terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from terminals import Terminal, left_clean, run_to_end

from memtwin.sources.opening import open_source
from memtwin.sources.recording import resolve
from memtwin.sources.sampler import Sampler
from memtwin.tui.screen import Line, split_keys
from memtwin.tui.top import HELP, Top
from memtwin.views.top import Options

RUN = Path(__file__).parents[1] / "recordings" / "35-zram-then-disk-small" / "run1.tar.xz"
ROOT = f"{RUN}@f350"


def machine(root: Path, count: int = 40) -> Path:
    """Write processes whose CPU time rises and whose size falls with the pid."""
    for pid in range(10, 10 + count):
        home = root / "proc" / str(pid)
        home.mkdir(parents=True)
        fields = f"1 1 1 0 -1 0 0 0 0 0 {pid} 0 0 0 20 0 1 0 5 4096000 {1000 - pid}"
        (home / "stat").write_text(f"{pid} (p{pid}) {'R' if pid == 12 else 'S'} {fields}\n")
        (home / "statm").write_text(f"2000 {1000 - pid} 5 1 0 9 0\n")
        uid = 7 if pid % 2 else 8
        (home / "status").write_text(f"Name:\tp{pid}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text("seven:x:7:7::/:/bin/sh\n")
    (root / "proc/meminfo").write_text("MemTotal:       100000 kB\nMemFree:         1000 kB\n")
    return root


@pytest.fixture
def top(tmp_path: Path) -> Top:
    found = Top(Sampler(open_source(machine(tmp_path))), {7: "seven"}, Options(key="PID", rising=True), 3.0)
    found.look()
    found.lines(80, 20)
    return found


def shown(top: Top, columns: int = 80, rows: int = 20) -> list[int]:
    """The pids on the screen."""
    lines = [line.text for line in top.lines(columns, rows)]
    head = next(i for i, line in enumerate(lines) if line.startswith("  PID"))
    return [int(line.split()[0]) for line in lines[head + 1 :]]


def press(top: Top, *keys: str) -> str:
    for key in keys:
        assert top.press(key)
    return top.message


def test_keys_sort_and_turn_round(top: Top) -> None:
    assert shown(top)[0] == 10
    press(top, "N")
    assert shown(top)[0] == 49
    press(top, "R")
    assert shown(top)[0] == 10
    press(top, "T")
    assert shown(top)[0] == 49
    press(top, "M")
    assert shown(top)[0] == 10
    assert press(top, ">") == "sorted by TIME+"
    assert press(top, "<", "<", "<", "<") == "sorted by SHR"


def test_the_list_scrolls_and_stops_at_its_ends(top: Top) -> None:
    press(top, "down", "down")
    assert shown(top)[0] == 12
    press(top, "up", "up", "up")
    assert shown(top)[0] == 10
    press(top, "end", "down")
    assert shown(top) == [49]
    press(top, "pageup", "home")
    assert shown(top)[0] == 10


def test_a_user_a_number_and_a_text_are_asked_for(top: Top) -> None:
    press(top, "u", *"seven", "enter")
    assert set(shown(top)) == {pid for pid in range(11, 49, 2) if pid < 11 + 2 * len(shown(top))}
    assert press(top, "u", *"nobody-here", "enter") == "no user nobody-here"
    press(top, "u", "enter", "n", *"3", "enter")
    assert len(shown(top)) == 3
    press(top, "n", "0", "enter", "L", *"p30", "enter")
    assert shown(top)[0] == 30
    assert press(top, "&") == "p30 not found"
    press(top, "f", *"pid,FOOT,command", "enter")
    assert top.options.fields == ("PID", "FOOT", "COMMAND")
    assert "unknown field: zz" in press(top, "f", *"zz", "enter")
    assert top.options.fields == ("PID", "FOOT", "COMMAND")


def test_an_answer_is_mended_and_given_up(top: Top) -> None:
    press(top, "d", *"1.55", "backspace", "enter")
    assert top.delay_s == 1.5
    press(top, "d", "9", "escape")
    assert (top.delay_s, top.prompt) == (1.5, None)
    for words in ("x", "0", "-1", "1e9"):
        assert press(top, "d", *words, "enter")
        assert top.delay_s == 1.5


def test_a_stored_machine_takes_no_signals(top: Top) -> None:
    assert press(top, "k") == press(top, "r") == "a stored machine: nothing runs there"
    assert "no threads" in press(top, "H")
    assert press(top, "y").startswith("Unknown command")


def test_what_is_hidden_and_what_stands_out(top: Top) -> None:
    whole = top.lines(80, 20)
    assert [line.style for line in whole if line.style] == ["reverse", "bold"]
    press(top, "l", "t", "m", "m")
    assert len([line for line in top.lines(80, 20) if line.text.startswith(("top", "Tasks", "MiB"))]) == 0
    press(top, "l", "t", "m", "h")
    assert [line.text for line in top.lines(80, 20)] == HELP.splitlines()
    press(top, "q")
    assert top.lines(80, 20) == whole
    assert not top.press("q")


def test_memory_as_bars(top: Top) -> None:
    press(top, "m")
    assert top.lines(80, 20)[2].text == ""  # this meminfo has no caches, so that there is no bar of it
    top.sampler = Sampler(resolve(ROOT))
    top.look()
    bar, legend, zram, disk = (line.text for line in top.lines(80, 20)[3:7])
    assert [len(line) for line in (bar, zram, disk)] == [80, 80, 80]
    assert bar.startswith("Mem  [█████")
    assert legend.split()[:2] == ["█used", "193M"]
    assert zram.startswith("zram0[█████")
    assert zram.endswith("] 96.0M/96.0M")
    assert disk.startswith("vdb  [███")
    assert disk.endswith("] 131M/300M")
    press(top, "m", "m")
    assert top.lines(80, 20)[3].text.startswith("MiB Mem")


def test_a_process_is_ended_and_reniced() -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("no /proc on this machine")
    with subprocess.Popen(["sleep", "60"]) as program:
        top = Top(Sampler(open_source("live"), pids=(program.pid,)), {}, Options(), 3.0)
        top.look()
        top.lines(80, 24)
        assert press(top, "r", "enter", *"5", "enter") == ""
        assert os.getpriority(os.PRIO_PROCESS, program.pid) == 5
        assert "no signal WHAT" in press(top, "k", "enter", *"WHAT", "enter")
        press(top, "k", "enter", "enter")
        assert program.wait(10) == -signal.SIGTERM
        assert "Failed signal pid" in press(top, "k", *str(program.pid), "enter", "9", "enter")
        top.look()
        assert shown(top) == []
        top.sampler.close()


def test_keys_of_a_terminal() -> None:
    assert split_keys("\x1bOA\x1b[5~\x7f\r\x1b") == ["up", "pageup", "backspace", "enter", "escape"]
    assert split_keys("\x1b[1;5Aq\x1b[") == ["q"]
    assert Line("a").style == ""


def test_on_a_terminal_it_draws_sorts_explains_and_leaves() -> None:
    with Terminal("top", "--root", ROOT, columns=100, rows=12) as terminal:
        picture = terminal.until("472760")
        assert picture[0].startswith("top - --:--:-- up 0 min")
        assert picture[7].split()[-1] == "A"
        sent = len(terminal.sent)
        terminal.press("M")
        terminal.press("h")
        terminal.until("Any key goes back" if terminal.rows > 20 else "quit")
        terminal.press("x", "k")
        terminal.until("nothing runs there")
        assert len(terminal.sent) - sent < 4000
        terminal.press("q")
        assert terminal.ended() == 0
        assert left_clean(terminal)


def test_it_sends_only_what_changed() -> None:
    with Terminal("top", "--root", ROOT, "-d", "0.1", "-n", "8") as terminal:
        assert terminal.ended() == 0
        body = terminal.sent.split("\x1b[?1049l")[0]
        assert body.count("472760") == 1
        assert left_clean(terminal)


def test_a_small_screen_and_back() -> None:
    with Terminal("top", "--root", ROOT) as terminal:
        terminal.until("472760")
        terminal.resize(20, 5)
        time.sleep(0.2)
        assert all(len(line) <= 20 for line in terminal.until("MiB Swap"))
        terminal.resize(100, 30)
        assert "COMMAND" in terminal.until("472760")[6]
        terminal.press("q")
        assert terminal.ended() == 0


@pytest.mark.parametrize(("how", "code"), [("\x03", 130), (signal.SIGTERM, 1), (signal.SIGHUP, 1)])
def test_it_leaves_the_terminal_clean(how: str | signal.Signals, code: int) -> None:
    with Terminal("top", "--root", ROOT) as terminal:
        terminal.until("472760")
        if isinstance(how, str):
            terminal.press(how)
        else:
            os.kill(terminal.pid, how)
        assert terminal.ended() == code
        assert left_clean(terminal)
        assert "memtwin:" not in terminal.sent


def test_suspended_it_gives_the_terminal_back_and_resumes() -> None:
    with Terminal("top", "--root", ROOT) as terminal:
        terminal.until("472760")
        os.kill(terminal.pid, signal.SIGTSTP)
        assert os.WIFSTOPPED(os.waitpid(terminal.pid, os.WUNTRACED)[1])
        terminal.sent = ""
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.until("472760")
        terminal.press("q")
        assert terminal.ended() == 0
        assert left_clean(terminal)


def test_a_terminal_that_is_closed_ends_it() -> None:
    with Terminal("top", "--root", ROOT) as terminal:
        terminal.until("472760")
        os.close(terminal.fd)
        terminal.fd = -1
        assert terminal.ended() in {1, -signal.SIGHUP}


def test_a_terminal_that_shows_no_screens_gets_lines() -> None:
    code, picture = run_to_end(["top", "--root", ROOT], TERM="dumb")
    assert code == 0
    assert any("472760" in line for line in picture)


def test_this_host_moves_and_a_process_that_is_gone_is_no_row() -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("no /proc on this machine")
    with Terminal("top", "-d", "0.2", "-p", f"{os.getpid()},{2**22}") as terminal:
        terminal.until(f"{os.getpid()} ")
        assert "   1 total" in terminal.until("Tasks:")[1]
        terminal.press("q")
        assert terminal.ended() == 0
