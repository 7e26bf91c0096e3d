"""One module per /sys file: its record, ``parse`` and ``render``.

In: text as a kernel prints it. Out: a record in the units that are printed, and from the record the same bytes again.

Never here: the model, another file, a conclusion. What a file does not say is None, never 0.
"""
