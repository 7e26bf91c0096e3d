"""From text to events: prefixes off, the stream cut into reports, the sections of a report into fields.

In: lines of any log. Out: frozen :class:`memtwin.oom.event.OomEvent` objects, each with the gaps that its text has.

Never here: a conclusion. What a line does not say stays None.
"""
