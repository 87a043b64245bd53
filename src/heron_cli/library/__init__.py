"""Libraries of kernels: selection, export with a plain C interface, manifest, Python loader."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from heron_cli.errors import InputError

if TYPE_CHECKING:
    from heron_cli.library.loader import DeviceLibrary, HostLibrary

__all__ = ["load"]


def load(path: Path | str) -> HostLibrary | DeviceLibrary:
    """Load an exported library. Raises InputError when it is damaged or does not fit this machine."""
    from heron_cli.library import loader

    try:
        return loader.load(path)
    except loader.LibraryError as error:
        raise InputError(str(error)) from error
