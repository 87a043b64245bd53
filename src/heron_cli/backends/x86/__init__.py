"""x86 CPUs with a byte dot product: code generation through TVM's LLVM, a C runtime of our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heron_cli.backends.base import Kernel, LoadedKernel, Peak
    from heron_cli.backends.x86.pack import PackedWeight
    from heron_cli.backends.x86.peak import Peaks
    from heron_cli.backends.x86.toolchain import X86Toolchain
    from heron_cli.schedule.nest import Nest
    from heron_cli.schedule.task import Task
    from heron_cli.trial import Candidate

SYMBOL = "heron_kernel"
_KEPT_PACKS = 256


class X86Backend:
    """See `heron_cli.backends.base.Backend`."""

    name = "x86"

    def __init__(self) -> None:
        self._packs: dict[Any, bytes] = {}
        self._peaks: Peaks | None = None

    @property
    def toolchain(self) -> X86Toolchain:
        """What links kernels into a library."""
        from heron_cli.backends.x86.toolchain import toolchain

        return toolchain

    def unavailable(self, requires: Mapping[str, Any]) -> list[str]:
        """One line when CPU flags are missing."""
        from heron_cli.backends.x86.host import missing_flags

        missing = missing_flags(requires.get("cpu_flags", ()))
        return [f"this CPU lacks {', '.join(missing)}"] if missing else []

    def build(self, task: Task, candidate: Candidate, *, threads: int) -> Kernel:
        """Emit kernel and pack function and compile them into one object. Raises BuildError."""
        from heron_cli.backends.base import BuildError, Kernel, Operand
        from heron_cli.backends.x86.compile import compile_function, digest, inspect, merge
        from heron_cli.backends.x86.emit import KernelEmitter
        from heron_cli.errors import InputError
        from heron_cli.operators import registry

        if threads != task.threads:
            task = type(task)(task.workload, task.accelerator, threads)
        try:
            nest = task.variant(candidate.variant).nest(candidate)
        except InputError as error:
            raise BuildError(str(error)) from error
        refusal = _refusal(nest)
        if refusal:
            raise BuildError(refusal)
        emitter = KernelEmitter(nest)
        if emitter.weight.bytes >= 1 << 31:
            raise BuildError(f"the packed weight has {emitter.weight.bytes:,} bytes; there are below 2**31")
        target = task.accelerator.tvm_target
        kernel = compile_function(SYMBOL, emitter.emit(SYMBOL), target)
        weight = nest.einsum.weight
        code = merge([kernel, self._pack(emitter.weight, target)]) if weight.constant else kernel
        specs = registry.get(task.workload.operator).specs(task.workload)
        packed = {weight.name: emitter.weight.bytes} if weight.constant else {}
        operands = tuple(
            Operand(name, spec.shape, spec.dtype, packed.get(name)) for name, spec in specs.items()
        )
        return Kernel(SYMBOL, operands, code, digest(code), inspect(kernel, _mnemonic(task, candidate)))

    def _pack(self, weight: PackedWeight, target: Mapping[str, Any]) -> bytes:
        """The pack function's object; candidates that pack alike share it."""
        from heron_cli.backends.x86.compile import compile_function
        from heron_cli.backends.x86.packing import Packing

        layout = (weight.layout, tuple(sorted((name, str(value)) for name, value in target.items())))
        if layout not in self._packs:
            if len(self._packs) >= _KEPT_PACKS:
                self._packs.pop(next(iter(self._packs)))
            symbol = f"{SYMBOL}_pack"
            self._packs[layout] = compile_function(symbol, Packing(weight).function(symbol), target, level=1)
        return self._packs[layout]

    def peak(self, task: Task, cores: Sequence[int]) -> Peak | str:
        """Products on registers, of the intrinsics that take the task's elements; nothing of memories.

        Operands of kernels that are timed lie in caches; no loop is sure to reach what these give at most.
        """
        from heron_cli.backends.base import BuildError, Peak
        from heron_cli.backends.x86.peak import Peaks
        from heron_cli.schedule.rules.tensorize import takes

        accelerator = task.accelerator
        usable = [each for each in accelerator.intrinsics if takes(each, task.einsum)]
        self._peaks = self._peaks or Peaks()
        try:
            return Peak(self._peaks.products(accelerator, usable, cores), "measured")
        except BuildError as error:
            return f"the peak cannot be measured: {error}"

    def load(self, kernel: Kernel, *, threads: int) -> LoadedKernel:
        """Link and load. Does not import TVM."""
        from heron_cli.backends.x86.loader import load

        return load(kernel, threads=threads)


def _mnemonic(task: Task, candidate: Candidate) -> str:
    """The instruction as a disassembly shows it: the intrinsic's name in the YAML, up to a hyphen."""
    name: str = task.variant(candidate.variant).template.tensorize.intrinsic.name
    return name.partition("-")[0]


def _refusal(nest: Nest) -> str | None:
    """Why no code is generated for an intrinsic or epilogue; the loops around it may be anything."""
    from heron_cli.backends.buffers import item_bytes

    if nest.intrinsic["m"] or not nest.lane or not nest.intrinsic["k"]:
        return (
            f"{nest.instruction}: the x86 back end takes intrinsics of one row, of several lanes and inputs"
        )
    depth = nest.tilings[nest.intrinsic["k"]].unit * item_bytes(nest.einsum.input.dtype)
    if depth != 4:
        return f"{nest.instruction}: a lane takes {depth} bytes; the x86 back end has words of 4"
    beyond = [access for access in (*nest.einsum.finishing, nest.einsum.output) if access.dtype == "bfloat16"]
    if beyond:
        return f"{beyond[0].name} is bfloat16; the x86 back end finishes and stores float32 or integers"
    from tvm.target.codegen import llvm_lookup_intrinsic_id

    if llvm_lookup_intrinsic_id(nest.instruction) == 0:
        return f"LLVM has no intrinsic '{nest.instruction}'; the accelerator's key llvm names one"
    return None


backend = X86Backend()
