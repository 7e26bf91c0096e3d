"""The model. Modules bear the basenames of the kernel files that they follow; no I/O, no clock, no global.

They are compiled. An import without the compiled core says how to build it; there is no interpreter fallback.
"""

from importlib.util import find_spec

from memtwin.errors import NotBuiltError

_found = find_spec("memtwin.mm.state")
if _found is None or (_found.origin or "").endswith(".py"):
    raise NotBuiltError(
        "the compiled core is not there",
        hint="in a checkout: make build (needs a C compiler and the Python headers); otherwise install memtwin again",
    )
