"""What a lesson is made of.  ``docs/lessons.md`` says how to write one.

A lesson is a file in ``lessons`` that holds a :class:`Lesson`: texts, the scenario as a function of sizes, the
question, and three functions of what was found in the run: the result, the sentences that explain it, and whether the
rule that they state shows in these figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from memtwin.render.amount import column

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from memtwin.learn.found import Found
    from memtwin.learn.question import Question

Sizes = dict[str, int]
"""What a scene is made of, by name: MiB, or 0 and 1 for a part that is there or not."""
AND: Final = " ; "
"""Between operations that a scene shows in one line."""


class Turn(NamedTuple):
    """A change of the scene that a reader may choose: in words, and the sizes that it gives."""

    text: str
    sizes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a run has shown: the *result* that was asked for, and figures that sentences take, by name; sizes are KiB.

    *usual* is what most people guess, computed from the same figures; None where the options of a choice have it.
    """

    result: int
    figures: Mapping[str, int]
    usual: int | None = None

    def __getitem__(self, name: str) -> int:
        return self.figures[name]


@dataclass(frozen=True, slots=True)
class Lesson:
    """One lesson; its functions take the sizes that a seed or a turn has chosen."""

    key: str
    """Its name in the state file and in the names of pages; never changed."""
    title: str
    sections: tuple[str, ...]
    """Sections of the chapter."""
    hook: str
    """One surprising line from real life."""
    sizes: Mapping[str, tuple[int, ...]]
    """Each size with its possible values; the first are those of seed 0."""
    story: Callable[[Sizes], str]
    """What the programs do, in words."""
    scene: Callable[[Sizes], tuple[str, ...]]
    """The scenario, at most 8 lines; ``" ; "`` joins operations in a line."""
    asks: Callable[[Sizes], Question]
    read: Callable[[Found, Sizes], Reading]
    holds: Callable[[Reading, Sizes], bool]
    """Whether the rule that the reason states shows in these figures."""
    reason: Callable[[Reading, Sizes], tuple[str, ...]]
    """At most 3 sentences: the kernel's rule, with the figures of the run."""
    chapter: str
    """What the chapter says, in other words."""
    so: str
    """What is so."""
    turns: Callable[[Sizes], tuple[Turn, ...]]
    own: str
    """The command for the reader's own machine."""
    elsewhere: str = ""
    """Why the lesson cannot be given on another machine (``--on``); empty where it can."""


def amount(kib: int) -> str:
    """Return a size as top writes it.

    >>> amount(780), amount(64 << 10)
    ('780K', '64M')
    """
    return column(kib << 10).replace(".0", "") if kib else "0"


def lines(scene: tuple[str, ...]) -> str:
    """Return a scene as the text of a scenario."""
    return "".join(f"{line}\n" for shown in scene for line in shown.split(AND))


def elsewhere(scene: tuple[str, ...]) -> tuple[str, ...]:
    """Return a scene for another machine, which has its own RAM and swap areas."""
    return tuple(line for line in scene if line.split()[0] not in {"machine", "swap"})
