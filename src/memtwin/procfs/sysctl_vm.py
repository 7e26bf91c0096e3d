r"""``sysctl_vm``: the settings below ``/proc/sys/vm`` as recordings keep them, as ``sysctl -a`` prints them.

Layout: ``vm.name = value``. A value is text, because some have several numbers between tabs
(vm.lowmem_reserve_ratio).

>>> settings = parse("vm.swappiness = 60\nvm.lowmem_reserve_ratio = 256\t32\n")
>>> settings.number("vm.swappiness"), settings.numbers("vm.lowmem_reserve_ratio"), settings.number("vm.nope")
(60, (256, 32), None)
"""

from __future__ import annotations

from memtwin.procfs.table import TextTable
from memtwin.procfs.text import number

SOURCE = ("kernel/sysctl.c", "v6.1")
PATH = "sysctl_vm"


class SysctlVm(TextTable):
    """The settings in file order, by their full names; each in its own unit, which its name says."""

    __slots__ = ()

    SEPARATOR = " = "

    def number(self, name: str) -> int | None:
        """Return a setting that is one unsigned number, or None if it is absent or no such number."""
        return number(self.get(name, ""))

    def numbers(self, name: str) -> tuple[int, ...] | None:
        """Return a setting of one or more unsigned numbers, or None if it is absent or anything else."""
        values = [number(token) for token in self.get(name, "").split()]
        known = tuple([value for value in values if value is not None])
        return known if values and len(known) == len(values) else None


def parse(text: str, path: str = PATH) -> SysctlVm:
    """Read the settings; *path* names the file in errors."""
    return SysctlVm.parse(text, path)


def render(record: SysctlVm) -> str:
    """Return the text that ``sysctl`` prints."""
    return record.render()
