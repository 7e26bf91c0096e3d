r"""``/proc/PID/oom_score``: how likely the OOM killer takes this process, 0 to 2000.

Layout: the number on a line.

>>> render(OomScore(1035))
'1035\n'
"""

from __future__ import annotations

from dataclasses import dataclass

from memtwin.procfs.text import Lines, join

SOURCE = ("fs/proc/base.c", "v6.1")
PATH = "proc/{pid}/oom_score"


@dataclass(frozen=True, slots=True)
class OomScore:
    """The badness scaled to 0..1000 for the whole memory, shifted by oom_score_adj."""

    value: int


def parse(text: str, path: str = PATH) -> OomScore:
    """Read oom_score; *path* names it in errors."""
    lines = Lines(text, path)
    return OomScore(lines.number(lines.only("a number"), "a number"))


def render(record: OomScore) -> str:
    """Return the text that the kernel prints, as proc_oom_score() does."""
    return join([str(record.value)])
