"""What each key does: one table for the keys, the page of help and the command palette."""

from __future__ import annotations

from typing import Final, NamedTuple


class Key(NamedTuple):
    """An action of the page by the name of its method, the keys that begin it, and what it does."""

    action: str
    keys: tuple[str, ...]
    words: str


KEYS: Final = (
    Key("show_help", ("f1", "h"), "help: all keys"),
    Key("set_up", ("f2", "S"), "choose columns and what stands above the table"),
    Key("search", ("f3", "/"), "search a task by name or arguments; F3 goes to the next"),
    Key("filter", ("f4", "\\"), "show only tasks with a text; a bar separates several"),
    Key("toggle_tree", ("f5", "t"), "tree or list"),
    Key("choose_sort", ("f6", "<", ">"), "choose the column to sort by"),
    Key("nicer", ("f7",), "raise the priority of the task (nice - 1)"),
    Key("less_nice", ("f8",), "lower the priority of the task (nice + 1)"),
    Key("ask_kill", ("f9", "k"), "send a signal to the tagged tasks, or to the selected one"),
    Key("quit", ("f10", "q"), "quit"),
    Key("next_tab", ("tab",), "next tab: tasks, the memory manager, the map of memory"),
    Key("explain", ("?",), "explain the figure under the cursor; up and down explain the others on the screen"),
    Key("open_palette", (":",), "command palette: all of this in words"),
    Key("sort_cpu", ("P",), "sort by %CPU"),
    Key("sort_memory", ("M",), "sort by %MEM"),
    Key("sort_time", ("T",), "sort by TIME+"),
    Key("sort_pid", ("N",), "sort by PID"),
    Key("invert", ("I",), "turn the order round"),
    Key("ask_user", ("u",), "show the tasks of one user"),
    Key("toggle_threads", ("H",), "threads of programs too"),
    Key("toggle_kernel", ("K",), "threads of the kernel too"),
    Key("toggle_arguments", ("p",), "command lines or names"),
    Key("toggle_tag", ("space",), "tag the task, for a signal or a nice value"),
    Key("tag_branch", ("c",), "tag the task and all below it"),
    Key("untag", ("U",), "remove all tags"),
    Key("open_branch", ("+",), "open or close the branch of the tree"),
    Key("close_branch", ("-",), "close the branch of the tree"),
    Key("toggle_branches", ("*",), "open or close all branches"),
    Key("follow", ("F",), "follow the task wherever the order puts it"),
    Key("pause", ("Z",), "pause; paused, the looks before can be walked through"),
    Key("show_command", ("w",), "the whole command line of the task"),
    Key("next_formula", ("b",), "by which program the number of used memory is computed: seven ways"),
    Key("next_picture", ("m",), "the map of memory: what blocks are used for, free blocks, age"),
    Key("pin", ("f",), "pin a figure"),
    Key("toggle_head", ("#",), "show or hide what stands above the table"),
)
TIME_KEYS: Final = (
    Key("sample_before", ("[",), "time: one sample back, where it is stored, modelled or paused"),
    Key("sample_after", ("]",), "time: one sample on"),
    Key("event_before", ("{",), "time: the event before"),
    Key("event_after", ("}",), "time: the next event"),
    Key("ask_jump", ("j",), "time: jump to a time, +30s, an event, the peak of the pinned figure"),
    Key("ask_until", ("W",), "time: run until a figure changes or crosses a value, on or back"),
    Key("ask_change", ("B",), "model: begin another future here with a sysctl, a kill, a swap area"),
    Key("switch", ("V",), "model: the other future at the same time"),
    Key("compare", ("D",), "model: both futures side by side"),
)
BY_KEY: Final = {key: one.action for one in KEYS for key in one.keys}
_NAMES: Final = {"space": "Space", "tab": "Tab", "shift+tab": "Shift-Tab"}
MOVES: Final = (
    "Up Down PageUp PageDown Home End   through the tasks",
    "Left Right                         choose a column: its figure is the one under the cursor",
    "0-9                                go to a PID",
    "mouse                              click a task, a heading or a key below; the wheel scrolls",
)


def help_lines(keys: tuple[Key, ...]) -> list[str]:
    """Return the page of help."""
    shown = [(" ".join(name_of(key) for key in one.keys), one.words) for one in keys]
    return [*(f"{names:14} {words}" for names, words in shown), "", *MOVES, "", "Any other key goes back."]


def name_of(key: str) -> str:
    """Return a key as it stands on a keyboard."""
    return _NAMES.get(key, key.upper() if len(key) > 1 else key)
