"""What other workloads' records say before the first trial: models of them, kept beside the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from heron_cli.errors import HeronError, InputError

from .remote import versions_here
from .spaces import bare_spaces, make_task
from .workloads import workload_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from heron_cli.accelerator.model import Accelerator
    from heron_cli.records import Record, Store
    from heron_cli.schedule.task import Task
    from heron_cli.search.prior import Prior
    from heron_cli.search.problem import VariantSpace
    from heron_cli.trial import Trial

    Told = Mapping[str, Sequence[tuple[VariantSpace, Sequence[Trial]]]]

WORKLOADS = 32
"""At most so many workloads are learned from, those measured last."""


def prior_for(task: Task, store: Store) -> Prior | None:
    """The model for a task: of the other workloads of its operator in the store, or the one that was
    imported, whichever knows more trials. None when there is neither.
    """
    operator, machine = task.workload.operator, task.accelerator
    own = train(operator, machine, store, threads=task.threads, leave_out=task.key)
    imported = kept(operator, machine, store)
    if imported is not None and imported.workloads == (task.key,):
        imported = None  # it would only repeat what the records of this workload say
    if own is None or imported is None:
        return own or imported
    return own if own.trials >= imported.trials else imported


def kept(operator: str, machine: Accelerator, store: Store) -> Prior | None:
    """The model that lies beside the database. Raises InputError when it cannot be read."""
    path = _file(store, operator, machine.digest)
    return read(path) if path.exists() else None


def train(
    operator: str, machine: Accelerator, store: Store, *, threads: int = 1, leave_out: str | None = None
) -> Prior | None:
    """A model of the comparable trials in the store; None when they are too few or teach nothing."""
    from heron_cli.search import prior

    told = examples(operator, machine, store, threads=threads, leave_out=leave_out)
    return prior.train(operator, machine.name, machine.digest, told)


def examples(
    operator: str, machine: Accelerator, store: Store, *, threads: int = 1, leave_out: str | None = None
) -> Told:
    """The trials of the operator's workloads on the accelerator, with the spaces that they are of."""
    from heron_cli.records import Purpose, Query
    from heron_cli.records.standing import comparable

    query = Query(operator=operator, target_digest=machine.digest, threads=threads, purpose=Purpose.TRIAL)
    versions = versions_here(machine)
    groups: dict[str, list[Record]] = {}
    for record in reversed(store.all(query)):
        if record.workload != leave_out and comparable(record.versions, versions):
            groups.setdefault(record.workload, []).append(record)
    told = {}
    for key, records in list(groups.items())[:WORKLOADS]:
        try:
            made = make_task(workload_of(records[0]), machine, threads)
        except HeronError:
            continue  # of another heron, which understood the workload or the accelerator differently
        spaces = bare_spaces(made)
        told[key] = [
            (space, [r.trial for r in records if r.trial.candidate.variant == space.name]) for space in spaces
        ]
    return told


def quality(told: Told, operator: str, machine: Accelerator) -> dict[str, float]:
    """For every workload: Spearman's rank correlation of its costs with a model of the other workloads."""
    import numpy as np

    from heron_cli.records import cost_of
    from heron_cli.search import prior

    found = {}
    for key, variants in told.items():
        others = {name: each for name, each in told.items() if name != key}
        model = prior.train(operator, machine.name, machine.digest, others)
        if model is None:
            continue
        predicted: list[NDArray[np.float64]] = []
        costs: list[float] = []
        for variant, trials in variants:
            valid = [t for t in trials if variant.fits(t.candidate) and cost_of(t.measurement) is not None]
            rows = variant.rows([trial.candidate.values for trial in valid])
            predicted.append(model.predict(variant, rows))
            costs += [float(cost_of(trial.measurement) or 0) for trial in valid]
        if len(costs) > 2:
            mine, theirs = (
                np.argsort(np.argsort(each)) for each in (np.concatenate(predicted), np.array(costs))
            )
            found[key] = float(np.corrcoef(mine, theirs)[0, 1])
    return found


def keep(model: Prior, store: Store) -> Path:
    """Write the model beside the database, where `tune` finds it; its file. Raises InputError."""
    path = _file(store, model.operator, model.digest)
    write(model, path, replace=True)
    return path


def write(model: Prior, path: Path, *, replace: bool = False) -> None:
    """Write the model to a file, which must not exist yet unless it may be replaced. Raises InputError."""
    import json

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if replace else "x", encoding="utf-8") as file:
            json.dump(model.to_json(), file)
            file.write("\n")
    except FileExistsError:
        raise InputError(f"{path}: exists already; choose another file for --out") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error


def read(path: Path) -> Prior:
    """The model in a file. Raises InputError."""
    from heron_cli.search.prior import Prior, PriorError

    try:
        return Prior.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (PriorError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error


def _file(store: Store, operator: str, digest: str) -> Path:
    return Path(f"{store.path}.models") / f"{operator}-{digest[:16]}.json"
