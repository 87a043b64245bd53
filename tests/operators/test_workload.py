from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.errors import InputError
from heron_cli.operators.workload import DTypes, Workload, format_shape, make, parse_shape

CONV = {"height": 8, "width": 7, "in_channels": 4, "out_channels": 4, "kernel": [3, 1], "padding": [1, 0]}


def conv(**changes: object) -> Workload:
    return make("conv2d", {**CONV, **changes})


def test_pickles_copies_and_hashes() -> None:
    workload = make("conv2d", CONV, name="x", count=3)
    for copied in (pickle.loads(pickle.dumps(workload)), copy.copy(workload), copy.deepcopy(workload)):
        assert copied == workload and hash(copied) == hash(workload) and copied.key == workload.key
        assert copied.count == 3
        with pytest.raises(TypeError):
            copied.shape["height"] = 9
    assert len({workload, pickle.loads(pickle.dumps(workload))}) == 1


def test_key_is_the_problem_and_nothing_else() -> None:
    assert conv().key == (
        "conv2d[batch=1,height=8,width=7,in_channels=4,out_channels=4,kernel=3x1,stride=1x1,padding=1x0,"
        "dilation=1x1,layout=NHWC]:u8s8s32"
    )
    assert make("conv2d", CONV, name="other", count=7).key == conv().key
    assert conv(layout="NCHW").key != conv().key
    assert conv(padding=[0, 1]).key != conv().key


def test_key_tells_accumulators_apart() -> None:
    half = {"input": "float16", "weight": "float16", "output": "float16"}
    keys = {make("gemm", {"m": 1, "n": 1, "k": 4}, dtypes={**half, "accumulate": a}).key for a in
            ("float16", "float32")}  # fmt: skip
    assert keys == {"gemm[m=1,n=1,k=4]:f16f16f16", "gemm[m=1,n=1,k=4]:f16f16f16-f32"}


@given(
    st.dictionaries(
        st.from_regex(r"[a-z_]{1,8}", fullmatch=True),
        st.integers(-99, 99)
        | st.lists(st.integers(0, 99), min_size=2, max_size=3).map(tuple)
        | st.sampled_from(["NHWC", "NCHW"]),
        max_size=5,
    )
)
def test_format_and_parse_are_inverse(shape: dict[str, int | tuple[int, ...] | str]) -> None:
    read = parse_shape(format_shape(shape))
    assert {name: tuple(v) if isinstance(v, list) else v for name, v in read.items()} == shape


def test_spaces_and_empty_entries_are_allowed() -> None:
    assert parse_shape(" m = 1 , n=2,, k =3x4,") == {"m": 1, "n": 2, "k": [3, 4]}
    assert parse_shape("") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("m", "'m' is not of the form name=value"),
        ("m=", "'m=' is not of the form name=value"),
        ("=3", "'=3' is not of the form name=value"),
        ("m=1,n", "'n' is not of the form name=value"),
        ("m=1,n=2,m=1", "m is given twice"),
    ],
)
def test_bad_text(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_shape(text)
    assert str(caught.value) == f"--shape: {message}"


def test_dtypes_are_checked() -> None:
    shape = {"m": 1, "n": 1, "k": 4}
    with pytest.raises(InputError, match=r"^--shape: dtype input is 'int9'; there are uint8, int8, "):
        make("gemm", shape, dtypes={"input": "int9"})
    with pytest.raises(InputError, match=r"^--shape: dtype has no 'inputs'; there are input, weight, "):
        make("gemm", shape, dtypes={"inputs": "int8"})
    assert make("gemm", shape, dtypes={"input": "int8"}).dtypes == DTypes(input="int8")


def test_unknown_operator() -> None:
    with pytest.raises(InputError, match=r"no operator is called 'gemn'; did you mean gemm or gemv\?"):
        make("gemn", {})
