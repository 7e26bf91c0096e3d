"""A model that runs by the clock on the wall: asked for its machine, it has come as far as time has gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from memtwin.replay.remote import Nursery, RemoteMachine

if TYPE_CHECKING:
    from collections.abc import Callable

    from memtwin.machine.machine import Machine
    from memtwin.scenario import Scenario


class RunningMachine:
    """A run of *scenario*, *speed* simulated seconds a second; it begins when it is first asked for."""

    def __init__(self, scenario: Scenario, make: Callable[[], Machine], speed: float = 1.0) -> None:
        self.nursery, self.speed = Nursery(), speed
        try:
            self.worker = self.nursery.begin(scenario, make)
        except BaseException:
            self.nursery.close()
            raise
        self._begun: float | None = None
        self._begun_ns = self.worker.state.time_ns
        self._source = RemoteMachine(self.worker, "twin")

    def newest(self) -> RemoteMachine:
        """Return the machine as it is now: at the first sample that time has not passed; at the end as it was left."""
        now = time.monotonic()
        if self._begun is None:
            self._begun = now
        wanted_ns = self._begun_ns + int((now - self._begun) * self.speed * 1e9)
        before = self.worker.state.samples
        while self.worker.state.time_ns < wanted_ns and not self.worker.state.is_over:
            self.worker.go(self.worker.state.samples + 1)
        if self.worker.state.samples != before:
            self._source = RemoteMachine(self.worker, "twin")
        return self._source

    def close(self) -> None:
        """End the run."""
        self.worker.close()
        self.nursery.close()
