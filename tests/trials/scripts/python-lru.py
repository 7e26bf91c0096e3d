"""A cache that fills and stays."""

import functools
import random
import time


@functools.lru_cache(4000)
def page(_number: int) -> str:
    return "x" * 4000


while True:
    for _ in range(60):
        page(random.randrange(10**6))
    time.sleep(0.2)
