"""Which accelerators this machine can measure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from heron_cli.errors import InputError

if TYPE_CHECKING:
    from heron_cli.accelerator.model import Accelerator


def default_accelerator() -> Accelerator:
    """The first accelerator of the catalog that this machine can measure; a model where it can measure none.

    Of one back end, that whose instruction makes the most products counts. InputError when there is neither.
    """
    from heron_cli.accelerator import catalog
    from heron_cli.accelerator.loader import load
    from heron_cli.backends import registry
    from heron_cli.backends.base import SimulatedBackend
    from heron_cli.doctor import obstacles

    reasons, models = [], []
    good: list[Accelerator] = []
    for entry in sorted(catalog.entries(), key=lambda each: each.name):
        accelerator = load(entry.name)
        if good and accelerator.backend != good[0].backend:
            continue
        found = obstacles(accelerator)
        if found:
            reasons.append(f"{accelerator.name}: {', '.join(found)}")
        elif isinstance(registry.get(accelerator.backend), SimulatedBackend):
            models.append(accelerator)
        else:
            good.append(accelerator)
    if good:
        return max(good, key=lambda each: each.products)
    if models:
        return models[0]
    raise InputError(
        f"this machine can measure no accelerator that heron knows ({'; '.join(reasons)}); "
        "name one by --target, with --build-only"
    )


def of_family(name: str) -> Accelerator:
    """The accelerator of a family that asks most of a machine, among those whose needs this one meets.

    Raises InputError, with every reason, where it meets none's.
    """
    from heron_cli.accelerator import catalog
    from heron_cli.accelerator.loader import load
    from heron_cli.doctor import obstacles

    members = [load(entry.name) for entry in catalog.family(name)]
    refusals: dict[str, list[str]] = {}
    good = []
    for accelerator in members:
        if found := obstacles(accelerator):
            refusals.setdefault(", ".join(found), []).append(accelerator.name)
        else:
            good.append(accelerator)
    if good:
        return max(good, key=lambda each: each.requires.demands)
    reasons = "; ".join(f"{', '.join(names)}: {why}" for why, names in refusals.items())
    raise InputError(
        f"'{name}' is whichever of its targets this machine can measure, which is none ({reasons}); "
        f"to build without measuring, name one: --build-only --target {members[-1].name}"
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
