"""`torch.ops.heron.*`: the kernels of an exported library as operators of PyTorch (extra `torch`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from heron_cli.errors import InputError

if TYPE_CHECKING:
    from heron_cli.library.loader import DeviceLibrary, HostLibrary

__all__ = ["register"]


def register(library: HostLibrary | DeviceLibrary, namespace: str = "heron") -> dict[str, Any]:
    """See `heron_cli.library.loader.torch_ops.register`. Raises InputError where that raises LibraryError."""
    from heron_cli.library.loader import LibraryError, torch_ops

    try:
        return torch_ops.register(library, namespace)
    except LibraryError as error:
        raise InputError(str(error)) from error
