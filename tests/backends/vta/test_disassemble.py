from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from heron_cli.backends.vta.config import VtaConfig
from heron_cli.backends.vta.disassemble import describe, listing, timeline
from heron_cli.backends.vta.isa import Alu, AluOperation, Gemm, Load, Memory
from heron_cli.backends.vta.timeline_svg import timeline_svg
from heron_cli.backends.vta.timing import time_program

from .programs import CASES, one_tile, padded, pipeline

SVG = "{http://www.w3.org/2000/svg}"


def test_a_listing_says_what_each_instruction_does(config: VtaConfig) -> None:
    program = padded(config).program
    lines = [re.sub(" +", " ", line.strip()) for line in listing(program).splitlines()]
    assert lines == [
        "# module tokens instruction",
        "0 compute uop[0:10] = uops[0 + 10]",
        "1 compute accumulator[u.dst + 5o + i] = 0 for o < 4, i < 5, u in uop[9:10]",
        "2 load input[0:42] = input[0 + 4 x 5, stride 5] zeros top 1 bottom 1 left 1 right 1",
        "3 load >compute weight[0:9] = weight[0 + 9]",
        "4 compute <load >store accumulator[u.dst + 5o + i] += input[u.src + 7o + i] * weight[u.wgt] "
        "for o < 4, i < 5, u in uop[0:9]",
        "5 store <compute >compute output[0 + 4 x 5, stride 5] = output[0:20]",
        "6 compute <store finish",
    ]


def test_an_address_in_no_tensor_is_shown_as_it_is(config: VtaConfig) -> None:
    program = one_tile(config).program
    assert describe(Load(Memory.INPUT, 1, 999_999, 2), program) == "input[1:3] = dram[999999 + 2]"
    loops = "for o < 1, i < 1, u in uop[0:1]"
    assert (
        describe(Alu(AluOperation.SHIFT, 0, 1, immediate=-2), program) == f"accumulator[u.dst] >>= -2 {loops}"
    )
    added = f"accumulator[u.dst] += accumulator[u.src] {loops}"
    assert describe(Alu(AluOperation.ADD, 0, 1), program) == added


def test_with_timing_it_says_when(config: VtaConfig) -> None:
    program = one_tile(config).program
    timing = time_program(program, config)
    head, *lines = listing(program, timing).splitlines()
    assert head.split()[:3] == ["#", "from", "to"]
    assert [tuple(map(int, line.split()[1:3])) for line in lines] == [
        (each.start, each.end) for each in timing.intervals
    ]


@pytest.mark.parametrize("width", [1, 7, 100, 100_000])
def test_lanes_show_what_fills_them(width: int, config: VtaConfig) -> None:
    program = pipeline(config).program
    timing = time_program(program, config)
    head, *lanes, foot = timeline(program, timing, width).splitlines()
    assert head.startswith(f"{timing.cycles:,} cycles of the model")
    assert [lane.split()[0] for lane in lanes] == ["load", "compute", "store"]
    bodies = [lane.split("|")[1] for lane in lanes]
    assert len({len(body) for body in bodies}) == 1
    assert len(bodies[0]) <= width
    assert set(bodies[0]) <= set("iw.")
    assert set(bodies[1]) <= set("urGF.")
    assert set(bodies[2]) <= set("S.")
    assert f"GEMM steps {timing.gemm_steps}" in foot
    if width == 100_000:  # a column per cycle: the lanes are the intervals
        for body, module in zip(bodies, (0, 1, 2), strict=True):
            assert len(body) - body.count(".") == sum(
                each.end - each.start for each in timing.intervals if each.module == module
            )


@pytest.mark.parametrize("name", CASES)
def test_the_picture_has_a_box_for_every_instruction(name: str, config: VtaConfig) -> None:
    program = CASES[name](config).program
    timing = time_program(program, config)
    root = ElementTree.fromstring(timeline_svg(program, timing, 'a <b> & "c"'))
    assert root.tag == f"{SVG}svg"
    assert root.find(f"{SVG}title").text == 'a <b> & "c"'  # type: ignore[union-attr]
    boxes = [box for box in root.iter(f"{SVG}rect") if box.find(f"{SVG}title") is not None]
    assert len(boxes) == len(program.instructions)
    width = int(root.get("width", "0"))
    assert all(0 <= float(box.get("x", "-1")) < width - 19 for box in boxes)
    right = max(float(box.get("x", "0")) + float(box.get("width", "0")) for box in boxes)
    assert right == pytest.approx(width - 20, abs=0.2)


def test_small_boxes_are_drawn_as_one(config: VtaConfig) -> None:
    program = one_tile(config).program
    many = tuple(Gemm(0, 1, reset=True) for _ in range(5000))
    program = replace(program, instructions=(program.instructions[0], *many, *program.instructions[1:]))
    quick = replace(config, timing=replace(config.timing, gemm_fill=1, decode_cycles=1, dram_latency=10**6))
    text = timeline_svg(program, time_program(program, quick))
    assert len(text) < 100_000
    assert "reset, up to instruction" in text
    ElementTree.fromstring(text)


def test_names_of_tensors_are_escaped(config: VtaConfig) -> None:
    program = one_tile(config).program
    tensors = tuple(
        replace(each, name="<script>&") if each.name == "input" else each for each in program.tensors
    )
    program = replace(program, tensors=tensors)
    text = timeline_svg(program, time_program(program, config))
    assert "<script>" not in text
    ElementTree.fromstring(text)
