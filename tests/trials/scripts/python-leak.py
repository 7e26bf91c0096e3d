"""Keeps objects in a list."""

import time

keep = []
while True:
    keep.append([object() for _ in range(4000)])
    time.sleep(0.5)
