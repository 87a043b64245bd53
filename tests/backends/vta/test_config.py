from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from heron_cli.accelerator.lint import Severity, lint
from heron_cli.accelerator.loader import load
from heron_cli.backends.vta.config import VtaConfig
from heron_cli.configs import config_dir
from heron_cli.errors import InputError

from .conftest import NAMES

SHIPPED = config_dir() / "accelerators" / "vta.yaml"


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[str, str], VtaConfig]:
    def edit(old: str, new: str) -> VtaConfig:
        text = SHIPPED.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
        path = tmp_path / "edited.yaml"
        path.write_text(text.replace(old, new))
        return VtaConfig.of(load(path))

    return edit


def test_the_published_configuration(config: VtaConfig) -> None:
    """hw_spec.h with the sample configurations' numbers."""
    pads = (config.uop, config.weight, config.input, config.accumulator, config.output)
    assert [pad.depth for pad in pads] == [8192, 1024, 2048, 2048, 2048]
    assert [pad.element_bytes for pad in pads] == [4, 256, 16, 64, 16]
    assert [pad.index_bits for pad in pads] == [13, 10, 11, 11, 11]
    assert (config.batch, config.block_in, config.block_out, config.macs_per_step) == (1, 16, 16, 256)


def test_variants_follow_from_their_keys() -> None:
    wide, small = (VtaConfig.of(load(name)) for name in NAMES[1:])
    assert (wide.uop.depth, wide.weight.depth) == (8192, 256)
    assert (wide.input.depth, wide.accumulator.depth) == (1024, 1024)
    assert wide.macs_per_step == 1024
    assert (small.uop.depth, small.weight.depth) == (2048, 256)
    assert (small.input.depth, small.accumulator.depth) == (512, 512)


def test_digests_tell_machines_apart_but_not_names_and_times(
    config: VtaConfig, edited: Callable[[str, str], VtaConfig]
) -> None:
    digests = {VtaConfig.of(load(name)).digest for name in NAMES}
    assert len(digests) == len(NAMES)
    assert edited("name: vta\n", "name: other\n").digest == config.digest
    assert edited("bus_bytes: 8 ", "bus_bytes: 16 ").digest == config.digest
    assert edited("pad: 15 ", "pad: 7 ").digest != config.digest


@pytest.mark.parametrize("name", NAMES)
def test_the_shipped_files_are_clean(name: str) -> None:
    assert [item for item in lint(name) if item.severity is not Severity.NOTE] == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  tokens: 255 ", "  toks: 255 ", r"edited.yaml:\d+:\d+: limits: 'tokens' is missing"),
        (
            "capacity: 256 KiB",
            "capacity: 1000 B",
            "capacity: 1,000 B is no multiple of an element of 256",
        ),
        ("name: uop,", "name: micro,", "memories: none is called 'uop'"),
        ("holds: [weight]", "holds: [output]", "memories: 0 hold 'weight'; exactly one must"),
        ("input: int8", "input: float16", "dtypes.input: 'float16' is no type of VTA's"),
        (
            "shape: {m: 1, n: 16, k: 16}",
            "shape: [{m: 1, n: 16, k: 16}, {m: 1, n: 8, k: 16}]",
            "VTA has one GEMM unit",
        ),
        ("capacity: 128 KiB", "capacity: 256 KiB", "word 1 of GEMM takes 68 bits, of 64"),
        ("pad: 15 ", "pad: 31 ", "word 1 of LOAD takes 68 bits, of 64"),
        ("dma_sram: 65535", "dma_sram: 1023", "limits.dma_sram: 1,023 does not reach the last of 8,192"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    old: str, new: str, said: str, edited: Callable[[str, str], VtaConfig]
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        edited(old, new)
    assert "\n" not in str(caught.value)
