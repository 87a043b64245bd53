from __future__ import annotations

import pytest

from heron_cli.accelerator.loader import load
from heron_cli.backends.vta.config import VtaConfig

NAMES = ("vta", "vta-1x32x32", "vta-small")


@pytest.fixture(scope="session")
def config() -> VtaConfig:
    return VtaConfig.of(load("vta"))


@pytest.fixture(scope="session", params=NAMES)
def any_config(request: pytest.FixtureRequest) -> VtaConfig:
    return VtaConfig.of(load(request.param))
