"""The model. Modules bear the basenames of the kernel files that they follow; no I/O, no clock, no global."""
