"""One target under atheris, libFuzzer for Python: inputs grow by the coverage that they reach.

python -m benchmarks.fuzz.worker TARGET INPUTS SEED OUT.json
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["heron_cli"]):
    import heron_cli.accelerator.loader
    import heron_cli.jobs.acceptance
    import heron_cli.jobs.job
    import heron_cli.library.loader.library
    import heron_cli.operators.workload_file
    import heron_cli.records.store  # noqa: F401

from benchmarks.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz one target, and write what came of it."""
    name, inputs, seed, out = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    fuzzed = TARGETS[name]
    folder = Path(tempfile.mkdtemp(prefix=f"heron-fuzz-{name}-", dir=_memory()))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, content in enumerate(fuzzed.seeds()):
        (corpus / f"seed-{number}").write_bytes(content)
    (folder / "work").mkdir()
    target = fuzzed.make(folder / "work")
    count, crashes, started, slowest = 0, {}, time.monotonic(), 0.0

    def one(data: bytes) -> None:
        nonlocal count, slowest
        if count >= inputs:
            report = {
                "target": name,
                "inputs": count,
                "seconds": time.monotonic() - started,
                "slowest": slowest,
                "corpus": len(list(corpus.iterdir())),
                "crashes": list(crashes.values()),
            }
            out.write_text(json.dumps(report, indent=1))
            os._exit(0)
        count += 1
        began = time.monotonic()
        try:
            target(data)
        except Exception as error:  # any error that is not heron's own is what we look for
            lines = traceback.format_tb(error.__traceback__)
            key = hashlib.sha256("".join(lines[-2:]).encode()).hexdigest()
            crashes.setdefault(
                key,
                {
                    "error": f"{type(error).__name__}: {error}"[:300],
                    "at": lines[-1],
                    "input": repr(data)[:2000],
                },
            )
        slowest = max(slowest, time.monotonic() - began)

    options = [
        f"-max_len={fuzzed.longest}",
        f"-seed={seed}",
        "-timeout=60",
        "-rss_limit_mb=4096",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], str(corpus), f"-artifact_prefix={folder}/", *options], one)
    atheris.Fuzz()


def _memory() -> str | None:
    """A folder in memory, where there is one: every input is a file."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


if __name__ == "__main__":
    main()
