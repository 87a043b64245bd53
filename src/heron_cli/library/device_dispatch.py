"""Dispatch to machine code of a device: how each kernel is launched, and the image that holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from heron_cli.backends.launch import Launch, pack_launch, run_launch
from heron_cli.library.dispatch import Dispatch, info, text
from heron_cli.library.interface import Entry, Function
from heron_cli.library.style import DEVICE

_MODES = {"box": "HERON_MAP_BOX", "column": "HERON_MAP_COLUMN"}
_LISTS = ("extents", "strides", "box", "steps", "lower", "upper")
_NUMBERS = ("swizzle", "channels", "pixels")


class DeviceDispatch(Dispatch):
    """See `Dispatch`. A kernel NAME's code is the array NAME_code, which another object defines."""

    style = DEVICE

    def shared(self) -> Iterator[str]:
        """Nothing."""
        yield from ()

    def declared(self, function: Function, entry: Entry) -> Iterator[str]:
        """The image and its launches."""
        name, kernel = entry.internal, entry.item.kernel
        (architecture,) = entry.item.requires
        pack = pack_launch(kernel)
        yield f"extern const unsigned char {name}_code[];"
        yield from _launch(f"{name}_run", run_launch(kernel))
        if pack is not None:
            yield from _launch(f"{name}_pack", pack)
        yield f"static struct heron_image {name}_image = {{"
        launches = f"&{name}_run, {'NULL' if pack is None else f'&{name}_pack'}"
        yield f"  {name}_code, {text(architecture)}, {launches}, NULL,"
        yield "};"

    def row(self, entry: Entry, shape: str) -> Iterator[str]:
        """Its image and what calls are checked for."""
        (architecture,) = entry.item.requires
        operands = len(entry.item.kernel.operands)
        yield f"  {{{info(entry, text(architecture))},"
        yield f"   {shape}, &{entry.internal}_image, {operands}, {entry.constant_bytes}}},"

    def run(self, function: Function) -> Iterator[str]:
        """Check and launch."""
        yield "return heron_run(kernel, operands, stream);"


def _launch(name: str, launch: Launch) -> Iterator[str]:
    parameters = []
    for number, parameter in enumerate(launch.parameters):
        place = "NULL"
        if parameter.map is not None:
            place = f"&{name}_map_{number}"
            yield f"static const struct heron_tensor_map {place[1:]} = {{{_map(parameter.map)}}};"
        parameters.append(f"{{{parameter.operand}, {place}}}")
    sizes = (
        f"{{{', '.join(map(str, launch.grid))}}}, {launch.threads}, {launch.shared}, {int(launch.overlap)}"
    )
    yield f"static const struct heron_parameter {name}_parameters[] = {{{', '.join(parameters)}}};"
    yield f"static const struct heron_launch {name} = {{"
    yield f"  {text(launch.function)}, {sizes}, {len(launch.parameters)}, {name}_parameters,"
    yield "};"


def _map(found: Mapping[str, Any]) -> str:
    """The initialiser of a tensor map; what its mode does not have stays 0."""
    element = f"HERON_{found['type'].upper()}"
    parts = [f".mode = {_MODES[found['mode']]}, .element = {element}, .rank = {len(found['extents'])}"]
    parts += [f".{name} = {{{', '.join(map(str, found[name]))}}}" for name in _LISTS if name in found]
    parts += [f".{name} = {found[name]}" for name in _NUMBERS if name in found]
    return ", ".join(parts)
