"""The invariants of a machine, checked from the arrays themselves after each operation of a test or of a debug build.

Nothing of the model imports this; it imports everything that it checks.
"""
