"""Which instructions a cubin has, by NVIDIA's disassembler."""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

_WORDS = re.compile(r"\b((?:[HIQ]G?MMA|LDSM|LDGSTS|UTMALDG|STL|LDL)\b)")
_SECTION = re.compile(r"^\s*\.section\s+\.text\.(\w+)", re.MULTILINE)


def disassembler() -> str | None:
    """The path of nvdisasm: on the PATH, or from NVIDIA's wheel; None where there is neither."""
    wheels = sorted(Path(sysconfig.get_paths()["purelib"]).glob("nvidia/*/bin/nvdisasm"))
    return shutil.which("nvdisasm") or (str(wheels[-1]) if wheels else None)


def instructions(code: bytes, tool: str) -> dict[str, dict[str, int]]:
    """How many of the instructions that matter (products, copies, spills) each kernel of a cubin has."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(code)
        file.flush()
        text = subprocess.run([tool, "-c", file.name], capture_output=True, text=True, check=True).stdout
    found: dict[str, dict[str, int]] = {}
    pieces = _SECTION.split(text)
    for symbol, body in zip(pieces[1::2], pieces[2::2], strict=True):
        counts = found.setdefault(symbol, {})
        for word in _WORDS.findall(body):
            counts[word] = counts.get(word, 0) + 1
    return found
