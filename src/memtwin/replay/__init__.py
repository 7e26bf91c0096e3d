"""A model that runs in processes of its own: gone through forwards and back, changed, forked into several futures.

In: a scenario and a machine to start from. Out: the machine at any sample of the run, as a source whose files another
process renders; and runs, byte for byte those that ``memtwin run`` leaves.

- ``worker``: the process that has the model. It stops at samples and answers; it forks itself, and what it forks
  answers too. A keyframe is such a fork: its memory is shared with the others as long as neither writes;
- ``remote``: a worker as another process sees it, and its machine as a source;
- ``branch``: one future: its keyframes, what is known of its whole time, how it is gone through;
- ``clock``: a model that runs by the clock on the wall, for programs that read its files;
- ``film``: the futures together, as a screen walks through them;
- ``edit``: a scenario with an operation more.

Never here: a figure that a view computes, and anything of the screen.
"""
