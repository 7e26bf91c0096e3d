"""Remembers everything under a new key."""

import time

seen = {}
while True:
    for _ in range(300):
        seen[len(seen)] = str(len(seen)) * 20
    time.sleep(0.3)
