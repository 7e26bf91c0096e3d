"""Linux's own tree: a module's path here is the path of the kernel file that it follows.

``linux/mm/vmscan.py`` follows ``mm/vmscan.c``, ``linux/kernel/sched/psi.py`` follows ``kernel/sched/psi.c``: a reader
with the kernel's source beside this needs no map. Where a module follows a part of a file (``mm/page_alloc.c`` is
``buddy``, ``mmzone``, ``page_alloc_fast`` and ``page_alloc``) or has another name, its ``SOURCE`` names the file.

In: a :class:`memtwin.linux.core.state.State` and numbers. Out: what became of the call, an ``Outcome`` or a count;
what was done stands in the state. Everything is compiled, and every function that is not an entry point runs without
the GIL.

Never here: a file, a clock, randomness, text for people, a record of ``/proc``. ``machine`` builds the state from
records and ``twin`` turns it into records again.

Three things here are no kernel files. ``core`` is what all of it works on: the machine's arrays, counters and clock,
without a rule of the kernel. ``touch`` is the loop of a program that touches many pages, compiled because a workload
spends its life in it. ``check`` holds the invariants.
"""

import memtwin.linux.core  # first: it says what to do where the core is not compiled
import memtwin.linux.init  # noqa: F401 - sets the calls upwards
