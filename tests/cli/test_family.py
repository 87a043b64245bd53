"""A target's name that stands for a family: which member is meant, the machine decides."""

from __future__ import annotations

import pytest

from heron_cli import doctor, session
from heron_cli.accelerator import catalog
from heron_cli.accelerator.model import Accelerator
from heron_cli.backends.cuda import probe
from heron_cli.cli import inputs
from heron_cli.errors import InputError


def test_families_are_names_that_others_begin_with() -> None:
    assert [entry.name for entry in catalog.family("tensorcore")] == [
        entry.name for entry in catalog.entries() if entry.name.startswith("tensorcore-")
    ]
    assert catalog.family("vta") == ()  # an accelerator itself, though `vta-small` begins with it
    assert catalog.family("tensor") == ()
    assert catalog.family("") == ()


@pytest.mark.parametrize(
    ("capability", "chosen"),
    [(75, "sm75"), (80, "sm80"), (86, "sm80"), (89, "sm89"), (90, "sm90")],
)
def test_the_most_demanding_member_is_chosen(
    monkeypatch: pytest.MonkeyPatch, capability: int, chosen: str
) -> None:
    monkeypatch.setattr(probe, "gpu", lambda: probe.Gpu("Some GPU", capability, 100, 1 << 20))
    monkeypatch.setattr(probe, "compiler", lambda: "nvrtc 13.0")
    assert inputs.accelerator("tensorcore", measured=True).name == f"tensorcore-{chosen}"


def test_without_a_machine_every_reason_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "gpu", lambda: probe.Gpu(reason="no NVIDIA driver is installed"))
    with pytest.raises(InputError, match="--build-only --target tensorcore-sm90") as raised:
        session.of_family("tensorcore")
    assert str(raised.value).count("no NVIDIA driver is installed") == 1
    assert "\n" not in str(raised.value)


def test_reasons_that_differ_name_their_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    def obstacles(accelerator: Accelerator) -> list[str]:
        return [f"not {accelerator.requires.compute_capability}"]

    monkeypatch.setattr(doctor, "obstacles", obstacles)
    with pytest.raises(InputError, match="-sm75: not 75; tensorcore-sm80: not 80; tensorcore-sm89: not 89"):
        session.of_family("tensorcore")
