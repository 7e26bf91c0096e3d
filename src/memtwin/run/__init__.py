"""A scenario on a machine: operations become calls into the model, and a run directory is left.

In: a scenario, a boot snapshot or None, and ``--set`` words. Out: a :class:`memtwin.run.run.Run`: what became of each
operation, samples over time, the text of every checkpoint; written as a directory in the layout of a recording.

- ``run`` carries out the operations and keeps what they moved; ``processes`` are the scenario's processes;
- ``disk`` has the names of files and what looking them up reads; ``observer`` is the reader of /proc, whose own
  dentries and inodes cost memory;
- ``settings`` is what ``--set`` and the header ask for; ``timeline`` the samples as CSV or Parquet.

Never here: rules of the kernel (``linux``), sentences about a run (``story``).
"""

import memtwin.linux.core  # noqa: F401 - first: it says what to do where the core is not compiled
