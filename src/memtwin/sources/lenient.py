"""How a file is read for a view: by what can be understood of it, with a note of what could not.

Text that went through a paste, a mail or a test fixture has lost the newline at its end, or has CRLF: the real tools
read both. Files in which each line stands for itself (meminfo, vmstat, status) lose a damaged line and keep the rest.
Nothing is repaired in silence: :attr:`~memtwin.sources.source.Source.repaired` has a sentence for each file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.errors import ProcParseError

if TYPE_CHECKING:
    from memtwin.sources.source import R_co, Schema, Source

_MOST_DROPPED: Final = 16
"""Lines that may be left out: a file with more is not what its name says."""


def parse(source: Source, module: Schema[R_co], path: str, text: str) -> R_co | None:
    """Return the record of *text*, or None with the reason in the source's ``unread`` and ``damaged``."""
    notes: list[str] = []
    text = _restore_line_ends(module, text, notes)
    for dropped in range(_MOST_DROPPED + 1):
        try:
            record = module.parse(text, source.label(path))
        except ProcParseError as problem:
            lines = text.removesuffix("\n").split("\n")
            stands_alone = getattr(module, "LINES_STAND_ALONE", False) and problem.lineno <= len(lines)
            if not stands_alone or dropped == _MOST_DROPPED:
                source.damaged[path] = problem
                source.unread[path] = f"line {problem.lineno}: expected {problem.expected}"
                return None
            notes.append(f"line {problem.lineno + dropped} is not understood")
            del lines[problem.lineno - 1]
            text = "".join(f"{line}\n" for line in lines)
        else:
            if notes:
                source.repaired[path] = ", ".join(notes)
            return record
    return None


def _restore_line_ends(module: object, text: str, notes: list[str]) -> str:
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
        notes.append("lines end in CRLF")
    last = text.rpartition("\n")[2]
    is_whole = getattr(module, "is_whole", None)
    if last and (is_whole is None or is_whole(last)):
        text += "\n"
        notes.append("no newline at the end: the last line may be cut off")
    return text
