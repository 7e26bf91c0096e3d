"""Linux memory management as a Python program: look at it, ask why, ask what if."""

__version__ = "0.1.0"
