"""Files of the memory controller's cgroups, version 1 and 2: one module per kind of file."""
