"""Counters over time as a Perfetto trace: TracePackets of protobuf, as ui.perfetto.dev and trace_processor read them.

The numbers of fields are those of protos/perfetto/trace in the Perfetto project. A packet is whole by itself, so that a
file that is cut off can be read up to there.

>>> list(varint(300)), field(1, 150).hex(), field(2, b"ab").hex()
([172, 2], '089601', '12026162')
"""

from __future__ import annotations

import struct
from typing import Final

_PACKET: Final = 1
_TIMESTAMP, _CLOCKS, _SEQUENCE, _EVENT, _FLAGS, _CLOCK_ID, _TRACK = 8, 6, 10, 11, 13, 58, 60
_REALTIME, _BOOTTIME = 1, 6
_COUNTER_EVENT: Final = 4
_UNITS: Final = {"us": 0, "count": 2, "bytes": 3, "pages": 0}
_OUR_SEQUENCE: Final = 1
_CLEARED: Final = 1
"""SEQ_INCREMENTAL_STATE_CLEARED: nothing before this packet is needed to read it."""


def varint(value: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first; negative ones as 64 bits."""
    value &= (1 << 64) - 1
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def field(number: int, value: bytes | str | float) -> bytes:
    """Return one field of a message: a number, a double, or a string or message of so many bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    data = value.encode(errors="replace") if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


class Packets:
    """The packets of a trace, in order; tracks have the numbers that :meth:`process` and :meth:`counter` return."""

    def __init__(self) -> None:
        self._tracks = 0

    def clocks(self, boot_ns: int, unix_ns: int) -> bytes:
        """Say which time of day a time since boot was."""
        pair = b"".join(
            field(1, field(1, clock) + field(2, at)) for clock, at in ((_BOOTTIME, boot_ns), (_REALTIME, unix_ns))
        )
        return self._packet(field(_TIMESTAMP, boot_ns) + field(_CLOCKS, pair) + field(_FLAGS, _CLEARED))

    def process(self, pid: int, name: str) -> tuple[int, bytes]:
        """Return the number of a process's track, and the packet that describes it."""
        self._tracks += 1
        described = field(1, self._tracks) + field(3, field(1, pid) + field(6, name))
        return self._tracks, self._packet(field(_TRACK, described))

    def counter(self, name: str, unit: str, parent: int | None = None) -> tuple[int, bytes]:
        """Return the number of a counter's track, below *parent*, and the packet that describes it."""
        self._tracks += 1
        counter = field(3, _UNITS[unit]) if _UNITS[unit] else field(6, unit)
        described = field(1, self._tracks) + field(2, name) + field(8, counter)
        if parent is not None:
            described += field(5, parent)
        return self._tracks, self._packet(field(_TRACK, described))

    def value(self, track: int, boot_ns: int, value: float) -> bytes:
        """Return the packet that says what a counter was."""
        event = field(9, _COUNTER_EVENT) + field(11, track) + field(44 if isinstance(value, float) else 30, value)
        return self._packet(field(_TIMESTAMP, boot_ns) + field(_CLOCK_ID, _BOOTTIME) + field(_EVENT, event))

    def _packet(self, body: bytes) -> bytes:
        return field(_PACKET, body + field(_SEQUENCE, _OUR_SEQUENCE))
