"""Compile every module of ``memtwin.linux`` from Python syntax with typed headers (.pxd).

``MEMTWIN_DEBUG=1`` makes the debug build: assertions, overflow checks and the address sanitizer.
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("MEMTWIN_DEBUG") == "1"
JOBS = os.cpu_count() or 1
PURE = {"linux/core/vmstat.py", "linux/kernel/sysctl.py", "linux/records.py"}
"""Tables and records in plain Python."""
COMPILE = ["-O1", "-g", "-fsanitize=address", "-fno-omit-frame-pointer"] if DEBUG else ["-O2", "-g0"]
QUIET = ["-Wno-unused-function", "-Wno-unreachable-code", "-Wno-sign-compare"]
LINK = ["-fsanitize=address"] if DEBUG else ["-Wl,-s"]

SHARED = "memtwin.linux._cyutility"
"""What every module needs of Cython, compiled once: a sixth of the time."""
OPTIONS = {
    "extra_compile_args": COMPILE + QUIET,
    "extra_link_args": LINK,
    "define_macros": [("MEMTWIN_DEBUG", "1")] if DEBUG else [("CYTHON_WITHOUT_ASSERTIONS", "1")],
}
SOURCES = [
    path
    for path in sorted(Path("src/memtwin/linux").rglob("*.py"))
    if path.relative_to("src/memtwin").as_posix() not in PURE and path.stem != "__init__"
]

setup(
    ext_modules=cythonize(
        [
            *(Extension(".".join(path.with_suffix("").parts[1:]), [str(path)], **OPTIONS) for path in SOURCES),
            Extension(SHARED, [f"src/{SHARED.replace('.', '/')}.c"], **OPTIONS),
        ],
        shared_utility_qualified_name=SHARED,
        nthreads=JOBS,
        build_dir="build/debug-c" if DEBUG else "build/c",
        compiler_directives={
            "language_level": 3,
            "cdivision": True,
            "boundscheck": False,
            "wraparound": False,
            "initializedcheck": False,
            "embedsignature": True,
            "warn.undeclared": False,
            "overflowcheck": False,
        },
    ),
    options={"build_ext": {"parallel": JOBS}},
)
