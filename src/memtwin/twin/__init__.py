"""The machine as a source: the model's state becomes records and text, as the kernel's own ``*_show`` functions do.

In: a :class:`memtwin.machine.machine.Machine` and the processes of a run by name. Out:
:class:`memtwin.twin.twin.Twin`, a source like a live host, and :mod:`memtwin.twin.oom_event`, the kernel's report of
memory that ran out.

Never here: a change of the state, an operation, a view.
"""
