"""``memtwin htop``: a picture of lines that keys change, over one look at a machine at a time.

In: looks, keys, clicks, a size. Out: lines of styled spans (``spans``). ``page`` puts the picture together from
``head`` (bars and figures), ``rows`` (which tasks, in which order), ``table`` (their cells), ``memory_tab``; ``keys``
has what each key does, ``actions`` does it, ``menus`` opens above the table. ``app`` is the one module that knows
Textual: it paints lines that changed and passes keys on; ``reader`` looks at the machine in a thread.
"""
