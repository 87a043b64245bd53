"""Run every kernel of a finished library against numpy: linking and renaming must not have mixed them up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from heron_cli.errors import HeronError

if TYPE_CHECKING:
    from heron_cli.library.item import ExportItem
    from heron_cli.operators.base import Operator


def verify(
    folder: Path, items: Sequence[ExportItem], operator_of: Callable[[str], Operator], seed: int = 1
) -> list[str]:
    """Call the kernels of the library in `folder` the way its users do, on random operands.

    Returns the keys of the workloads that this machine lacks a CPU feature for and that were not run.
    Raises HeronError when a kernel fails or its result is wrong.
    """
    from heron_cli.library.loader import Library, LibraryError, MachineError
    from heron_cli.measure.inputs import random_operands
    from heron_cli.measure.verify import compare

    try:
        library = Library(folder)
    except MachineError:
        return [item.workload.key for item in items]
    except LibraryError as error:
        raise HeronError(f"the exported library does not load: {error}") from error
    kernels = {kernel.workload: kernel for kernel in library.kernels}
    skipped: list[str] = []
    for item in items:
        kernel = kernels[item.workload.key]
        if kernel.missing_cpu_feature is not None:
            skipped.append(item.workload.key)
            continue
        operator = operator_of(item.workload.operator)
        arrays = random_operands(item.kernel.operands, seed, operator.prescribed(item.workload))
        library.set_num_threads(item.record.threads)
        try:
            output = kernel(*arrays.values())
        except LibraryError as error:
            raise HeronError(f"nothing was exported: {error}") from error
        wrong = compare(output, operator.expected(item.workload, arrays))
        if wrong:
            raise HeronError(f"nothing was exported: {item.workload.key} is wrong once linked: {wrong}")
    library.set_num_threads(0)
    return skipped
