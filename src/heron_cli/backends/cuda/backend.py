"""NVIDIA GPUs as a back end."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from heron_cli.backends.base import BuildError, Kernel, LoadedKernel, Operand, Peak
from heron_cli.measure.timing import TimingOptions

if TYPE_CHECKING:
    from heron_cli.schedule.task import Task
    from heron_cli.trial import Candidate

SYMBOL = "heron_kernel"


class CudaBackend:
    """See `heron_cli.backends.base.Backend`."""

    name = "cuda"
    timing = TimingOptions(
        warmup_seconds=0.005, slice_seconds=0.002, floor_seconds=0.015, close_floor_seconds=0.06,
        most_seconds=0.15, host=False,
    )  # fmt: skip

    def unavailable(self, requires: Mapping[str, Any]) -> list[str]:
        """Why there is no GPU, or not the one that is asked for."""
        from heron_cli.backends.cuda.probe import obstacles

        return obstacles(requires)

    def processor(self) -> str:
        """The first GPU's name."""
        from heron_cli.backends.cuda.probe import gpu

        return gpu().name

    def peak(self, task: Task, cores: Sequence[int]) -> Peak | str:
        """What the accelerator states of a processor, at this GPU's highest clocks; L2 keeps what it can."""
        from heron_cli.backends.cuda.probe import gpu

        found, dtype = gpu(), task.einsum.input.dtype
        each = task.accelerator.peak.get(dtype)
        if each is None:
            return f"the accelerator states no peak for {dtype}"
        if not found.clock:
            return f"the driver does not tell the clock of {found.name}"
        products = float(each * found.processors * found.clock)
        return Peak(products, "documented", found.bandwidth or None, found.l2_bytes)

    def build(self, task: Task, candidate: Candidate, *, threads: int) -> Kernel:
        """Emit kernel and pack function and compile them into one cubin. Raises BuildError."""
        from heron_cli.backends.buffers import item_bytes
        from heron_cli.backends.cuda import pack
        from heron_cli.backends.cuda.compile import to_cubin, to_source, whole_source
        from heron_cli.backends.cuda.emit import KernelEmitter
        from heron_cli.errors import InputError
        from heron_cli.operators import registry

        try:
            nest = task.variant(candidate.variant).nest(candidate)
        except InputError as error:
            raise BuildError(str(error)) from error
        target = task.accelerator.tvm_target
        arch = str(target.get("arch", "sm_80"))
        asynchronous = int(arch.removeprefix("sm_").rstrip("af")) >= 80
        emitted = KernelEmitter(nest, asynchronous).emit(SYMBOL)
        functions = {SYMBOL: emitted.function}
        geometry, form = emitted.geometry, emitted.packed
        launch: dict[str, Any] = {
            "blocks": geometry.blocks,
            "split": geometry.cluster,
            "threads": geometry.threads,
            "shared": geometry.shared_bytes,
        }
        if nest.overlap:
            launch["overlap"] = 1
        if emitted.maps:
            launch["maps"] = list(emitted.maps)
        if form is not None:
            functions[f"{SYMBOL}_pack"], extents = pack.emit(f"{SYMBOL}_pack", geometry, form)
            launch |= {"pack_blocks": extents["blockIdx.x"], "pack_threads": extents["threadIdx.x"]}
        hopper = geometry.grouped or geometry.cluster > 1 or nest.overlap
        source = whole_source(
            to_source(functions, target),
            emitted.instruction,
            hopper=hopper,
            cluster=geometry.cluster,
            blocks=nest.resident,
        )
        code, metrics = to_cubin(source, arch)
        specs = registry.get(task.workload.operator).specs(task.workload)
        size = None if form is None else prod(form.shape()) * item_bytes(form.dtype)
        operands = tuple(
            Operand(name, spec.shape, spec.dtype, size if name == "weight" else None)
            for name, spec in specs.items()
        )
        program = hashlib.sha256(source.encode() + repr(sorted(launch.items())).encode()).hexdigest()[:16]
        return Kernel(SYMBOL, operands, code, program, {**metrics, "shared_bytes": launch["shared"]}, launch)

    def instructions(self, kernel: Kernel) -> Mapping[str, int] | None:
        """Products, copies and spills in the machine code, if there is a disassembler."""
        from heron_cli.backends.cuda.disassemble import disassembler, instructions

        tool = disassembler()
        return None if tool is None else instructions(kernel.code, tool).get(kernel.symbol, {})

    def load(self, kernel: Kernel, *, threads: int) -> LoadedKernel:
        """Load into the GPU's memory. Does not import TVM."""
        from heron_cli.backends.cuda.device_kernel import DeviceKernel

        return DeviceKernel(kernel)


backend = CudaBackend()
