"""When a machine uses huge pages: ``/sys/kernel/mm/transparent_hugepage`` as the model has it, read and written.

What a snapshot does not have is the kernel's own default: ``defrag`` is *madvise* and the huge zero page is used, but
on a machine with less than 512 MiB, where all was switched off at boot and only ``enabled`` switched on by hand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from memtwin.errors import InputError
from memtwin.linux.core import mm_types as t
from memtwin.linux.mm import huge_memory
from memtwin.sysfs import transparent_hugepage as files

if TYPE_CHECKING:
    from memtwin.linux.core.state import State
    from memtwin.machine.boot import Boot

LEAST_PAGES: Final = 512 << 8
"""Of a machine that boots with huge pages: 512 MiB."""
MOST_ENTRIES: Final = 511
MOST: Final = (1 << 32) - 1

ENABLED: Final = {"always": t.THP_ALWAYS, "madvise": t.THP_MADVISE, "never": 0}
DEFRAG: Final = {
    "always": t.THP_DEFRAG_DIRECT,
    "defer": t.THP_DEFRAG_KSWAPD,
    "defer+madvise": t.THP_DEFRAG_KSWAPD_OR_MADVISE,
    "madvise": t.THP_DEFRAG_MADVISE,
    "never": 0,
}
SWITCHES: Final = {"use_zero_page": t.THP_USE_ZERO_PAGE, "khugepaged.defrag": t.THP_DEFRAG_KHUGEPAGED}
NUMBERS: Final = {
    "pages_to_scan": (4096, 1, MOST),
    "scan_sleep_millisecs": (10_000, 0, MOST),
    "alloc_sleep_millisecs": (60_000, 0, MOST),
    "max_ptes_none": (511, 0, MOST_ENTRIES),
    "max_ptes_swap": (64, 0, MOST_ENTRIES),
    "max_ptes_shared": (256, 0, MOST_ENTRIES),
}
"""Of khugepaged: the default, the least and the most that may be written; in the order that the model takes."""

PREFIX: Final = "thp."
NAMES: Final = frozenset(
    f"{PREFIX}{name}" for name in ("enabled", "defrag", *SWITCHES, *(f"khugepaged.{name}" for name in NUMBERS))
)
"""The files that an operation may write as it does a setting below vm."""


def _chosen(boot: Boot, path: str, words: dict[str, int], default: str) -> int:
    return words.get(files.chosen(boot.texts.get(path, "")) or default, 0)


def _number(boot: Boot, path: str, default: int) -> int:
    text = boot.texts.get(path, "").strip()
    return int(text) if text.isdecimal() and int(text) <= MOST else default


def has_none(boot: Boot) -> bool:
    """Whether a kernel was built without huge pages: its /proc/vmstat has none of their rows."""
    return boot.vmstat.get("thp_fault_alloc") is None


def start(state: State, boot: Boot) -> None:
    """Let a machine use huge pages as its snapshot does, and khugepaged scan the address spaces that are there."""
    if has_none(boot):
        huge_memory.set_thp(state, t.THP_UNSUPPORTED, tuple(default for default, _, _ in NUMBERS.values()))
        return
    by_hand = state.memory_total < LEAST_PAGES
    flags = _chosen(boot, files.ENABLED, ENABLED, "never")
    flags |= _chosen(boot, files.DEFRAG, DEFRAG, "never" if by_hand else "madvise")
    for name, bit in SWITCHES.items():
        flags |= bit if _number(boot, f"{files.PATH}/{name.replace('.', '/')}", 0 if by_hand else 1) else 0
    numbers = tuple(_number(boot, f"{files.KHUGEPAGED}/{name}", default) for name, (default, _, _) in NUMBERS.items())
    huge_memory.set_thp(state, flags, numbers)
    huge_memory.adopt_address_spaces(state)


def write(state: State, name: str, text: str) -> None:
    """Write a file by its name in :data:`NAMES`; raises InputError where the kernel refuses *text*."""
    key = name.removeprefix(PREFIX)
    flags = huge_memory.thp_flags(state)
    if flags & t.THP_UNSUPPORTED:
        raise InputError(f"{name}={text}: this kernel has no huge pages")
    for word, words in (("enabled", ENABLED), ("defrag", DEFRAG)):
        if key == word:
            if text not in words:
                raise InputError(f"{name}={text}: expected {', '.join(words)}")
            huge_memory.write_thp(state, (flags & ~sum(words.values())) | words[text])
            return
    if key in SWITCHES:
        if text not in {"0", "1"}:
            raise InputError(f"{name}={text}: expected 0 or 1")
        huge_memory.write_thp(state, (flags & ~SWITCHES[key]) | (SWITCHES[key] if text == "1" else 0))
        return
    _, least, most = NUMBERS[key.removeprefix("khugepaged.")]
    if not text.isdecimal() or not least <= int(text) <= most:
        raise InputError(f"{name}={text}: expected {least}..{most}")
    huge_memory.write_khugepaged(state, key.removeprefix("khugepaged."), int(text))


def enabled(state: State) -> str:
    """Return when huge pages are used: always, madvise or never, which is so too where the kernel has none."""
    flags = huge_memory.thp_flags(state)
    return next(word for word, bits in ENABLED.items() if flags & t.THP_ENABLED == bits)


def texts(state: State) -> dict[str, str]:
    """The files below /sys/kernel/mm/transparent_hugepage by path; none where the kernel has none."""
    flags = huge_memory.thp_flags(state)
    if flags & t.THP_UNSUPPORTED:
        return {}
    defrag = next(word for word, bits in DEFRAG.items() if flags & sum(DEFRAG.values()) == bits)
    found = {
        files.ENABLED: files.brackets(files.ENABLED_WORDS, enabled(state)),
        files.DEFRAG: files.brackets(files.DEFRAG_WORDS, defrag),
        files.USE_ZERO_PAGE: f"{int(flags & t.THP_USE_ZERO_PAGE != 0)}\n",
        f"{files.PATH}/hpage_pmd_size": f"{2 << 20}\n",
    }
    figures = huge_memory.khugepaged_figures(state)
    return found | {f"{files.KHUGEPAGED}/{name}": f"{value}\n" for name, value in figures.items()}
