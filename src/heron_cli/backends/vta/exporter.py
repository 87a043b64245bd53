"""What the export of libraries takes of VTA: `heron_cli.library.programs.ProgramExporter`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heron_cli.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from heron_cli.accelerator.model import Accelerator
    from heron_cli.backends.base import Kernel
    from heron_cli.backends.vta.config import VtaConfig
    from heron_cli.schedule.task import Task
    from heron_cli.trial import Candidate

_SOURCES = Path(__file__).with_name("driver")


class VtaExporter:
    """Programs, and a driver that would feed them to a device."""

    platform = "vta"

    def files(self, accelerator: Accelerator) -> Mapping[str, str]:
        """The driver, and where its machine's instructions hold addresses."""
        from heron_cli.backends.vta.config import VtaConfig

        config = VtaConfig.of(accelerator)
        sources = sorted(path for path in _SOURCES.iterdir() if path.suffix in (".c", ".h"))
        texts = {f"driver/{path.name}": path.read_text(encoding="utf-8") for path in sources}
        return {**texts, "driver/heron_vta_config.h": config_header(config)}

    def describe(self, task: Task, candidate: Candidate, kernel: Kernel) -> dict[str, Any]:
        """Counts, the image of DRAM, and the tensors in it."""
        from heron_cli.backends.vta.binary import read_program
        from heron_cli.backends.vta.checks import dram_bytes
        from heron_cli.backends.vta.config import VtaConfig
        from heron_cli.backends.vta.isa import Memory
        from heron_cli.backends.vta.layout import Layouts
        from heron_cli.backends.vta.packed import RULE, Packed

        config = VtaConfig.of(task.accelerator)
        program = read_program(kernel.code, config)
        nest = Layouts.of(task.variant(candidate.variant).nest(candidate), config)
        layouts = {
            "input": nest.input,
            "weight": nest.weight,
            "output": nest.output,
            **{item.access.name: item for item in nest.added},
        }
        types = {
            Memory.INPUT: config.input.dtype,
            Memory.WEIGHT: config.weight.dtype,
            Memory.ACCUMULATOR: config.accumulator.dtype,
            Memory.NARROW: config.output.dtype,
            Memory.OUTPUT: config.output.dtype,
        }
        tensors = []
        for tensor in program.tensors:
            size = dram_bytes(tensor.memory, config)
            entry: dict[str, Any] = {
                "name": tensor.name,
                "memory": tensor.memory.name.lower(),
                "offset": tensor.base * size,
                "bytes": tensor.elements * size,
                "elements": tensor.elements,
                "element_bytes": size,
            }
            if tensor.name in layouts:  # all but the micro-ops, which come with the program
                packed = Packed.of(tensor.name, layouts[tensor.name], types[tensor.memory])
                entry.update(packed.document())
            tensors.append(entry)
        return {
            "configuration": config.digest.hex(),
            "instructions": len(program.instructions),
            "micro_ops": len(program.uops),
            "image_bytes": program.image_bytes(config),
            "image_alignment": program.alignment(config),
            "tensors": tensors,
            "layout": RULE,
        }

    def run(
        self,
        entry: Mapping[str, Any],
        code: bytes,
        accelerator: Accelerator,
        arrays: Mapping[str, NDArray[Any]],
    ) -> NDArray[Any]:
        """The output in simulation. Raises VtaError, or InputError for an entry that describes no tensors."""
        from heron_cli.backends.vta.binary import read_program
        from heron_cli.backends.vta.config import VtaConfig
        from heron_cli.backends.vta.packed import Packed
        from heron_cli.backends.vta.simulator import simulate

        config = VtaConfig.of(accelerator)
        program = read_program(code, config, str(entry.get("file", "program")))
        try:
            tensors = {each["name"]: Packed.read(each) for each in entry["tensors"] if "dims" in each}
            output = next(each for each in entry["operands"] if each["name"] == "output")
            shape = tuple(int(size) for size in output["shape"])
            result = tensors["output"]
            given = {name: packed.pack(arrays[name]) for name, packed in tensors.items() if name != "output"}
        except (KeyError, TypeError, ValueError, StopIteration) as error:
            raise InputError(
                f"{entry.get('file', 'program')}: the manifest describes no tensors: {error}"
            ) from None
        stored = simulate(program, config, given).outputs["output"]
        return result.unpack(stored).reshape(shape)


def config_header(config: VtaConfig) -> str:
    """What the driver must know of the machine: its digest, and where the address of DRAM lies."""
    from heron_cli.backends.vta.encoding import layout
    from heron_cli.backends.vta.isa import Memory, Opcode

    places, place = {}, 0
    for name, width in layout(config).words[Opcode.LOAD][0]:
        places[name] = (place, width)
        place += width
    digest = ", ".join(f"0x{byte:02x}" for byte in config.digest)
    lines = [
        f"/* Made by heron for the accelerator {config.name}: what its instructions look like. */",
        "#ifndef HERON_VTA_CONFIG_H",
        "#define HERON_VTA_CONFIG_H",
        "",
        "/* sha-256 of the configuration; a program of another one has other bits. */",
        f"#define HERON_VTA_DIGEST {{{digest}}}",
        f"#define HERON_VTA_OPCODE_LOAD {int(Opcode.LOAD)}u",
        f"#define HERON_VTA_OPCODE_STORE {int(Opcode.STORE)}u",
        f"#define HERON_VTA_MEMORY_UOP {int(Memory.UOP)}u",
        "",
        "/* Fields of the first word of LOAD and STORE: first bit and width. */",
        *(
            f"#define HERON_VTA_{name.upper()}_{what} {value}u"
            for name in ("opcode", "memory", "dram_base")
            for what, value in zip(("BIT", "BITS"), places[name], strict=True)
        ),
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


exporter = VtaExporter()
