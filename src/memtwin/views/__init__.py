"""One view a file: functions from records to a table, to data for programs, to metrics and to sentences.

In: records (:mod:`memtwin.procfs` and its neighbours). Out: text, plain data, metrics. ``X_explained`` has the
sentences of view ``X``; a view says *why* only from rows that it was given.

Never here: reading a file, the model, options of the command line. A view imports no source (its name in an annotation
apart), so that it works alike on a live host, a saved one and a run.
"""
