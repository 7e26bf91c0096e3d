"""The chapter's figures, each the output of a command on one run, with the command under it."""

from __future__ import annotations

import base64
import tempfile
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.learn import chapter
from memtwin.render.table import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SCENARIO: Final = "chapter.mem"
_RUN: Final = "out"
TEXT: Final = """\
# The machine of the chapter's figures, small: a desktop with zram and a swap partition
machine ram=512M cpus=1
swap zram size=160M algo=lzo-rle prio=100
swap disk size=256M prio=-2
file library 48M
file documents 150M
proc desktop
desktop fmap lib library private
desktop touch lib 0 40M r seq
desktop mmap heap 400M
desktop touch heap 0 70M w seq content=text
proc browser
browser fmap lib library private
browser touch lib 0 40M r seq
browser mmap heap 600M
browser touch heap 0 110M w seq content=text
proc backup
backup fread documents 0 150M 64K
backup fread documents 0 150M 64K
checkpoint noon
browser touch heap 110M 190M w seq content=text
desktop touch heap 70M 150M w seq content=half
checkpoint evening
"""


class Figure(NamedTuple):
    """What a figure of the chapter shows, its section, and the command whose output it is."""

    title: str
    section: str
    words: tuple[str, ...]

    @property
    def is_picture(self) -> bool:
        """Whether the output is an SVG."""
        return "--svg" in self.words


def _root(label: str) -> tuple[str, str]:
    return "--root", f"{_RUN}@{label}"


FIGURES: Final = (
    Figure("The run itself", chapter.WHAT, ("run", SCENARIO, "-o", _RUN)),
    Figure("Virtual memory: RAM, and what lies in swap", chapter.VIRTUAL, ("account", "--svg", *_root("evening"))),
    Figure("How memory is distributed", chapter.ALLOCATION, ("account", "--svg", *_root("noon"))),
    Figure("/proc/meminfo", chapter.FILES, ("meminfo", *_root("noon"))),
    Figure("free", chapter.FILES, ("free", "--mega", *_root("noon"))),
    Figure("What else is called used", chapter.FILES, ("free", "--explain", *_root("noon"))),
    Figure("swapon --show", chapter.FILES, ("swaps", *_root("evening"))),
    Figure("top", chapter.TOP, ("top", "-b", "-n", "1", *_root("evening"))),
    Figure("VIRT, RES, SHR, and what adds up", chapter.TOP, ("ps", *_root("evening"))),
)


def page(shell: Callable[[Sequence[str], Path], str]) -> tuple[str, str]:
    """Return the body of the page and the scenario; *shell* runs a command of memtwin in a directory."""
    with tempfile.TemporaryDirectory() as made:
        where = Path(made)
        (where / SCENARIO).write_text(TEXT)
        body = "".join(_figure(figure, shell(figure.words, where)) for figure in FIGURES)
    first = f"<p>All of them are of one run, of <code>{SCENARIO}</code>, which lies beside this page.</p>\n"
    return f'<nav><a href="index.html">all lessons</a></nav>\n{first}{body}', TEXT


def _figure(figure: Figure, out: str) -> str:
    title, words = escape(figure.title, quote=True), escape(" ".join(figure.words), quote=True)
    if figure.is_picture:
        held = base64.b64encode(out.encode()).decode()
        alt = f"{title}: the table of the same command without --svg has the figures"
        shown = f'<img alt="{alt}" src="data:image/svg+xml;base64,{held}">'
    else:
        shown = "<pre>" + "\n".join(escape(clean(line), quote=True) for line in out.rstrip("\n").split("\n")) + "</pre>"
    under = f"{escape(figure.section)} \u00b7 <code>memtwin {words}</code>"
    return f"<figure><h2>{title}</h2>{shown}<figcaption>{under}</figcaption></figure>\n"
