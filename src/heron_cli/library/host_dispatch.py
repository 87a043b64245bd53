"""Dispatch to native code: a table of function pointers, and of the CPU features that they need."""

from __future__ import annotations

from collections.abc import Iterator

from heron_cli.library.dispatch import Dispatch, info, names, text
from heron_cli.library.interface import Entry, Function, Interface
from heron_cli.library.style import HOST


class HostDispatch(Dispatch):
    """See `Dispatch`."""

    style = HOST

    def __init__(self, interface: Interface, build_id: str) -> None:
        super().__init__(interface, build_id)
        self._needs = sorted({entry.item.requires for entry in interface.entries})

    def shared(self) -> Iterator[str]:
        """The sets of CPU features."""
        for number, requires in enumerate(self._needs):
            features = ", ".join([*map(text, requires), "NULL"])
            yield f"static const char *const features_{number}[] = {{{features}}};"
            yield f"static struct heron_requirement requirement_{number} = {{features_{number}, 0}};"
        yield "struct heron_requirement *const heron_requirements[] = {"
        yield from (f"  &requirement_{number}," for number in range(len(self._needs)))
        yield "};"
        yield f"const size_t heron_requirement_count = {len(self._needs)};"

    def declared(self, function: Function, entry: Entry) -> Iterator[str]:
        """The kernel's functions, which another object defines."""
        yield f"extern int32_t {entry.internal}({_kernel_type(function)});"
        if entry.item.kernel.packed is not None:
            yield f"extern int32_t {entry.internal}_pack(const void *, void *);"

    def row(self, entry: Entry, shape: str) -> Iterator[str]:
        """Its functions and what they need."""
        pack = "NULL" if entry.item.kernel.packed is None else f"{entry.internal}_pack"
        requirement = self._needs.index(entry.item.requires)
        yield f"  {{{info(entry)},"
        yield f"   {shape}, (void (*)(void)){entry.internal}, {pack},"
        yield f"   {entry.constant_bytes}, &requirement_{requirement}}},"

    def run(self, function: Function) -> Iterator[str]:
        """Check, and call through the type of the entry point."""
        call = f"((int32_t (*)({_kernel_type(function)}))kernel->run)({', '.join(names(function))})"
        yield f"heron_status status = heron_check(kernel, operands, {len(function.arguments)});"
        yield "if (status != HERON_OK) return status;"
        yield f"return heron_finish({call});"


def _kernel_type(function: Function) -> str:
    return ", ".join([*("const void *" for _ in function.arguments[:-1]), "void *"])
