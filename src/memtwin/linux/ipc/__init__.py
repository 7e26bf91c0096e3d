"""Shared memory by key, as System V has it."""
