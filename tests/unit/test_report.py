"""Is a report's page what the files hold, whole by itself, readable without a mouse, and safe whatever a name is?"""

from __future__ import annotations

import html
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from browser import Browser
from test_learn_html import Tags
from workloads import SWAPPING

from memtwin import cli
from memtwin.procfs import meminfo
from memtwin.render import png
from memtwin.report import page, timeline
from memtwin.report.gather import gather
from memtwin.run import run
from memtwin.scenario import parse
from memtwin.sources.frame_map import FILE, kept
from memtwin.sources.recording import Recording
from memtwin.sources.source import DirectorySource, load
from memtwin.story import time_line

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDINGS = Path(__file__).parents[1] / "recordings"
REAL = RECORDINGS / "35-zram-then-disk-small" / "run1.tar.xz"
AXE = Path(__file__).parents[2] / "build" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
HOSTILE = "</title><img src=x onerror=evil()>\u202e"


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's directory, its time line as CSV."""
    out = tmp_path_factory.mktemp("report") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "pyarrow", None)
        run.simulate(parse(SWAPPING), None).write(out)
    return out


@pytest.fixture(scope="module")
def written(left: Path) -> Path:
    """Its page."""
    target = left.parent / "page.html"
    assert cli.main(["report", str(left), "-o", str(target)]) == 0
    return target


def is_whole(text: str) -> None:
    """Check that every element is closed, and that nothing is loaded."""
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert not {name for name in tags.attributes if name.startswith("on")}
    assert all(link.startswith("data:image/png;base64,") for link in tags.links)
    assert "default-src &#x27;none&#x27;" in text


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Call it with what it must refuse; nothing is printed but why."""
    assert cli.main(["report", *words]) in {1, 2}
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert "bug of memtwin" not in err
    return err


def test_a_page_says_first_what_happened_and_then_shows_it(written: Path) -> None:
    text = written.read_text()
    is_whole(text)
    first = text.index("No process was killed for lack of memory.")
    assert first < text.index("<svg")
    assert "had at most" in text
    assert text.count("<figure>") == text.count("The figures of this picture") == 1 + 2 * 7 + 6  # no process at boot
    for title in ("RAM, swap, faults", "RAM by kind", "The map of memory", "watermarks", "Free blocks", "Processes"):
        assert title in text


def test_the_time_line_is_the_runs_own(left: Path) -> None:
    """The directory and the run in memory give the same course, but for when reclaim began within a sample."""
    done = time_line.course(run.simulate(parse(SWAPPING), None))
    found = gather(str(left)).course
    assert found is not None
    assert found.times_ns == done.times_ns
    assert found.is_idle == done.is_idle
    assert found.areas == done.areas
    assert found.labels == done.labels
    by_name = {part.name: part.kib for part in found.parts}
    assert by_name == {part.name: part.kib for part in done.parts}
    assert [event.letter for event in found.events if event.letter in "FXE"] == [
        event.letter for event in done.events if event.letter in "FXE"
    ]


def test_the_parts_of_ram_add_up_in_every_sample(left: Path) -> None:
    for spec in (str(left), str(REAL)):
        course = gather(spec).course
        assert course is not None
        for number in range(len(course.times_ns)):
            assert sum(part.kib[number] for part in course.parts) == course.total_kib


def test_a_checkpoints_figures_are_its_files(left: Path) -> None:
    found = gather(str(left))
    assert [moment.label for moment in found.moments] == ["boot", "before", "after"]
    last = found.moments[-1]
    source = Recording(left).at("after")
    assert last.memory is not None
    assert last.memory == load(source, meminfo)
    assert last.tasks is not None
    (task,) = last.tasks
    assert task.name == "A"
    assert f"VmSwap:\t{task.swap_kib:>8} kB" in (source.read("workers/A/status") or "")
    assert last.frames is not None
    assert last.blocks is not None
    assert last.frames.frames("free") + last.frames.frames("per-cpu") >= sum(z.free_pages for z in last.blocks.zones)


def test_a_damaged_map_is_no_map(left: Path, tmp_path: Path) -> None:
    whole = json.loads((left / "after" / FILE).read_text())
    for damaged in ("", "[]", "{}", json.dumps(whole | {"classes": []}), json.dumps(whole | {"order": "x"}),
                    json.dumps(whole | {"zones": [whole["zones"][0] | {"use": "AAAA"}]})):  # fmt: skip
        (tmp_path / FILE).write_text(damaged)
        assert kept(DirectorySource(tmp_path)) is None


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "profile") as one:
        yield one


def visible(selector: str, name: str) -> str:
    """Return what gives the data *name* of the elements that are not hidden."""
    return (
        f'[...document.querySelectorAll("{selector}")].filter(one => !one.hidden).map(one => one.dataset.{name}).join()'
    )


def test_in_a_browser_it_asks_for_nothing_and_moves_by_keys(written: Path, browser: Browser) -> None:
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        browser.open(written)
        assert browser.problems == []
        assert {request for request in browser.requests if not request.startswith("data:")} == {written.as_uri()}
        shown = visible("[data-moment]", "moment")
        assert browser.value(shown) == "2"
        browser.value("document.getElementById('moment').focus()")
        browser.press("Left")
        assert browser.value(shown) == "1"
        assert browser.value("document.getElementById('moment-said').textContent").startswith("before, at ")
        browser.value("document.getElementById('range-timeline').focus()")
        before = browser.value("document.getElementById('said-timeline').textContent")
        browser.press("End")
        after = browser.value("document.getElementById('said-timeline').textContent")
        assert before != after
        assert after.startswith("at 6")
        assert browser.value("document.activeElement.getAttribute('aria-valuetext')") == after
        maps = visible("[data-moment='1'] [data-map]", "map")
        assert browser.value(maps) == "use"
        browser.value("document.querySelector('input[name=map]').focus()")
        browser.press("Down")
        assert browser.value(maps) == "free"
    paper = "getComputedStyle(document.body).backgroundColor"
    assert browser.value(paper) != "rgb(255, 255, 255)"
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.value(paper) == "rgb(255, 255, 255)"


def test_axe_finds_nothing_serious(written: Path, browser: Browser) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm install --prefix build/npm axe-core")
    for scheme in ("light", "dark"):
        browser.scheme(scheme)
        browser.open(written)
        browser.value(f"{AXE.read_text()};0")
        asked = "axe.run().then(found => JSON.stringify(found.violations.map(one => [one.impact, one.id])))"
        found = browser.call("Runtime.evaluate", expression=asked, awaitPromise=True, returnByValue=True)
        violations = json.loads(found["result"]["value"])
        assert [one for one in violations if one[0] in {"serious", "critical"}] == []


def test_a_name_that_is_markup_stays_text(tmp_path: Path, browser: Browser) -> None:
    """A process, a swap file and a directory may be called anything."""
    where = tmp_path / "a<b onclick=evil()>"
    for name in ("boot", "boot/proc/1"):
        (where / name).mkdir(parents=True, exist_ok=True)
    proc = where / "boot" / "proc"
    (proc / "meminfo").write_text("MemTotal:       1000 kB\nMemFree:         400 kB\nMemAvailable:    500 kB\n")
    path = "/" + HOSTILE.replace(" ", "\\040")
    (proc / "swaps").write_text(f"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n{path}  file\t\t100\t\t7\t\t-2\n")
    (proc / "1" / "status").write_text(
        f"Name:\t{HOSTILE}\nPid:\t1\nVmRSS:\t     100 kB\nRssFile:\t     40 kB\nVmSwap:\t       7 kB\n"
    )
    (proc / "1" / "comm").write_text(f"{HOSTILE}\n")
    target = tmp_path / "page.html"
    assert cli.main(["report", str(where / "boot"), "-o", str(target)]) == 0
    text = target.read_text()
    is_whole(text)
    tags = Tags()
    tags.feed(text)
    assert "img" not in tags.seen
    assert "\u202e" not in text
    browser.open(target)
    assert browser.problems == []
    assert HOSTILE[:-1] in browser.value("document.body.textContent")


def test_a_time_line_in_parquet_is_the_same(left: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    run.simulate(parse(SWAPPING), None).write(tmp_path / "out")
    assert (tmp_path / "out" / "timeline.parquet").exists()
    assert gather(str(tmp_path / "out")).course == gather(str(left)).course


def test_a_hundred_thousand_values_are_less_than_a_megabyte(left: Path, tmp_path: Path) -> None:
    """4,500 samples of 26 figures; the picture has no more points than columns."""
    import shutil

    where = tmp_path / "long"
    shutil.copytree(left, where)
    rows = (where / "timeline.csv").read_text().splitlines()
    names, first = rows[0].split(","), [int(cell) for cell in rows[1].split(",")]
    free = names.index("MemFree")
    lines = [rows[0]]
    for number in range(4500):
        row = [value + number * 1000 for value in first]
        row[free] = first[free] - number % 900 * 100
        lines.append(",".join(map(str, row)))
    (where / "timeline.csv").write_text("\n".join(lines) + "\n")
    found = gather(str(where))
    assert found.course is not None
    assert len(names) * len(found.course.times_ns) >= 10**5
    text = page.page(found)
    is_whole(text)
    assert len(text.encode()) < 1_000_000
    line = timeline.picture(found.course)
    assert line is not None
    assert line.steps is not None
    assert len(line.steps.x) < 500
    assert len(line.table.rows or ()) == 60


def test_a_recording_of_a_real_kernel_says_what_it_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(REAL)]) == 0
    text = capsys.readouterr().out
    is_whole(text)
    assert "Not in these files: a map of frames, which runs of the model and this host have." in text
    assert "20 operations on a real kernel, Linux 6.1.0" in text
    assert "zram0 is full" in text


def test_runs_of_one_scenario_are_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(REAL.parent)]) == 0
    assert "holds 3 runs of one scenario: this is run1.tar.xz" in capsys.readouterr().err


def test_a_trace_has_its_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = tmp_path / "host.trace"
    for _ in range(2):
        assert cli.main(["record", "-o", str(where), "-p", "1", "--every", "100ms", "--for", "200ms"]) == 0
    capsys.readouterr()
    assert cli.main(["report", str(where)]) == 0
    text = capsys.readouterr().out
    is_whole(text)
    assert "<h1>A trace: " in text
    assert re.search(r"\d samples of Linux", text)


@pytest.mark.parametrize("name", page.PICTURES)
def test_each_picture_is_a_file_of_its_own(name: str, left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["report", str(left), "--svg", name]) == 0
    text = capsys.readouterr().out
    root = ET.fromstring(text)
    assert root.get("aria-label")
    assert "<script" not in text
    assert "prefers-color-scheme: dark" in text


def test_a_picture_as_png(left: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "zones.png"
    try:
        import resvg_py  # noqa: F401
    except ImportError:
        assert "memtwin[png]" in refused(capsys, str(left), "--png", "zones", "-o", str(target))
        assert not target.exists()
        return
    assert cli.main(["report", str(left), "--png", "zones", "-o", str(target)]) == 0
    assert target.read_bytes().startswith(b"\x89PNG")


def test_an_indexed_png_is_one() -> None:
    import struct
    import zlib

    data = png.indexed(b"\1\0\1\1\0", 3, [(0, 0, 0), (255, 0, 0), (9, 9, 9)], transparent=2)
    assert data[12:16] == b"IHDR"
    assert struct.unpack(">II", data[16:24]) == (3, 2)
    packed = data[data.index(b"IDAT") + 4 : data.index(b"IEND") - 8]
    assert zlib.decompress(packed) == b"\0\1\0\1\0\1\0\2"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("absent",), "No such file"),
        (("live", "--svg", "timeline"), "has nothing for the picture timeline"),
        ((str(REAL) + "@end", "--svg", "frames"), "a map of frames"),
        (("live", "--svg", "x"), "'x' is not one of"),
        (("live", "--png", "zones", "--svg", "zones"), "one form at a time"),
        (("live", "-o", "/proc/x"), "/proc/x"),
        (("live", "-o", "/absent/x.html"), "/absent"),
        ((), "Missing argument"),
    ],
)
def test_what_is_wrong_is_refused(words: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert why in refused(capsys, *words)


@pytest.mark.parametrize("name", ["timeline.csv", "swap_areas.csv"])
@pytest.mark.parametrize("data", [b"a,b\nx\n", b"time_ns,x\n1,\xff\n", b"time_ns,a,b,c\n1,2,3\n", b"x\n1\n"])
def test_damaged_series_are_named(
    name: str, data: bytes, left: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    where = tmp_path / "damaged"
    shutil.copytree(left, where)
    (where / name).write_bytes(data)
    why = refused(capsys, str(where))
    assert name in why or "time line" in why


def test_a_run_of_an_earlier_program_says_what_it_lacks(
    left: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    where = tmp_path / "early"
    shutil.copytree(left, where)
    (where / "swap_areas.csv").unlink()
    for kept_map in where.rglob(FILE):
        kept_map.unlink()
    rows = [line.split(",")[:-3] for line in (where / "timeline.csv").read_text().splitlines()]
    (where / "timeline.csv").write_text("".join(f"{','.join(row)}\n" for row in rows))
    assert cli.main(["report", str(where)]) == 0
    text = capsys.readouterr().out
    is_whole(text)
    for what in ("a map of frames", "how long tasks waited for memory", "how full each swap area was over time"):
        assert what in text


def test_a_run_that_was_cut_off_is_refused(left: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import shutil

    where = tmp_path / "cut"
    shutil.copytree(left, where)
    (where / "ops.jsonl").unlink()
    assert "ops.jsonl is missing" in refused(capsys, str(where))


def test_a_moment_says_first_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """The findings of memtwin alone, in its order."""
    machine = str(Path(__file__).parents[1] / "machines" / "thrash")
    assert cli.main(["--root", machine, "--json"]) == 0
    facts = [one["fact"] for one in json.loads(capsys.readouterr().out)["data"]["findings"]]
    assert cli.main(["report", machine]) == 0
    items = re.findall(r"<li>(.*?)</li>", capsys.readouterr().out)
    assert facts
    assert [html.unescape(item).startswith(fact) for item, fact in zip(items, facts, strict=False)] == [True] * len(
        facts
    )


# --- a sweep


def swept(where: Path) -> dict[str, object]:
    """Leave a sweep of three sizes and two kinds of swap, one point refused; return what is in its file."""
    figures = [
        {"key": key, "title": key.upper(), "unit": unit, "meaning": "m", "better": "low"}
        for key, unit in (("oom_kills", "count"), ("stall_s", "s"), ("swap_out_bytes", "bytes"))
    ]
    sizes = [("1G", 1 << 30), ("2G", 2 << 30), ("3G", 3 << 30)]
    points = []
    for number, ((size, _), swap) in enumerate((size, swap) for size in sizes for swap in ("none", HOSTILE)):
        done = number != 1
        values = {"oom_kills": 0, "stall_s": 10.0 / (number + 1), "swap_out_bytes": 4096 * number} if done else {}
        points.append({
            "number": number, "values": {"machine.ram": size, "swap": swap}, "state": "done" if done else "refused",
            "reason": None if done else "no room", "rank": number + 1 if done else None,
            "meets_goal": number > 2 if done else None, "misses": [], "victims": [],
            "figures": values, "low": values, "high": {**values, "stall_s": 11.0} if done else {},
        })  # fmt: skip
    found: dict[str, object] = {
        "format": "memtwin sweep", "version": 1, "columns": figures, "points": points, "is_whole": True,
        "axes": [
            {"key": "machine.ram", "unit": "bytes", "values": [{"text": t, "number": n} for t, n in sizes]},
            {"key": "swap", "unit": "text", "values": [{"text": t, "number": None} for t in ("none", HOSTILE)]},
        ],
        "knees": [
            {"axis": "machine.ram", "figure": "stall_s", "where": {"swap": "none"}, "at": "2G"},
            {"axis": "machine.ram", "figure": "stall_s", "where": {"swap": HOSTILE}, "at": None},
        ],
        "recommendation": {"point": 4, "sentences": ["Six were compared."], "wrong_if": ["the moon is <b>full</b>"]},
    }  # fmt: skip
    where.mkdir(exist_ok=True)
    (where / "sweep.json").write_text(json.dumps(found))
    return found


def test_a_sweep_says_what_it_recommends_and_shows_the_curve(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], browser: Browser
) -> None:
    swept(tmp_path / "sweep")
    target = tmp_path / "page.html"
    assert cli.main(["report", str(tmp_path / "sweep"), "-o", str(target)]) == 0
    text = target.read_text()
    is_whole(text)
    tags = Tags()
    tags.feed(text)
    assert not {"img", "b", "script"} & set(tags.seen)
    assert text.index("Recommended: machine.ram=3G swap=none") < text.index("<svg")
    assert "knee: 2G" in text
    assert "no room" in text
    assert text.count("<circle") == 2 * 5
    browser.open(target)
    assert browser.problems == []
    capsys.readouterr()
    assert cli.main(["report", str(tmp_path / "sweep" / "sweep.json"), "--svg", "curve"]) == 0
    assert ET.fromstring(capsys.readouterr().out).get("aria-label") == "What it costs by machine.ram"
    assert "has nothing for the picture zones" in refused(capsys, str(tmp_path / "sweep"), "--svg", "zones")


@pytest.mark.parametrize("change", [
    {"format": "x"}, {"version": 2}, {"axes": 3}, {"points": [{}]}, {"columns": None}, {"recommendation": {}},
    {"recommendation": {"point": 99, "sentences": [], "wrong_if": []}},
])  # fmt: skip
def test_a_damaged_sweep_is_refused(
    change: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = swept(tmp_path / "sweep")
    (tmp_path / "sweep" / "sweep.json").write_text(json.dumps({**found, **change}))
    assert "sweep" in refused(capsys, str(tmp_path / "sweep"))
    (tmp_path / "sweep" / "sweep.json").write_text("{")
    assert "damaged" in refused(capsys, str(tmp_path / "sweep"))


def test_a_real_sweep_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.mem").write_text(SWAPPING)
    words = ["--vary", "machine.ram=192M,224M", "--jobs", "1", "--no-cache", "-o", str(tmp_path / "sweep")]
    assert cli.main(["whatif", str(tmp_path / "s.mem"), *words]) == 0
    capsys.readouterr()
    assert cli.main(["report", str(tmp_path / "sweep")]) == 0
    text = capsys.readouterr().out
    is_whole(text)
    assert "Recommended: machine.ram=192M" in text
    assert "2 points compared" in text


# --- two


def test_two_are_compared(left: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "larger"
    run.simulate(parse(SWAPPING.replace("192M", "256M")), None).write(other)
    assert cli.main(["compare", str(left), str(other), "-o", str(tmp_path / "both.html")]) == 0
    out, err = capsys.readouterr()
    assert out.count("RAM 1") + out.count("RAM 2") >= 2
    assert [line.split()[0] for line in out.splitlines()[-3:]] == ["boot", "before", "after"]
    assert "both.html: a page" in err
    text = (tmp_path / "both.html").read_text()
    is_whole(text)
    assert text.count("<svg") == 2
    assert cli.main(["compare", str(left), str(other), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    for row in data["figures"]:
        assert row["change"] == row["second"] - row["first"]
    assert next(row for row in data["figures"] if row["figure"] == "ram")["change"] > 60 << 20
    swapped = next(row for row in data["figures"] if row["figure"] == "most_swapped")["first"]
    assert swapped > 32 << 20
    assert re.search(rf"most swap in use +{swapped / (1 << 20):.1f}M +", out)
    assert cli.main(["compare", str(left), str(other), "--csv"]) == 0
    assert capsys.readouterr().out.startswith("figure,unit,first,second,change\n")


def test_a_run_is_compared_with_the_real_kernel(capsys: pytest.CaptureFixture[str]) -> None:
    runs = [str(RECORDINGS / "35-zram-then-disk-small" / f"run{number}.tar.xz") for number in (1, 2)]
    assert cli.main(["compare", *runs]) == 0
    out = capsys.readouterr().out
    assert "major faults" in out
    assert "refilled" in out


def test_the_same_is_the_same(left: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", str(left), str(left)]) == 0
    assert "All figures are the same." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("live", "live"), "memtwin diff compares two moments"),
        (("LEFT", "absent"), "No such file"),
        (("LEFT", "LEFT", "--openmetrics"), "no metrics"),
        (("LEFT", "LEFT", "--csv", "-o", "x.html"), "writes a page"),
        (("LEFT", "LEFT", "-o", "/absent/x.html"), "/absent"),
        (("LEFT",), "Missing argument"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    words: tuple[str, ...], why: str, left: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["compare", *(word.replace("LEFT", str(left)) for word in words)]) in {1, 2}
    out, err = capsys.readouterr()
    assert out == ""
    assert why in err
    assert "bug of memtwin" not in err
