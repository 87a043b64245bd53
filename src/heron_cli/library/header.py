"""The public C header of a library: C99, and C++."""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import Template

from heron_cli.errors import InputError
from heron_cli.library.interface import Descriptor, Entry, Field, Function, Interface
from heron_cli.library.style import C_FOLDER, HOST, Style


def version_parts(version: str) -> tuple[int, int, int]:
    """Major, minor and patch of ``1.2.3``. Raises InputError for anything else."""
    match = re.fullmatch(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})", version)
    if match is None:
        raise InputError(f"library version '{version}' is not of the form MAJOR.MINOR.PATCH")
    return int(match[1]), int(match[2]), int(match[3])


def header(interface: Interface, version: str, heron_version: str, style: Style = HOST) -> str:
    """The text of heron_kernels.h."""
    major, minor, patch = version_parts(version)
    functions = (_function(function, style) for function in interface.functions)
    sections = [*map(_descriptor, interface.descriptors), *functions]
    return Template((C_FOLDER / "heron_kernels.h.in").read_text()).substitute(
        heron_version=heron_version,
        major=major,
        minor=minor,
        patch=patch,
        version=version,
        alignment=style.alignment,
        interface=(style.folder / "interface.h.in").read_text(),
        declarations="".join(f"\n{section}" for section in sections),
    )


def public_symbols(header_text: str) -> list[str]:
    """The functions that a header declares."""
    return re.findall(r"^HERON_API [^;(]*?(\w+)\(", header_text, re.MULTILINE)


def parameters(function: Function, style: Style) -> str:
    """The C parameters of a function: its operands, and what the style adds."""
    operands = (
        f"const void *packed_{argument.name}"
        if argument.constant
        else f"{'' if argument.written else 'const '}{argument.c_type} *{argument.name}"
        for argument in function.arguments
    )
    return ", ".join(filter(None, (*operands, style.context)))


def pack_parameters(function: Function, style: Style) -> str:
    """The C parameters of the function that packs: constant operand, packed form, what the style adds."""
    constant = function.constant
    assert constant is not None
    own = (f"const {constant.c_type} *{constant.name}", "void *packed", style.context)
    return ", ".join(filter(None, own))


def _descriptor(descriptor: Descriptor) -> str:
    return "\n".join(_descriptor_lines(descriptor)) + "\n"


def _descriptor_lines(descriptor: Descriptor) -> Iterator[str]:
    for field in descriptor.fields:
        if field.choices:
            names = (descriptor.enumerator(field, choice) for choice in field.choices)
            values = ", ".join(f"{name} = {number}" for number, name in enumerate(names))
            name = descriptor.enum_name(field)
            yield f"typedef enum {name} {{ {values} }} {name};\n"
    yield f"/* {descriptor.operator}: {_comment(descriptor.summary)} */"
    yield f"typedef struct {descriptor.type_name} {{"
    for field in descriptor.fields:
        yield f"  {_member(descriptor, field)}; /* {_comment(field.meaning)} */"
    yield f"}} {descriptor.type_name};"


def _member(descriptor: Descriptor, field: Field) -> str:
    if field.choices:
        return f"{descriptor.enum_name(field)} {field.name}"
    return f"int32_t {field.name}[{field.length}]" if field.length else f"int32_t {field.name}"


def _function(function: Function, style: Style) -> str:
    return "\n".join(_function_lines(function, style)) + "\n"


def _function_lines(function: Function, style: Style) -> Iterator[str]:
    describe = f"const {function.descriptor.type_name} *desc"
    machine = style.machine
    yield f"/* Whether {function.name} would find a kernel that this {machine} can run; changes nothing. */"
    yield f"HERON_API heron_status {function.name}_query({describe});"
    if function.constant is not None:
        yield "/* Bytes of the packed constant operand; 0 when the library holds no kernel of this shape. */"
        yield f"HERON_API size_t {function.name}_packed_size({describe});"
        yield f"HERON_API heron_status {function.name}_pack({describe},"
        yield f"    {pack_parameters(function, style)});"
    yield f"HERON_API heron_status {function.name}({describe},"
    yield f"    {parameters(function, style)});"
    yield f"/* The {len(function.entries)} kernels of {function.name}, called directly. */"
    for entry in function.entries:
        yield from _entry_lines(function, entry, style)


def _entry_lines(function: Function, entry: Entry, style: Style) -> Iterator[str]:
    if function.constant is not None:
        yield f"#define {entry.symbol.upper()}_PACKED_BYTES {entry.packed_bytes}"
        yield f"HERON_API heron_status {entry.symbol}_pack({pack_parameters(function, style)});"
    yield f"HERON_API heron_status {entry.symbol}({parameters(function, style)});"


def _comment(text: str) -> str:
    """Text that cannot end a C comment, in ASCII."""
    return text.replace("*/", "* /").encode("ascii", "replace").decode()
