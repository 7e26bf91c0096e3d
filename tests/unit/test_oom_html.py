"""Is the page whole, closed to the network, and proof against names that are markup?"""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from layouts import HOG, LAYOUTS, PROCS, memcg_report, report

from memtwin import cli

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "</svg><script>x"
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "section", "dl", "dt", "dd", "ul", "li",
    "main", "svg", "rect", "line", "text", "table", "tr", "th", "td",
}  # fmt: skip


class Tags(HTMLParser):
    """Collects elements and attributes, and checks that each is closed."""

    VOID = frozenset(("meta", "rect", "line"))

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID and tag not in {"li", "dt", "dd"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        if tag not in {"li", "dt", "dd"}:
            assert self.open.pop() == tag


def page(tmp_path: Path, lines: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    (tmp_path / "log").write_text("\n".join(f"[  100.5] {line}" for line in lines) + "\n")
    assert cli.main(["oom", str(tmp_path / "log"), "--html", str(tmp_path / "page.html")]) == 0
    assert "1 event of" in capsys.readouterr().out
    return (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_the_page_is_well_formed_and_loads_nothing(
    layout: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page(tmp_path, report(layout), capsys)  # type: ignore[arg-type]
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.seen <= ALLOWED
    assert not {name for name in tags.attributes if name.startswith("on") or name in {"src", "href"}}
    assert "default-src &#x27;none&#x27;" in text
    assert not re.search(r"https?:", text)
    assert text.count("<svg") == 2


def test_a_name_that_is_markup_is_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = HOG._replace(name=HOSTILE)
    text = page(tmp_path, report(LAYOUTS[-2], (*PROCS[:-1], evil), victim=evil), capsys)
    tags = Tags()
    tags.feed(text)
    assert "script" not in tags.seen
    assert "&lt;/svg&gt;&lt;script&gt;x" in text


def test_a_cgroups_event_draws_no_zones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = page(tmp_path, memcg_report(LAYOUTS[-2]), capsys)
    assert text.count("<svg") == 1
    assert "reached its limit" in text


def test_a_browser_shows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("chromium is not installed")
    evil = HOG._replace(name=HOSTILE)
    page(tmp_path, report(LAYOUTS[-2], (*PROCS[:-1], evil), victim=evil), capsys)
    words = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
             "--dump-dom", (tmp_path / "page.html").as_uri()]  # fmt: skip
    dom = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "was killed" in dom
    assert "<script" not in dom
