"""Where the files that ship with heron lie: beside the package in a wheel, at the root of a checkout."""

from __future__ import annotations

from pathlib import Path

from heron_cli.errors import HeronError


def config_dir() -> Path:
    """The folder that holds `accelerators/`, `workloads/` and `jobs/`.

    Raises:
        HeronError: the installation is incomplete.
    """
    package = Path(__file__).resolve().parent
    # A wheel carries the folder as heron_cli/configs; in a checkout it is <root>/configs beside src/.
    for folder in (package / "configs", package.parent.parent / "configs"):
        if (folder / "accelerators").is_dir():
            return folder
    raise HeronError(f"{package}: the configs/ folder is missing; install heron-cli again")
