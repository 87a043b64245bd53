"""Slips planted in copies of every shipped accelerator: lint names each by its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from heron_cli.accelerator import catalog
from heron_cli.accelerator.lint import lint

SLIPS = {  # what is written, what a slip makes of it
    r"capacity: (\d+) [KM]iB": (r"capacity: \1 B", r"capacity: \1 GiB"),
    r"capacity: (\d+) KiB": (r"capacity: \1 kB",),
    r"clock: ([\d.]+) MHz": (r"clock: \1 kHz", r"clock: \1 GHz", r"clock: \1 Hz"),
    r"clock: ([\d.]+) GHz": (r"clock: \1 MHz", r"clock: \1 THz"),
    r"bandwidth: (\d+) MB/s": (r"bandwidth: \1 KB/s", r"bandwidth: \1 TB/s"),
    r"bandwidth: (\d+) GB/s": (r"bandwidth: \1 MB/s", r"bandwidth: \1 PB/s"),
}


def planted() -> Iterator[tuple[str, int, str]]:
    """(accelerator, line, the line with a slip) for every place where one fits."""
    for entry in catalog.entries():
        for number, line in enumerate(entry.path.read_text().splitlines(), start=1):
            for pattern, slips in SLIPS.items():
                for slip in slips if re.search(pattern, line) else ():
                    yield entry.path.stem, number, re.sub(pattern, slip, line, count=1)


@pytest.mark.parametrize(("name", "number", "slipped"), planted())
def test_a_slip_of_a_unit_is_told_with_its_line(tmp_path: Path, name: str, number: int, slipped: str) -> None:
    source = catalog.find(name)
    for other in catalog.entries():  # what `extends:` names
        (tmp_path / other.path.name).write_text(other.path.read_text())
    lines = source.read_text().splitlines()
    lines[number - 1] = slipped
    copy = tmp_path / source.name
    copy.write_text("\n".join(lines) + "\n")
    told = [each for each in lint(copy) if each.severity != "note"]
    assert number in {each.origin.line for each in told}, (slipped, [str(each) for each in told])
