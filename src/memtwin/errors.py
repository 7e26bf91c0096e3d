"""Everything that memtwin raises on purpose.

::

    MemtwinError
    ├── UsageError          the command line asks for what cannot be            exit 2
    ├── InputError          a file does not say what it should                  exit 1
    │   ├── ProcParseError      a /proc or /sys file: path, line number, line, what was expected
    │   ├── ScenarioError       a scenario: path, line number, line, what was expected
    │   ├── SnapshotError       a snapshot: path, what is missing or wrong
    │   └── RecordingError      a recording or run: path, what is missing or wrong
    ├── OutputError         a file or directory cannot be written               exit 1
    ├── NotModelledError    the model cannot do this yet                        exit 1
    ├── HostMemoryError     this host has no memory for what is asked           exit 1
    ├── NotBuiltError       the compiled core, or an extra, is missing          exit 1
    └── ModelBug            an invariant of the model is broken: our mistake, never the user's

What the modelled kernel refuses (ENOMEM, an OOM kill) is a result of a run and is never raised.
"""

from __future__ import annotations

LONGEST_QUOTE = 200
"""Characters of input that a message repeats."""
_LONGEST_EXPECTED = 800


def shortened(text: str, most: int = LONGEST_QUOTE) -> str:
    """Return *text*, or its beginning and how many characters it has.

    >>> shortened("abcdef", 3), shortened("abc", 3)
    ('abc... (6 characters)', 'abc')
    """
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def quoted(text: str, most: int = LONGEST_QUOTE) -> str:
    r"""Return *text* as a message quotes it: in quotation marks, escaped, and cut.

    >>> quoted("a\tb"), quoted("abcdef", 3)
    ("'a\\tb'", "'abc'... (6 characters)")
    """
    return repr(text) if len(text) <= most else f"{text[:most]!r}... ({len(text):,} characters)"


class MemtwinError(Exception):
    """Root of the tree; *hint* says what to do about it."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(MemtwinError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class InputError(MemtwinError, ValueError):
    """A file that was given does not say what it should."""


class _LineError(InputError):
    def __init__(self, path: str, lineno: int, line: str, expected: str, *, hint: str | None = None) -> None:
        wanted = shortened(expected, _LONGEST_EXPECTED)
        super().__init__(f"{path}:{lineno}: expected {wanted}, got {quoted(line)}", hint=hint)
        self.path, self.lineno, self.line, self.expected = path, lineno, line, expected


class ProcParseError(_LineError):
    """A line of a /proc or /sys file is not what the kernel prints there."""


class ScenarioError(_LineError):
    """A line of a scenario is not in the scenario language."""


class _FileError(InputError):
    def __init__(self, path: str, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"{path}: {problem}", hint=hint)
        self.path, self.problem = path, problem


class SnapshotError(_FileError):
    """A snapshot lacks a file that is needed, or contradicts itself."""


class RecordingError(_FileError):
    """A recording or a run is cut off, damaged or not one at all."""


class OutputError(MemtwinError):
    """A file or directory cannot be written; *path* names it."""

    def __init__(self, path: str, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"{path}: {problem}", hint=hint)
        self.path, self.problem = path, problem


class NotModelledError(MemtwinError):
    """What is asked for is Linux, and the model cannot do it yet; *where* names the line or file that asks."""

    def __init__(self, where: str, what: str, *, hint: str | None = None) -> None:
        super().__init__(f"{where}: the model cannot do {what} yet", hint=hint)
        self.where, self.what = where, what


class HostMemoryError(MemtwinError):
    """This host has no memory for *what*, which needs *size_bytes*; *where* names the line or the word that asks."""

    def __init__(self, what: str, size_bytes: int, *, where: str = "", filename: str = "") -> None:
        named = f"{where}: " if where else ""
        super().__init__(f"{named}this host has no memory for {what} ({size_bytes:,} bytes)", hint="give smaller sizes")
        self.what, self.size_bytes, self.where, self.filename = what, size_bytes, where, filename

    def at(self, where: str, filename: str = "") -> HostMemoryError:
        """Return this error with the place that asks, and of which file, unless it names them already."""
        return HostMemoryError(
            self.what, self.size_bytes, where=self.where or where, filename=self.filename or filename
        )


class NotBuiltError(MemtwinError):
    """The compiled core, or a library of an extra, is not there."""


class ModelBug(MemtwinError):  # noqa: N818 - not an error of input: the name says whose it is
    """An invariant of the model does not hold; *story* is what led to it, newest last."""

    def __init__(self, invariant: str, *, story: tuple[str, ...] = ()) -> None:
        lines = "".join(f"\n  {line}" for line in story)
        super().__init__(f"{invariant}{lines}", hint="this is a bug of memtwin: please report it with its story")
        self.invariant, self.story = invariant, story
