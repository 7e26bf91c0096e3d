"""What follows from an event: the kernel's ranking again, where memory was, who caused it, what would have changed it.

In: an :class:`memtwin.oom.event.OomEvent`. Out: an :class:`memtwin.oom.why.analysis.Analysis`, computed once.

Never here: text for a terminal, JSON or HTML.
"""
