"""A server that a Prometheus scrapes: ``GET /metrics`` is the source's exposition at that moment."""

from __future__ import annotations

import ipaddress
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final

from memtwin.errors import MemtwinError, UsageError
from memtwin.render import openmetrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from memtwin.render.openmetrics import Metric

_PATIENCE_S: Final = 10.0
"""How long a client may take to ask."""
_PORTS: Final = 65536
_PLAIN: Final = "text/plain; charset=utf-8"
_HINT: Final = "an address and a port, as 127.0.0.1:9435 or [::1]:9435; port 0 takes a free one"


class Server(ThreadingHTTPServer):
    """Serves what *collect* returns at each request, on *listen*, ``ADDRESS:PORT``."""

    daemon_threads = True

    def __init__(self, listen: str, collect: Callable[[], Iterable[Metric]]) -> None:
        self.collect = collect
        address, port = parsed(listen)
        self.is_loopback = address.is_loopback
        self.address_family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        try:
            super().__init__((str(address), port), _Handler)
        except OSError as problem:
            raise UsageError(f"cannot listen on {listen}: {problem.strerror}", hint=_HINT) from None

    @property
    def url(self) -> str:
        """Where the metrics are."""
        host, port = self.server_address[:2]
        shown = f"[{host!s}]" if self.address_family == socket.AF_INET6 else str(host)
        return f"http://{shown}:{port}/metrics"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away."""
        del request, client_address


def parsed(listen: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]:
    """Return the address and the port that *listen* names; raise UsageError.

    >>> parsed("[::1]:9435")
    (IPv6Address('::1'), 9435)
    """
    host, colon, port = listen.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise UsageError(f"--listen {listen}: no address", hint=_HINT) from None
    if not colon or not port.isascii() or not port.isdecimal() or int(port) >= _PORTS:
        raise UsageError(f"--listen {listen}: no port", hint=_HINT)
    return address, int(port)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = _PATIENCE_S
    server_version = "memtwin"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        code, kind, text = self._answer()
        data = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_HEAD = do_GET  # noqa: N815 - as above

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server has
        """Log nothing."""

    def _answer(self) -> tuple[int, str, str]:
        if self.server.is_loopback and not _is_local(self.headers.get("Host", "")):
            return 403, _PLAIN, "this server answers to its own address alone\n"  # a page in a browser asks for another
        if self.path.partition("?")[0] != "/metrics":
            return 404, _PLAIN, "the metrics are at /metrics\n"
        try:
            return 200, openmetrics.CONTENT_TYPE, openmetrics.text(self.server.collect())
        except MemtwinError as problem:
            return 503, _PLAIN, f"{problem}\n"


def _is_local(host: str) -> bool:
    """Whether a Host header is an address or localhost, or absent: no name that was made to lead here."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return name in {"", "localhost"}
    return True
