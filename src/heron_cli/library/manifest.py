"""manifest.json: what a library holds, where each kernel comes from, and the digests of its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from heron_cli.backends.launch import pack_launch, run_launch
from heron_cli.library.interface import Entry, Function, Interface
from heron_cli.library.item import ExportItem, Fallback
from heron_cli.library.style import DEVICE, Style

SCHEMA = "heron/library/1"
NAME = "manifest.json"


def manifest(
    interface: Interface,
    fallbacks: Sequence[Fallback],
    files: Mapping[str, Path],
    *,
    version: str,
    heron_version: str,
    build_id: str,
    platform: str,
    style: Style,
) -> str:
    """The manifest's text. `files` maps paths in the library to where their bytes are now.

    It holds no time of export: equal kernels give equal bytes.
    """
    content = {
        "schema": SCHEMA,
        "version": version,
        "heron": heron_version,
        "build_id": build_id,
        "platform": platform,
        "memory": style.memory,
        "alignment": style.alignment,
        "kernels": [
            {**_kernel(function, entry), **(_launches(entry) if style is DEVICE else {})}
            for function in interface.functions
            for entry in function.entries
        ],
        "fallbacks": missing(fallbacks),
        "files": {name: sha256(path.read_bytes()) for name, path in sorted(files.items())},
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def build_id(interface: Interface, header_text: str) -> str:
    """What tells this library from one with other kernels or another interface."""
    kernels = [entry.item.kernel for entry in interface.entries]
    launches = repr([sorted(kernel.launch.items()) for kernel in kernels])
    parts = [header_text.encode(), launches.encode(), *(kernel.code for kernel in kernels)]
    return sha256("".join(map(sha256, parts)).encode())[:32]


def sha256(data: bytes) -> str:
    """The digest in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def described(item: ExportItem) -> dict[str, Any]:
    """What any kernel's entry holds: its workload, what was measured, and the record that proves it."""
    workload, kernel, record = item.workload, item.kernel, item.record
    measurement, candidate = record.trial.measurement, record.trial.candidate
    return {
        "workload": workload.key,
        "name": workload.name,
        "operator": workload.operator,
        "shape": {k: list(v) if isinstance(v, tuple) else v for k, v in workload.shape.items()},
        "dtypes": asdict(workload.dtypes),
        "epilogue": asdict(workload.epilogue),
        "requires": list(item.requires),
        "seconds": measurement.seconds,
        "cycles": measurement.cycles,
        "spread": measurement.spread,
        "threads": record.threads,
        "target": record.target,
        "target_digest": record.target_digest,
        "variant": candidate.variant,
        "assignment": candidate.values,
        "record": record.digest,
        "created": record.created,
        "versions": dict(record.versions),
        "program": kernel.program,
        "code_sha256": sha256(kernel.code),
    }


def missing(fallbacks: Sequence[Fallback]) -> list[dict[str, str]]:
    """The entries of the workloads that were asked for and are not there."""
    return [
        {"workload": fallback.workload.key, "name": fallback.workload.name, "reason": fallback.reason}
        for fallback in fallbacks
    ]


def _kernel(function: Function, entry: Entry) -> dict[str, Any]:
    kernel = entry.item.kernel
    packs = function.constant is not None
    return {
        **described(entry.item),
        "operands": [
            {
                "name": operand.name,
                "shape": list(operand.shape),
                "dtype": operand.dtype,
                "packed_bytes": entry.packed_bytes if argument.constant else None,
            }
            for operand, argument in zip(kernel.operands, function.arguments, strict=True)
        ],
        "function": function.name,
        "symbol": entry.symbol,
        "pack_symbol": f"{entry.symbol}_pack" if packs else None,
    }


def _launches(entry: Entry) -> dict[str, Any]:
    kernel = entry.item.kernel
    pack = pack_launch(kernel)
    (architecture,) = entry.item.requires
    return {
        "architecture": architecture,
        "launch": run_launch(kernel).described(),
        "pack_launch": None if pack is None else pack.described(),
    }
