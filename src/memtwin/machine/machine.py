"""A machine to run on: the model's state with what it was built from, and what can be changed of it later.

``build`` makes one from a snapshot of a real kernel or from a description; ``swap_areas`` turns its areas on and off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from memtwin.errors import InputError
from memtwin.linux.ipc import shm
from memtwin.linux.kernel import sysctl
from memtwin.linux.mm import lru_gen_state, mm_init

if TYPE_CHECKING:
    from memtwin.linux.core.state import State
    from memtwin.machine.boot import Boot
    from memtwin.machine.costs import CostProfile
    from memtwin.machine.processes import BootProcess
    from memtwin.machine.program import Program


@dataclass(frozen=True, slots=True)
class SwapArea:
    """A swap area of the machine: its number in the model and what /proc/swaps calls it."""

    number: int
    filename: str
    kind: str
    zram: bool


@dataclass(slots=True)
class Booted:
    """A process of the snapshot in the machine: its task, and what was read of it."""

    name: str
    pid: int
    task: int
    read: BootProcess
    alive: bool = True
    command: int = 0
    """Commands of a scenario that it was given."""


@dataclass(frozen=True, slots=True)
class FileName:
    """What /proc/PID/maps says of a file: its path, its device and its inode."""

    path: str
    major: int
    minor: int
    inode: int


@dataclass(slots=True)
class Machine:
    """A state with what it was built from; *sysctl* holds every setting by its name below ``vm.``."""

    state: State
    boot: Boot
    caches: dict[str, int]
    binary: int
    vdso: int
    bdev: int
    rest: int
    """The process that holds what no process of the scenario made."""
    areas: list[SwapArea]
    sysctl: dict[str, str]
    costs: CostProfile
    program: Program
    """What its scenario's processes run; *binary* is its file."""
    files: dict[str, int]
    """Cached files of the snapshot: those that processes map by device, inode and path, and ``cache``, all others."""
    processes: list[Booted]
    """The processes of the snapshot, those that have ended since among them."""
    notes: tuple[str, ...]
    """What a reader of results should know: where the machine differs from what the model follows."""
    changes: list[str] = field(default_factory=list)
    """Sentences: what was changed of the machine before the run, and what that cost."""
    file_names: dict[int, FileName] = field(default_factory=dict)
    """Files that a run has made, by number."""

    def copy(self) -> Machine:
        """Return a second machine in the same state; from here each goes its own way."""
        twin = Machine(**{name: getattr(self, name) for name in self.__slots__})
        twin.state = self.state.copy()
        twin.sysctl = dict(self.sysctl)
        twin.areas = list(self.areas)
        twin.changes = list(self.changes)
        twin.file_names = dict(self.file_names)
        twin.processes = [replace(process) for process in self.processes]
        return twin

    def write_sysctl(self, name: str, text: str) -> None:
        """Write ``vm.name``; raises InputError where the kernel refuses *text* or the model has no such setting."""
        setting = sysctl.find(name)
        value = setting.parse(text)
        if isinstance(value, tuple):
            before = setting.parse(self.sysctl[name], written=False)
            assert isinstance(before, tuple)
            value = (*value, *before[len(value) :])
            mm_init.set_lowmem_reserve_ratio(self.state, value)
            mm_init.read_lowmem_reserve_ratio(self.state)
            text = "\t".join(map(str, value))
        else:
            mm_init.write_sysctl(self.state, name, value)
            if name in mm_init.INSTEAD_OF:
                self.sysctl[mm_init.INSTEAD_OF[name]] = "0"
        self.sysctl[name] = text
        if not setting.modelled:
            self.note(f"vm.{name} was set to {text}; nothing in the model depends on it")

    def write_ipc(self, name: str, text: str) -> None:
        """Write ``kernel.shmmax`` or ``kernel.shmall``; raises InputError where the kernel refuses *text*."""
        value = sysctl.find_ipc(name).parse(text)
        assert isinstance(value, int)
        shm.limit_segments(self.state, **{name.removeprefix("kernel."): value})

    def write_lru_gen(self, name: str, text: str) -> None:
        """Write /sys/kernel/mm/lru_gen/*name*; raises InputError where the kernel refuses *text*.

        ``enabled`` takes y, n or a number of bits; ``min_ttl_ms`` milliseconds.
        """
        if name == "enabled" and text.lower() in {"y", "n"}:
            lru_gen_state.write_enabled(self.state, 7 if text.lower() == "y" else 0)
            return
        if not re.fullmatch(r"0x[0-9a-fA-F]{1,8}|[0-9]{1,9}", text):
            raise InputError(f"lru_gen.{name}={text}: expected a number{', y or n' if name == 'enabled' else ''}")
        if name == "enabled":
            lru_gen_state.write_enabled(self.state, int(text, 0) & 7)
        else:
            lru_gen_state.write_min_ttl_ms(self.state, int(text, 0))

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes = (*self.notes, text)
