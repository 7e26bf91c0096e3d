"""A program that runs with another machine's /proc and /sys, in a mount namespace that nothing outside sees.

It takes root, or a kernel that lets users have namespaces of their own (what ``unshare -rm`` asks for). All of it is
read-only, the host's files that are linked to as well.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from memtwin.errors import MemtwinError
from memtwin.sources.laid_out import HOST, beside, lay_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from memtwin.sources.source import Source

NOT_FOUND: Final = 127
NOT_EXECUTABLE: Final = 126
FAILED: Final = 1
"""Exit codes, as a shell has them, where the program did not run."""
_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWUSER: Final = 0x10000000
_MS_RDONLY: Final = 1
_MS_NOSUID: Final = 2
_MS_NODEV: Final = 4
_MS_NOEXEC: Final = 8
_MS_REMOUNT: Final = 32
_MS_BIND: Final = 4096
_MS_REC: Final = 16384
_MS_PRIVATE: Final = 1 << 18
_SHARED_FLAGS: Final = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
_HINT: Final = "root may, and users where user namespaces are allowed (sysctl kernel.unprivileged_userns_clone)"
_SIGNALED: Final = 128
_MESSAGE_BYTES: Final = 4096


class NamespaceError(MemtwinError):
    """The kernel or a container's policy, does not let this process have a namespace."""


def run(source: Source, words: Sequence[str], newest: Callable[[], Source] | None = None) -> int:
    """Run the program *words* with the files of *source* as its /proc and /sys; return its exit code.

    With *newest*, which returns the machine as it is when it is asked, the files are those of a machine that runs.

    127 if there is no such program, 126 if it may not be run, 128 and the signal that ended it. Raise NamespaceError
    where there can be no namespace.
    """
    stage = tempfile.mkdtemp(prefix="memtwin-")
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    try:
        child = os.fork()
        if child == 0:
            os.close(read_end)
            _become(source, stage, words, write_end, newest)
        os.close(write_end)
        return _outcome(child, read_end)
    finally:
        os.close(read_end)
        shutil.rmtree(stage, ignore_errors=True)  # empty: what was mounted there is the child's alone


def _outcome(child: int, read_end: int) -> int:
    """Wait for *child*; raise what it could not do, if it says so. An interrupt and a quit are for the program."""
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        said = os.read(read_end, _MESSAGE_BYTES).decode(errors="replace")
        _, status = os.waitpid(child, 0)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if said:
        raise NamespaceError(said, hint=_HINT)
    code = os.waitstatus_to_exitcode(status)
    return _SIGNALED - code if code < 0 else code


def _become(
    source: Source, stage: str, words: Sequence[str], write_end: int, newest: Callable[[], Source] | None
) -> None:  # fmt: skip
    """Turn this process, a child, into the program; never return."""
    code = FAILED
    try:
        _enter(source, stage, newest)
        os.execvp(words[0], list(words))  # noqa: S606 - what was asked for
    except FileNotFoundError as problem:
        code = _said(words[0], problem, NOT_FOUND)
    except (MemtwinError, OSError) as problem:
        if isinstance(problem, OSError) and problem.filename is None:
            code = _said(words[0], problem, NOT_EXECUTABLE)
        else:
            os.write(write_end, str(problem).encode()[:_MESSAGE_BYTES])
    finally:
        os._exit(code)


def _said(name: str, problem: OSError, code: int) -> int:
    os.write(2, f"memtwin: {name}: {problem.strerror}\n".encode(errors="backslashreplace"))
    return code


def _enter(source: Source, stage: str, newest: Callable[[], Source] | None) -> None:
    """Make the namespace and put the files of *source* over /proc and /sys in it."""
    uid, gid = os.geteuid(), os.getegid()
    _call("unshare", _CLONE_NEWNS | (_CLONE_NEWUSER if uid else 0))
    if uid:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            Path(f"/proc/self/{name}").write_text(text)
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    _mount("memtwin", stage, "tmpfs", _MS_NOSUID | _MS_NODEV)
    lay_out(source, Path(stage), os.getpid())
    if newest is not None:
        from memtwin.sources.mounted import Tree, serve_aside

        links, folders = beside(Path(stage))
        serve_aside(Tree(newest, links, folders), stage)
    below = _MS_REC if uid else 0  # a user may not bind a part without what is mounted below it
    for top in ("proc", "sys"):
        _mount(f"/{top}", f"{stage}/{top}/{HOST}", None, _MS_BIND | below)
        _read_only(f"{stage}/{top}/{HOST}")
    for top in ("sys", "proc"):
        _mount(f"{stage}/{top}", f"/{top}", None, _MS_BIND | _MS_REC)
        _read_only(f"/{top}")


def _read_only(where: str) -> None:
    """Make the mount at *where* read-only, with the flags that it has: a user may not take those away."""
    kept = os.statvfs(where).f_flag & _SHARED_FLAGS
    _mount("none", where, None, _MS_REMOUNT | _MS_BIND | _MS_RDONLY | kept)


def _mount(what: str, where: str, kind: str | None, flags: int) -> None:
    _call("mount", what.encode(), where.encode(), kind.encode() if kind else None, flags, None)


def _call(name: str, *arguments: object) -> None:
    """Call libc's *name*: Python 3.11 has neither."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*(ctypes.c_ulong(one) if isinstance(one, int) else one for one in arguments)) != 0:
        number = ctypes.get_errno()
        reason = "not permitted here" if number in {errno.EPERM, errno.EACCES} else os.strerror(number)
        raise NamespaceError(f"a mount namespace cannot be made: {name}: {reason}")
