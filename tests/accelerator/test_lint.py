from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from heron_cli.accelerator import catalog
from heron_cli.accelerator.lint import Diagnostic, Severity, lint
from heron_cli.errors import InputError

FILES = Path(__file__).parent / "files"
FINDINGS = yaml.safe_load((Path(__file__).parent / "findings.yaml").read_text())
Edited = Callable[..., Path]


def told(path: Path) -> list[str]:
    return [f"{found.origin.line}: {found.severity}: {found.message}" for found in lint(path)]


def test_the_shipped_files_are_clean() -> None:
    for entry in catalog.entries():
        assert [found for found in lint(entry.path) if found.severity != Severity.NOTE] == []
    assert lint("dlboost") == []


def test_errors_are_diagnostics(edited: Edited) -> None:
    path = edited(("order: free", "order: fre"), ("at_most: 4", "at_most: x"))
    found = lint(path)
    assert [(each.origin.line, each.severity) for each in found] == [(21, "error"), (23, "error")]
    assert found[0].message == "levels.cache.order: 'fre' is no order; did you mean 'free'?"
    assert isinstance(found[0], Diagnostic)
    assert str(found[0]).endswith(f":21:54: error: {found[0].message}")


def test_a_missing_file_is_an_error_of_its_own() -> None:
    with pytest.raises(InputError):
        lint("./none.yaml")


def test_the_sketch_has_a_cache_that_nothing_uses(edited: Edited) -> None:
    said = "17: warning: memories.l2: unused; give it 'holds:' or 'bandwidth:', or name it in a rule"
    assert told(edited(name="dlboost-sketch.yaml")) == [said]
    used = [
        ("capacity: 1 MiB", "capacity: 1 MiB, bandwidth: 100 GB/s"),
        ("memories.register.vectors", "memories.register.vectors and tile(cache).n <= memories.l2.bytes"),
        ("capacity: 1 MiB", "capacity: 1 MiB, holds: [input]"),
        ("capacity: 1 MiB", "capacity: 1 MiB, implicit: [input]"),
    ]
    for edit in used:
        assert told(edited(edit, name="dlboost-sketch.yaml")) == []


@pytest.mark.parametrize("finding", FINDINGS, ids=[finding["said"][:50] for finding in FINDINGS])
def test_findings(edited: Edited, finding: dict[str, str]) -> None:
    before = told(edited(name="dlboost-sketch.yaml"))
    after = told(edited((finding["old"], finding["new"]), name="dlboost-sketch.yaml"))
    assert any(line.startswith(finding["said"]) for line in after), after
    assert not any(line.startswith(finding["said"]) for line in before)


def test_private_scratch_pads_are_no_chain() -> None:
    """vta's weight pad is larger than the input pad before it, and that is how the machine is."""
    assert {found.severity for found in lint(FILES / "vta.yaml")} == {Severity.NOTE}
    assert {found.severity for found in lint(FILES / "tensorcore-sm80.yaml")} == {Severity.NOTE}
