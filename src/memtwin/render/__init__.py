"""Text only at the edge: tables, prose, JSON, CSV and OpenMetrics.

In: cells, sentences and metrics that a view has made. Out: text in which nothing that came from a file can reach the
terminal (:func:`memtwin.render.table.clean`).

Never here: what a figure means. This room knows no memory.
"""
