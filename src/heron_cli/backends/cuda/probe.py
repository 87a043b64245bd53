"""Which GPU this machine has. Asked in a process of its own: a context does not survive a fork."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from heron_cli.backends.cuda.compile import compiler
from heron_cli.errors import InputError


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU. `capability` without its dot; `clock` in hertz and `bandwidth` in bytes a second at most, 0
    where the driver does not tell; `reason` says why there is no GPU, and is empty otherwise.
    """

    name: str = ""
    capability: int = 0
    processors: int = 0
    l2_bytes: int = 0
    clock: int = 0
    bandwidth: int = 0
    reason: str = ""


@cache
def gpu() -> Gpu:
    """The first GPU of this machine."""
    code = "from heron_cli.backends.cuda.probe import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return Gpu(reason=(done.stderr.strip().splitlines() or ["the driver does not answer"])[-1])
    return Gpu(**json.loads(lines[-1]))


def obstacles(requires: Mapping[str, Any]) -> list[str]:
    """Why kernels with these requirements do not run here; empty when they do."""
    found = gpu()
    if found.reason:
        return [found.reason]
    asked, reasons = requires.get("compute_capability") or 0, []
    exact = bool(requires.get("exact_capability"))
    loads = found.capability >= asked and found.capability // 10 == asked // 10  # machine code, no PTX
    if asked and not (found.capability == asked if exact else loads):
        what = f"exactly {asked / 10}" if exact else f"{asked / 10} or a later {asked // 10}.x"
        reasons.append(f"{found.name} has compute capability {found.capability / 10}; {what} is needed")
    try:
        compiler()
    except InputError as error:
        reasons.append(str(error))
    return reasons


def main() -> None:
    """Print the GPU as JSON."""
    from heron_cli.backends.cuda.driver import CudaError, Device

    try:
        device = Device()
        answer = Gpu(
            device.name,
            device.capability,
            device.processors,
            device.l2_bytes,
            device.clock,
            device.bandwidth,
        )
    except CudaError as error:
        answer = Gpu(reason=str(error))
    print(json.dumps(asdict(answer)))
