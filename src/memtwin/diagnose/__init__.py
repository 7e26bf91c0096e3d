"""Rules over records of a machine and over time: which growth is a leak, and of what kind.

In: samples (files by path, as a trace or the recorder gives them) and what is read of a live process from outside. Out:
findings with a verdict, a confidence, the figures they rest on and what to do next, and the view that shows them.

- ``growth``: statistics of one series: the lower envelope, its rate, whether it slows down, what could be seen at all;
- ``samples``: series of each process and of the machine; ``leak``: the rules; ``leak_view``: how a finding is shown;
  ``watch`` makes them of a trace or of this machine;
- ``doctor``: settings that are wrong or worth changing;
- ``now``: what is wrong now, the worst first, and ``now_view``, the screen that `memtwin` alone shows.

Never here: the model, options of the command line, a process that is stopped or written to.
"""
