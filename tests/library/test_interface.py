"""The generator knows no operator: here are ones that nobody has thought of."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.backends.base import Kernel, Operand
from heron_cli.errors import InputError
from heron_cli.library.dispatch import dispatch
from heron_cli.library.header import C_FOLDER, header, public_symbols
from heron_cli.library.interface import Field, derive
from heron_cli.library.item import ExportItem
from heron_cli.operators.base import Operator, TensorSpec
from heron_cli.operators.parameter import Parameter
from heron_cli.operators.workload import DTypes, Workload, make
from heron_cli.records import Record
from heron_cli.trial import Candidate, Measurement, Status, Trial


class Blend(Operator):
    """Nothing like a matrix product: four operands, words, tuples, a parameter named like a C++ keyword."""

    name = "blend"
    summary = "an invented operator */ with a hostile summary"
    parameters = (
        Parameter("template", "a keyword of C++"),
        Parameter("window", "three numbers", rank=3, minimum=-5, default=(1, 1, 1)),
        Parameter("mode", "how", choices=("SOFT-EDGE", "HARD")),
    )

    def specs(self, workload: Workload) -> dict[str, TensorSpec]:
        n = workload.shape["template"]
        assert isinstance(n, int)
        return {
            "input": TensorSpec((n,), "float16"),
            "weight": TensorSpec((n, 2), "bfloat16", constant=True),
            "bias": TensorSpec((n,), "float32", constant=True),
            "output": TensorSpec((n,), "float32"),
        }

    def compute(self, workload: Workload) -> list[Any]:
        raise AssertionError("the library compiles nothing")

    def reference(self, workload: Workload, arrays: Mapping[str, Any]) -> Any:
        raise AssertionError("the library computes nothing")

    def macs(self, workload: Workload) -> int:
        return 1


BLEND = Blend()


def blend_item(n: int = 4, mode: str = "HARD", packed: int | None = None, **shape: Any) -> ExportItem:
    complete = BLEND.normalise({"template": n, "mode": mode, **shape}, "test")
    types = DTypes("float16", "bfloat16", "float32", "float32")
    workload = Workload("blend", "blend", MappingProxyType(complete), types)
    specs = BLEND.specs(workload)
    operands = tuple(
        Operand(name, spec.shape, spec.dtype, packed if name == "weight" else None)
        for name, spec in specs.items()
    )
    measurement = Measurement(Status.OK, seconds=None, cycles=5, verified=True)
    trial = Trial(Candidate("v", ()), measurement)
    record = Record(workload.key, {}, "blend", "t", "d", 1, trial, 0, "m", {}, "now")
    return ExportItem(workload, Kernel("blend", operands, b"", "p"), record)


def test_header_and_dispatch_of_an_invented_operator_compile(tmp_path: Path) -> None:
    interface = derive(
        [blend_item(), blend_item(8, "SOFT-EDGE", packed=64, window=(-1, 2, 3))], lambda name: BLEND
    )
    text = header(interface, "0.1.0", "0.1.0")
    (tmp_path / "heron_kernels.h").write_text(text)
    (tmp_path / "dispatch.c").write_text(dispatch(interface, "id"))
    assert "int32_t template_; /* a keyword of C++ */" in text
    assert "int32_t window[3];" in text
    assert "HERON_BLEND_MODE_SOFT_EDGE = 0, HERON_BLEND_MODE_HARD = 1" in text
    assert "const uint16_t *input, const void *packed_weight, const float *bias, float *output);" in text
    for flags in (["-std=c11"], ["-x", "c++", "-std=c++17"]):
        source = "dispatch.c" if "c++" not in flags else "heron_kernels.h"
        subprocess.run(
            ["cc", *flags, "-Wall", "-Wextra", "-Werror", f"-I{C_FOLDER}", "-I.", "-fsyntax-only", source],
            cwd=tmp_path,
            check=True,
        )


def test_public_symbols_are_those_of_the_header() -> None:
    text = header(derive([blend_item()], lambda name: BLEND), "0.1.0", "0.1.0")
    symbols = public_symbols(text)
    assert text.count("HERON_API ") - text.count("#define HERON_API ") == len(symbols)
    assert len(set(symbols)) == len(symbols)
    assert "heron_blend_f16bf16f32_template4_window1x1x1_modeHARD_pack" in symbols
    assert "heron_kernel_at" in symbols


def test_kernel_that_packs_nothing_still_takes_a_packed_constant() -> None:
    interface = derive([blend_item()], lambda name: BLEND)
    (entry,) = interface.entries
    assert entry.packed_bytes == entry.constant_bytes == 4 * 2 * 2
    constant = interface.functions[0].constant
    assert constant is not None
    assert constant.name == "weight"
    packing = derive([blend_item(packed=64)], lambda name: BLEND).entries[0]
    assert (packing.packed_bytes, packing.constant_bytes) == (64, 16)


def test_operands_that_disagree() -> None:
    odd = blend_item(8)
    operands = (*odd.kernel.operands[:2], odd.kernel.operands[3])
    with pytest.raises(
        InputError, match=r"blend\[template=8.*: its operands are not those of blend\[template=4"
    ):
        derive(
            [blend_item(), replace(odd, kernel=replace(odd.kernel, operands=operands))], lambda name: BLEND
        )


def test_field_refuses_what_c_cannot_say() -> None:
    number, pair, word = (
        Field("a", "n", "", 0, ()),
        Field("b", "p", "", 2, ()),
        Field("c", "w", "", 0, ("A", "B")),
    )
    assert number.flatten(5, "w") == (5,)
    assert pair.flatten((1, 2), "w") == (1, 2)
    assert word.flatten("B", "w") == (1,)
    for field, value in ((number, 1 << 31), (number, "A"), (pair, (1,)), (pair, 1), (word, "C"), (word, 1)):
        with pytest.raises(InputError, match="which the library's interface cannot say"):
            field.flatten(value, "w")


@given(st.sets(st.tuples(*[st.integers(1, 3000)] * 3), min_size=1, max_size=40))
def test_tables_are_sorted_and_names_unique(shapes: set[tuple[int, int, int]]) -> None:
    from heron_cli.operators import registry

    template = blend_item()
    items = []
    for m, n, k in shapes:
        workload = make("gemm", {"m": m, "n": n, "k": k})
        operands = (
            Operand("input", (m, k), "uint8"),
            Operand("weight", (n, k), "int8"),
            Operand("output", (m, n), "int32"),
        )
        items.append(replace(template, workload=workload, kernel=Kernel("g", operands, b"", "")))
    (function,) = derive(items, registry.get).functions
    assert [entry.values for entry in function.entries] == sorted(shapes)
    assert len({entry.symbol for entry in function.entries}) == len(shapes)
    assert [entry.internal for entry in function.entries] == [f"heron_kernel_{i}" for i in range(len(shapes))]
