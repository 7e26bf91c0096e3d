"""A machine to run on: the model's state, built from records of a real kernel or from a description.

In: a source with a boot snapshot (or the base snapshot that ships with the program), and what a scenario's header or
``--set`` changes. Out: a :class:`memtwin.machine.machine.Machine`: the state, and what it was built from.

- ``boot`` reads the records, ``processes`` those of each process; ``fold``, ``moments`` and ``describe`` change them;
- ``accounts`` says what the pages are, each once; ``layout`` places free blocks so that buddyinfo comes out again;
- ``build`` is a list of steps over a ``draft``: ``frames`` and ``lists`` are what is handed out, ``slabs``,
  ``page_cache`` and ``populate`` hand it out, ``families`` finds who shares pages, ``missing`` names what is not there;
- ``machine`` is the result and what can be changed of it later; ``swap_areas`` turns areas on and off;
- ``program`` is what a scenario's processes run, ``costs`` the time that things take, ``compressed_lengths`` how
  long contents become under each compressor: data with the name of where it was measured.

Never here: operations of a scenario, files that are printed, text for people beyond errors and notes. This and
``twin`` are the only rooms in which records and the model meet.
"""
