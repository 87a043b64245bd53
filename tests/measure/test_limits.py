from __future__ import annotations

import pytest

from heron_cli.measure.limits import Limits


def test_limits_are_above_zero() -> None:
    with pytest.raises(ValueError, match="build_seconds must be above zero, not 0"):
        Limits(build_seconds=0)
