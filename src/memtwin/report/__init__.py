"""``memtwin report`` and ``memtwin compare``: what happened to a machine, as a page of pictures with their tables.

In: a run, a recording, a trace, a machine at one moment, or a sweep. Out: one page for a browser, the answer first, or
a single picture; and two of them side by side.

- ``gathered``: what is shown, whatever it came from; ``gather`` reads it, ``readings`` what is read at many times;
- ``answer``: what happened in a few sentences, each with a figure;
- ``picture``: one picture with its table; ``timeline``, ``memory``, ``zones``, ``blocks``, ``frames``, ``tasks`` draw
  one each;
- ``sweep``: the result of ``memtwin whatif``, ``curve`` its picture;
- ``page``: all of them as a page, ``assets`` its style and script; ``versus``: two runs side by side.

Never here: a figure that the files do not have. What they lack is left out by name, and a picture shows only what its
table says too.
"""
