"""From text to events, in four steps that know nothing of each other.

``shape`` restores the lines that were printed (wrapped, newest first, HTML, quoted-printable); ``lines`` and
``prefixes`` take off what loggers and exports put around them; ``marks`` says which part of a report a line is, and so
where an event begins and ends (``parse``); ``head``, ``meminfo``, ``memcg``, ``table`` and ``verdict`` read the parts.

In: lines of any log. Out: frozen :class:`memtwin.oom.event.OomEvent` objects, each with the gaps that its text has.

Never here: a conclusion. What a line does not say stays None.
"""
