"""A worker as another process sees it: what it is asked over a socket, and its machine as a source."""

from __future__ import annotations

import shutil
import tempfile
from multiprocessing.connection import Listener
from typing import TYPE_CHECKING, Any, Self

from memtwin.replay.worker import Position, begin
from memtwin.sources.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

    from memtwin.machine.machine import Machine
    from memtwin.scenario import Scenario
    from memtwin.sources.figures import Condition
    from memtwin.sources.frame_map import FrameMap

_ENDLESS: int = 1 << 60


class Nursery:
    """Where workers connect: a socket in a directory that this user alone may enter."""

    def __init__(self) -> None:
        self._where = tempfile.mkdtemp(prefix="memtwin-")
        self.address = f"{self._where}/workers"
        self._listener = Listener(self.address, "AF_UNIX", backlog=16)

    def begin(self, scenario: Scenario, make: Callable[[], Machine]) -> Remote:
        """Start a worker; raise what keeps its machine from being made."""
        begin(scenario, make, self.address)
        remote = Remote(self._listener.accept(), self)
        remote.state = remote.ask("state")
        return remote

    def accept(self) -> Connection[Any, Any]:
        """Return the connection of a worker that was forked."""
        return self._listener.accept()

    def close(self) -> None:
        """Let no more connect."""
        self._listener.close()
        shutil.rmtree(self._where, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()


class Remote:
    """One worker: *state* is where it stands. When it is closed, its process ends."""

    def __init__(self, connection: Connection[Any, Any], nursery: Nursery) -> None:
        self._connection, self._nursery = connection, nursery
        self.state = Position(0, 0, 0, between=True, is_over=False)

    def ask(self, name: str, *arguments: object) -> Any:
        """Return the answer to a request; raise it if it is an error."""
        self._connection.send((name, *arguments))
        found = self._connection.recv()
        if isinstance(found, BaseException):
            raise found
        return found

    def go(self, samples: int = _ENDLESS, until: Condition | None = None, seconds: float = float("inf")) -> bool:
        """Run until *samples* are taken, *until* comes true, or for *seconds* of CPU; return whether it came true."""
        self.state, met = self.ask("go", samples, until, seconds)
        return bool(met)

    def fork(self) -> Remote:
        """Return another worker of the same moment."""
        self.ask("fork")
        other = Remote(self._nursery.accept(), self._nursery)
        other._connection.recv()
        other.state = self.state
        return other

    def close(self) -> None:
        """End the worker."""
        self._connection.close()


class RemoteMachine(Source):
    """The machine of a worker at the moment at which it stands: a file is asked for once."""

    def __init__(self, remote: Remote, name: str) -> None:
        super().__init__(name)
        self._remote = remote
        self._files: dict[str, bytes | None] = {}
        self._names: dict[str, list[str]] = {}

    def names(self, path: str = "") -> list[str]:
        """Return the sorted names of what lies directly under the directory *path*."""
        if path not in self._names:
            self._names[path] = self._remote.ask("names", path)
        return self._names[path]

    def frame_map(self, order: int) -> FrameMap | None:
        """Return what every frame is used for."""
        found: FrameMap = self._remote.ask("frame_map", order)
        return found

    def _bytes(self, path: str) -> bytes:
        if path not in self._files:
            self._files[path] = self._remote.ask("read", path)
        found = self._files[path]
        if found is None:
            raise FileNotFoundError(path)
        return found
