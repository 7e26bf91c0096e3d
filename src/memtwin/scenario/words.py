"""A line of a scenario cut into words, and what a word may be: sizes, integers, names, options, patterns."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

from memtwin.errors import ScenarioError, quoted
from memtwin.scenario.patterns import Hot, Listed, Pattern, Pow, Rand, Seq
from memtwin.units import PAGE_BYTES, PAGE_SHIFT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "P": PAGE_BYTES}
_SIZE: Final = re.compile(r"([0-9]{1,19})([KMGP]?)")
_DIGITS: Final = re.compile("[0-9a-f]+")
_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")
_SETTING: Final = re.compile(r"([a-z][a-z0-9_-]*(?:[./][A-Za-z0-9_-]+)+)=(.+)")
_LONGEST_LIKE: Final = 64
_MOST_LIKE: Final = 1000
"""Length of a wrong word and number of names up to which a similar name is searched for."""
_MAX_BYTES: Final = (1 << 63) - 1
_MAX_SEED: Final = (1 << 64) - 1

T = TypeVar("T", bound=str)


class Line:
    """One line cut into words, and what its words may be. *index* is the number of the operation to come."""

    def __init__(self, path: str, lineno: int, words: list[str], index: int) -> None:
        self.path, self.lineno, self.words, self.index = path, lineno, words, index
        self.text = " ".join(words)

    def error(self, expected: str, *, hint: str | None = None) -> ScenarioError:
        """Return the complaint that this line is not what was *expected*."""
        return ScenarioError(self.path, self.lineno, self.text, expected, hint=hint)

    def counted(self, usage: str, low: int, high: int) -> list[str]:
        """Return the words if their number lies in *low* .. *high*; *usage* says what the line looks like."""
        if not low <= len(self.words) <= high:
            said = "too few words" if len(self.words) < low else "too many words"
            raise self.error(f"`{usage}`", hint=f"{said}: {len(self.words)}")
        return self.words

    def size(self, word: str, what: str) -> int:
        """Return a SIZE in bytes."""
        match = _SIZE.fullmatch(word)
        if not match:
            raise self.error(f"{what} as bytes with an optional K, M, G or P (pages of 4096), not {quoted(word)}")
        size_bytes = int(match[1]) * _UNITS[match[2]]
        if size_bytes > _MAX_BYTES:
            raise self.error(f"{what} below 2^63 bytes, not {quoted(word)}")
        return size_bytes

    def whole_pages(self, word: str, what: str) -> int:
        """Return a SIZE that must be whole pages, in bytes."""
        size_bytes = self.size(word, what)
        if size_bytes % PAGE_BYTES:
            raise self.error(f"{what} in whole pages of 4096 bytes, not {quoted(word)}")
        return size_bytes

    def page_range(self, offset: str, length: str) -> tuple[int, int]:
        """Return OFF and LEN in pages."""
        return self.whole_pages(offset, "OFF") >> PAGE_SHIFT, self.whole_pages(length, "LEN") >> PAGE_SHIFT

    def integer(self, word: str, what: str, low: int, high: int) -> int:
        """Return an integer of *low* .. *high*."""
        value = int(word) if _INTEGER.fullmatch(word) else None
        if value is None or not low <= value <= high:
            raise self.error(f"{what} as an integer {low}..{high}, not {quoted(word)}")
        return value

    def one_of(self, word: str, what: str, choices: Sequence[T]) -> T:
        """Return the one of *choices* that the word is."""
        for choice in choices:
            if word == choice:
                return choice
        raise self.error(f"{what}: one of {', '.join(choices)}, not {quoted(word)}", hint=like(word, choices))

    def named(self, word: str, what: str, form: re.Pattern[str]) -> str:
        """Return a name if it has the *form*."""
        if not form.fullmatch(word):
            raise self.error(f"{what}: letters, digits, '_', '.' and '-', starting with a letter, not {quoted(word)}")
        return word

    def options(self, words: Iterable[str], allowed: Sequence[str]) -> dict[str, str]:
        """Return the ``key=value`` *words*; each key is one of *allowed* and comes once."""
        found: dict[str, str] = {}
        for word in words:
            key, equals, value = word.partition("=")
            if not equals or not value:
                raise self.error(f"key=value with a key of {', '.join(allowed)}, not {quoted(word)}")
            self.one_of(key, "a key", allowed)
            if key in found:
                raise self.error(f"{key}= once")
            found[key] = value
        return found

    def setting(self, word: str) -> tuple[str, str]:
        """Return the name and the value of a kernel setting; a comma stands for a blank."""
        match = _SETTING.fullmatch(word)
        if not match:
            raise self.error("NAME=VALUE such as vm.swappiness=60", hint="a `,` in VALUE stands for a blank")
        return match[1], match[2].replace(",", " ")

    def pattern(self, word: str) -> Pattern:
        """Return which pages a touch visits, or which chunks a read."""
        parts = word.split(":")
        if parts == ["seq"]:
            return Seq()
        if parts[0] == "set" and 1 < len(parts) < 5 and all(map(_DIGITS.fullmatch, (parts[1], *parts[3:]))):
            seed = self.integer(parts[2], "SEED", 0, _MAX_SEED) if len(parts) > 2 else None
            return Listed(int(parts[1][::-1], 16), seed, int(parts[3][::-1], 16) if len(parts) > 3 else 0)
        if parts[0] in {"rand", "hot", "pow"} and len(parts) > 2:
            n, seed = (
                self.integer(parts[1], "N", 0, _MAX_BYTES),
                self.integer(parts[-1], "SEED", 0, _MAX_SEED),
            )
            if parts[0] == "rand" and len(parts) == 3:
                return Rand(n, seed)
            if parts[0] == "hot" and len(parts) == 5:
                hot, prob = (self.integer(part.rstrip("%"), "a percentage", 0, 100) for part in parts[2:4])
                return Hot(n, hot, prob, seed)
            if parts[0] == "pow" and len(parts) == 4:
                return Pow(n, self.integer(parts[2], "A", 1, 16), seed)
        raise self.error(
            "PATTERN seq, rand:N:SEED, hot:N:H%:P%:SEED, pow:N:A:SEED or set:DIGITS[:SEED[:DIGITS]], "
            f"not {quoted(word)}"
        )


def like(word: str, choices: Iterable[str]) -> str | None:
    """Return a hint that names the choice that *word* is close to."""
    from difflib import get_close_matches

    if len(word) > _LONGEST_LIKE:  # the search is quadratic
        return None
    near = get_close_matches(word, list(islice(choices, _MOST_LIKE)), n=1)
    return f"did you mean `{near[0]}`?" if near else None
