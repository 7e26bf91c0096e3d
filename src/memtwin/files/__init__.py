"""Files of the host: what may be read as an input, and outputs that are whole or absent.

In: a path that a user named. Out: why it may not be read (``inputs``), or a file or directory that appears under its
name when it is complete (``output``).

Never here: what a file means. Reading archives is ``sources/archive``.
"""
