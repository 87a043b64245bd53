"""Programs as files.

A file is little-endian throughout. Header, 72 bytes:

    offset  size  content
         0     8  magic "HERONVTA"
         8     2  version of the format, 1
        10     2  size of the header, 72
        12     4  size of a tensor's entry, 64
        16     4  number of tensors
        20     4  number of micro-ops
        24     4  number of instructions
        28     4  CRC-32 of everything after the header
        32    32  sha-256 that identifies the configuration (`VtaConfig.digest`)
        64     8  size of the DRAM image that holds the tensors, in bytes

Sections follow one another: tensors, micro-ops (4 bytes each, then zeros up to a multiple of 16) and
instructions (16 bytes each). A tensor's entry:

         0    40  name, UTF-8, zeros after it
        40     4  memory, as in instructions (0 micro-ops, 1 weight, 2 input, 3 accumulator, …)
        44     4  size of an element in bytes
        48     8  first element: its byte in the image is this times the size of an element
        56     8  number of elements

`dram_base` of an instruction (bits 26 to 57 of its first word in the published layout) counts elements of its
memory from the image's begin; a driver that puts the image at an address adds that address divided by the
size of an element.
"""

from __future__ import annotations

import struct
import zlib

from heron_cli.backends.vta import encoding
from heron_cli.backends.vta.checks import dram_bytes
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.errors import BinaryError, IsaError, ProgramError
from heron_cli.backends.vta.isa import Memory
from heron_cli.backends.vta.program import NAME_BYTES, Program, Tensor, check_program

MAGIC = b"HERONVTA"
VERSION = 1
_HEADER = struct.Struct("<8sHHIIIII32sQ")
_TENSOR = struct.Struct(f"<{NAME_BYTES}sIIQQ")
_ALIGNMENT = 16


def write_program(program: Program, config: VtaConfig) -> bytes:
    """A program's file. Raises ProgramError for one that is wrong in itself."""
    check_program(program, config)
    tensors = b"".join(_tensor(tensor, config) for tensor in program.tensors)
    uops = b"".join(encoding.encode_uop(uop, config) for uop in program.uops)
    code = b"".join(encoding.encode_checked(item, config) for item in program.instructions)
    body = tensors + uops + bytes(-len(uops) % _ALIGNMENT) + code
    header = _HEADER.pack(
        MAGIC,
        VERSION,
        _HEADER.size,
        _TENSOR.size,
        len(program.tensors),
        len(program.uops),
        len(program.instructions),
        zlib.crc32(body),
        config.digest,
        program.image_bytes(config),
    )
    return header + body


def read_program(data: bytes, config: VtaConfig, name: str = "program") -> Program:
    """The program of a file's bytes; `name` is what errors call it.

    Raises:
        BinaryError: it is no such file, is damaged, or was made for another configuration; one line.
    """
    try:
        return _read(data, config)
    except (IsaError, ProgramError, BinaryError) as error:
        raise BinaryError(f"{name}: {error}") from None


def _read(data: bytes, config: VtaConfig) -> Program:
    if data[: len(MAGIC)] != MAGIC:
        raise BinaryError("is no VTA program: it does not begin with 'HERONVTA'")
    if len(data) < _HEADER.size:
        raise BinaryError(f"ends after {len(data)} bytes, within its header of {_HEADER.size}")
    _, version, header, entry, tensors, uops, instructions, checksum, digest, image = _HEADER.unpack_from(
        data
    )
    if (version, header, entry) != (VERSION, _HEADER.size, _TENSOR.size):
        raise BinaryError(f"has version {version} of the format; this heron reads version {VERSION}")
    sizes = [tensors * _TENSOR.size, uops * encoding.UOP_BYTES, instructions * encoding.INSTRUCTION_BYTES]
    padding = -sizes[1] % _ALIGNMENT
    due = _HEADER.size + sum(sizes) + padding
    if len(data) != due:
        raise BinaryError(f"has {len(data):,} bytes; by its header it has {due:,}: it was cut or joined")
    if zlib.crc32(data[_HEADER.size :]) != checksum:
        raise BinaryError("is damaged: its checksum is wrong")
    if digest != config.digest:
        raise BinaryError(
            f"was made for the configuration {digest.hex()[:12]}; "
            f"{config.name} is {config.digest.hex()[:12]}: give the accelerator it was made for"
        )
    first, second = _HEADER.size + sizes[0], _HEADER.size + sizes[0] + sizes[1]
    if any(data[second : second + padding]):
        raise BinaryError("has bytes other than 0 between micro-ops and instructions")
    program = Program(
        instructions=tuple(encoding.decode(part, config) for part in _parts(data[second + padding :], 16)),
        uops=tuple(encoding.decode_uop(part, config) for part in _parts(data[first:second], 4)),
        tensors=tuple(_entry(part, config) for part in _parts(data[_HEADER.size : first], _TENSOR.size)),
    )
    check_program(program, config)
    if image != program.image_bytes(config):
        raise BinaryError(f"says that its tensors take {image:,} bytes, not {program.image_bytes(config):,}")
    return program


def _parts(data: bytes, size: int) -> list[bytes]:
    return [data[begin : begin + size] for begin in range(0, len(data), size)]


def _tensor(tensor: Tensor, config: VtaConfig) -> bytes:
    size = dram_bytes(tensor.memory, config)
    return _TENSOR.pack(tensor.name.encode(), tensor.memory, size, tensor.base, tensor.elements)


def _entry(data: bytes, config: VtaConfig) -> Tensor:
    raw, number, size, base, elements = _TENSOR.unpack(data)
    try:
        name, memory = raw.rstrip(b"\0").decode(), Memory(number)
    except ValueError:
        raise BinaryError("has a tensor whose name is no text or whose memory does not exist") from None
    if size != dram_bytes(memory, config) or "\0" in name:
        raise BinaryError(f"has a tensor {name!r} with elements of {size} bytes, or zeros in its name")
    return Tensor(name, memory, base, elements)
