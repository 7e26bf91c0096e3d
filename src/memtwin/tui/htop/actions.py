"""What the keys do to the page: its state, and one method an action."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any, Final

from memtwin.errors import UsageError
from memtwin.render.words import count
from memtwin.tui.htop import explain, rows, sending, table
from memtwin.tui.htop.figures import named, names
from memtwin.tui.htop.keys import KEYS, Key, help_lines
from memtwin.tui.htop.map_tab import PICTURES
from memtwin.tui.htop.menus import Menu, Pager, Prompt, signals
from memtwin.tui.htop.spans import Line, Span, clock, filled, line, safe
from memtwin.views.top_fields import FIELDS, Frame
from memtwin.views.used import FORMULAS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from memtwin.sources.looks import Look
    from memtwin.sources.sampler import Task
    from memtwin.tui.htop.memory_tab import Item
    from memtwin.tui.htop.rows import TaskRow
    from memtwin.tui.htop.table import Place

TABS: Final = ("Main", "Memory", "Map")
STORED: Final = "a stored machine: nothing runs there"
READ_ONLY: Final = "read-only: --readonly was given"
BLOCKS: Final = ("cpu", "mem", "legend", "limit", "swap", "tasks", "psi")
"""What stands above the table."""
_PAGE: Final = 10


class Actions:
    """The state of a page and its actions; :class:`~memtwin.tui.htop.page.Page` draws it."""

    def __init__(
        self, users: Mapping[int, str], *, live: bool, readonly: bool = False, unicode: bool = True,
        fields: Sequence[str] = table.DEFAULT, choice: rows.Choice | None = None, name: str = "",
    ) -> None:  # fmt: skip
        self.users, self.live, self.readonly, self.unicode, self.name = users, live, readonly, unicode, name
        self.fields = list(fields)
        self.choice = choice or rows.Choice()
        self.look: Look | None = None
        self.tab = TABS[0]
        self.tagged: set[int] = set()
        self.at, self.first, self.room = 0, 0, 0
        self.column = self.choice.key
        self.places: list[Place] = []
        self.items: list[Item] = []
        self.item_at, self.item_first = 0, 0
        self.menu: Menu | None = None
        self.prompt: Prompt | None = None
        self.pager: Pager | None = None
        self.explained: int | None = None
        self.message = ""
        self.formula = "procps-4"
        self.picture_at = 0
        self.colour = False
        self.hidden: frozenset[str] = frozenset()
        self.is_head_hidden = False
        self.paused = False
        self.threads = False
        self.arguments = True
        self.following: int | None = None
        self.pinned = ""
        self.needs_detail = False
        self.wants_palette = False
        self.digits = ""
        self.head_rows = 0
        self.size = (80, 24)
        self._arranged: list[TaskRow] | None = None
        self.do: Callable[[Callable[[], object]], None] = _at_once
        """Carries out a job where the machine is read."""

    def all_keys(self) -> tuple[Key, ...]:
        """Return the keys that mean something here."""
        return KEYS

    def rows(self) -> list[TaskRow]:
        """Return the tasks in their order."""
        raise NotImplementedError

    def frame(self) -> Frame:
        """Return what cells are computed from."""
        raise NotImplementedError

    # --- what is shown

    def tabs(self) -> tuple[str, ...]:
        """Return the tabs that there are."""
        return TABS

    def shown_fields(self) -> list[str]:
        """Return the columns by name; in a tree the sums of branches stand beside PSS."""
        shown = list(self.fields)
        if self.choice.tree:
            shown.insert(shown.index("PSS") + 1 if "PSS" in shown else 1, table.TREE_SUM)
        return shown

    def status(self) -> str:
        """Return the time of the look, and what is not as usual."""
        assert self.look is not None
        sample = self.look.sample
        at = sample.at_unix_ms
        parts = [f"{sample.up_s:.1f} s" if at is None and sample.up_s is not None else clock(at)]
        if self.paused and self.live:
            parts.append("PAUSED")
        if self.pinned and self.look.time is None:
            parts.append(f"{self.pinned} {named(self.pinned, self.look, self.frame()).text}")
        if self.tagged:
            parts.append(f"{len(self.tagged)} tagged")
        parts += [part for part in (rows.describe(self.rows(), self.choice), safe(self.name)) if part]
        return (" · " if self.unicode else " | ").join(parts)

    def time_lines(self, columns: int) -> list[Line]:
        """Return the lines of the time strip; none of a machine that runs."""
        del columns
        return []

    def task(self) -> Task | None:
        """Return the selected task."""
        found = self.rows()
        return found[self.at].task if 0 <= self.at < len(found) else None

    def chosen_tasks(self) -> list[Task]:
        """Return the tagged tasks, or the selected one."""
        tagged = [row.task for row in self.rows() if row.task.pid in self.tagged]
        one = self.task()
        return tagged or ([] if one is None else [one])

    # --- moving

    def move(self, key: str) -> bool:
        """Move the cursor; return False if *key* does not."""
        if key in {"left", "right"}:
            on_screen = [place.name for place in self.places]
            if self.tab == "Main" and on_screen:
                at = on_screen.index(self.column) + (1 if key == "right" else -1)
                self.column = on_screen[min(max(at, 0), len(on_screen) - 1)]
            return True
        step = {"up": -1, "down": 1, "pageup": -max(self.room - 1, _PAGE), "pagedown": max(self.room - 1, _PAGE)}.get(
            key
        )
        if step is None and key not in {"home", "end"}:
            return False
        if self.tab != "Main":
            last = max(len(self.items) - 1, 0)
            at = self.item_at + step if step is not None else 0 if key == "home" else last
            self.item_at = min(max(at, 0), last)
            return True
        last = max(len(self.rows()) - 1, 0)
        self.select(self.at + step if step is not None else 0 if key == "home" else last)
        return True

    def select(self, at: int) -> None:
        """Select the task at number *at*."""
        self.at = min(max(at, 0), max(len(self.rows()) - 1, 0))
        if self.following is not None:
            one = self.task()
            self.following = None if one is None else one.pid

    def keep_in_view(self, total: int) -> None:
        """Scroll so that the selected task is on the screen."""
        self.at = min(max(self.at, 0), max(total - 1, 0))
        self.first = min(max(self.first, self.at - self.room + 1, 0), self.at, max(total - self.room, 0))

    def scroll(self, step: int) -> None:
        """Turn the wheel: the selection moves with the rows."""
        self.move("down" if step > 0 else "up")

    def reselect(self) -> None:
        """Find the followed task in a new order, and forget tags of tasks that have ended."""
        if self.following is not None:
            self._go_to(self.following)
        if self.tagged:
            self.tagged &= {row.task.pid for row in self.rows()}

    def to_pid(self, digit: str) -> None:
        """Select the task whose PID is typed so far."""
        self.digits += digit
        if not self._go_to(int(self.digits)):
            self.message = f"PID {self.digits}"

    def _go_to(self, pid: int) -> bool:
        at = next((at for at, row in enumerate(self.rows()) if row.task.pid == pid), None)
        if at is not None:
            self.at = at
        return at is not None

    def next_tab(self) -> None:
        """Show the next tab."""
        names_of = self.tabs()
        self.tab = names_of[(names_of.index(self.tab) + 1) % len(names_of)]

    # --- what the table has

    def choose(self, **changes: Any) -> None:
        """Change the choice of the table."""
        self.choice = self.choice._replace(**changes)
        self._arranged = None
        self.reselect()

    def sort_by(self, name: str) -> None:
        """Order by a column."""
        self.choose(key=name, rising=False)

    def sort_cpu(self) -> None:
        """Order by CPU time of the interval."""
        self.sort_by("%CPU")

    def sort_memory(self) -> None:
        """Order by resident size."""
        self.sort_by("%MEM")

    def sort_time(self) -> None:
        """Order by CPU time."""
        self.sort_by("TIME+")

    def sort_pid(self) -> None:
        """Order by PID."""
        self.sort_by("PID")

    def invert(self) -> None:
        """Turn the order round."""
        self.choose(rising=not self.choice.rising)

    def choose_sort(self) -> None:
        """Ask for the column to sort by."""
        fields = [name for name in FIELDS if name in self.fields] + [name for name in FIELDS if name not in self.fields]
        items = [(f"{table.heading(name):8} {FIELDS[name].meaning}", name) for name in fields]
        at = fields.index(self.choice.key)
        self.menu = Menu("Sort by", items, self.sort_by, at)

    def toggle_tree(self) -> None:
        """List or tree."""
        self.choose(tree=not self.choice.tree)

    def toggle_kernel(self) -> None:
        """Threads of the kernel too, or not."""
        self.choose(kernel=not self.choice.kernel)

    def toggle_threads(self) -> None:
        """Threads of programs too, or not."""
        if not self.live:
            raise UsageError("a stored machine has processes, no threads")
        self.threads = not self.threads

    def toggle_arguments(self) -> None:
        """Command lines or names."""
        self.arguments = not self.arguments

    def open_branch(self) -> None:
        """Open the selected branch if it is closed, else close it."""
        one = self.task()
        if one is not None:
            self.choose(closed=self.choice.closed ^ {one.pid})

    def close_branch(self) -> None:
        """Close the selected branch."""
        one = self.task()
        if one is not None:
            self.choose(closed=self.choice.closed | {one.pid})

    def toggle_branches(self) -> None:
        """Close every branch, or open all."""
        parents = {task.stat.field("ppid") or 0 for task in self.frame().sample.tasks}
        self.choose(closed=frozenset() if self.choice.closed else frozenset(parents))

    def ask_user(self) -> None:
        """Ask whose tasks are shown."""
        known = sorted({self.users.get(uid, str(uid)) for uid in self._uids()} | set(self.users.values()))
        items = [("All users", ""), *((safe(name), name) for name in known)]

        def show(name: str) -> None:
            number = next((uid for uid, known in self.users.items() if known == name), None)
            self.choose(user=None if not name else number if number is not None else int(name))

        self.menu = Menu("Tasks of", items, show)

    def _uids(self) -> set[int]:
        from memtwin.views.top_fields import effective_uid

        found = {effective_uid(task, self.frame()) for task in self.frame().sample.tasks}
        return {uid for uid in found if isinstance(uid, int)}

    def search(self) -> None:
        """Ask for a text, and select the first task that has it."""

        def find(words: str, after: int = -1) -> None:
            found = self.rows()
            order = [*range(after + 1, len(found)), *range(min(after + 1, len(found)))]
            at = next((at for at in order if words and rows.matches(found[at].task, words)), None)
            if at is not None:
                self.select(at)
            elif words:
                self.message = f"{words} not found"

        self.prompt = Prompt("Search", find, each=find, again=lambda words: find(words, self.at))

    def filter(self) -> None:
        """Ask for a text that a task must have."""
        before = self.choice.words
        self.prompt = Prompt(
            "Filter", lambda words: self.choose(words=words), before, each=lambda words: self.choose(words=words),
            cancel=lambda: self.choose(words=""),
        )  # fmt: skip

    def follow(self) -> None:
        """Follow the selected task, or no more."""
        one = self.task()
        self.following = None if self.following is not None or one is None else one.pid
        self.message = "" if self.following is None else f"following {self.following}"

    def toggle_tag(self) -> None:
        """Tag the selected task and go to the next."""
        one = self.task()
        if one is not None:
            self.tagged ^= {one.pid}
            self.select(self.at + 1)

    def tag_branch(self) -> None:
        """Tag the selected task and all below it."""
        one = self.task()
        if one is None:
            return
        found = {one.pid}
        tasks = self.frame().sample.tasks
        while more := {task.pid for task in tasks if task.stat.field("ppid") in found} - found:
            found |= more
        self.tagged |= found

    def untag(self) -> None:
        """Remove all tags."""
        self.tagged.clear()

    # --- setup

    def set_up(self) -> None:
        """Choose columns and what stands above the table."""

        def items() -> list[tuple[str, str]]:
            others = [name for name in FIELDS if name not in self.fields]
            columns = [(f"[x] {table.heading(n)}", n) for n in self.fields]
            columns += [(f"[ ] {table.heading(n):6} {FIELDS[n].meaning}", n) for n in others]
            return [*columns, *((f"[{' ' if b in self.hidden else 'x'}] above: {b}", f"+{b}") for b in BLOCKS)]

        self.menu = Menu(
            "Columns ([ ] move)", items(), self._toggle_part, toggles=True, again=items, move=self._move_field
        )

    def _toggle_part(self, name: str) -> None:
        if name.startswith("+"):
            self.hidden ^= {name[1:]}
        elif name not in self.fields:
            at = self.fields.index("COMMAND") if "COMMAND" in self.fields else len(self.fields)
            self.fields.insert(at, name)
        elif len(self.fields) > 1:
            self.fields.remove(name)

    def _move_field(self, name: str, step: int) -> None:
        if name in self.fields:
            at = self.fields.index(name)
            self.fields.remove(name)
            self.fields.insert(min(max(at + step, 0), len(self.fields)), name)

    def toggle_head(self) -> None:
        """Show or hide what stands above the table."""
        self.is_head_hidden = not self.is_head_hidden

    def next_formula(self) -> None:
        """Compute used memory as the next program does."""
        known = list(FORMULAS)
        self.formula = known[(known.index(self.formula) + 1) % len(known)]
        of = FORMULAS[self.formula]
        self.message = f"used = {of.text}: {of.programs}"

    def next_picture(self) -> None:
        """Draw the next picture of the map."""
        self.picture_at = (self.picture_at + 1) % len(PICTURES)

    # --- pages and explanations

    def show_help(self) -> None:
        """Show all keys."""
        self.pager = Pager("memtwin htop", help_lines(self.all_keys()))

    def open_palette(self) -> None:
        """Open the command palette, which the painter has."""
        self.wants_palette = True

    def show_command(self) -> None:
        """Show the selected task's arguments in full."""
        one = self.task()
        if one is not None:
            words = (one.process.read("cmdline") or "").rstrip("\0").split("\0")
            text = [safe(word) for word in words if word] or [f"[{safe(one.stat.comm)}]"]
            wrapped = [part for word in text for part in textwrap.wrap(word, max(self.size[0] - 2, 10)) or [""]]
            self.pager = Pager(f"command line of {one.pid}", wrapped)

    def pin(self) -> None:
        """Ask which figure stays on the screen."""
        assert self.look is not None
        self.needs_detail = True
        found = [("none", ""), *((safe(name), name) for name in self.figures_here() + list(names(self.look)))]

        def choose(name: str) -> None:
            self.pinned = name

        self.menu = Menu("Pin a figure", list(dict.fromkeys(found)), choose)

    def figures_here(self) -> list[str]:
        """Return the figure under the cursor, if it is one that can be pinned."""
        if self.tab != "Main":
            here = self.items[self.item_at].figure if self.item_at < len(self.items) else ""
            return [here] if here else []
        one = self.task()
        return [f"{self.column}:{one.pid}"] if one is not None and self.column in FIELDS else []

    def explain(self) -> None:
        """Explain the figure under the cursor."""
        self.explained = 0

    def press_in_explanation(self, key: str) -> None:
        """Go to the explanation of another figure, or close it."""
        total = len(self._explanations())
        if key in {"up", "down"}:
            self.explained = ((self.explained or 0) + (1 if key == "down" else -1)) % total
        else:
            self.explained = None

    def explanation(self, columns: int) -> list[Line]:
        """Return the panel that explains a figure."""
        found = self._explanations()
        at = min(self.explained or 0, len(found) - 1)
        title, *body = found[at]
        wrapped = [part for text in body for part in textwrap.wrap(text, max(columns - 4, 20))]
        head = f" {title}   ({at + 1} of {len(found)}, up and down: the others) "
        return [filled(line(Span(head, "heading")), columns, "heading"), *(line(f"  {text}") for text in wrapped)]

    def _explanations(self) -> list[list[str]]:
        assert self.look is not None
        frame = self.frame()
        row = next(iter(self.rows()[self.at : self.at + 1]), None)
        shown: dict[str, str] = {}
        if self.tab == "Main" and row is not None:
            shown = {place.name: table.cells(row, [place], frame)[0] for place in self.places}
        here = [] if shown else self.figures_here()
        return explain.explanations(self.look, frame, self.formula, shown=shown, first=self.column, figures=here)

    # --- what changes tasks

    def ask_kill(self) -> None:
        """Ask for a signal, and once more whether it is meant."""
        self._refuse_if_stored()
        chosen = self.chosen_tasks()
        if not chosen:
            return
        pids = [task.pid for task in chosen]
        whom = f"{pids[0]} ({safe(chosen[0].stat.comm)})" if len(pids) == 1 else count(len(pids), "task")

        def confirm(name: str) -> None:
            self.prompt = Prompt(f"Send {name} to {whom}? y or n", lambda words: self._send(name, pids, words))

        self.menu = Menu(f"Signal to {whom}"[:33], signals(), confirm)

    def _send(self, name: str, pids: Sequence[int], words: str) -> None:
        self.message = sending.send(name, pids) if words.lower() in {"y", "yes"} else "nothing was sent"

    def nicer(self) -> None:
        """Raise the priority of the chosen tasks."""
        self._renice(-1)

    def less_nice(self) -> None:
        """Lower the priority of the chosen tasks."""
        self._renice(1)

    def _renice(self, step: int) -> None:
        self._refuse_if_stored()
        self.message = sending.renice(step, [task.pid for task in self.chosen_tasks()])

    def _refuse_if_stored(self) -> None:
        if not self.live:
            raise UsageError(STORED)
        if self.readonly:
            raise UsageError(READ_ONLY)


def _at_once(job: Callable[[], object]) -> None:
    job()
