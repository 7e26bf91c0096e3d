"""Deaths that other programs write of in the same log, and who killed: the kernel, another killer, or it is not said.

In: the lines of a log as they pass (:class:`memtwin.oom.deaths.watch.Watch`) and the kernel's events in it. Out: one
:class:`memtwin.oom.deaths.death.Death` for each, joined with its cause, with how sure that is and why.

``witnesses`` has what programs write, ``join`` which lines are of one death, ``words`` the sentences.

Never here: a conclusion from what a log does not have. A death without an explanation is of unknown cause.
"""
