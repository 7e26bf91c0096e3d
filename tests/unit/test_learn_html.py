"""Do the pages ask before they show, by keyboard alone, in light and dark, without a request?"""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from browser import Browser

from memtwin import cli
from memtwin.learn import figures, html
from memtwin.learn.lessons import all_lessons

if TYPE_CHECKING:
    from pathlib import Path

LESSONS = all_lessons()
NAMES = [html.name_of(number, lesson) for number, lesson in enumerate(LESSONS, 1)]
HOSTILE = "</script><script>evil()</script><b>\u202e&amp;"
VOID = frozenset(("meta", "rect", "line", "circle", "input", "img"))


class Tags(HTMLParser):
    """Collects elements and attributes, and checks that each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All pages, written once."""
    where = tmp_path_factory.mktemp("learn") / "pages"
    assert cli.main(["learn", "--html", str(where)]) == 0
    return where


def test_the_pages_are_whole_and_load_nothing(pages: Path) -> None:
    assert {path.name for path in pages.iterdir()} == {*NAMES, "index.html", "figures.html", figures.SCENARIO}
    for path in pages.glob("*.html"):
        tags = Tags()
        tags.feed(path.read_text())
        assert tags.open == []
        assert not {name for name in tags.attributes if name.startswith("on")}
        for link in tags.links:
            assert link.startswith("data:image/svg+xml;base64,") or (pages / link).exists(), link
        assert "default-src &#x27;none&#x27;" in path.read_text()
        assert path.stat().st_size < 120_000


def test_each_page_has_its_grid_as_data(pages: Path) -> None:
    """One case for the lesson and one for each change, each with its result and, for a number, the whole scale."""
    for name, lesson in zip(NAMES, LESSONS, strict=True):
        text = (pages / name).read_text()
        found = re.search(r'<script type="application/json" id="lesson">(.*?)</script>', text, re.DOTALL)
        assert found
        cases = json.loads(found[1])["cases"]
        assert len(cases) == text.count("<form data-case=") >= 3
        for case in cases:
            assert isinstance(case["result"], int)
            assert len(case.get("steps", [0] * 65)) == 65
        assert text.count("hidden>") >= 2 * len(cases)
        assert lesson.title in text


def test_text_that_is_markup_stays_text(tmp_path: Path) -> None:
    lesson = dataclasses.replace(LESSONS[0], title=HOSTILE, hook=HOSTILE, chapter=HOSTILE, so=HOSTILE, own=HOSTILE)
    text = html.page(1, lesson, NAMES)
    tags = Tags()
    tags.feed(text)
    assert tags.seen.count("script") == 2
    assert "b" not in tags.seen
    assert "&lt;/script&gt;&lt;script&gt;evil()" in text
    (tmp_path / "page.html").write_text(text)
    with Browser(tmp_path / "profile") as browser:
        browser.open(tmp_path / "page.html")
        assert "<script>evil()" in browser.value("document.querySelector('.hook').textContent")
        assert browser.problems == []


def test_a_number_is_guessed_by_keyboard_alone(pages: Path, tmp_path: Path) -> None:
    with Browser(tmp_path / "profile") as browser:
        browser.open(pages / NAMES[0])
        assert browser.value("document.getElementById('result-0').hidden")
        browser.press("Tab", "Tab", "Tab")
        assert browser.value("document.activeElement.type") == "range"
        before = browser.value("document.querySelector('output').textContent")
        browser.press("Left", "Left")
        guess = browser.value("document.querySelector('output').textContent")
        assert guess != before
        assert browser.value("document.activeElement.getAttribute('aria-valuetext')") == guess
        browser.press("Tab", "Enter")
        assert browser.value("document.activeElement.id") == "result-0"
        assert browser.value("document.querySelector('#result-0 .you text').textContent") == f"you: {guess}"
        assert "Linux: 780K" in browser.value("document.getElementById('result-0').textContent")
        browser.press("Tab", "Space", "Down")
        shown = "[...document.querySelectorAll('.turn')].filter(one => !one.hidden).map(one => one.id).join()"
        assert browser.value(shown) == "turn-2"
        browser.press("Tab", "Home", "Right", "Tab", "Enter")
        assert browser.value("document.activeElement.id") == "result-2"
        assert "Linux: 64.6M" in browser.value("document.getElementById('result-2').textContent")
        asked_for = [url for url in browser.requests if not url.startswith("data:")]
        assert asked_for == [(pages / NAMES[0]).as_uri()]
        assert browser.problems == []


def test_a_choice_is_made_by_keyboard_alone(pages: Path, tmp_path: Path) -> None:
    name = next(name for name in NAMES if "killer" in name)
    with Browser(tmp_path / "profile") as browser:
        browser.open(pages / name)
        browser.value("document.querySelector('form input').focus()")
        browser.press("Tab", "Enter")
        assert browser.value("document.getElementById('result-0').hidden"), "nothing was chosen"
        assert browser.value("document.activeElement.type") == "radio"
        browser.press("Space", "Down", "Tab", "Enter")
        text = browser.value("document.getElementById('result-0').textContent")
        assert "the editor ← Linux ← you" in text
        assert "You are on it." in text


def test_who_does_not_guess_is_shown(pages: Path, tmp_path: Path) -> None:
    with Browser(tmp_path / "profile") as browser:
        browser.open(pages / NAMES[0])
        browser.press("Tab", "Tab", "Tab", "Tab", "Tab", "Enter")
        assert not browser.value("document.getElementById('result-0').hidden")
        assert browser.value("getComputedStyle(document.querySelector('#result-0 .you')).display") == "none"


def test_light_and_dark(pages: Path, tmp_path: Path) -> None:
    """Ink and paper are far apart in both, on every page."""
    lightness = "((n) => (n[0] + n[1] + n[2]) / 3)(getComputedStyle(document.body).%s.match(/[0-9]+/g).map(Number))"
    with Browser(tmp_path / "profile") as browser:
        for name in (NAMES[0], "index.html", "figures.html"):
            browser.open(pages / name)
            browser.scheme("light")
            assert browser.value(lightness % "backgroundColor") - browser.value(lightness % "color") > 180
            browser.scheme("dark")
            assert browser.value(lightness % "color") - browser.value(lightness % "backgroundColor") > 180
            assert browser.value("document.documentElement.scrollWidth <= innerWidth + 1")
        assert browser.problems == []


def test_each_figure_has_its_command_under_it(pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command, given by hand on the scenario that lies beside the page, prints what the page shows."""
    text = (pages / "figures.html").read_text()
    assert text.count("<figcaption>") == len(figures.FIGURES)
    assert cli.main(["run", str(pages / figures.SCENARIO), "-o", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    for figure in figures.FIGURES:
        assert f"<code>memtwin {' '.join(figure.words)}</code>" in text
    words = next(figure.words for figure in figures.FIGURES if figure.words[0] == "swaps")
    assert cli.main([word.replace("out@", f"{tmp_path}/out@") for word in words]) == 0
    assert capsys.readouterr().out.strip().splitlines()[1] in text


def test_an_output_that_is_there_is_refused(pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["learn", "--html", str(pages)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert cli.main(["learn", "--html", str(tmp_path / "no" / "such")]) == 1
    assert "there is no directory" in capsys.readouterr().err
