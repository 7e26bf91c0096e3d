"""The page of ``htop``, without a terminal: which tasks, in which order, what the bars and panels say."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING

import pytest
from htop_machine import PROCESSES, machine

from memtwin import cli
from memtwin.sources.looks import Looker, Wants
from memtwin.sources.opening import open_source
from memtwin.sources.sampler import names_of_users
from memtwin.tui.htop import spans, table
from memtwin.tui.htop.keys import BY_KEY, KEYS
from memtwin.tui.htop.page import Page
from memtwin.tui.htop.rows import Choice
from memtwin.views import top_fields

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALL = Wants(frozenset({"statm", "status", "smaps_rollup", "oom_score", "cmdline"}), detail=True)


def page_of(root: Path | str, *, pids: tuple[int, ...] = (), **choice: object) -> Page:
    looker = Looker(open_source(root), pids=pids)
    source = looker.source
    page = Page(names_of_users(source), live=source.is_live, choice=Choice(**choice))  # type: ignore[arg-type]
    page.show(looker.look(ALL))
    looker.close()
    page.picture(100, 40)
    return page


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return page_of(machine(tmp_path), key="PID")


def pids(page: Page) -> list[int]:
    return [row.task.pid for row in page.rows()]


def press(page: Page, *keys: str) -> str:
    for key in keys:
        assert page.press(key)
        page.picture(*page.size)
    return page.message


def lines(page: Page, columns: int = 100, rows: int = 40) -> list[str]:
    return [spans.text(line).rstrip() for line in page.picture(columns, rows)]


def test_threads_of_the_kernel_are_left_out_at_first(page: Page) -> None:
    assert pids(page)[:3] == [1, 500, 501]
    press(page, "K")
    assert pids(page)[:3] == [1, 2, 40]


def test_keys_order_and_turn_round(page: Page) -> None:
    press(page, "M")
    assert pids(page)[0] == 500
    press(page, "I")
    assert pids(page)[:2] == [701, 700]
    press(page, "T")
    assert pids(page)[0] == 601
    press(page, "N")
    assert pids(page)[0] == 1
    press(page, "F6", "R", "R") if False else press(page, "f6")
    assert page.menu is not None
    press(page, "P", "S", "S")
    assert page.menu.items[page.menu.at][1].startswith("S")
    press(page, "escape")
    press(page, "<", "home", *["down"] * 4, "enter")
    assert page.choice.key == page.fields[4] or page.choice.key in table.DEFAULT


def test_a_tree_has_children_below_parents_and_sums_of_pss(page: Page) -> None:
    press(page, "t")
    shown = {row.task.pid: row for row in page.rows()}
    assert pids(page)[:5] == [1, 500, 501, 502, 600]
    total = sum(one.rss_kib // 2 for one in PROCESSES)
    assert shown[1].sum is not None
    assert shown[1].sum.pss_bytes == total << 10
    assert shown[1].sum.is_whole
    press(page, "down", "-")
    assert pids(page)[:3] == [1, 500, 600]
    assert page.rows()[1].inside == 2
    assert "[+2]" in "\n".join(lines(page))
    press(page, "+", "*")
    assert pids(page) == [1]
    press(page, "*")
    assert len(pids(page)) == len(PROCESSES) - 2


def test_a_sum_of_what_is_not_read_is_at_least_so_much(tmp_path: Path) -> None:
    root = machine(tmp_path)
    (root / "proc/501/smaps_rollup").unlink()
    page = page_of(root, tree=True, key="PID")
    row = next(row for row in page.rows() if row.task.pid == 500)
    assert row.sum is not None
    assert not row.sum.is_whole
    assert any(" >" in line and "bin/postgres" in line for line in lines(page, 140))


def test_parents_in_a_circle_are_all_shown(tmp_path: Path) -> None:
    root = machine(tmp_path)
    for pid, parent in ((700, 701), (701, 700)):
        text = (root / f"proc/{pid}/stat").read_text()
        head, _, rest = text.rpartition(") ")
        words = rest.split()
        (root / f"proc/{pid}/stat").write_text(f"{head}) {words[0]} {parent} {' '.join(words[2:])}\n")
    page = page_of(root, tree=True, key="PID")
    assert 1 in pids(page)


def test_search_filter_and_a_pid(page: Page) -> None:
    press(page, "/", *"walw")
    assert page.task() is not None
    assert page.task().pid == 502  # type: ignore[union-attr]
    press(page, "enter", "/", *"job", "f3")
    assert page.task().pid == 901  # type: ignore[union-attr]
    press(page, "enter")
    assert press(page, "/", *"zzz", "enter") == "zzz not found"
    press(page, "\\", *"nginx|backup", "enter")
    assert pids(page) == [600, 601, 700, 701]
    assert any("filter: nginx|backup" in line for line in lines(page))
    press(page, "f4", "escape")
    assert len(pids(page)) > 10
    press(page, "9", "1", "2")
    assert page.task().pid == 912  # type: ignore[union-attr]


def test_users_tags_and_following(page: Page) -> None:
    press(page, "u", "w", "enter")
    assert pids(page) == [600, 601]
    press(page, "u", "home", "enter", "home", "space", "c")
    assert len(page.tagged) > 1
    press(page, "U")
    assert not page.tagged
    press(page, "6", "0", "1", "F", "M")
    assert page.task().pid == 601  # type: ignore[union-attr]


def test_memory_is_labelled_at_80_columns(page: Page) -> None:
    shown = "\n".join(lines(page, 80, 24))
    for words in ("used 200M/218M", "avail 18.6M", "used 193M", "shared 0K", "buffers 32K", "dirty 0K", "cache 10.2M",
                  "free 14.8M", "96.0M/96.0M in 47.8M RAM", "131M/300M", "Load 0.23 0.05 0.02",
                  "memory some 14.97 full 11.46"):  # fmt: skip
        assert words in shown, words
    head = next(line for line in shown.splitlines() if line.lstrip().startswith("PID"))
    assert {"PID", "RES", "PSS", "COMMAND"} <= set(head.replace("△", " ").replace("▽", " ").split())


@pytest.mark.parametrize(
    ("columns", "rows"), [(200, 50), (132, 43), (80, 24), (60, 16), (40, 10), (20, 5), (8, 3), (1, 1)]
)
def test_every_size_has_its_lines(page: Page, columns: int, rows: int) -> None:
    for keys in ((), ("tab",), ("tab", "t"), ("k",), ("?",), ("f1",), ("escape", "f2"), ("escape", "/")):
        press(page, *keys)
        shown = page.picture(columns, rows)
        assert len(shown) == rows
        assert all(spans.width(line) <= columns for line in shown), [spans.text(line) for line in shown]


def test_ascii_alone(tmp_path: Path) -> None:
    source = open_source(machine(tmp_path))
    looker = Looker(source)
    page = Page({}, live=False, unicode=False, choice=Choice(tree=True))
    page.show(looker.look(ALL))
    shown = lines(page, 132, 43)
    others = [line for line in shown if not line.isascii() and "\u4ea4" not in line]
    assert not others
    press(page, "tab")
    assert all(line.isascii() for line in lines(page, 132, 43))


def test_the_number_of_used_has_seven_meanings(page: Page) -> None:
    seen = {press(page, "b") for _ in range(7)}
    assert len(seen) == 7
    assert page.formula == "procps-4"


def test_a_figure_is_explained_in_place(page: Page) -> None:
    press(page, "home")
    while page.column != "PSS":
        press(page, "right")
    press(page, "?")
    shown = "\n".join(lines(page))
    assert "PSS = 4.4M" in shown
    assert "adds up over processes" in shown
    press(page, "up")
    assert "psi.cpu.some" in "\n".join(lines(page)) or "psi.io.some" in "\n".join(lines(page))
    press(page, "escape", "tab")
    while page.figures_here() != ["MemAvailable"]:
        press(page, "down")
    press(page, "?")
    assert "MemAvailable = 18.6M" in "\n".join(lines(page))


def test_a_figure_is_pinned(page: Page) -> None:
    press(page, "f", "M", "enter")
    assert page.pinned.startswith("Mem")
    assert any(f"{page.pinned} " in line for line in lines(page))


def test_columns_are_chosen_and_moved(page: Page) -> None:
    press(page, "f2")
    assert page.menu is not None
    press(page, "space")
    assert page.fields[0] == "USER"
    page.menu.at = [name for _, name in page.menu.items].index("SWAP")
    press(page, "enter", "[")
    assert page.fields[-3] == "SWAP"
    page.menu.at = [name for _, name in page.menu.items].index("+mem")
    press(page, "space", "escape")
    assert not any(line.startswith("Mem[") for line in lines(page))
    press(page, "#")
    assert lines(page)[0].startswith("[Main]")


def test_a_stored_machine_takes_no_signals(page: Page) -> None:
    for key in ("k", "f9", "f7", "f8"):
        assert press(page, key) == "a stored machine: nothing runs there"
    assert "no threads" in press(page, "H")
    assert "no such key" in press(page, "y")


def test_every_key_of_the_table_is_a_method() -> None:
    for one in KEYS:
        assert one.action == "quit" or callable(getattr(Page, one.action)), one
    assert len(BY_KEY) == sum(len(one.keys) for one in KEYS)


def test_a_process_is_reniced_and_ended_after_a_question() -> None:
    with subprocess.Popen(["sleep", "60"]) as program:
        page, before = page_of("live", pids=(program.pid,)), os.getpriority(os.PRIO_PROCESS, program.pid)
        press(page, "f8")
        assert os.getpriority(os.PRIO_PROCESS, program.pid) == before + 1
        press(page, "k", "enter")
        assert "Send SIGTERM to" in "\n".join(lines(page))
        assert press(page, *"n", "enter") == "nothing was sent"
        assert program.poll() is None
        assert press(page, "k", "enter", "y", "enter") == "SIGTERM sent to 1 task"
        assert program.wait(10) == -signal.SIGTERM
        assert "No such process" in press(page, "k", "enter", "y", "enter")


def test_readonly_sends_nothing() -> None:
    page = page_of("live", pids=(os.getpid(),))
    page.readonly = True
    for key in ("k", "f9", "f7", "f8"):
        assert press(page, key) == "read-only: --readonly was given"


def test_without_a_screen_one_picture_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["htop", "--root", str(machine(tmp_path)), "-s", "PSS", "-u", "postgres"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[0] for line in out.splitlines() if "postgres" in line and "M " in line][-3:] == [
        "500",
        "501",
        "502",
    ]
    assert cli.main(["htop", "--root", str(tmp_path), "-p", "x"]) == 2
    assert cli.main(["htop", "--root", str(tmp_path), "-s", "nothing"]) == 2
    assert cli.main(["htop", "--root", str(tmp_path), "-u", "no-such"]) == 2
    assert cli.main(["htop", "--root", str(tmp_path / "none")]) == 1


def test_without_textual_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['textual'] = None; sys.modules['rich'] = None\n"
        "from memtwin.cli import htop; htop.is_screen = lambda: True\n"
        f"from memtwin.cli import main; sys.exit(main(['htop', '--root', {str(machine(tmp_path))!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "memtwin htop needs Textual, the extra tui" in done.stderr
    assert "memtwin[tui]" in done.stderr


def test_pss_is_read_of_what_is_shown_and_no_longer_than_the_budget(tmp_path: Path) -> None:
    looker = Looker(open_source(machine(tmp_path)))
    shown = Wants(frozenset(), frozenset({"smaps_rollup"}), ("proc/500", "proc/601"))
    look = looker.look(shown)
    assert {task.pid for task in look.sample.tasks if "smaps_rollup" in task.records} == {500, 601}
    more = looker.refill(look, Wants(frozenset({"smaps_rollup"}), detail=True))
    assert all("smaps_rollup" in task.records for task in more.sample.tasks)
    assert more.detail is not None


def test_the_map_of_memory_has_three_pictures(tmp_path: Path) -> None:
    from memtwin.run.run import simulate
    from memtwin.scenario import parse
    from memtwin.twin.twin import Twin

    run = simulate(parse("machine ram=512M\nproc A\nA mmap heap 100M\nA touch heap 0 100M w seq\n", "a.mem"), None)
    page = Page({}, live=False)
    looker = Looker(Twin(run.machine, run.processes.by_name))
    page.show(looker.look(ALL))
    press(page, "tab", "tab")
    page.show(looker.look(page.wants()))
    shown = lines(page)
    assert any(line.startswith("DMA32") and "aaaa" in line for line in shown)
    assert any("anon 101M" in line for line in shown)
    press(page, "m")
    assert any("order of the largest free block" in line for line in lines(page))
    press(page, "m")
    assert any("active" in line for line in lines(page))
    page.colour = True
    assert any("▀" in line for line in lines(page))


def test_a_machine_without_a_map_says_so(page: Page) -> None:
    press(page, "tab", "tab")
    assert any("No map: models have one" in line for line in lines(page))


@pytest.mark.parametrize("cut", [table.cut, lambda text, columns: top_fields.text(text, columns + 1)[:-1]])
def test_long_arguments_are_measured_once(cut: Callable[[str, int], str], monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = "─" + "x" * 50_000
    measured = itertools.count()
    combining = unicodedata.combining

    def counted(char: str) -> int:
        assert next(measured) < 2 * len(arguments)
        return combining(char)

    monkeypatch.setattr(unicodedata, "combining", counted)
    assert cut(arguments, 30) == "─" + "x" * 29
