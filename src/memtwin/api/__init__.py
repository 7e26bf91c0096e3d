"""memtwin as a library: what ``import memtwin`` offers, and nothing that a command does not do too.

In: a root as ``--root`` takes it, a workload as text or as a :class:`~memtwin.api.workload.Workload`, a log. Out:
records and views of a machine, a run with its machines at each checkpoint, series as columns, events of the OOM killer.

Never here: a figure that is computed, a rule of the kernel, anything printed. What is wrong is raised as a
:class:`memtwin.errors.MemtwinError`, with a hint.

The names are those of :mod:`memtwin`, which imports them when they are asked for; ``docs/api.md`` is made of their
docstrings.
"""
