"""Does each lesson show what it states, is it short enough, and is what was guessed kept?"""

from __future__ import annotations

import ast
import io
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin import cli
from memtwin.errors import UsageError
from memtwin.learn import chapter, listing, pages, plain
from memtwin.learn.act import Act, perform, sizes_of, turned
from memtwin.learn.lessons import ORDER, all_lessons
from memtwin.learn.question import Choice, Number, Quality, Unit, size
from memtwin.learn.session import Session
from memtwin.learn.store import Guess, Open, Progress, Store, Taken, path_of
from memtwin.render.terminal import PLAIN
from memtwin.scenario import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memtwin.learn.lesson import Lesson, Sizes

LESSONS = all_lessons()
SEEDS = (0, 1, 2)
FILES = Path(__file__).parents[2] / "src" / "memtwin" / "learn" / "lessons"
RECORDING = Path(__file__).parents[1] / "recordings" / "01-boot-idle" / "run1.tar.xz"
_OF_THE_KERNEL = {"2M", "4K", "32K"}
"""Sizes that are the kernel's, not a run's: a huge page, a page, a block of costly order."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state" / "memtwin" / "learn.json"


def grid(lesson: Lesson) -> Iterator[Sizes]:
    """The sizes of some seeds, each with every change."""
    for seed in SEEDS:
        sizes = sizes_of(lesson, seed)
        yield sizes
        yield from (turned(sizes, turn) for turn in lesson.turns(sizes))


@pytest.fixture(scope="module", params=LESSONS, ids=lambda lesson: lesson.key)
def acts(request: pytest.FixtureRequest) -> list[Act]:
    """A lesson, run with each of its sizes."""
    distinct = {tuple(sizes.items()): sizes for sizes in grid(request.param)}
    return [perform(request.param, sizes) for sizes in distinct.values()]


def test_the_model_shows_each_rule(acts: list[Act]) -> None:
    for act in acts:
        assert act.holds, (act.sizes, act.reading)


def test_each_result_lies_on_its_scale(acts: list[Act]) -> None:
    for act in acts:
        ask, result, usual = act.lesson.asks(act.sizes), act.reading.result, act.reading.usual
        if isinstance(ask, Number):
            assert ask.low <= result <= ask.high
            assert usual is None or ask.low <= usual <= ask.high
            assert ask.quality(usual, result) is not Quality.EXACT or act is not acts[0], (
                "the usual guess would be right"
            )
        else:
            assert 1 <= result <= len(ask.options)
            assert usual is None


def test_a_change_changes_what_is_to_be_known(acts: list[Act]) -> None:
    """Of each lesson at least one change has another result."""
    turns = acts[0].lesson.turns(acts[0].sizes)
    assert len(turns) in {2, 3}
    assert len({act.lesson.asks(act.sizes).write(act.reading.result) for act in acts[: len(turns) + 1]}) > 1


def test_scenes_and_reasons_are_short(acts: list[Act]) -> None:
    for act in acts:
        scene = act.lesson.scene(act.sizes)
        assert len(scene) <= 8
        assert all(len(line) <= 74 for line in scene)
        sentences = act.lesson.reason(act.reading, act.sizes)
        assert 1 <= len(sentences) <= 3
        assert len(act.film.frames) <= 12


def test_a_lesson_is_read_in_time(acts: list[Act]) -> None:
    """At 200 words a minute the question is there within 60 seconds; with three answers all is done within 240."""
    lesson = acts[0].lesson
    number = LESSONS.index(lesson) + 1
    sizes, turns = acts[0].sizes, lesson.turns(acts[0].sizes)
    first = [pages.scene(number, lesson, sizes, PLAIN)]
    asked = pages.predict(number, lesson, sizes, PLAIN)
    new = [*asked.lines[-3:], *(asked.question.options if isinstance(asked.question, Choice) else ())]
    until_asked = (pages.words(first[0].lines) + pages.words(new)) / pages.WORDS_PER_MINUTE * 60
    assert until_asked <= 60, until_asked
    for place in range(len(turns)):
        session = Session(number, lesson, 0, None)
        shown = []
        while not session.is_over:
            page = session.page(PLAIN)
            shown.append(page)
            session.answer(place + 1 if session.beat == "change" else None)
        took = pages.seconds_of(shown) + 2
        assert took <= 240
        assert abs(took - 60 * listing.minutes(number, lesson)) < 60


def test_pages_fit_a_terminal_of_80_by_24(acts: list[Act]) -> None:
    """Title, a blank line, and two lines at the bottom leave 20; a scale or options stand among them."""
    lesson = acts[0].lesson
    session = Session(LESSONS.index(lesson) + 1, lesson, 0, None)
    while not session.is_over:
        page = session.page(PLAIN)
        drawn = [] if page.question is None else [*pages.drawn_question(page.question, None, PLAIN), ""]
        assert len(page.lines) + len(drawn) <= (21 if page.question is None else 20), session.beat
        assert all(len(line) <= 79 for line in (*page.lines, *drawn))
        session.answer(1 if session.beat == "change" else None)


def test_each_section_of_the_chapter_has_a_lesson() -> None:
    assert {section for lesson in LESSONS for section in lesson.sections} == set(chapter.SECTIONS)
    assert len(LESSONS) >= 10
    assert len({lesson.key for lesson in LESSONS}) == len(ORDER) == len(list(FILES.glob("*.py"))) - 1


@pytest.mark.parametrize("name", [name.rpartition(".")[2] for name in ORDER])
def test_no_result_is_stored_text(name: str) -> None:
    """A sentence of a lesson has no size and no share that is not put in from the run, but those of the kernel."""
    tree = ast.parse((FILES / f"{name}.py").read_text())
    reason = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "_reason"]
    said = [node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg in {"so", "chapter", "title"}]
    assert (len(reason), len(said)) == (1, 3)
    constants = [one for node in (*reason, *said) for one in ast.walk(node) if isinstance(one, ast.Constant)]
    texts = [one.value for one in constants if isinstance(one.value, str)]
    found = {word for text in texts for word in re.findall(r"\b\d[\d.]*(?:[KMG]\b|%| ms\b)", text)}
    assert found <= _OF_THE_KERNEL


def test_what_is_shown_is_what_was_run() -> None:
    """The same pages with other sizes have other figures, each of which a second run has too."""
    lesson = LESSONS[0]
    shown = []
    for write in (32, 64):
        act = perform(lesson, {**sizes_of(lesson, 0), "write": write})
        text = " ".join(pages.reason(1, act, PLAIN).lines)
        assert f"{write}M were written" in text
        assert lesson.asks(act.sizes).write(act.reading.result) in " ".join(pages.reveal(1, act, None, PLAIN).lines)
        shown.append(text)
    assert shown[0] != shown[1]


def test_each_statement_of_the_chapter_has_its_lesson_or_command() -> None:
    """docs/chapter.md: a section a table, each row with what is so, and something that can be tried."""
    text = (Path(__file__).parents[2] / "docs" / "chapter.md").read_text()
    assert tuple(re.findall(r"^## (.*)$", text, re.MULTILINE)) == ("The chapter's machine", *chapter.SECTIONS)
    rows = [
        line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ") and "the chapter |" not in line
    ]
    assert len(rows) > 45
    assert all(len(row) == 3 for row in rows)
    for _, so, tried in rows:
        assert so.strip()
        commands = re.findall(r"`memtwin (\w+) ?([^`]*)`", tried)
        assert commands, tried
        for name, words in commands:
            assert name in cli.COMMANDS
            assert name != "learn" or 1 <= int(words) <= len(LESSONS)
    shown = {int(number) for row in rows for number in re.findall(r"memtwin learn (\d+)", row[2])}
    assert shown == set(range(1, len(LESSONS) + 1))


def test_a_rule_that_does_not_show_is_not_claimed() -> None:
    """On another machine more may go on: then the page says so first."""
    act = perform(LESSONS[0], sizes_of(LESSONS[0], 0))
    other = Act(act.lesson, act.sizes, act.reading, act.film, False, act.run, act.notes)
    assert "do not show the rule" in pages.reason(1, other, PLAIN).lines[0]
    assert "do not show the rule" not in pages.reason(1, act, PLAIN).lines[0]


# --- answers


@pytest.mark.parametrize(
    ("typed", "value"), [("160M", 160 << 10), ("160", 160 << 10), ("1.5g", 1536 << 10), (" 640 KiB ", 640), ("0", 0),
                         ("1,5M", 1536)],
)  # fmt: skip
def test_a_size_is_taken_as_people_write_it(typed: str, value: int) -> None:
    assert size("?", 2048).parse(typed) == value


@pytest.mark.parametrize(
    "typed", ["", "x", "160X", "-1M", "1e3M", "inf", "nan", "\u0661\u0666", "9" * 400, "3G", "1..5M", "0x10"]
)
def test_what_is_no_size_of_the_scale_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match=r"is not a size|the scale goes"):
        size("?", 2048).parse(typed)


@pytest.mark.parametrize("typed", ["0", "4", "x", "", "1.5", "\u0661", "-1"])
def test_what_is_no_option_is_refused(typed: str) -> None:
    with pytest.raises(UsageError, match="from 1 to 3"):
        Choice("?", ("a", "b", "c")).parse(typed)


def test_a_guess_is_judged_by_its_distance_on_the_scale() -> None:
    ask = Number("?", Unit.PERCENT, 0, 100)
    assert [ask.quality(guess, 50) for guess in (50, 54, 60, 90, None)] == [
        Quality.EXACT, Quality.EXACT, Quality.NEAR, Quality.FAR, Quality.SHOWN,
    ]  # fmt: skip
    assert ask.parse("7%") == 7


# --- the command


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = cli.main(["learn", *args])
    return code, *capsys.readouterr()


def test_the_list_has_sections_and_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    code, text, _ = run(capsys)
    assert code == 0
    for number, lesson in enumerate(LESSONS, 1):
        line = next(line for line in text.splitlines() if lesson.title in line)
        assert line.split()[0] == str(number)
        assert lesson.sections[0] in line
        assert 1 <= listing.minutes(number, lesson) <= 4
    assert all(len(line) <= 79 for line in text.splitlines())


def test_answers_for_scripts(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    code, text, error = run(capsys, "1", "--answer", "256M", "--answer", "2", "--answer", "60M")
    assert (code, error) == (0, "")
    assert re.search(r"you: 256M\n.*Linux: 780K", text)
    assert re.search(r"you: 60M\n.*Linux: 64", text)
    assert "The chapter says" in text
    assert not home.exists(), "nothing is kept"
    assert "Your turn" not in run(capsys, "1", "--answer", "?")[1]
    again = run(capsys, "1", "--answer", "?", "--seed", "5")[1]
    assert again != run(capsys, "1", "--answer", "?", "--seed", "0")[1]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("0",), "there is no lesson 0"), (("99",), "there is no lesson 99"),
        (("1", "--answer", "much"), "is not a size"), (("7", "--answer", "5"), "from 1 to 4"),
        (("1", "--answer", "?", "--answer", "9"), "from 1 to 3"),
        (("1", "--answer", "?", "--answer", "1", "--answer", "?", "--answer", "?"), "were not asked for"),
        (("--answer", "?"), "needs a LESSON"), (("--seed", "1"), "needs a LESSON"), (("--scenario",), "needs a LESSON"),
        (("3", "--on", "live"), "cannot be given on another machine"),
        (("7", "--on", "live"), "memtwin oom --live says who would die"),
        (("1", "--on", "/nonexistent", "--answer", "?"), "/nonexistent"),
        (("1", "--scenario", "--answer", "?"), "--scenario takes"),
        (("--html", "x", "--seed", "1"), "takes no --seed"), (("1", "--html", "x"), "takes no LESSON"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(
    args: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run(capsys, *args)
    assert code in {1, 2}
    assert message in error
    assert len(error.splitlines()) <= 2


def test_a_number_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for args in (("four",), ("1", "--seed", "-1"), ("1", "--seed", "x")):
        assert cli.main(["learn", *args]) == 2
    capsys.readouterr()


def test_the_scenario_of_a_lesson_runs_by_itself(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for number in range(1, len(LESSONS) + 1):
        code, text, _ = run(capsys, str(number), "--scenario")
        assert code == 0
        assert parse(text, "x").ops
    (tmp_path / "x.mem").write_text(run(capsys, "1", "--scenario", "--seed", "3")[1])
    assert cli.main(["run", str(tmp_path / "x.mem")]) == 0
    capsys.readouterr()


def test_a_lesson_on_another_machine(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    """Its own RAM, from a recording of a real kernel; nothing of it is kept."""
    code, text, _ = run(capsys, "4", "--on", f"{RECORDING}@boot", "--answer", "256M")
    assert code == 0
    assert "RAM 214M" not in run(capsys, "4", "--answer", "?")[1]
    assert re.search(r"RAM \d+M", text)
    assert not home.exists()


# --- lines of stdin


def type_lines(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_lines_of_stdin_answer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """A wrong line is answered and asked again; what was guessed is kept."""
    type_lines(monkeypatch, "lots\n256M\n4\n2\n60M\n")
    code, text, _ = run(capsys, "1")
    assert code == 0
    assert "'lots' is not a size" in text
    assert "'4' is not a number from 1 to 3" in text
    state = Store(home).state
    assert [guess.quality for guess in state.lessons["promise"].guesses] == ["far off"]
    assert (state.finished, state.open) == (1, None)
    assert "far off" in next(line for line in run(capsys)[1].splitlines() if "VIRT" in line)


def test_a_lesson_that_is_left_goes_on_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    type_lines(monkeypatch, "256M\n")
    _, text, error = run(capsys, "1")
    assert "Your turn" in text
    assert "learn 1 goes on where you left" in error
    kept = Store(home).state.open
    assert kept is not None
    assert (kept.lesson, kept.beat, kept.guess) == ("promise", "change", 256 << 10)
    assert " *" in next(line for line in run(capsys)[1].splitlines() if "VIRT" in line)
    type_lines(monkeypatch, "1\n?\n")
    _, text, error = run(capsys, "1")
    assert "asks for 2G of memory and gets it. It reads 256M of that, page by page. Then" in text
    assert (error, Store(home).state.open) == ("", None)


def test_an_earlier_lesson_comes_back_as_one_question(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    type_lines(monkeypatch, "?\n?\n")
    run(capsys, "1")
    type_lines(monkeypatch, "?\n?\n100K\n")
    _, text, _ = run(capsys, "2")
    assert "Review of lesson 1" in text
    state = Store(home).state
    assert [guess.review for guess in state.lessons["promise"].guesses] == [False, True]
    assert state.lessons["promise"].reviews == 1
    assert "1 of 1" in run(capsys)[1]


# --- what is kept


def test_reviews_come_after_one_three_and_seven_lessons() -> None:
    state = Progress()
    due = []
    state.finish("first")
    for number in range(2, 12):
        state.finish(f"other {number}")
        state.lessons[f"other {number}"].finished_at = None
        if state.due() == "first":
            due.append(state.finished - 1)
            state.note("first", Guess(0, None, 1, "shown", review=True))
    assert due == [1, 3, 7]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b'{"what": "something else"}', b'{"version": 2}', b'{"lessons": {"a": 3}}', b"\xff\xfe",
     b'{"unknown": 1}', b'{"lessons": {"promise": {"reviews": -5}}}', b'{"finished": 1e400}',
     b"[" * 100_000, b'{"open": {"lesson": 1}}'],
)  # fmt: skip
def test_a_file_that_is_not_ours_is_left_as_it_is(
    content: bytes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    home.parent.mkdir(parents=True)
    home.write_bytes(content)
    type_lines(monkeypatch, "256M\n?\n")
    code, text, error = run(capsys, "1")
    assert code == 0
    assert "Linux: 780K" in text
    assert len(error.splitlines()) == 1
    assert f"nothing is kept, and {home} stays as it is" in error
    assert home.read_bytes() == content


def test_a_place_that_cannot_be_written_is_one_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "state").write_text("a file where a directory should be")
    type_lines(monkeypatch, "256M\n?\n")
    code, text, error = run(capsys, "1")
    assert code == 0
    assert "Linux: 780K" in text
    assert error.startswith("memtwin: nothing is kept")
    assert "Errno" not in error
    assert len(error.splitlines()) == 1
    del home


def test_a_directory_in_its_place_and_a_large_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    home.mkdir(parents=True)
    type_lines(monkeypatch, "256M\n?\n")
    assert "stays as it is: Is a directory" in run(capsys, "1")[2]
    home.rmdir()
    home.write_bytes(b" " * (1 << 20) + b"{}")
    assert "nothing is kept" in run(capsys)[2]
    assert home.stat().st_size == (1 << 20) + 2


def test_a_link_is_not_followed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    home.parent.mkdir(parents=True)
    target = home.parent / "elsewhere"
    target.write_text('{"what":"memtwin learn"}')
    home.symlink_to(target)
    type_lines(monkeypatch, "256M\n?\n")
    assert "symbolic link" in run(capsys, "1")[2]
    assert target.read_text() == '{"what":"memtwin learn"}'


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(capsys: pytest.CaptureFixture[str], home: Path) -> None:
    home.parent.mkdir(parents=True)
    home.write_text("{}")
    home.chmod(0)
    assert "Permission denied" in run(capsys)[2]


def test_two_at_a_time_keep_what_both_did(home: Path) -> None:
    one, other = Store(home), Store(home)
    one.update(lambda state: state.finish("a"))
    other.update(lambda state: state.finish("b"))
    assert set(Store(home).state.lessons) == {"a", "b"}
    assert home.stat().st_mode & 0o777 == 0o600


def test_where_the_state_lies() -> None:
    assert path_of({"XDG_STATE_HOME": "/s", "HOME": "/h"}) == Path("/s/memtwin/learn.json")
    assert path_of({"XDG_STATE_HOME": "relative", "HOME": "/h"}) == Path("/h/.local/state/memtwin/learn.json")
    assert path_of({}) is None
    store = Store(None)
    store.update(lambda state: state.finish("a"))
    assert (store.state.finished, store.problem) == (1, "nothing is kept: there is no home directory")


def test_what_was_kept_of_a_lesson_that_has_changed_begins_it_anew() -> None:
    session = Session(1, LESSONS[0], 0, None)
    for beat, turn in (("of another version", None), ("predict again", 9), ("predict again", None), ("end", 0)):
        session.resume(Open("promise", 0, beat, turn=turn))
        assert session.beat == "scene", beat
        assert session.page(PLAIN).lines
    session.resume(Open("promise", 0, "reveal again", turn=1))
    assert session.beat == "reveal again"


BEATS = st.sampled_from(
    ("scene", "predict", "reveal", "reason", "change", "predict again", "reveal again", "end", "\x1b")
)
NUMBERS = st.none() | st.integers(-9, 9) | st.integers(-(2**63), 2**63 - 1)
STATES = st.builds(
    Progress,
    finished=st.integers(0, 99),
    lessons=st.dictionaries(
        st.sampled_from(("promise", "killer", "of another version")),
        st.builds(
            Taken,
            guesses=st.lists(st.builds(Guess, st.integers(), NUMBERS, st.integers(), st.text(), st.booleans())),
            finished_at=NUMBERS, reviews=st.integers(0, 99),
        ),
    ),
    open=st.none() | st.builds(
        Open, st.sampled_from(("promise", "killer", "of another version")), st.integers(0, 5), BEATS, st.booleans(),
        NUMBERS, NUMBERS, NUMBERS,
    ),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(STATES)
def test_whatever_was_kept_can_be_gone_on_with(state: Progress) -> None:
    """The list is drawn, nothing of the file reaches the terminal as a command, and the open lesson has a page."""
    assert all(line.isprintable() for line in listing.lines(LESSONS, state))
    state.due()
    for lesson in LESSONS:
        if state.open is not None and state.open.lesson == lesson.key:
            session = Session(1, lesson, state.open.seed, None)
            session.resume(state.open)
            assert session.page(PLAIN).lines


def test_an_end_of_input_leaves(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    type_lines(monkeypatch, "q\n")
    assert run(capsys, "2")[0] == 0
    session = Session(1, LESSONS[0], 0, None)
    assert not plain.typed(session, PLAIN, lambda _: None, lambda: "", waits=False)
