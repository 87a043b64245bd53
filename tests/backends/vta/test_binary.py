from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.accelerator.loader import load
from heron_cli.backends.vta.binary import read_program, write_program
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.errors import BinaryError, ProgramError
from heron_cli.backends.vta.program import Program

from .programs import CASES, one_tile, padded

CONFIG = VtaConfig.of(load("vta"))
DATA = write_program(one_tile(CONFIG).program, CONFIG)
HEADER, TENSOR = 72, 64
GAP = HEADER + 4 * TENSOR + 40  # after the micro-ops


def sealed(data: bytes) -> bytes:
    """The data with a checksum that fits."""
    return data[:28] + struct.pack("<I", zlib.crc32(data[HEADER:])) + data[32:]


@pytest.mark.parametrize("name", CASES)
def test_round_trip(name: str, any_config: VtaConfig) -> None:
    program = CASES[name](any_config).program
    data = write_program(program, any_config)
    assert read_program(data, any_config) == program
    assert write_program(read_program(data, any_config), any_config) == data


def test_the_documented_layout() -> None:
    program = one_tile(CONFIG).program
    magic, version, header, entry = struct.unpack_from("<8sHHI", DATA)
    assert (magic, version, header, entry) == (b"HERONVTA", 1, HEADER, TENSOR)
    tensors, uops, instructions, checksum = struct.unpack_from("<IIII", DATA, 16)
    assert (tensors, uops, instructions) == (4, 9, 7)
    assert checksum == zlib.crc32(DATA[HEADER:])
    assert DATA[32:64] == CONFIG.digest
    assert struct.unpack_from("<Q", DATA, 64) == (program.image_bytes(CONFIG),)
    assert DATA[HEADER : HEADER + 40] == b"input".ljust(40, b"\0")
    assert struct.unpack_from("<IIQQ", DATA, HEADER + 40) == (2, 16, 0, 12)
    assert len(DATA) == HEADER + 4 * TENSOR + 48 + 7 * 16  # 36 bytes of micro-ops, padded
    # Where a driver finds the first element of a load: bits 26 to 57.
    load = int.from_bytes(DATA[-16 * 4 : -16 * 4 + 8], "little")
    assert load & 7 == 0
    assert load >> 26 == program.tensor("weight").base == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "k.bin: is no VTA program: it does not begin with 'HERONVTA'"),
        (b"\x7fELF" + DATA, "is no VTA program"),
        (DATA[:71], "ends after 71 bytes, within its header of 72"),
        (DATA[:-1], "has 487 bytes; by its header it has 488: it was cut or joined"),
        (DATA + b"\0", "has 489 bytes; by its header it has 488"),
        (DATA[:8] + b"\2" + DATA[9:], "has version 2 of the format; this heron reads version 1"),
        (DATA[:100] + b"x" + DATA[101:], "is damaged: its checksum is wrong"),
        (sealed(DATA[:-16] + b"\5" + DATA[-15:]), "opcode = 5: no such instruction"),
        (sealed(DATA[:-16] + b"\1" + DATA[-15:]), "STORE: memory = 0; it must be 4"),
        (sealed(DATA[:112] + b"\7" + DATA[113:]), "whose memory does not exist"),
        (sealed(DATA[:72] + b"\xff" + DATA[73:]), "whose name is no text"),
        (sealed(DATA[:116] + b"\7" + DATA[117:]), "with elements of 7 bytes"),
        (sealed(DATA[:64] + b"\0" + DATA[65:]), "says that its tensors take"),
        (
            sealed(DATA[: HEADER + 4 * TENSOR + 40] + b"x" + DATA[HEADER + 4 * TENSOR + 41 :]),
            "bytes other than 0",
        ),
    ],
)
def test_what_cannot_be_read(data: bytes, said: str) -> None:
    with pytest.raises(BinaryError, match=said) as caught:
        read_program(data, CONFIG, "k.bin")
    assert "\n" not in str(caught.value)


def test_another_configuration_is_named(any_config: VtaConfig) -> None:
    if any_config == CONFIG:
        return
    with pytest.raises(
        BinaryError, match=f"for the configuration .*; {any_config.name} is .* it was made for"
    ):
        read_program(DATA, any_config)


def test_wrong_programs_are_not_written() -> None:
    program = padded(CONFIG).program
    with pytest.raises(ProgramError, match="Finish stands at no place"):
        write_program(replace(program, instructions=program.instructions[:-1]), CONFIG)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A file with some bytes changed, cut or doubled; mostly under a checksum that fits."""
    data = bytearray(DATA)
    for _ in range(draw(st.integers(1, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    result = bytes(data)
    if draw(st.booleans()):
        begin, end = sorted(draw(st.tuples(st.integers(0, len(data)), st.integers(0, len(data)))))
        result = result[:begin] + result[end:]
    return sealed(result) if draw(st.booleans()) and len(result) > HEADER else result


@given(damaged() | st.binary(max_size=200) | st.binary(max_size=100).map(lambda tail: DATA[:HEADER] + tail))
def test_any_bytes_are_a_program_or_refused(data: bytes) -> None:
    try:
        found = read_program(data, CONFIG)
    except BinaryError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(found, Program)
        assert write_program(found, CONFIG) == data
