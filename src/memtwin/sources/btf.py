"""At which offsets members of the kernel's structs are: its own description of its types, /sys/kernel/btf/vmlinux.

The format: Documentation/bpf/btf.rst. Offsets move with every build of a kernel, so that they are read, not known.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from memtwin.errors import InputError

PATH: Final = "sys/kernel/btf/vmlinux"
_MAGIC: Final = 0xEB9F
_HEAD: Final = struct.Struct("<HBBIIIII")
_TYPE: Final = struct.Struct("<III")
_STRUCT, _UNION, _ENUM, _PROTO, _DATASEC, _ENUM64, _ARRAY = 4, 5, 6, 13, 15, 19, 3
_MEMBER: Final = 12
_EXTRA: Final = {1: 4, _ARRAY: 12, 14: 4, 17: 4}
"""Bytes after the head of a type, by kind; and for each member, below."""
_EACH: Final = {_STRUCT: _MEMBER, _UNION: _MEMBER, _ENUM: 8, _PROTO: 8, _DATASEC: 12, _ENUM64: 12}


class _Type(NamedTuple):
    at: int
    kind: int
    members: int
    is_packed: bool
    """Whether a member's offset shares its word with the width of a bit field."""


class Types:
    """The types of a kernel; *data* is the file. InputError: it is none."""

    def __init__(self, data: bytes) -> None:
        if len(data) < _HEAD.size or _HEAD.unpack_from(data)[0] != _MAGIC:
            raise InputError(f"{PATH}: no description of types (BTF)")
        head = _HEAD.unpack_from(data)
        length, types, types_length, names = head[3], head[4], head[5], head[6]
        self._data, self._names = data, length + names
        self._types = [_Type(0, 0, 0, is_packed=False)]
        self._structs: dict[bytes, _Type] = {}
        at, end = length + types, length + types + types_length
        while at < end:
            name, info, _ = _TYPE.unpack_from(data, at)
            kind, members = info >> 24 & 0x1F, info & 0xFFFF
            one = _Type(at, kind, members, bool(info >> 31))
            self._types.append(one)
            if kind == _STRUCT and name:
                self._structs[self._name(name)] = one
            at += _TYPE.size + _EXTRA.get(kind, 0) + _EACH.get(kind, 0) * members

    def offset(self, struct_name: str, member: str) -> int:
        """Return where a member of a struct is, in bytes, also one of an unnamed struct within it."""
        found = self._structs.get(struct_name.encode())
        offset = None if found is None else self._within(found, member.encode())
        if offset is None:
            raise InputError(f"{PATH}: struct {struct_name} has no {member}")
        return offset

    def _within(self, one: _Type, member: bytes) -> int | None:
        for number in range(one.members):
            name, type_, bits = _TYPE.unpack_from(self._data, one.at + _TYPE.size + _MEMBER * number)
            offset: int = (bits & 0xFFFFFF if one.is_packed else bits) // 8
            if name and self._name(name) == member:
                return offset
            inner = self._types[type_]
            if (not name or not self._name(name)) and inner.kind in {_STRUCT, _UNION}:
                within = self._within(inner, member)
                if within is not None:
                    return offset + within
        return None

    def _name(self, at: int) -> bytes:
        begin = self._names + at
        return self._data[begin : self._data.index(b"\0", begin)]
