"""Which tasks are shown, in which order: a list or a tree, with the sums of each branch.

Only what is known is compared: a task whose figure has not been read comes last. The sum over a branch is of PSS, the
one size that adds up; while a task of it has not been read, it is at least so much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from memtwin.render.words import count
from memtwin.views.top_fields import CHEAP, FIELDS, effective_uid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from memtwin.sources.sampler import Task
    from memtwin.views.top_fields import Frame

_PF_KTHREAD: Final = 0x00200000
_KTHREADD: Final = 2
_BRANCH: Final = {True: ("├─ ", "└─ ", "│  ", "   "), False: ("|- ", "`- ", "|  ", "   ")}


class Sum(NamedTuple):
    """PSS of a branch: what is known of it, and whether that is all."""

    pss_bytes: int
    is_whole: bool


class TaskRow(NamedTuple):
    """A task on the screen: *prefix* draws the tree, *inside* is how many tasks a closed branch hides."""

    task: Task
    prefix: str = ""
    inside: int = 0
    sum: Sum | None = None


class Choice(NamedTuple):
    """What the keys have chosen of the table; pids of closed branches and tagged tasks."""

    key: str = "%CPU"
    rising: bool = False
    tree: bool = False
    kernel: bool = False
    words: str = ""
    user: int | None = None
    closed: frozenset[int] = frozenset()
    pids: frozenset[int] = frozenset()

    @property
    def files(self) -> frozenset[str]:
        """The files of every task that the choice reads."""
        found: set[str] = set()
        if self.key not in CHEAP:
            found |= set(FIELDS[self.key].needs)
        if self.user is not None:
            found.add("status")
        if self.tree:
            found.add("smaps_rollup")
        if self.words:
            found.add("cmdline")
        return frozenset(found)


def is_kernel(task: Task) -> bool:
    """Whether a task is the kernel's own: it has no address space, and is kthreadd or a child of it."""
    if task.stat.field("vsize"):
        return False
    return bool((task.stat.field("flags") or 0) & _PF_KTHREAD) or _KTHREADD in {task.pid, task.stat.field("ppid")}


def arrange(frame: Frame, choice: Choice, *, unicode: bool = True) -> list[TaskRow]:
    """Return the rows in their order."""
    tasks = [task for task in frame.sample.tasks if _is_chosen(task, frame, choice)]
    tasks = ordered(tasks, frame, choice)
    if not choice.tree:
        return [TaskRow(task) for task in tasks]
    return list(_grown(tasks, choice, _BRANCH[unicode]))


def ordered(tasks: Sequence[Task], frame: Frame, choice: Choice) -> list[Task]:
    """Return *tasks* by the chosen field; equal ones keep their order, and what is not known comes last."""
    of: Any = CHEAP.get(choice.key) or FIELDS[choice.key].of
    values = [(of(task, frame), task) for task in tasks]
    known = [pair for pair in values if pair[0] is not None]
    known.sort(key=_first, reverse=_falls(choice))
    return [task for _, task in known] + [task for value, task in values if value is None]


def _first(pair: tuple[Any, Task]) -> Any:
    return pair[0]


def _falls(choice: Choice) -> bool:
    """Whether large values come first: they do in figures, unless turned round; names and ids rise."""
    rises = choice.key in {"PID", "PPID", "USER", "COMMAND", "S", "STARTED"}
    return rises == choice.rising


def _is_chosen(task: Task, frame: Frame, choice: Choice) -> bool:
    if choice.pids and task.pid not in choice.pids:
        return False
    if not choice.kernel and is_kernel(task):
        return False
    if choice.user is not None and effective_uid(task, frame) != choice.user:
        return False
    return not choice.words or matches(task, choice.words)


def matches(task: Task, words: str) -> bool:
    """Whether a task's name or arguments have one of the *words* between bars, in any case of letters."""
    text = f"{task.stat.comm} {(task.records.get('cmdline') or '').replace(chr(0), ' ')}".lower()
    return any(word in text for word in words.lower().split("|") if word)


def _grown(tasks: Sequence[Task], choice: Choice, glyphs: tuple[str, ...]) -> Iterator[TaskRow]:
    """Yield the tasks as a tree: children below their parents, in the chosen order among each other."""
    known = {task.pid for task in tasks}
    children: dict[int, list[Task]] = {}
    for task in tasks:
        parent = task.stat.field("ppid") or 0
        children.setdefault(parent if parent in known and parent != task.pid else 0, []).append(task)
    sums = _sums(children)
    mid, last, line, blank = glyphs
    stack = [(task, "", "") for task in reversed(children.get(0, ()))]
    seen: set[int] = set()
    while stack:
        task, prefix, below = stack.pop()
        if task.pid in seen:
            continue
        seen.add(task.pid)
        inner = children.get(task.pid, ())
        is_closed = task.pid in choice.closed and bool(inner)
        yield TaskRow(task, prefix, _inside(task.pid, children) if is_closed else 0, sums.get(task.pid))
        if not is_closed:
            for at, child in enumerate(reversed(inner)):
                stack.append((child, below + (mid if at else last), below + (line if at else blank)))


def _inside(pid: int, children: dict[int, list[Task]]) -> int:
    """Return how many tasks are below *pid*."""
    total, stack, seen = 0, [pid], {pid}
    while stack:
        for child in children.get(stack.pop(), ()):
            if child.pid not in seen:
                seen.add(child.pid)
                stack.append(child.pid)
                total += 1
    return total


def _sums(children: dict[int, list[Task]]) -> dict[int, Sum]:
    """Return the PSS of each branch, from the leaves up."""
    order: list[Task] = []
    seen: set[int] = set()
    stack = list(children.get(0, ()))
    while stack:
        task = stack.pop()
        if task.pid not in seen:
            seen.add(task.pid)
            order.append(task)
            stack += children.get(task.pid, ())
    sums: dict[int, Sum] = {}
    for task in reversed(order):
        own = pss_bytes(task)
        inner = [sums[child.pid] for child in children.get(task.pid, ()) if child.pid in sums]
        sums[task.pid] = Sum(
            (own or 0) + sum(one.pss_bytes for one in inner), own is not None and all(one.is_whole for one in inner)
        )
    return sums


def pss_bytes(task: Task) -> int | None:
    """Return a task's PSS; a kernel thread has none, None is not known."""
    record = task.records.get("smaps_rollup")
    if record is None:
        return None if task.stat.field("vsize") else 0
    kib: int | None = record.rows.get("Pss")
    return None if kib is None else kib << 10


def describe(rows: Iterable[TaskRow], choice: Choice) -> str:
    """Return what is left out, in words."""
    parts = []
    if choice.words:
        parts.append(f"filter: {choice.words}")
    if choice.user is not None:
        parts.append(f"user {choice.user}")
    shown = sum(1 for _ in rows)
    return f"{count(shown, 'task')} shown ({', '.join(parts)})" if parts else ""
