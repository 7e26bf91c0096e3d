"""Files of the memory controller's cgroups, version 1 and 2: one module per kind of file.

In: text as a kernel prints it. Out: a record in the units that are printed; ``max`` and version 1's huge numbers are
None, no limit.

Never here: the model, which cgroups there are (:mod:`memtwin.sources.cgroups`), a conclusion.
"""
