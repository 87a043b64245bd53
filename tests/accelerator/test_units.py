from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.accelerator import units
from heron_cli.accelerator.units import Quantity, UnitError, parse


@pytest.mark.parametrize(
    ("text", "quantity"),
    [
        ("48 KiB", Quantity(49152, "KiB", "bytes")),
        ("1 MiB", Quantity(1 << 20, "MiB", "bytes")),
        ("64B", Quantity(64, "B", "bytes")),
        ("1.5 KiB", Quantity(1536, "KiB", "bytes")),
        ("48 KB", Quantity(48000, "KB", "bytes")),
        ("32 vectors", Quantity(32, "vectors", "vectors")),
        ("1 vector", Quantity(1, "vector", "vectors")),
        ("255 registers", Quantity(255, "registers", "registers")),
        ("2.6 GHz", Quantity(2.6e9, "GHz", "frequency")),
        ("100 GB/s", Quantity(1e11, "GB/s", "bandwidth")),
        ("1 KiB/s", Quantity(1024.0, "KiB/s", "bandwidth")),
    ],
)
def test_reads(text: str, quantity: Quantity) -> None:
    assert parse(text) == quantity


@pytest.mark.parametrize(
    ("value", "dimensions", "said"),
    [
        (32768, ("bytes",), "32768 has no unit; write '48 KiB'"),
        ("48", ("bytes",), "48 has no unit; write '48 KiB'"),
        (1.5, ("bytes", "vectors"), "1.5 has no unit; write '48 KiB' or '32 vectors'"),
        (True, ("bytes",), "a quantity with its unit is due; write '48 KiB'"),
        (None, ("bytes",), "a quantity with its unit is due; write '48 KiB'"),
        ("32 vectors", ("bytes",), "'vectors' measures vectors where bytes are due; write '48 KiB'"),
        ("48 kib", ("bytes",), "unknown unit 'kib'; did you mean 'KiB'?"),
        ("48 Kib", ("bytes",), "unknown unit 'Kib'; did you mean 'KiB'?"),
        ("2 Ghz", ("frequency",), "unknown unit 'Ghz'; did you mean 'GHz'?"),
        ("3 furlongs", ("vectors",), "unknown unit 'furlongs'; known units: vector, vectors"),
        ("0.3 B", ("bytes",), "'0.3 B' is not a whole number of bytes; write '48 KiB'"),
        ("0 KiB", ("bytes",), "'0 KiB' is out of range; write a value above 0 and at most 2**50 bytes"),
        (
            "9999999 TiB",
            ("bytes",),
            "'9999999 TiB' is out of range; write a value above 0 and at most 2**50 bytes",
        ),
        ("-4 KiB", ("bytes",), "'-4 KiB' is not a quantity; write a positive number and a unit: '48 KiB'"),
        (
            "4 KiB each",
            ("bytes",),
            "'4 KiB each' is not a quantity; write a positive number and a unit: '48 KiB'",
        ),
    ],
)
def test_refuses(value: object, dimensions: tuple[str, ...], said: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(value, *dimensions)
    assert str(caught.value) == said


@given(st.sampled_from([(d, u) for d, table in units.UNITS.items() for u in table]), st.integers(1, 999))
def test_every_unit_scales_its_number(unit: tuple[str, str], number: int) -> None:
    dimension, word = unit
    found = parse(f"{number} {word}", dimension)
    assert found.value == number * units.UNITS[dimension][word]
    assert found.dimension == dimension


def test_no_unit_means_two_things() -> None:
    words = [unit for table in units.UNITS.values() for unit in table]
    assert len(words) == len(set(words))


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert parse(text).value > 0
    except UnitError as error:
        assert "; " in str(error)
