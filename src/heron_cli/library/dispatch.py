"""The C source between the public functions and the kernels: tables sorted by shape, and typed wrappers."""

from __future__ import annotations

import json
from collections.abc import Iterator

from heron_cli.library.header import parameters, source_parameter
from heron_cli.library.interface import Descriptor, Entry, Field, Function, Interface


def dispatch(interface: Interface, build_id: str) -> str:
    """The text of dispatch.c. It includes heron_kernels.h and support.h."""
    return "\n".join(_lines(interface, build_id)) + "\n"


def _lines(interface: Interface, build_id: str) -> Iterator[str]:
    needs = sorted({entry.item.requires for entry in interface.entries})
    yield '#include "support.h"'
    yield ""
    yield f"const char heron_build[] = {_text(build_id)};"
    yield ""
    for number, requires in enumerate(needs):
        features = ", ".join([*map(_text, requires), "NULL"])
        yield f"static const char *const features_{number}[] = {{{features}}};"
        yield f"static struct heron_requirement requirement_{number} = {{features_{number}, 0}};"
    for function in interface.functions:
        yield from _function(function, needs)
    yield ""
    yield "const struct heron_table *const heron_tables[] = {"
    yield from (f"  &{_local(function)}_table," for function in interface.functions)
    yield "};"
    yield f"const size_t heron_table_count = {len(interface.functions)};"
    yield "struct heron_requirement *const heron_requirements[] = {"
    yield from (f"  &requirement_{number}," for number in range(len(needs)))
    yield "};"
    yield f"const size_t heron_requirement_count = {len(needs)};"


def _function(function: Function, needs: list[tuple[str, ...]]) -> Iterator[str]:
    local = _local(function)
    kernel_type = ", ".join("const void *" for _ in function.arguments[:-1])
    kernel_type = f"{kernel_type}, void *" if kernel_type else "void *"
    yield ""
    for entry in function.entries:
        yield f"extern int32_t {entry.internal}({kernel_type});"
        if entry.item.kernel.packed is not None:
            yield f"extern int32_t {entry.internal}_pack(const void *, void *);"
    length = len(function.entries[0].values)
    yield f"static const int32_t {local}_shapes[][{length}] = {{"
    yield from (f"  {{{', '.join(map(str, entry.values))}}}," for entry in function.entries)
    yield "};"
    yield f"static const struct heron_kernel {local}_kernels[] = {{"
    for number, entry in enumerate(function.entries):
        yield from _kernel(entry, f"{local}_shapes[{number}]", needs.index(entry.item.requires))
    yield "};"
    yield f"static const struct heron_table {local}_table = {{"
    yield f"  {local}_kernels, {len(function.entries)}, {length},"
    yield "};"
    yield from _by_descriptor(function, length)
    yield from _run(function, kernel_type)
    for number, entry in enumerate(function.entries):
        kernel = f"&{local}_kernels[{number}]"
        if function.constant is not None:
            yield f"heron_status {entry.symbol}_pack({source_parameter(function)}, void *packed) {{"
            yield f"  return heron_pack({kernel}, {function.constant.name}, packed);"
            yield "}"
        yield f"heron_status {entry.symbol}({parameters(function)}) {{"
        yield f"  return {local}_run({kernel}, {_names(function)});"
        yield "}"


def _kernel(entry: Entry, shape: str, requirement: int) -> Iterator[str]:
    seconds = entry.item.record.trial.measurement.seconds or 0.0
    packed = entry.item.kernel.packed is not None
    yield f"  {{{{{_text(entry.item.workload.key)},"
    yield f"    {_text(entry.symbol)}, {seconds!r}, {entry.packed_bytes}}},"
    yield f"   {shape}, (void (*)(void)){entry.internal}, {f'{entry.internal}_pack' if packed else 'NULL'},"
    yield f"   {entry.constant_bytes}, &requirement_{requirement}}},"


def _by_descriptor(function: Function, length: int) -> Iterator[str]:
    local, describe = _local(function), f"const {function.descriptor.type_name} *desc"
    values = ", ".join(_members(function.descriptor))
    yield f"static const struct heron_kernel *{local}_find({describe}) {{"
    yield f"  const int32_t shape[{length}] = {{{values}}};"
    yield f"  return heron_find(&{local}_table, shape);"
    yield "}"
    yield f"heron_status {function.name}_query({describe}) {{"
    yield "  if (desc == NULL) return HERON_INVALID_ARGUMENT;"
    yield f"  return heron_ready({local}_find(desc));"
    yield "}"
    if function.constant is None:
        return
    yield f"size_t {function.name}_packed_size({describe}) {{"
    yield f"  const struct heron_kernel *kernel = desc == NULL ? NULL : {local}_find(desc);"
    yield "  return kernel == NULL ? 0 : kernel->info.packed_bytes;"
    yield "}"
    yield f"heron_status {function.name}_pack({describe}, {source_parameter(function)}, void *packed) {{"
    yield "  if (desc == NULL) return HERON_INVALID_ARGUMENT;"
    yield f"  return heron_pack({local}_find(desc), {function.constant.name}, packed);"
    yield "}"


def _run(function: Function, kernel_type: str) -> Iterator[str]:
    local, names = _local(function), _names(function)
    describe = f"const {function.descriptor.type_name} *desc"
    yield f"static heron_status {local}_run(const struct heron_kernel *kernel, {parameters(function)}) {{"
    yield f"  const void *const operands[] = {{{names}}};"
    yield f"  heron_status status = heron_check(kernel, operands, {len(function.arguments)});"
    yield "  if (status != HERON_OK) return status;"
    yield f"  return heron_finish(((int32_t (*)({kernel_type}))kernel->run)({names}));"
    yield "}"
    yield f"heron_status {function.name}({describe}, {parameters(function)}) {{"
    yield "  if (desc == NULL) return HERON_INVALID_ARGUMENT;"
    yield f"  return {local}_run({local}_find(desc), {names});"
    yield "}"


def _members(descriptor: Descriptor) -> Iterator[str]:
    for field in descriptor.fields:
        yield from _member(field)


def _member(field: Field) -> Iterator[str]:
    if field.choices:
        yield f"(int32_t)desc->{field.name}"
    elif field.length:
        yield from (f"desc->{field.name}[{i}]" for i in range(field.length))
    else:
        yield f"desc->{field.name}"


def _names(function: Function) -> str:
    return ", ".join(
        f"packed_{argument.name}" if argument.constant else argument.name for argument in function.arguments
    )


def _local(function: Function) -> str:
    return function.name.removeprefix("heron_")


def _text(text: str) -> str:
    """A C string literal: what JSON writes for ASCII text without control characters is one."""
    return json.dumps(text)
