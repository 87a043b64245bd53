"""Checks an exported library of GPU kernels on a machine with its GPU: every kernel, every way into it.

    python benchmarks/gpu_library_check.py build/kernels [--json build/check.json]

needs torch for CUDA and numpy, nothing of heron: the loader lies in the library. For every kernel:

- `capture`  the first call ever (but for packing) is captured in a CUDA graph, and replayed on other data
- `call`     through the loader, tensors given as they are
- `stream`   on a stream that is not the default one, while the default stream is kept busy
- `operator` as torch.ops.heron.*, with an output of the same bits
- `compile`  through torch.compile, if --compile
- `device`   with tensors on the second GPU while the first one is current, if there is one
- `refusal`  operands of a wrong shape, and of the host, are refused and nothing is written
- `cupy`     on CuPy's arrays and stream, if CuPy is installed
- `seconds`  per call in a graph, beside what the record says (median of replays, L2 warm)

All results are compared with torch in float64. Exit code: 0 all is right, 1 something is wrong, 2 no GPU.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks import torch_reference

_LAUNCHES, _REPLAYS = 20, 15


@dataclass
class Checked:
    """One kernel: what was checked, with the reason of each failure, empty where there is none."""

    workload: str
    results: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None
    recorded: float | None = None

    @property
    def right(self) -> bool:
        """Whether nothing failed."""
        return not any(self.results.values())


class Check:
    """The checks of one kernel of an open library, in the order of `steps`."""

    def __init__(self, library: Any, kernel: Any, operators: dict[str, Any], seed: int) -> None:
        self.library, self.kernel, self.operators = library, kernel, operators
        self.entry = {**kernel.entry, "shape": kernel.shape}
        self.names = [operand["name"] for operand in kernel.operands[:-1]]
        self.constant = next((o["name"] for o in kernel.operands if o["packed_bytes"] is not None), None)
        self.generator = torch.Generator("cuda").manual_seed(seed)
        self.arrays = self.fresh()
        self.name = kernel.symbol.removeprefix("heron_")

    def steps(self, compiled: bool) -> list[Callable[[], str]]:
        """What to do; each gives what is wrong, in one line."""
        found = [self.capture, self.call, self.stream, self.operator, self.refusal]
        if compiled:
            found.append(self.compile)
        if torch.cuda.device_count() > 1:
            found.append(self.device)
        try:
            import cupy  # noqa: F401
        except ImportError:
            return found
        return [*found, self.cupy]

    def fresh(self) -> dict[str, torch.Tensor]:
        """Random operands."""
        return torch_reference.operands(self.entry, "cuda", self.generator)

    def poisoned(self, device: str = "cuda") -> torch.Tensor:
        """An output of NaN or -1, so that what is not written shows."""
        output = self.kernel.operands[-1]
        empty = torch.empty(output["shape"], dtype=getattr(torch, output["dtype"]), device=device)
        empty.view(torch.uint8).fill_(0xFF)
        return empty

    def operands(self, arrays: dict[str, torch.Tensor]) -> list[Any]:
        """In the order of the call, the constant one packed."""
        return [self.kernel.pack(array) if name == self.constant else array for name, array in arrays.items()]

    def wrong(self, output: torch.Tensor, arrays: dict[str, torch.Tensor] | None = None) -> str:
        """Compare with torch."""
        torch.cuda.synchronize()
        return torch_reference.wrong(self.entry, arrays or self.arrays, output)

    # --- the checks ---------------------------------------------------------------------------------------

    def capture(self) -> str:
        """The operands of the graph stay where they are; their content changes between replays."""
        operands, output = self.operands(self.arrays), self.poisoned()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.kernel(*operands, out=output)
        other = self.fresh()
        for name, array in self.arrays.items():
            if name != self.constant:
                array.copy_(other[name])
        for _ in range(2):
            output.view(torch.uint8).fill_(0xFF)
            graph.replay()
            if told := self.wrong(output):
                return told
        return ""

    def call(self) -> str:
        """The loader makes the output; a weight that is not packed is packed in the call."""
        packed = self.kernel(*self.operands(self.arrays))
        plain = self.kernel(*self.arrays.values())
        return self.wrong(packed) or self.wrong(plain)

    def stream(self) -> str:
        """Torch's current stream is used; were it the default one, nothing would be written in time."""
        other, mine = self.fresh(), torch.cuda.Stream()
        torch.cuda.synchronize()
        torch.cuda._sleep(50_000_000)  # the default stream is busy for some 30 ms
        with torch.cuda.stream(mine):
            late = {name: torch.zeros_like(array).copy_(array) for name, array in other.items()}
            seen = self.kernel(*self.operands(late), out=self.poisoned()).clone()
        mine.synchronize()
        return self.wrong(seen, other)

    def operator(self) -> str:
        """The same bits as by the loader: the same kernel."""
        expected = self.kernel(*self.operands(self.arrays))
        output = self.run_operator(*self.arrays.values())
        if not torch.equal(output.view(torch.uint8), expected.view(torch.uint8)):
            return "its output has other bits than that of the loader"
        return self.wrong(output)

    def run_operator(self, *arrays: torch.Tensor) -> torch.Tensor:
        """Pack and run by torch.ops."""
        pack = self.operators.get(f"{self.name}_pack")
        pairs = zip(self.names, arrays, strict=True)
        given = [pack(array) if pack and name == self.constant else array for name, array in pairs]
        output: torch.Tensor = self.operators[self.name](*given)
        return output

    def compile(self) -> str:
        """Inside of a compiled function, between operations of torch."""
        compiled = torch.compile(lambda *arrays: self.run_operator(*arrays).clone(), fullgraph=True)
        return self.wrong(compiled(*self.arrays.values()))

    def device(self) -> str:
        """Tensors say where they are; the current GPU stays what it is."""
        moved = {name: array.to("cuda:1") for name, array in self.arrays.items()}
        output = self.kernel(*self.operands(moved), out=self.poisoned("cuda:1"))
        if torch.cuda.current_device() != 0:
            return "the current GPU is another one afterwards"
        torch.cuda.synchronize("cuda:1")
        return self.wrong(output.to("cuda:0"))

    def refusal(self) -> str:
        """Nothing is written."""
        output = self.poisoned()
        before = output.clone()
        good = self.operands(self.arrays)
        first = good[0]
        for what, bad in (("a wrong shape", first.flatten()[1:]), ("the host's memory", first.cpu())):
            try:
                self.kernel(bad, *good[1:], out=output)
            except RuntimeError as error:
                if "\n" in str(error):
                    return f"the refusal of {what} is more than one line"
            else:
                return f"{what} is not refused"
        torch.cuda.synchronize()
        same = torch.equal(output.view(torch.uint8), before.view(torch.uint8))
        return "" if same else "the output was written"

    def cupy(self) -> str:
        """CuPy's arrays of the same memory; types that CuPy does not have are left out."""
        import cupy

        if any(array.dtype is torch.bfloat16 for array in (*self.arrays.values(), self.poisoned())):
            return ""
        arrays = [cupy.from_dlpack(array) for array in self.arrays.values()]
        torch.cuda.synchronize()
        with cupy.cuda.Stream(non_blocking=True) as stream:
            output = self.kernel(*arrays)
            stream.synchronize()
        return self.wrong(torch.from_dlpack(output))

    def seconds(self) -> float:
        """Of one call: a graph of some launches, replayed."""
        operands, output = self.operands(self.arrays), self.poisoned()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(_LAUNCHES):
                self.kernel(*operands, out=output)
        found = []
        for _ in range(_REPLAYS):
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            graph.replay()
            end.record()
            end.synchronize()
            found.append(begin.elapsed_time(end) / 1e3 / _LAUNCHES)
        return statistics.median(found)


def check(library: Any, operators: dict[str, Any], *, compiled: bool, seed: int) -> list[Checked]:
    """All kernels that this GPU can run; those that it cannot are reported as failures."""
    found = []
    for kernel in library.kernels:
        checked = Checked(kernel.workload, recorded=kernel.entry["seconds"])
        found.append(checked)
        if kernel.obstacle is not None:
            checked.results["runs here"] = kernel.obstacle
            print(f"FAIL  {kernel.workload}: {kernel.obstacle}", flush=True)
            continue
        one = Check(library, kernel, operators, seed)
        for step in one.steps(compiled):
            try:
                checked.results[step.__name__] = step()
            except Exception as error:  # reported like any other failure; the other kernels are checked
                traceback.print_exc()
                checked.results[step.__name__] = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        if checked.right:
            checked.seconds = one.seconds()
        print(_line(checked), flush=True)
    return found


def _line(checked: Checked) -> str:
    if not checked.right:
        failures = "; ".join(f"{name}: {why}" for name, why in checked.results.items() if why)
        return f"FAIL  {checked.workload}: {failures}"
    told = ", ".join(checked.results)
    text = f"ok    {checked.workload}: {told}; {(checked.seconds or 0) * 1e6:.2f} us"
    return text + (f", recorded {checked.recorded * 1e6:.2f} us" if checked.recorded else "")


def main() -> int:
    """Check, print, write; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", type=Path)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    parser.add_argument("--compile", action="store_true", help="also through torch.compile")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("no GPU that torch can use")
        return 2
    sys.path.insert(0, str(arguments.library / "python"))
    import heron_kernels
    from heron_kernels import torch_ops

    library = heron_kernels.load(arguments.library)
    operators = torch_ops.register(library)
    machine = {
        "gpu": torch.cuda.get_device_name(),
        "capability": ".".join(map(str, torch.cuda.get_device_capability())),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": sys.version.split()[0],
    }
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    found = check(library, operators, compiled=arguments.compile, seed=arguments.seed)
    failed = [checked for checked in found if not checked.right]
    print(f"{len(found) - len(failed)} of {len(found)} kernels are right")
    if arguments.json:
        kernels = [
            {
                "workload": checked.workload,
                "right": checked.right,
                "checks": checked.results,
                "seconds": checked.seconds,
                "recorded": checked.recorded,
            }
            for checked in found
        ]
        content = {"library": library.manifest["build_id"], "machine": machine, "kernels": kernels}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
