"""Does render(parse(text)) give back every byte of what real kernels printed?"""

from __future__ import annotations

import pytest
from kinds import MODULES


@pytest.mark.parametrize("kind", MODULES)
def test_recorded_files_come_back_byte_for_byte(kind: str, corpus: dict[str, dict[str, str]]) -> None:
    """Every file of the kind in every recording, of both kernels, is rendered as it was printed."""
    module = MODULES[kind]
    assert len(corpus[kind]) >= 1
    for text, where in corpus[kind].items():
        assert module.render(module.parse(text, where)) == text, where


@pytest.mark.parametrize("kind", MODULES)
def test_equal_texts_give_equal_records(kind: str, corpus: dict[str, dict[str, str]]) -> None:
    """A record is a value: reading one text twice gives records that are equal."""
    module = MODULES[kind]
    text = next(iter(corpus[kind]))
    assert module.parse(text) == module.parse(text)


@pytest.mark.parametrize("kind", ["meminfo", "vmstat", "pid/status", "sysctl_vm", "pid/smaps_rollup"])
def test_rows_are_known_rows(kind: str, corpus: dict[str, dict[str, str]]) -> None:
    """No line of a recorded table is kept as an unknown one: the layouts cover both kernels."""
    module = MODULES[kind]
    for text, where in corpus[kind].items():
        record = module.parse(text, where)
        assert getattr(record, "rows", record).unknown == (), where


@pytest.mark.parametrize("kind", MODULES)
def test_module_names_its_kernel_file(kind: str) -> None:
    """SOURCE is a path of the kernel's tree and its version; PATH is relative."""
    path, version = MODULES[kind].SOURCE
    assert path.endswith(".c")
    assert version == "v6.1"
    assert not MODULES[kind].PATH.startswith("/")
