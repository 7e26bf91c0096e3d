"""Screens that stay: drawn again with what changed, driven by keys.

In: a sampler or a source, and a terminal. Out: escape sequences for that terminal, which is left as it was found,
however the program ends.

- ``screen``: the writer that sends only what differs from the picture before, the terminal's raw mode, its keys;
- ``top``: ``memtwin top``;
- ``htop``: ``memtwin htop``, painted by Textual.

Never here: a figure that is computed. What a screen shows are the views.
"""
