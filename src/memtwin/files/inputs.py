"""Which files may be read as an input: those of which a read comes to an end.

A named pipe without a writer, a device and some files of /proc (``/proc/kmsg``) let a reader wait for ever, and reading
them may take data from another program. What a user names is therefore looked up before it is opened.
"""

from __future__ import annotations

import os
import stat
from typing import Final

_KERNEL_MADE: Final = ("/proc/", "/sys/")
_TERMINALS: Final = ("/dev/pts/", "/dev/tty")
_ENDS_AT_ONCE: Final = "/dev/null"


def why_not_read(path: str) -> str | None:
    """Return why the file at *path* must not be read, as the end of a sentence about it, or None.

    Pipes that a shell opened (``/dev/stdin``, ``<(command)``) and terminals may be read. What is not there is None too:
    to open it says why.

    >>> why_not_read("/proc/kmsg"), why_not_read("/dev/null")
    ('is made by the kernel as it is read, perhaps without end', None)
    """
    try:
        found = os.stat(path)
        real = os.path.realpath(path)
    except (OSError, ValueError):
        return None
    mode = found.st_mode
    if stat.S_ISFIFO(mode) and "/fd/pipe:[" not in real:
        return "is a named pipe"
    if (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and not (real == _ENDS_AT_ONCE or real.startswith(_TERMINALS)):
        return "is a device"
    if stat.S_ISSOCK(mode):
        return "is a socket"
    if stat.S_ISREG(mode) and not found.st_size and real.startswith(_KERNEL_MADE):
        return "is made by the kernel as it is read, perhaps without end"
    return None
