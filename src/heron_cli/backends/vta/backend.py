"""VTA as a back end: a kernel is a binary program; its time is modelled, its result simulated."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from heron_cli.backends.base import BuildError, Kernel, Operand

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.accelerator.model import Accelerator
    from heron_cli.backends.vta.config import VtaConfig
    from heron_cli.schedule.task import Task
    from heron_cli.trial import Candidate

    Array = NDArray[Any]


class VtaBackend:
    """See `heron_cli.backends.base.Backend` and `SimulatedBackend`."""

    name = "vta"

    def unavailable(self, requires: Mapping[str, Any]) -> list[str]:
        """Nothing is needed: programs are simulated."""
        return []

    def build(self, task: Task, candidate: Candidate, *, threads: int) -> Kernel:
        """Generate the program and model its time. Raises BuildError with one line."""
        from heron_cli.backends.vta.binary import write_program
        from heron_cli.backends.vta.codegen import generate
        from heron_cli.backends.vta.errors import VtaError
        from heron_cli.backends.vta.races import check_tokens
        from heron_cli.backends.vta.sync import synchronise
        from heron_cli.backends.vta.timing import time_program
        from heron_cli.errors import InputError
        from heron_cli.operators import registry

        config = _config(task.accelerator)
        try:
            program = synchronise(generate(task.variant(candidate.variant).nest(candidate), config), config)
            check_tokens(program, config)
            timing = time_program(program, config)
            code = write_program(program, config)  # checks it, too
        except (VtaError, InputError) as error:
            raise BuildError(str(error)) from error
        specs = registry.get(task.workload.operator).specs(task.workload)
        operands = tuple(Operand(name, spec.shape, spec.dtype) for name, spec in specs.items())
        metrics = {
            "cycles": float(timing.cycles),
            "instructions": float(len(program.instructions)),
            "micro_ops": float(len(program.uops)),
            "utilisation": timing.utilisation,
        }
        return Kernel("program", operands, code, hashlib.sha256(code).hexdigest()[:16], metrics)

    def load(self, kernel: Kernel, *, threads: int) -> Any:
        """Programs run in the simulator only: see `simulate`."""
        raise BuildError("a VTA program cannot be loaded into this process; it is simulated")

    def simulate(
        self, task: Task, candidate: Candidate, kernel: Kernel, arrays: Mapping[str, Array]
    ) -> Array:
        """The output that the program computes from the operands. Raises BuildError if it cannot run."""
        from heron_cli.backends.vta.binary import read_program
        from heron_cli.backends.vta.errors import VtaError
        from heron_cli.backends.vta.layout import Layouts
        from heron_cli.backends.vta.simulator import simulate

        config = _config(task.accelerator)
        layouts = Layouts.of(task.variant(candidate.variant).nest(candidate), config)
        try:
            program = read_program(kernel.code, config)
            added = {
                item.access.name: item.pack(arrays[item.access.name].astype("int32"))
                for item in layouts.added
            }
            packed = {
                "input": layouts.input.pack(arrays["input"]),
                "weight": layouts.weight.pack(arrays["weight"]),
                **added,
            }
            result = simulate(program, config, packed)
        except VtaError as error:
            raise BuildError(str(error)) from error
        return layouts.output.unpack(result.outputs["output"]).reshape(kernel.output.shape)


@lru_cache(maxsize=16)
def _config(accelerator: Accelerator) -> VtaConfig:
    from heron_cli.backends.vta.config import VtaConfig

    return VtaConfig.of(accelerator)


backend = VtaBackend()
