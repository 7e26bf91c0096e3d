"""The machine's arrays, counters and clock: what the model is made of, without a rule of the kernel.

In: sizes. Out: :class:`memtwin.linux.core.state.State`, plain memory that can be copied, and the structs that it holds
(``mm_types.pxd``), the numbers and names of the kernel's counters (``vmstat``) and linked lists of frames (``list``).

Never here: policy (which page is reclaimed, which thread runs), a file, a clock of the host, randomness. All else in
``linux`` stands above this.

The core is compiled. An import without the compiled core says how to get it; there is no interpreter fallback.
"""

from importlib.util import find_spec

from memtwin.errors import NotBuiltError

_found = find_spec("memtwin.linux.core.state")
if _found is None or (_found.origin or "").endswith(".py"):
    raise NotBuiltError(
        "this needs the model, whose core is compiled and is not in this installation (every view works without)",
        hint="install a wheel of memtwin for this machine; or apt install gcc python3-dev, then install memtwin as "
        "before with --force-reinstall --no-cache-dir and MEMTWIN_CORE=require set; in a checkout: make build",
    )
