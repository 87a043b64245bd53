"""The C source between the public functions and the kernels: tables sorted by shape, and typed wrappers."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

from heron_cli.library.header import pack_parameters, parameters
from heron_cli.library.interface import Descriptor, Entry, Field, Function, Interface
from heron_cli.library.style import Style


class Dispatch(ABC):
    """Writes dispatch.c, which includes support.h of its style. Use `text`."""

    style: ClassVar[Style]

    def __init__(self, interface: Interface, build_id: str) -> None:
        self.interface = interface
        self.build_id = build_id

    def text(self) -> str:
        """The file."""
        return "\n".join(self._lines()) + "\n"

    @abstractmethod
    def shared(self) -> Iterator[str]:
        """What comes before all functions."""

    @abstractmethod
    def declared(self, function: Function, entry: Entry) -> Iterator[str]:
        """What a kernel's row in the table names."""

    @abstractmethod
    def row(self, entry: Entry, shape: str) -> Iterator[str]:
        """A kernel's row: the initialiser of a struct heron_kernel; `shape` is an expression."""

    @abstractmethod
    def run(self, function: Function) -> Iterator[str]:
        """The statements that run `kernel`, which may be NULL, on `operands`."""

    def _lines(self) -> Iterator[str]:
        functions = self.interface.functions
        yield '#include "support.h"'
        yield ""
        yield f"const char heron_build[] = {text(self.build_id)};"
        yield from self.shared()
        for function in functions:
            yield from self._function(function)
        yield ""
        yield "const struct heron_table *const heron_tables[] = {"
        yield from (f"  &{local(function)}_table," for function in functions)
        yield "};"
        yield f"const size_t heron_table_count = {len(functions)};"

    def _function(self, function: Function) -> Iterator[str]:
        name = local(function)
        yield ""
        for entry in function.entries:
            yield from self.declared(function, entry)
        length = len(function.entries[0].values)
        yield f"static const int32_t {name}_shapes[][{length}] = {{"
        yield from (f"  {{{', '.join(map(str, entry.values))}}}," for entry in function.entries)
        yield "};"
        yield f"static const struct heron_kernel {name}_kernels[] = {{"
        for number, entry in enumerate(function.entries):
            yield from self.row(entry, f"{name}_shapes[{number}]")
        yield "};"
        yield f"static const struct heron_table {name}_table = {{"
        yield f"  {name}_kernels, {len(function.entries)}, {length},"
        yield "};"
        yield from self._by_descriptor(function, length)
        for number, entry in enumerate(function.entries):
            kernel = f"&{name}_kernels[{number}]"
            if function.constant is not None:
                yield f"heron_status {entry.symbol}_pack({pack_parameters(function, self.style)}) {{"
                yield f"  return heron_pack({kernel}, {self._arguments([function.constant.name, 'packed'])});"
                yield "}"
            yield f"heron_status {entry.symbol}({parameters(function, self.style)}) {{"
            yield f"  return {name}_run({kernel}, {self._arguments(names(function))});"
            yield "}"

    def _by_descriptor(self, function: Function, length: int) -> Iterator[str]:
        name, describe = local(function), f"const {function.descriptor.type_name} *desc"
        values = ", ".join(_members(function.descriptor))
        yield f"static const struct heron_kernel *{name}_find({describe}) {{"
        yield f"  const int32_t shape[{length}] = {{{values}}};"
        yield f"  return heron_find(&{name}_table, shape);"
        yield "}"
        yield f"heron_status {function.name}_query({describe}) {{"
        yield "  if (desc == NULL) return HERON_INVALID_ARGUMENT;"
        yield f"  return heron_ready({name}_find(desc));"
        yield "}"
        if function.constant is not None:
            packed = self._arguments([function.constant.name, "packed"])
            yield f"size_t {function.name}_packed_size({describe}) {{"
            yield f"  const struct heron_kernel *kernel = desc == NULL ? NULL : {name}_find(desc);"
            yield "  return kernel == NULL ? 0 : kernel->info.packed_bytes;"
            yield "}"
            yield f"heron_status {function.name}_pack({describe}, {pack_parameters(function, self.style)}) {{"
            yield "  if (desc == NULL) return HERON_INVALID_ARGUMENT;"
            yield f"  return heron_pack({name}_find(desc), {packed});"
            yield "}"
        own = parameters(function, self.style)
        yield f"static heron_status {name}_run(const struct heron_kernel *kernel, {own}) {{"
        yield f"  const void *const operands[] = {{{', '.join(names(function))}}};"
        yield from (f"  {line}" for line in self.run(function))
        yield "}"
        yield f"heron_status {function.name}({describe}, {own}) {{"
        yield "  if (desc == NULL) return HERON_INVALID_ARGUMENT;"
        yield f"  return {name}_run({name}_find(desc), {self._arguments(names(function))});"
        yield "}"

    def _arguments(self, values: Sequence[str]) -> str:
        """The values, and what the style adds, as it is called in its functions."""
        return ", ".join([*values, *self.style.context.replace("*", " ").split()[-1:]])


def info(entry: Entry, *more: str) -> str:
    """The initialiser of a kernel's heron_kernel_info; `more` are expressions for what follows the symbol."""
    seconds = entry.item.record.trial.measurement.seconds or 0.0
    texts = ", ".join([text(entry.item.workload.key), text(entry.symbol), *more])
    return f"{{{texts}, {seconds!r}, {entry.packed_bytes}}}"


def names(function: Function) -> list[str]:
    """What the parameters of a function are called."""
    return [
        f"packed_{argument.name}" if argument.constant else argument.name for argument in function.arguments
    ]


def local(function: Function) -> str:
    """The start of the names that belong to a function and are not seen outside."""
    return function.name.removeprefix("heron_")


def text(value: str) -> str:
    """A C string literal: what JSON writes for ASCII text without control characters is one."""
    return json.dumps(value)


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
