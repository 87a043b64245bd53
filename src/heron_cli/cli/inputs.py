"""From what the user typed to the values that the packages work with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from heron_cli.session.chosen import native_types, workloads_of_file

if TYPE_CHECKING:
    from heron_cli.accelerator.model import Accelerator
    from heron_cli.operators.epilogue import Fields
    from heron_cli.operators.workload import Workload


def accelerator(target: str | None, *, measured: bool = False) -> Accelerator:
    """The accelerator called `target`, the one of that family that suits this machine, or the first at all.

    With `measured`, one that cannot be measured here is an InputError that says why.
    """
    from heron_cli import session
    from heron_cli.accelerator import catalog

    if target is not None and catalog.family(target):
        return session.of_family(target)
    if target is not None:
        catalog.find(target)  # says what is wrong before the loader is imported, which takes a while
    from heron_cli.accelerator.loader import load

    found = session.default_accelerator() if target is None else load(target)
    if measured:
        session.require_measurable(found)
    return found


@dataclass(frozen=True)
class Asked:
    """The workloads that the user asked for: one operator with its shape, or those of `file`."""

    operator: str | None
    shape: Mapping[str, object]
    dtypes: Mapping[str, str]
    epilogue: Fields
    file: str | None
    only: Sequence[str]

    @classmethod
    def check(
        cls,
        operator: str | None,
        shape: str | None,
        dtype: Mapping[str, str] | None,
        epilogue: str | None,
        file: str | None,
        only: Sequence[str],
    ) -> Asked:
        """Read the options of `options.workload_options`, and say what is wrong before anything else runs."""
        context = click.get_current_context()
        if file is not None and (operator, shape, dtype, epilogue) != (None,) * 4:
            raise click.UsageError(
                "give either OPERATOR, --shape, --dtype and --epilogue, or --workloads", context
            )
        if file is None and operator is None:
            raise click.UsageError("give OPERATOR and --shape, or --workloads", context)
        if file is None and only:
            raise click.UsageError("--only chooses among --workloads", context)
        if operator is None:
            workloads_of_file(str(file), only, {})
            return cls(None, {}, {}, {}, file, only)
        from heron_cli.operators.epilogue import parse
        from heron_cli.operators.workload import make, parse_shape

        given, steps = parse_shape(shape or ""), parse(epilogue or "")
        make(operator, given, dtypes=dtype, epilogue=steps)
        return cls(operator, given, dtype or {}, steps, None, ())

    def workloads(self, machine: Accelerator) -> list[Workload]:
        """At least one; element types that were not given are those of the accelerator's intrinsic."""
        if self.operator is None:
            return workloads_of_file(str(self.file), self.only, native_types(machine))
        from heron_cli.operators.workload import make

        types = {**native_types(machine), **self.dtypes}
        return [make(self.operator, self.shape, dtypes=types, epilogue=self.epilogue)]
