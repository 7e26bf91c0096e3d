"""The program's entry points that the fingerprint needs, in one place: the only file to edit when they move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from memtwin.render import terminal
from memtwin.run import run
from memtwin.scenario import load
from memtwin.sources.recording import Recording
from memtwin.story import screen, story

if TYPE_CHECKING:
    from pathlib import Path


def run_texts(path: Path) -> tuple[dict[str, str], str]:
    """Return every file that a run of *path* leaves, and its story; *path*: a recording's directory or a scenario."""
    if path.is_dir():
        recording = Recording(min(path.glob("run*.tar.xz")))
        scenario, boot = recording.scenario(), recording.at("boot")
    else:
        scenario, boot = load(str(path)), None
    try:
        done = run.simulate(scenario, boot)
    except Exception as problem:
        return {"refused": f"{type(problem).__name__}: {problem}".replace(str(path.parent), "")}, ""
    files = dict(done.files())
    files["run.json"] = msgspec.json.encode(done.meta()).decode()
    files["samples"] = "\n".join(repr(sample) for sample in done.samples)
    files["notes"] = "\n".join(done.machine.notes).replace(str(path.parent), "")
    return files, "\n".join([*story.tell(done), terminal.show(screen.view(done, terminal.PLAIN))]).replace(
        f"{path.parent}/", ""
    )


def checkpoints(run: str) -> tuple[str, ...]:
    """Return the labels of a recording's checkpoints, ``boot`` first."""
    return tuple(Recording(run).checkpoints)
