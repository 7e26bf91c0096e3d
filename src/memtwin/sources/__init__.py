"""Where records come from: this host, a directory or tar of a saved one, a sosreport, a checkpoint of a run.

In: a root as a user names it (``live``, a path, ``RUN@CHECKPOINT``). Out: a :class:`memtwin.sources.source.Source`,
which gives the text of a file by its path below the root, or None and the reason; ``load`` parses it into a record.

- ``source``: the live host, directories and archives; ``recording``: runs of a real kernel or of the model, and
  :func:`memtwin.sources.recording.resolve`, which opens whatever a root names;
- ``host``: what no file says (page size, clock tick); ``processes``, ``cgroups``: what there is to read of each;
- ``snapshot``: all that the views read, saved to be read elsewhere.

Never here: the model, a view, text for people beyond an error. A one-shot view imports this, so what is not always
needed is imported where it is used.
"""
