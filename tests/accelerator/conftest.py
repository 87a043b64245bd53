from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from heron_cli.accelerator.loader import load
from heron_cli.accelerator.problems import AcceleratorError

FILES = Path(__file__).parent / "files"
SKETCH = FILES / "dlboost-sketch.yaml"


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Path]:
    """Writes the dlboost sketch with replacements (old, new); each `old` must stand in it exactly once."""

    def edit(*replacements: tuple[str, str], name: str = "bad.yaml") -> Path:
        text = SKETCH.read_text()
        for old, new in replacements:
            assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the sketch"
            text = text.replace(old, new)
        path = tmp_path / name
        path.write_text(text)
        return path

    return edit


@pytest.fixture
def errors_of() -> Callable[[Path], list[str]]:
    """The lines of the error that loading a file raises, with the folder cut from positions in that file."""

    def errors(path: Path) -> list[str]:
        with pytest.raises(AcceleratorError) as caught:
            load(path)
        return [line.replace(f"{path.parent}/", "") for line in str(caught.value).splitlines()]

    return errors
