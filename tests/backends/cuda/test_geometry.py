"""Tiles in shared memory, and what follows from a nest for a launch."""

from __future__ import annotations

from math import prod

import numpy as np
import pytest
from emulated import HALF, SIGNED, accelerator, workload
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.backends.cuda.emit import KernelEmitter
from heron_cli.backends.cuda.geometry import Geometry, Tiled
from heron_cli.backends.cuda.loader import PIECE, Plan, place, take_apart
from heron_cli.backends.cuda.pack import in_order, packed
from heron_cli.operators.workload import Workload
from heron_cli.schedule.einsum import Access, Dim
from heron_cli.schedule.task import Task, Variant
from heron_cli.space import TableSampler
from heron_cli.trial import Candidate

SM80, SM90 = "tensorcore-sm80", "tensorcore-sm90"
WORKS = [
    workload("gemm", m=70, n=40, k=72),
    workload("gemm", SIGNED, m=300, n=200, k=500),
    workload("gemv", m=200, k=72),
    workload("bmm", batch=2, m=72, n=40, k=64),
    workload("conv2d", batch=2, height=9, width=8, in_channels=16, out_channels=24, kernel=3, padding=1),
]
tiles = st.builds(Tiled, st.integers(1, 8).map(lambda n: 8 * n), st.integers(1, 24))


def nests(target: str, work: Workload, count: int = 30) -> list[tuple[Variant, dict[str, int], Geometry]]:
    found = []
    for variant in Task(work, accelerator(target)).variants:
        for row in TableSampler(variant.space).sample(count, np.random.default_rng(0)):
            values = variant.space.values(row)
            nest = variant.nest(Candidate.of(variant.name, values))
            columns = variant.evaluator.columns(row[None, :])
            found.append((variant, {n: int(c[0]) for n, c in columns.items()}, Geometry(nest)))
    return found


@given(tiles)
def test_every_piece_of_a_tile_has_a_place_of_its_own(tile: Tiled) -> None:
    places = {place(tile, row, piece) for row in range(tile.rows) for piece in range(tile.chunks)}
    assert places == set(range(0, tile.bytes, PIECE))


@given(tiles, st.data())
def test_eight_rows_of_a_matrix_lie_in_different_banks(tile: Tiled, data: st.DataObject) -> None:
    """A fragment instruction reads eight rows of 16 bytes at once, from eight groups of four banks."""
    first = 8 * data.draw(st.integers(0, tile.rows // 8 - 1))
    piece = data.draw(st.integers(0, tile.chunks - 1))
    assert len({place(tile, first + row, piece) // PIECE % 8 for row in range(8)}) == 8


@given(tiles, st.data())
def test_the_swizzle_is_that_of_the_whole_address(tile: Tiled, data: st.DataObject) -> None:
    """Matrix descriptors and bulk copies XOR address bits 4.. with bits 7.. (PTX ISA, swizzle modes)."""
    row, piece = data.draw(st.integers(0, tile.rows - 1)), data.draw(st.integers(0, tile.chunks - 1))
    width = tile.width
    plain = piece // width * tile.group + row * width * PIECE + piece % width * PIECE
    assert place(tile, row, piece) == plain ^ ((plain >> 7) % width) << 4


@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.data())
def test_take_apart_inverts_flattening(extents: list[int], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, prod(extents) - 1))
    parts = take_apart(index, [(str(i), extent) for i, extent in enumerate(extents)])
    assert tuple(parts.values())[::-1] == np.unravel_index(index, extents)


@pytest.mark.parametrize("target", [SM80, SM90])
@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.operator)
def test_launches_cover_the_workload_within_the_limits(target: str, work: Workload) -> None:
    limits = accelerator(target).limits
    shared = accelerator(target).memory("shared").capacity_bytes
    assert shared is not None
    for _, values, geometry in nests(target, work):
        for dim in ("m", "n"):
            covered = geometry.grid(dim) * geometry.shared(dim) * geometry.block(dim)
            assert covered >= geometry.extent(dim)
        assert geometry.chunks * geometry.block("k") * geometry.split >= geometry.extent("k")
        assert 32 <= geometry.threads <= limits["threads"]
        assert geometry.cluster <= 8
        assert geometry.shared_bytes == values["bytes.shared"] <= shared  # C5 counts what is allocated


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.operator)
def test_blocks_and_tiles_are_one_to_one_and_bands_run_down_their_columns(work: Workload) -> None:
    for _, values, geometry in nests(SM80, work):
        if geometry.tiles > 5000:
            continue
        emitter = KernelEmitter(geometry.nest)
        tiles = [emitter._coordinates(block) for block in range(geometry.tiles)]
        found = {(down, across, *sorted(batches.items())) for down, across, batches in tiles}
        assert len(found) == geometry.tiles
        assert {down for down, _, _ in tiles} == set(range(geometry.grid("m")))
        assert {across for _, across, _ in tiles} == set(range(geometry.grid("n")))
        band = min(values["band.grid"], geometry.grid("m"))
        if band > 1 and geometry.grid("n") > 1:
            assert [tile[:2] for tile in tiles[: band + 1]] == [*((i, 0) for i in range(band)), (0, 1)]


def test_stages_begin_on_swizzle_atoms() -> None:
    for _, _, geometry in nests(SM90, WORKS[0]):
        assert geometry.stage_bytes % 1024 == 0
        assert geometry.aligned(geometry.operand_bytes("m")) >= geometry.operand_bytes("m")


def test_staged_sums_are_stored_without_conflicts() -> None:
    """Two lanes of a warp never write to one bank: rows lane // 4, pairs of columns lane % 4."""
    for _, _, geometry in nests(SM80, WORKS[0]):
        for half in range(2):  # 64-bit stores go by half warps
            lanes = range(16 * half, 16 * half + 16)
            words = [lane // 4 * geometry.pitch + lane % 4 * 2 + e for lane in lanes for e in range(2)]
            assert len({word % 32 for word in words}) == 32


def form(*dims: tuple[int, int, str]) -> Access:
    made = tuple(Dim(extent, stride, ((name, 1),)) for extent, stride, name in dims)
    return Access("weight", "float16", made, constant=True)


def test_weights_in_order_are_not_packed() -> None:
    asked = form((24, 32, "j"), (32, 1, "k"))
    assert in_order(asked, asked)
    assert in_order(form((1, 99, "g"), (24, 32, "j"), (32, 1, "k")), asked)  # unit dimensions do not matter
    assert not in_order(form((32, 24, "k"), (24, 1, "j")), asked)
    assert not in_order(form((24, 30, "j"), (30, 1, "k")), asked)


def test_packed_weights_have_whole_pieces_of_k_innermost() -> None:
    work = workload("conv2d", HALF, height=5, width=5, in_channels=3, out_channels=10, kernel=3, padding=1)
    geometry = nests(SM80, work, 1)[0][2]
    found = packed(geometry)
    assert found.shape() == (10, 3, 3, 8)
    assert found.dims[-1].stride == 1 and found.dims[-1].extent * 2 % PIECE == 0
    assert found.constant


def test_a_plan_of_single_elements_is_not_transposed() -> None:
    tile = Tiled(16, 2)
    assert Plan("along-rows", 8, tile).transposed
    assert not Plan("along-rows", 1, tile).transposed
    assert not Plan("along-k", 8, tile).transposed
