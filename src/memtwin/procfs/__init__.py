"""One module per /proc file: its record, ``parse`` and ``render``.

In: text as a kernel prints it. Out: a record in the units that are printed (kB, pages, ticks), and from the record the
same bytes again; a line that is not known is kept.

Never here: the model, another file, a conclusion. What a file does not say is None, never 0.
"""
