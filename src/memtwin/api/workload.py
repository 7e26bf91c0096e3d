"""A workload as text, or put together from objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from memtwin.scenario import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.scenario import Scenario


class Workload:
    """A scenario built line by line: a method is a word of the scenario language, its arguments the words after it.

    Keyword arguments become ``name=value``. What :meth:`proc` returns has the operations of a process. What is
    wrong is said by :func:`memtwin.parse_scenario`, with the line.

    >>> import memtwin
    >>> day = memtwin.Workload()
    >>> day.machine(ram="256M", cpus=1)
    >>> day.swap("disk", size="256M", prio=-2)
    >>> browser = day.proc("browser")
    >>> browser.mmap("heap", "300M")
    >>> browser.touch("heap", 0, "300M", "w", "seq", content="text")
    >>> day.checkpoint("full")
    >>> print(day.text)
    machine ram=256M cpus=1
    swap disk size=256M prio=-2
    proc browser
    browser mmap heap 300M
    browser touch heap 0 300M w seq content=text
    checkpoint full
    <BLANKLINE>
    """

    def __init__(self) -> None:
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        """The scenario as the text of a file."""
        return "".join(f"{line}\n" for line in self._lines)

    def proc(self, name: str, **words: object) -> Process:
        """Start a process and return it."""
        self._add("proc", (name,), words)
        return Process(self, name)

    def attach(self, name: str, **words: object) -> Process:
        """Take a process that the machine already has (``pid=`` or ``comm=``) and return it."""
        self._add("attach", (name,), words)
        return Process(self, name)

    def __getattr__(self, verb: str) -> Callable[..., None]:
        if verb.startswith("_"):
            raise AttributeError(verb)
        return lambda *arguments, **words: self._add(verb, arguments, words)

    def _add(self, verb: str, arguments: tuple[object, ...], words: dict[str, object]) -> None:
        named = (f"{name}={value}" for name, value in words.items())
        self._lines.append(" ".join((verb, *map(str, arguments), *named)))


class Process:
    """A process of a :class:`Workload`: its methods are the operations of a process (``mmap``, ``touch``, ``fork``)."""

    def __init__(self, workload: Workload, name: str) -> None:
        self._workload = workload
        self.name = name

    def fork(self, name: str) -> Process:
        """Fork, and return the child."""
        self._workload._add(self.name, ("fork", name), {})  # noqa: SLF001 - its workload's
        return Process(self._workload, name)

    def __getattr__(self, verb: str) -> Callable[..., None]:
        if verb.startswith("_"):
            raise AttributeError(verb)
        add = self._workload._add  # noqa: SLF001 - its workload's
        return lambda *arguments, **words: add(self.name, (verb, *arguments), words)


def parse_scenario(workload: str | Workload) -> Scenario:
    r"""Parse a scenario (``docs/scenario.md``) and check everything that can be checked without running it.

    Raise a ScenarioError that names the line and what was expected.

    >>> import memtwin
    >>> len(memtwin.parse_scenario("machine ram=128M\nproc A\nA mmap heap 1M\n").ops)
    2
    >>> memtwin.parse_scenario("proc A\nB mmap heap 1M\n")
    Traceback (most recent call last):
    memtwin.errors.ScenarioError: workload:2: expected a process started before, not 'B', got 'B mmap heap 1M'
    """
    return parse(workload.text if isinstance(workload, Workload) else workload, "workload")
