"""The structs and constants of the model; the header ``mm_types.pxd`` is the whole of it.

The constants are visible from Python under the same names (``mm_types.VM_WRITE``); the structs are not: whatever is
above the model sees counts and records.
"""

SOURCE = "include/linux/mm_types.h", "v6.1"
