"""The files by which build systems find a library, both relocatable: a CMake package, a pkg-config file."""

from __future__ import annotations

from heron_cli.library.header import version_parts
from heron_cli.library.style import C_FOLDER, Style

_TARGETS = {
    "HeronKernelsConfig.cmake": "lib/cmake/HeronKernels",
    "HeronKernelsConfigVersion.cmake": "lib/cmake/HeronKernels",
    "heron-kernels.pc": "lib/pkgconfig",
}


def package_files(version: str, style: Style) -> dict[str, str]:
    """Path in the library → text. Raises InputError for a version that is not MAJOR.MINOR.PATCH."""
    major, minor, _ = version_parts(version)
    words = {
        "version": version,
        "major": major,
        "minor": minor,
        "cmake_libraries": style.cmake_libraries,
        "libraries": " ".join(style.libraries),
    }
    files: dict[str, str] = {}
    for name, folder in _TARGETS.items():
        text = (C_FOLDER / f"{name}.in").read_text()
        for key, value in words.items():
            text = text.replace(f"@{key}@", str(value))
        files[f"{folder}/{name}"] = text
    return files
