"""Compile every module of ``memtwin.linux`` from Python syntax with typed headers (.pxd).

``MEMTWIN_CORE`` says whether it is compiled at all (``packaging/backend.py``). ``MEMTWIN_DEBUG=1`` makes the debug
build: assertions, overflow checks and the address sanitizer.
"""

import os
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, Extension, setup
from setuptools.command.build_ext import build_ext

sys.path.insert(0, str(Path(__file__).parent / "packaging"))
from backend import wants_core

DEBUG = os.environ.get("MEMTWIN_DEBUG") == "1"
JOBS = os.cpu_count() or 1
PURE = {"linux/core/vmstat.py", "linux/features.py", "linux/kernel/sysctl.py", "linux/records.py"}
"""Tables and records in plain Python."""
COMPILE = ["-O1", "-g", "-fsanitize=address", "-fno-omit-frame-pointer"] if DEBUG else ["-O3", "-g0"]
QUIET = ["-Wno-unused-function", "-Wno-unreachable-code", "-Wno-sign-compare"]
LINK = ["-fsanitize=address"] if DEBUG else ["-Wl,-s"]

LIMITED_API = "0x030b0000"
"""What CPython has kept since 3.11: compiled by one version, run by all later ones, at 0.5 % more instructions."""
SHARED = "memtwin.linux._cyutility"
"""What every module needs of Cython, compiled once: a sixth of the time."""


STEP = 12
"""Modules between two lines that say how far it is; pip shows them with -v, make always."""


def modules() -> list[Extension]:
    """Return the extension modules, translated to C."""
    from Cython.Build import cythonize

    for other in (*Path("src").rglob("*.cpython-*.so"), *Path("build").rglob("*.cpython-*.so")):
        other.unlink()  # of one version of Python, which would be imported in the place of what is made here
    options = {
        "extra_compile_args": COMPILE + QUIET,
        "extra_link_args": LINK,
        "define_macros": [
            ("Py_LIMITED_API", LIMITED_API),
            ("MEMTWIN_DEBUG", "1") if DEBUG else ("CYTHON_WITHOUT_ASSERTIONS", "1"),
        ],
        "py_limited_api": True,
    }
    sources = [
        path
        for path in sorted(Path("src/memtwin/linux").rglob("*.py"))
        if path.relative_to("src/memtwin").as_posix() not in PURE and path.stem != "__init__"
    ]
    names = [".".join(path.with_suffix("").parts[1:]) for path in sources]
    python = [Extension(name, [str(path)], **options) for name, path in zip(names, sources, strict=True)]
    python.append(Extension(SHARED, [f"src/{SHARED.replace('.', '/')}.c"], **options))
    translated: list[Extension] = []
    while len(translated) < len(python):
        translated += cythonize(
            python[len(translated) : len(translated) + STEP],
            shared_utility_qualified_name=SHARED,
            nthreads=JOBS,
            quiet=True,
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
        )
        print(f"  {len(translated)} of {len(python)} modules translated to C", flush=True)
    return translated


class Compile(build_ext):
    """The compiler, which says how far it is."""

    done = 0

    def build_extension(self, ext: Extension) -> None:
        """Compile a module."""
        super().build_extension(ext)
        self.done += 1
        if self.done % STEP == 0 or self.done == len(self.extensions):
            print(f"  {self.done} of {len(self.extensions)} modules compiled", flush=True)


class InstallShares(Distribution().get_command_class("install_data")):
    """Manual pages and completions: they are made of the commands when they are installed."""

    def run(self) -> None:
        """Write them, and install them below share/."""
        script = Path("packaging/shares.py")
        made = subprocess.run([sys.executable, str(script), "build/share"], check=True, capture_output=True, text=True)
        paths = [Path(line) for line in made.stdout.splitlines()]
        self.data_files = [(f"share/{path.parent}", [f"build/share/{path}"]) for path in paths]
        super().run()


setup(
    cmdclass={"install_data": InstallShares, "build_ext": Compile},
    data_files=[("share/man/man1", [])],  # what InstallShares fills
    ext_modules=modules() if wants_core() else [],
    options={"build_ext": {"parallel": JOBS}, "bdist_wheel": {"py_limited_api": "cp311"}},
)
