"""An analysis for a reader: ``report`` for a terminal, ``data`` for programs, ``html`` for a browser.

In: an :class:`memtwin.oom.why.analysis.Analysis`. Out: text. Never here: anything that is computed.
"""
