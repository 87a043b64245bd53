from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from heron_cli.records.versions import cpu_model, current_versions


def test_every_part_of_the_toolchain_is_named() -> None:
    versions = current_versions()
    assert set(versions) == {"heron", "tvm", "ortools", "lightgbm", "python", "cpu"}
    assert all(versions.values())


def test_cpu_model_is_read_or_replaced(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Toy 9000\nmodel name\t: Toy 9001\n")
    assert cpu_model(tmp_path / "cpuinfo") == "Toy 9000"
    assert cpu_model(tmp_path / "absent") == cpu_model(Path("/dev/null")) != ""


def test_records_do_not_import_the_heavy_packages() -> None:
    program = (
        "import sys; from heron_cli.records import current_versions; current_versions()\n"
        "print([name for name in ('tvm', 'ortools', 'lightgbm', 'numpy', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == "[]"
