"""x86 CPUs with a byte dot product: code generation through TVM's LLVM, a C runtime of our own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heron_cli.backends.base import Kernel, LoadedKernel
    from heron_cli.schedule.task import Task
    from heron_cli.trial import Candidate

SYMBOL = "heron_kernel"


class X86Backend:
    """See `heron_cli.backends.base.Backend`."""

    name = "x86"

    def unavailable(self, requires: Mapping[str, Any]) -> list[str]:
        """One line when CPU flags are missing."""
        from heron_cli.backends.x86.host import missing_flags

        missing = missing_flags(requires.get("cpu_flags", ()))
        return [f"this CPU lacks {', '.join(missing)}"] if missing else []

    def build(self, task: Task, candidate: Candidate, *, threads: int) -> Kernel:
        """Emit kernel and pack function and compile them into one object. Raises BuildError."""
        from heron_cli.backends.base import BuildError, Kernel, Operand
        from heron_cli.backends.x86.compile import compile_object, digest
        from heron_cli.backends.x86.emit import KernelEmitter
        from heron_cli.errors import InputError
        from heron_cli.operators import registry

        if threads != task.threads:
            task = type(task)(task.workload, task.accelerator, threads)
        try:
            nest = task.variant(candidate.variant).nest(candidate)
        except InputError as error:
            raise BuildError(str(error)) from error
        emitter = KernelEmitter(nest)
        functions = {SYMBOL: emitter.emit(SYMBOL), f"{SYMBOL}_pack": emitter.weight.emit(f"{SYMBOL}_pack")}
        code, metrics = compile_object(functions, task.accelerator.tvm_target)
        specs = registry.get(task.workload.operator).specs(task.workload)
        operands = tuple(
            Operand(name, spec.shape, spec.dtype, emitter.weight.bytes if spec.constant else None)
            for name, spec in specs.items()
        )
        return Kernel(SYMBOL, operands, code, digest(code), metrics)

    def load(self, kernel: Kernel, *, threads: int) -> LoadedKernel:
        """Link and load. Does not import TVM."""
        from heron_cli.backends.x86.loader import load

        return load(kernel, threads=threads)


backend = X86Backend()
