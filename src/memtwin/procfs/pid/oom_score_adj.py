r"""``/proc/PID/oom_score_adj``: how the score of this process is shifted, -1000 (never killed) to 1000.

Layout: the number on a line.

>>> render(OomScoreAdj(-1000))
'-1000\n'
"""

from __future__ import annotations

from dataclasses import dataclass

from memtwin.procfs.text import Lines, join

SOURCE = ("fs/proc/base.c", "v6.1")
PATH = "proc/{pid}/oom_score_adj"

_MAX = 1000


@dataclass(frozen=True, slots=True)
class OomScoreAdj:
    """The shift in thousandths of all memory that the process may use."""

    value: int


def parse(text: str, path: str = PATH) -> OomScoreAdj:
    """Read oom_score_adj; *path* names it in errors."""
    lines = Lines(text, path)
    expected = f"a number from -{_MAX} to {_MAX}"
    value = lines.signed(lines.only(expected), expected)
    if abs(value) > _MAX:
        raise lines.bad(expected)
    return OomScoreAdj(value)


def render(record: OomScoreAdj) -> str:
    """Return the text that the kernel prints, as oom_score_adj_read() does."""
    return join([str(record.value)])
