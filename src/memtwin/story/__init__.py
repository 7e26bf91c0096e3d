"""A run in words and pictures: when reclaim began, what it took from whom, who waited, what was missed, who died.

In: a finished :class:`memtwin.run.run.Run`. Out: one screen (``screen``: five sentences, a picture over time, a table
of the checkpoints), and a paragraph for each operation (``story``).

Never here: figures that the run does not hold. The story only says what was counted.
"""
