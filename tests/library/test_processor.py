"""Whose records count for an export: those of the GPU that is here, or of the only one that was tuned on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from heron_cli.accelerator.loader import load
from heron_cli.backends.cuda import probe
from heron_cli.errors import InputError
from heron_cli.records import Query, current_versions
from heron_cli.session import exporting
from heron_cli.session.remote import versions_here

GPU = load("tensorcore-sm90")


def here(monkeypatch: pytest.MonkeyPatch, gpu: probe.Gpu) -> None:
    monkeypatch.setattr(probe, "gpu", lambda: gpu)


def holding(*records: Mapping[str, str]) -> Any:
    """A store with the versions of these records."""
    found = [SimpleNamespace(versions=versions) for versions in records]
    return SimpleNamespace(path=Path("some.db"), best=lambda query: found)


def measured_on(gpu: str) -> dict[str, str]:
    versions = current_versions()
    del versions["cpu"]
    return {**versions, "gpu": gpu}


def test_records_of_a_gpu_name_it_and_not_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, probe.Gpu("Some GPU", 90, 132, 1))
    assert versions_here(GPU) == measured_on("Some GPU")


def test_records_of_the_host_name_its_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, probe.Gpu("Some GPU", 90, 132, 1))
    assert versions_here(load("dlboost")) == current_versions()


def test_the_gpu_that_is_here_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, probe.Gpu("Some GPU", 90, 132, 1))
    store = holding(measured_on("Another"), measured_on("Some GPU"))
    assert exporting._versions(store, GPU, Query()) == measured_on("Some GPU")


def test_without_a_gpu_the_only_one_that_was_tuned_on_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, probe.Gpu(reason="none"))
    assert exporting._versions(holding(measured_on("One")), GPU, Query()) == measured_on("One")
    assert exporting._versions(holding(), GPU, Query()) == current_versions()


def test_without_a_gpu_records_of_several_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, probe.Gpu(reason="none"))
    with pytest.raises(InputError, match="several GPUs \\(One, Two\\)"):
        exporting._versions(holding(measured_on("One"), measured_on("Two")), GPU, Query())
