"""A run in words: when reclaim began, what it took from which file or process, who waited, what was missed, who died.

In: a finished :class:`memtwin.run.run.Run`. Out: paragraphs and a table of its checkpoints.

Never here: figures that the run does not hold. The story only says what was counted.
"""
