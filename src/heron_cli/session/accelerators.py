"""Which accelerators this machine can measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heron_cli.errors import InputError

if TYPE_CHECKING:
    from heron_cli.accelerator.model import Accelerator


def default_accelerator() -> Accelerator:
    """The first accelerator of the catalog that this machine can measure. InputError when there is none."""
    from heron_cli.accelerator import catalog
    from heron_cli.accelerator.loader import load
    from heron_cli.doctor import obstacles

    reasons = []
    for entry in catalog.entries():
        accelerator = load(entry.name)
        found = obstacles(accelerator)
        if not found:
            return accelerator
        reasons.append(f"{accelerator.name}: {', '.join(found)}")
    raise InputError(
        f"this machine can measure no accelerator that heron knows ({'; '.join(reasons)}); "
        "name one by --target, with --build-only"
    )


def require_measurable(accelerator: Accelerator) -> None:
    """Raise InputError, with all reasons, where this machine cannot run kernels for the accelerator."""
    from heron_cli.doctor import obstacles

    reasons = obstacles(accelerator)
    if reasons:
        raise InputError(
            f"{accelerator.name} cannot be measured here: {'; '.join(reasons)}; "
            "--build-only builds without measuring"
        )
