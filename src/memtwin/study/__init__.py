"""Studies of runs: the model held against recordings of a real kernel.

In: recordings of one scenario by a real kernel, and a run of the model. Out: for each figure its error, nothing where
it lies within the range of the real runs, and their mean and quantiles, as data; the command prints them.

Never here: a rule of the kernel, or text for a terminal.
"""
