"""Which accelerators this machine can measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heron_cli.errors import InputError

if TYPE_CHECKING:
    from heron_cli.accelerator.model import Accelerator


def default_accelerator() -> Accelerator:
    """The first accelerator of the catalog that this machine can measure; a model where it can measure none.

    InputError when there is neither.
    """
    from heron_cli.accelerator import catalog
    from heron_cli.accelerator.loader import load
    from heron_cli.backends import registry
    from heron_cli.backends.base import SimulatedBackend
    from heron_cli.doctor import obstacles

    reasons, models = [], []
    for entry in sorted(catalog.entries(), key=lambda each: each.name):
        accelerator = load(entry.name)
        found = obstacles(accelerator)
        if found:
            reasons.append(f"{accelerator.name}: {', '.join(found)}")
        elif isinstance(registry.get(accelerator.backend), SimulatedBackend):
            models.append(accelerator)
        else:
            return accelerator
    if models:
        return models[0]
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
