"""Jobs on a cluster: Dask distributed (extra ``cluster``). Scenarios and machines travel, rows return.

A point of a worker that is lost is run again by the scheduler. A worker must have the same program, file by file, as
the process that asks: another may give other rows.
"""

from __future__ import annotations

import logging
import re
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from memtwin.errors import MemtwinError, NotBuiltError, UsageError
from memtwin.sweep.cache import program
from memtwin.sweep.job import Row, row

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memtwin.sweep.subject import Job

ANSWER_S: Final = 10
"""How long a scheduler, and its first worker, are waited for."""
RETRIES: Final = 3
_ADDRESS: Final = re.compile(r"(tcp|tls)://[^\s/]+:[0-9]{1,5}")
_one_at_a_time = threading.Lock()
"""A worker with several threads runs one job at a time: the model keeps a process to itself."""


def check(address: str) -> None:
    """Raise an error for what is no address of a scheduler, or without Dask."""
    if not _ADDRESS.fullmatch(address):
        raise UsageError(f"--scheduler {address}: expected tcp://HOST:PORT", hint="dask scheduler prints its address")
    if find_spec("distributed") is None:
        raise NotBuiltError("--scheduler needs Dask distributed", hint="pip install 'memtwin[cluster]'")


def run(jobs: Sequence[Job], keep: Callable[[int, Row], None], address: str) -> None:
    """Run every job on the cluster of the scheduler at *address*, and hand each row to *keep* as it comes.

    Raise MemtwinError where the scheduler does not answer, has no worker, or loses a point again and again.
    """
    check(address)
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    import distributed

    cluster: Any = distributed  # without types
    try:
        client = cluster.Client(address, timeout=ANSWER_S)
    except (OSError, ValueError) as problem:
        raise MemtwinError(f"--scheduler {address} does not answer: {problem}") from None
    try:
        _gather(client, address, jobs, keep)
    finally:
        client.close()


def _gather(client: Any, address: str, jobs: Sequence[Job], keep: Callable[[int, Row], None]) -> None:
    import distributed

    cluster: Any = distributed
    try:
        client.wait_for_workers(1, timeout=ANSWER_S)
    except TimeoutError:
        raise MemtwinError(f"--scheduler {address} has no worker", hint=f"dask worker {address}") from None
    boot = client.submit(_held, jobs[0].boot, pure=False)  # once for all jobs; made again if its worker is lost
    futures = {
        client.submit(_row, one._replace(boot=None), boot, program(), pure=False, retries=RETRIES): number
        for number, one in enumerate(jobs)
    }
    for future in cluster.as_completed(futures):
        lost = future.exception()
        if lost is not None:
            client.cancel(list(futures))
            raise _lost(futures[future], lost)
        keep(futures[future], Row(*future.result()))


def _lost(number: int, problem: BaseException) -> BaseException:
    if isinstance(problem, MemtwinError):
        return problem
    return MemtwinError(f"point {number} was lost on the cluster: {type(problem).__name__}: {problem}")


def _held(boot: bytes | None) -> bytes | None:
    return boot


def _row(one: Job, boot: bytes | None, asked: bytes) -> tuple[object, ...]:
    """Be a task of a worker."""
    if program() != asked:
        raise MemtwinError("a worker of the cluster has another program", hint="install the same memtwin everywhere")
    with _one_at_a_time:
        return tuple(row(one._replace(boot=boot)))
