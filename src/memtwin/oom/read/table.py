"""The table of tasks: its columns come from its head, never from the kernel's version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from memtwin.oom.event import Task
from memtwin.units import PAGE_BYTES

if TYPE_CHECKING:
    from memtwin.oom.read.builder import Builder

_HEAD = re.compile(r"\[\s*pid\s*\]\s+(uid\s.{0,400}?\bname)(?=\s|$)")
_HEAD_BEGIN = re.compile(r"\[\s*pid\s*\]\s+uid\b")
_ROW = re.compile(r"\[\s*(\d{1,10})\]\s+(-?\d{1,10}\s+\d{1,10}\s.*)")
_NUMBER = re.compile(r"-?\d{1,20}")
_DIRECT: Final = {
    "uid", "tgid", "total_vm", "rss", "rss_anon", "rss_file", "rss_shmem", "pgtables_bytes", "swapents",
    "oom_score_adj", "oom_adj",
}  # fmt: skip
_PAGE_TABLES: Final = {"nr_ptes", "nr_pmds", "nr_puds"}
_COMMON: Final = ("uid", "tgid", "total_vm", "rss")
_GUESSES: Final = {
    7: (*_COMMON, "pgtables_bytes", "swapents", "oom_score_adj"),
    8: (*_COMMON, "nr_ptes", "nr_pmds", "swapents", "oom_score_adj"),
    10: (*_COMMON, "rss_anon", "rss_file", "rss_shmem", "pgtables_bytes", "swapents", "oom_score_adj"),
}
"""Columns by their number, where the head of the table is lost."""
_MOST_ROWS: Final = 1 << 18


def is_row(text: str) -> bool:
    """Whether *text* has the look of a row."""
    return "]" in text and _ROW.search(text) is not None


def is_head(text: str) -> bool:
    """Whether *text* begins the head of the table."""
    return _HEAD_BEGIN.search(text) is not None


def head(builder: Builder, text: str) -> bool:
    """Read the head of the table."""
    found = _head_of(text)
    if found and not builder.columns:
        builder.columns = tuple(found[1].split()[:-1])
        builder.section = "table"
    return found is not None


def _head_of(text: str) -> re.Match[str] | None:
    """Return the whole head of the table, looked for where the first one begins and nowhere after it."""
    begin = _HEAD_BEGIN.search(text)
    return _HEAD.match(text, begin.start()) if begin else None


def is_whole(builder: Builder, text: str) -> bool:
    """Whether a row or the head has all its columns, so that nothing that follows can belong to it."""
    if is_head(text):
        return _head_of(text) is not None
    found = _ROW.search(text)
    if not found:
        return False
    words = found[2].split(None, len(builder.columns) or len(_GUESSES[7]))
    return len(words) > (len(builder.columns) or len(_GUESSES[7]))


def row(builder: Builder, text: str) -> bool:
    """Read a row; one that is cut off is left out."""
    found = _ROW.search(text)
    if not found:
        return False
    columns = builder.columns or _guess(found[2])
    words = found[2].split(None, len(columns))
    if len(words) <= len(columns) or not all(map(_NUMBER.fullmatch, words[: len(columns)])):
        builder.unread.add("rows of the task table that are cut off")
        return True
    values = dict(zip(columns, map(int, words), strict=False))
    tables = [values.pop(name) for name in _PAGE_TABLES if name in values]
    task = Task(
        pid=int(found[1]),
        name=words[len(columns)].strip(),
        page_tables=sum(tables) if tables else None,
        **(values if values.keys() <= _DIRECT else {name: values[name] for name in values.keys() & _DIRECT}),
    )
    if len(builder.tasks) < _MOST_ROWS:
        builder.tasks.append(task)
        builder.section = "table"
    return True


def _guess(text: str) -> tuple[str, ...]:
    numbers = 0
    for word in text.split():
        if not _NUMBER.fullmatch(word):
            break
        numbers += 1
    columns = _GUESSES.get(numbers, _GUESSES[7])
    words = text.split(None, len(columns))
    if numbers == len(_GUESSES[7]) and words[4].isdigit() and int(words[4]) % PAGE_BYTES:
        return (*_COMMON, "nr_ptes", "swapents", "oom_score_adj")
    return columns
