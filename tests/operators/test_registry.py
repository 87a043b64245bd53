from __future__ import annotations

import pytest

from heron_cli.errors import InputError
from heron_cli.operators import registry


def test_every_name_loads_an_operator_of_that_name() -> None:
    assert {"gemm", "gemv", "bmm", "conv1d", "conv2d", "conv3d"} <= set(registry.names())
    for name in registry.names():
        operator = registry.get(name)
        assert operator.name == name and operator.summary
        assert len({parameter.name for parameter in operator.parameters}) == len(operator.parameters)
        assert all(parameter.meaning for parameter in operator.parameters)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("bmmm", "did you mean bmm?"), ("softmax", "there are bmm, "), ("", "there are")],
)
def test_unknown_operator(name: str, hint: str) -> None:
    with pytest.raises(InputError) as caught:
        registry.get(name)
    assert str(caught.value).startswith(f"no operator is called '{name}'; {hint}")
