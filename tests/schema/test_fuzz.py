"""Does bad text give a ProcParseError that tells where, and any other text a record that is stable?"""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from kinds import MODULES

from memtwin.errors import ProcParseError
from memtwin.procfs import meminfo

NUMBERS = st.one_of(st.integers(0, 99), st.integers(0, 2**64 - 1), st.sampled_from([0, 99_999, 10**7, 2**64 - 1]))
JUNK = st.one_of(st.sampled_from(["", "\n", " ", "-1", "x", ":", "\0", "\udcff", "9" * 21, "٣", " kB"]), st.text())


def sample(corpus: dict[str, dict[str, str]], kind: str) -> str:
    """Return the shortest recorded text of the kind that is not empty."""
    return min((text for text in corpus[kind] if text), key=len)


def check(kind: str, text: str) -> None:
    """Assert that *text* is a record that comes back from its own rendering, or a ProcParseError."""
    module = MODULES[kind]
    try:
        record = module.parse(text, "where/it/lies")
    except ProcParseError as error:
        check_error(error, text)
        return
    again = module.render(record)
    assert module.parse(again) == record
    assert module.render(module.parse(again)) == again


def check_error(error: ProcParseError, text: str) -> None:
    """Assert that *error* tells the path, a line of *text* or past its end, and what should be there."""
    assert error.path == "where/it/lies"
    assert 1 <= error.lineno <= text.count("\n") + 2
    assert error.line in text
    assert error.expected


@pytest.mark.parametrize("kind", MODULES)
@settings(max_examples=50)
@given(text=st.one_of(st.text(), st.text("Node 0,zonecpu:kB\n\t -19")))
def test_arbitrary_text(kind: str, text: str) -> None:
    """No text raises anything but ProcParseError."""
    check(kind, text)


@pytest.mark.parametrize("kind", MODULES)
@settings(max_examples=40)
@given(data=st.data())
def test_mutated_real_text(kind: str, data: st.DataObject, corpus: dict[str, dict[str, str]]) -> None:
    """Real text that was cut, doubled or written into gives a ProcParseError or a stable record."""
    text = sample(corpus, kind)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 40)))
        text = text[:start] + data.draw(st.one_of(JUNK, st.just(text[start:end] * 2))) + text[end:]
    check(kind, text)


@pytest.mark.parametrize("kind", MODULES)
@settings(max_examples=30)
@given(drawn=st.lists(NUMBERS.map(str), min_size=1, max_size=12))
def test_other_numbers(kind: str, drawn: list[str], corpus: dict[str, dict[str, str]]) -> None:
    """Records with other numbers than the recorded ones, up to 64 bits, come back from their rendering."""
    turns = itertools.cycle(drawn)
    text = re.sub(r"(?<= )[0-9]+(?=[ \n])", lambda _: next(turns), sample(corpus, kind))
    check(kind, text)


@pytest.mark.parametrize("kind", MODULES)
def test_cut_off(kind: str, corpus: dict[str, dict[str, str]]) -> None:
    """A last line without its newline is an error, never a smaller number."""
    with pytest.raises(ProcParseError):
        MODULES[kind].parse(sample(corpus, kind)[:-1])


@given(line=st.text(st.characters(exclude_characters="\n:", exclude_categories=["Cs"])), at=st.integers(0, 5))
def test_meminfo_keeps_unknown_lines(line: str, at: int) -> None:
    """A line that is no row stays where it was, byte for byte, and hides none of the rows."""
    assume(line not in meminfo.Meminfo.ROWS)
    rows = [f"MemTotal:       {n:8d} kB" if n == 0 else f"Row{n}:           {n:8d} kB" for n in range(5)]
    rows.insert(at, line)
    text = "".join([f"{row}\n" for row in rows])
    record = meminfo.parse(text)
    assert meminfo.render(record) == text
    assert record["MemTotal"] == 0
    assert len(record) == 5
