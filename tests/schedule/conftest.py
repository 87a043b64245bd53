from __future__ import annotations

import pytest

from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator


@pytest.fixture(scope="session")
def dlboost() -> Accelerator:
    return load("dlboost")
