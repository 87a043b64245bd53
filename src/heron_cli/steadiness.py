"""How steadily this machine measures: its clocks, its GPUs, and a fixed piece of work timed for a moment."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from statistics import quantiles

from heron_cli.findings import Finding, Level
from heron_cli.machine import Machine

_LOOKS = 60  # at the yardstick, some 150 µs each
_GPU_QUERY = "name,clocks.sm,clocks.max.sm,utilization.gpu,memory.free,persistence_mode"
_BUSY_PERCENT = 10.0


def clocks(machine: Machine) -> Iterator[Finding]:
    """The processor's clock, and whether it may change under load."""
    now, most = machine.clock
    if now is not None:
        yield Finding("clock", f"{now:.0f} MHz" + (f" of at most {most:.0f}" if most else ""))
    if machine.turbo:
        advice = "turn it off for comparisons: a cool core is faster than a warm one"
        yield Finding("turbo", "on", Level.WARNING, advice)


def steady(looks: Callable[[], float] | None = None) -> Finding:
    """Whether a fixed piece of work takes the same time again and again."""
    from heron_cli.measure.yardstick import LIMIT, Yardstick

    look = looks or Yardstick().take
    look()  # the first warms up
    paces = sorted(look() for _ in range(_LOOKS))
    usual = quantiles(paces, n=10)[-1]
    value = f"9 of 10 looks at a fixed piece of work within {usual:.2f} times the best"
    if usual <= LIMIT:
        return Finding("steadiness", value)
    return Finding(
        "steadiness", value, Level.WARNING, "stop other work, or choose quieter cores by `taskset`"
    )


def gpus(query: Callable[[], Sequence[str]] | None = None) -> Iterator[Finding]:
    """The GPUs that the driver knows: clocks, free memory, and who else uses them."""
    for number, line in enumerate((query or _nvidia)()):
        parts = [part.strip() for part in line.split(",")]
        if len(parts) != len(_GPU_QUERY.split(",")):
            continue
        name, clock, most, used, free, persistent = parts
        value = f"{name}, {clock} MHz of at most {most}, {free} MiB free"
        concerns = []
        if used.replace(".", "").isdigit() and float(used) > _BUSY_PERCENT:
            concerns.append(f"it is {used} % busy: stop what else uses it")
        if persistent == "Disabled":
            concerns.append("turn persistence on: `nvidia-smi -pm 1`")
        level = Level.WARNING if concerns else Level.OK
        yield Finding(f"gpu {number}", value, level, "; ".join(concerns))


def _nvidia() -> Sequence[str]:
    """The lines that nvidia-smi answers; none where there is no driver."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", f"--query-gpu={_GPU_QUERY}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except subprocess.TimeoutExpired:
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []
