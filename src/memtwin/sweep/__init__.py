"""One workload on many machines: what each of them would do, which are good enough, and which is the smallest.

In: a scenario and what it runs on, axes of what varies, a goal. Out: a :class:`~memtwin.sweep.sweep.Sweep`, a row a
point, and a document of it (``docs/whatif.md``).

- ``axes``: ``--vary``; ``goal``: ``--goal``; ``subject``: what is varied, and the job of each point;
- ``job``: one point's runs, in whatever process: a pure function of its job; ``figures``: what is read of a run;
- ``local``: the jobs in processes of this host; ``cluster``: on others; ``cache``: rows that were computed before;
- ``sweep``: a grid, or bisection in its place; ``ranking``: order, knee; ``advice``: the recommendation;
- ``curve``: misses over memory from reuse distances; ``curve_points``: with runs as points on it;
- ``document``: the sweep as JSON, and read again; ``view``: as a table.

Never here: an idea of what a setting does. Every figure is of a run of the model.
"""
