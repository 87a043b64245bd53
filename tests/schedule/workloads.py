"""Small workloads that take every path, for hypothesis and by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from numpy.typing import NDArray

from heron_cli.errors import InputError
from heron_cli.operators import registry
from heron_cli.operators.epilogue import Fields, parse, resolve
from heron_cli.operators.workload import Workload, make

CONV: dict[str, object] = {
    "height": 6, "width": 7, "in_channels": 4, "out_channels": 5, "kernel": 3, "padding": 1,
}  # fmt: skip


def gemm(m: int = 6, n: int = 32, k: int = 8, **dtypes: str) -> Workload:
    return make("gemm", {"m": m, "n": n, "k": k}, dtypes=dtypes)


def conv(**changes: object) -> Workload:
    return make("conv2d", {**CONV, **changes})


def depthwise(**changes: object) -> Workload:
    shape = {"height": 6, "width": 7, "channels": 37, "kernel": 3, "padding": 1, **changes}
    return make("depthwise_conv2d", shape)


def finished(workload: Workload, epilogue: str | Fields, **dtypes: str) -> Workload:
    """The workload with other element types and an epilogue."""
    types = replace(workload.dtypes, **dtypes)
    fields = parse(epilogue) if isinstance(epilogue, str) else epilogue
    return replace(workload, dtypes=types, epilogue=resolve(fields, types))


def arrays_of(workload: Workload, seed: int = 0) -> dict[str, NDArray[Any]]:
    rng, arrays = np.random.default_rng(seed), {}
    for name, spec in registry.get(workload.operator).specs(workload).items():
        if name != "output":
            if spec.dtype == "float32":
                arrays[name] = rng.uniform(-1e-3, 1e-2, spec.shape).astype(np.float32)
                continue
            limits = np.iinfo(spec.dtype)
            arrays[name] = rng.integers(limits.min, limits.max, spec.shape, spec.dtype, endpoint=True)
    return arrays


@st.composite
def epilogues(draw: st.DrawFn) -> tuple[dict[str, str], Fields]:
    """Element types and any epilogue that they allow."""
    output = draw(st.sampled_from(["int8", "uint8", "int32"]))
    limits = np.iinfo(output)
    bounds = sorted(draw(st.lists(st.integers(limits.min, limits.max), min_size=2, max_size=2, unique=True)))
    given: dict[str, object] = {
        "bias": draw(st.booleans()),
        "residual": draw(st.booleans()),
        "scale": (scale := draw(st.booleans())),
        "shift": 0 if scale else draw(st.sampled_from([0, 1, 8, 31])),
        "low": draw(st.sampled_from([bounds[0], None])),
        "high": draw(st.sampled_from([bounds[1], None])),
    }
    return {"output": output}, {name: (value, "here") for name, value in given.items()}


def _pairs(low: int, high: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(low, high), min_size=2, max_size=2)


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    if draw(st.integers(0, 3)) == 0:
        return gemm(draw(st.integers(1, 5)), draw(st.integers(1, 20)), draw(st.integers(1, 9)))
    try:
        return make(
            "conv2d",
            {
                "batch": draw(st.integers(1, 2)),
                "height": draw(st.integers(1, 6)),
                "width": draw(st.integers(1, 6)),
                "in_channels": draw(st.integers(1, 5)),
                "out_channels": draw(st.integers(1, 3)),
                "kernel": draw(_pairs(1, 3)),
                "stride": draw(_pairs(1, 2)),
                "padding": draw(_pairs(0, 3)),
                "dilation": draw(_pairs(1, 2)),
                "layout": draw(st.sampled_from(["NHWC", "NCHW"])),
            },
        )
    except InputError as error:
        assume("larger than the padded" not in str(error))
        raise
