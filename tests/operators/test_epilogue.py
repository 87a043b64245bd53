from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from heron_cli.errors import InputError
from heron_cli.operators import finish, registry
from heron_cli.operators.epilogue import EMPTY, Epilogue, default, parse, resolve
from heron_cli.operators.workload import DTypes, Workload, make

GEMM = {"m": 3, "n": 5, "k": 7}
CONV = {"batch": 2, "height": 4, "width": 3, "in_channels": 2, "out_channels": 3, "kernel": 2}
INT8 = {"input": "int8", "output": "int8"}


def workload(operator: str = "gemm", text: str = "", **dtypes: str) -> Workload:
    shape = GEMM if operator == "gemm" else {**CONV, "layout": operator}
    name = "gemm" if operator == "gemm" else "conv2d"
    return make(name, shape, dtypes=dtypes, epilogue=parse(text))


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        (DTypes(), EMPTY),
        (DTypes(output="int8"), Epilogue(shift=8, low=0, high=127)),
        (DTypes(output="uint8"), Epilogue(shift=8, low=0, high=255)),
        (DTypes(output="float32"), EMPTY),
        (DTypes("float16", "float16", "float32", "float16"), EMPTY),
        (DTypes("float16", "float16", "float32", "float32"), EMPTY),
    ],
)
def test_default_follows_from_the_types(types: DTypes, expected: Epilogue) -> None:
    assert default(types) == resolve({}, types) == expected
    assert make("gemm", GEMM, dtypes=types).epilogue == expected


def test_key_is_unchanged_without_and_readable_with_an_epilogue() -> None:
    assert workload().key == "gemm[m=3,n=5,k=7]:u8s8s32"
    assert workload(**INT8).key == "gemm[m=3,n=5,k=7]:s8s8s8-s32+shift=8,low=0,high=127"
    assert workload(text="bias=1,residual=1,shift=3,low=-4,high=5").key == (
        "gemm[m=3,n=5,k=7]:u8s8s32+bias=1,residual=1,shift=3,low=-4,high=5"
    )
    assert workload(text="bias=0,shift=0").key == workload().key


def test_pickles_with_its_workload() -> None:
    original = workload(text="bias=1,low=0")
    copied = pickle.loads(pickle.dumps(original))
    assert copied == original and hash(copied) == hash(original)
    assert copied.epilogue == Epilogue(bias=True, low=0)
    assert workload(text="bias=1") != workload()


bounds = st.none() | st.integers(-128, 127)


@given(st.booleans(), st.booleans(), st.integers(0, 31), bounds, bounds)
def test_text_and_epilogue_are_inverse(
    bias: bool, residual: bool, shift: int, low: int | None, high: int | None
) -> None:
    if low is not None and high is not None and low >= high:
        low, high = (high, low) if low > high else (None, high)
    epilogue = Epilogue(bias, residual, shift, low, high)
    assert resolve(parse(str(epilogue)), DTypes()) == epilogue


def test_fields_that_are_not_given_have_their_defaults() -> None:
    types = DTypes(output="int8")
    assert resolve(parse("bias=1"), types) == Epilogue(bias=True, shift=8, low=0, high=127)
    assert resolve(parse(" low = none, shift=0,"), types) == Epilogue(high=127)
    assert resolve(parse("high=none,low=none,bias=true,residual=false"), types) == Epilogue(
        bias=True, shift=8
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shift", "'shift' is not of the form name=value"),
        ("shift=", "'shift=' is not of the form name=value"),
        ("bias=1,bias=1", "bias is given twice"),
        ("shfit=3", "epilogue has no 'shfit'; did you mean shift?"),
        ("colour=3", "epilogue has no 'colour'; there are bias, residual, shift, low, high"),
        ("bias=2", "epilogue bias is '2'; it is true or false (1 or 0)"),
        ("residual=maybe", "epilogue residual is 'maybe'; it is true or false (1 or 0)"),
        ("shift=-1", "epilogue shift is -1; it is an integer from 0 to 31"),
        ("shift=32", "epilogue shift is 32; it is an integer from 0 to 31"),
        ("shift=none", "epilogue shift is 'none'; it is an integer from 0 to 31"),
        ("shift=1.5", "epilogue shift is '1.5'; it is an integer from 0 to 31"),
        ("low=zero", "epilogue low is 'zero'; it is an integer or none"),
        ("high=1e3", "epilogue high is '1e3'; it is an integer or none"),
    ],
)
def test_bad_text(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert str(caught.value) == f"--epilogue: {message}"


HALF = DTypes("float16", "float16", "float32", "float16")


@pytest.mark.parametrize(
    ("text", "types", "message"),
    [
        ("low=3,high=2", DTypes(), "epilogue low is 3; it is below high, which is 2"),
        ("low=3,high=3", DTypes(), "epilogue low is 3; it is below high, which is 3"),
        ("low=127", DTypes(output="int8"), "epilogue low is 127; it is below high, which is 127"),
        ("high=-1", DTypes(output="int8"), "epilogue low is 0; it is below high, which is -1"),
        ("high=128", DTypes(output="int8"), "epilogue high is 128; int8 holds -128 to 127"),
        ("low=-1", DTypes(output="uint8"), "epilogue low is -1; uint8 holds 0 to 255"),
        ("high=2147483648", DTypes(), "epilogue high is 2147483648; int32 holds -2147483648 to 2147483647"),
        ("high=70000", HALF, "epilogue high is 70000; float16 holds -65504 to 65504"),
        ("shift=1", HALF, "epilogue shift is 1; float32 is not shifted"),
    ],
)
def test_what_the_types_do_not_allow(text: str, types: DTypes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve(parse(text), types)
    assert str(caught.value) == f"--epilogue: {message}"
    with pytest.raises(InputError, match=message.split(";")[0]):
        make("gemm", GEMM, dtypes=types, epilogue=parse(text))


@pytest.mark.parametrize(
    ("operator", "output"), [("gemm", (3, 5)), ("NHWC", (2, 3, 2, 3)), ("NCHW", (2, 3, 3, 2))]
)
def test_operands_come_before_the_output(operator: str, output: tuple[int, ...]) -> None:
    asked = workload(operator, "bias=1,residual=1", **INT8)
    specs = registry.get(asked.operator).specs(asked)
    assert list(specs) == ["input", "weight", "bias", "residual", "output"]
    channels = 5 if operator == "gemm" else 3
    assert (specs["bias"].shape, specs["bias"].dtype, specs["bias"].constant) == ((channels,), "int32", True)
    assert (specs["residual"].shape, specs["residual"].dtype) == (output, "int8")
    assert not specs["residual"].constant
    assert (specs["output"].shape, specs["output"].dtype) == (output, "int8")
    tensors = registry.get(asked.operator).compute(asked)
    assert [tensor.op.name for tensor in tensors] == list(specs)
    for tensor, spec in zip(tensors, specs.values(), strict=True):
        assert (tuple(int(n) for n in tensor.shape), str(tensor.dtype)) == (spec.shape, spec.dtype)


def test_bytes_count_what_the_epilogue_reads() -> None:
    operator = registry.get("gemm")
    plain, added = workload(**INT8), workload(text="bias=1,residual=1", **INT8)
    assert operator.bytes(added) - operator.bytes(plain) == 4 * 5 + 3 * 5
    assert operator.macs(added) == operator.macs(plain)


def test_no_stage_where_nothing_is_done() -> None:
    assert finish.sum_name(workload()) == "output"
    assert finish.sum_name(workload(text="shift=0,low=none,high=none", **INT8)) == "sum"


def operands(asked: Workload, seed: int) -> dict[str, NDArray[Any]]:
    rng, arrays = np.random.default_rng(seed), {}
    for name, spec in registry.get(asked.operator).specs(asked).items():
        if name != "output":
            limits = np.iinfo(spec.dtype)
            arrays[name] = rng.integers(limits.min, limits.max, spec.shape, spec.dtype, endpoint=True)
    return arrays


def by_hand(value: int, bias: int, residual: int, epilogue: Epilogue, bits: int) -> int:
    """The definition on Python's integers; they wrap at 32 bits when added, at `bits` in the end."""
    value = wrapped(value + bias, 32)
    value = wrapped((value >> epilogue.shift) + residual, 32)
    value = value if epilogue.high is None else min(value, epilogue.high)
    value = value if epilogue.low is None else max(value, epilogue.low)
    return wrapped(value, bits)


def wrapped(value: int, bits: int) -> int:
    half = 1 << (bits - 1)
    return (value + half) % (2 * half) - half


TEXTS = [
    "bias=1",
    "residual=1",
    "bias=1,residual=1,shift=3,low=-100,high=99",
    "shift=0,low=none,high=none",
    "",
]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["gemm", "NHWC", "NCHW"]),
    st.sampled_from(TEXTS),
    st.sampled_from(["int8", "int32"]),
    st.integers(0, 99),
)
def test_reference_is_the_definition(operator: str, text: str, output: str, seed: int) -> None:
    asked = workload(operator, text, input="int8", output=output)
    arrays = operands(asked, seed)
    result = registry.get(asked.operator).reference(asked, arrays)
    plain = workload(operator, input="int8")
    sums = registry.get(asked.operator).reference(plain, arrays)
    assert (result.shape, result.dtype) == (sums.shape, np.dtype(output))
    channel = 1 if operator in ("gemm", "NCHW") else 3
    bits = 8 if output == "int8" else 32
    for index in np.ndindex(*sums.shape):
        bias = int(arrays["bias"][index[channel]]) if asked.epilogue.bias else 0
        residual = int(arrays["residual"][index]) if asked.epilogue.residual else 0
        assert result[index] == by_hand(int(sums[index]), bias, residual, asked.epilogue, bits)


def test_the_shift_is_arithmetic_and_comes_before_the_residual() -> None:
    asked = workload(text="residual=1,low=none", **INT8)
    arrays: dict[str, NDArray[Any]] = {
        "input": np.full((3, 7), -1, np.int8),
        "weight": np.eye(5, 7, dtype=np.int8),
        "residual": np.full((3, 5), 2, np.int8),
    }
    assert (registry.get("gemm").reference(asked, arrays) == (-1 >> 8) + 2).all()


def test_floats_are_added_and_clipped() -> None:
    half = {"input": "float16", "weight": "float16", "accumulate": "float32", "output": "float16"}
    asked = workload(text="bias=1,residual=1,low=0", **half)
    arrays: dict[str, NDArray[Any]] = {
        "input": np.ones((3, 7), np.float16),
        "weight": np.ones((5, 7), np.float16),
        "bias": np.array([-8, -7.5, -7, 0, 1], np.float32),
        "residual": np.full((3, 5), 0.25, np.float16),
    }
    result = registry.get("gemm").reference(asked, arrays)
    assert result.dtype == np.float32
    assert result[0].tolist() == [0, 0, 0.25, 7.25, 8.25]
