"""Every schedule rule: what it records where it applies, and the reason where it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from heron_cli.accelerator.loader import load
from heron_cli.accelerator.model import Accelerator
from heron_cli.operators import registry
from heron_cli.operators.workload import DTypes, Workload, make
from heron_cli.schedule.analysis import analyse
from heron_cli.schedule.einsum import Axis, Part
from heron_cli.schedule.primitives import (
    Bind,
    Hold,
    Mark,
    Order,
    Overlap,
    Pack,
    Place,
    Prefetch,
    Split,
    Stay,
    Store,
    Tensorize,
    WriteBack,
)
from heron_cli.schedule.rewrites import drop_unit_axes
from heron_cli.schedule.rules import RULES, ScheduleRule
from heron_cli.schedule.rules.base import NotApplicableError
from heron_cli.schedule.template import Applied, Template

from .workloads import conv, gemm

Vary = Callable[[str], Accelerator]


@pytest.fixture
def vary(tmp_path: Path) -> Vary:
    """DL Boost with a few lines of YAML changed."""

    def load_it(text: str) -> Accelerator:
        path = tmp_path / "varied.yaml"
        path.write_text(f"schema: heron/accelerator/1\nname: varied\nextends: dlboost\n{text}\n")
        return load(path)

    return load_it


def start(workload: Workload, accelerator: Accelerator, threads: int = 1) -> Template:
    tensors = registry.get(workload.operator).compute(workload)
    return Template(drop_unit_axes(analyse("w", tensors, frozenset({"weight"}))), accelerator, threads)


def rule(name: str) -> ScheduleRule:
    return next(rule for rule in RULES if rule.name == name)


def until(name: str, template: Template) -> Template:
    """The template after all rules before the named one."""
    for each in RULES:
        if each.name == name:
            return template
        template = each.run(template)
    raise AssertionError(name)


def run(
    name: str, workload: Workload, accelerator: Accelerator, threads: int = 1
) -> tuple[Template, Applied]:
    after = rule(name).run(until(name, start(workload, accelerator, threads)))
    return after, after.log[-1]


def refusal(name: str, template: Template) -> str:
    with pytest.raises(NotApplicableError) as caught:
        rule(name).run(template)
    return str(caught.value)


def test_every_rule_leaves_one_line_in_the_log(dlboost: Accelerator) -> None:
    template = start(conv(), dlboost)
    for each in RULES:
        template = each.run(template)
    assert [entry.rule for entry in template.log] == [each.name for each in RULES]
    assert all(entry.reason and "\n" not in entry.reason for entry in template.log)


def test_always_inline(dlboost: Accelerator) -> None:
    _, note = run("always-inline", gemm(), dlboost)
    assert note == Applied("always-inline", False, "the operator has no stage but the sum")
    after, note = run("always-inline", conv(), dlboost)
    assert note.applied and "inline pad" in note.reason
    assert not after.primitives  # the analysis did the work


def test_tensorize_covers_the_axes_and_tells_the_waste(dlboost: Accelerator) -> None:
    after, note = run("S1 tensorize", gemm(6, 33, 9), dlboost)
    chosen = after.tensorize
    groups = {dim: None if a is None else after.einsum.axis(a).group for dim, a in chosen.axes.items()}
    assert groups == {"m": None, "n": "n", "k": "k"}
    assert note.reason.endswith("94 % of the work repeated")  # 48 of 33 lanes, 12 of 9 inputs
    _, note = run("S1 tensorize", gemm(6, 32, 8), dlboost)
    assert "repeated" not in note.reason


def test_tensorize_prefers_the_shape_with_the_least_waste(vary: Vary) -> None:
    shapes = "{m: 1, n: 16, k: 4}, {m: 1, n: 8, k: 4}, {m: 1, n: 16, k: 8}"
    machine = vary(f"intrinsics: [{{name: vpdpbusd, shape: [{shapes}]}}]")
    for n, k, best in ((8, 12, (8, 4)), (32, 12, (16, 4)), (24, 8, (8, 4))):
        after, _ = run("S1 tensorize", gemm(4, n, k), machine)
        assert (after.tensorize.shape["n"], after.tensorize.shape["k"]) == best


def test_tensorize_takes_channels_rather_than_taps(dlboost: Accelerator) -> None:
    after, _ = run("S1 tensorize", conv(kernel=5, height=8, padding=2), dlboost)
    assert after.tensorize.axes["k"] == "ci"


def test_tensorize_takes_no_dilated_taps(dlboost: Accelerator) -> None:
    """One output row makes kh a plain reduction, but its taps lie two rows apart."""
    changes = {"kernel": [4, 1], "dilation": [2, 1], "height": 7, "in_channels": 2, "padding": 0}
    reason = refusal("S1 tensorize", start(conv(**changes), dlboost))
    assert reason == "the reduction is shorter than the intrinsics of dlboost allow without padding"


def test_tensorize_refuses(dlboost: Accelerator) -> None:
    assert refusal("S1 tensorize", start(gemm(input="int8"), dlboost)) == (
        "dlboost has no intrinsic for int8 × int8 → int32 (it has vpdpbusd: uint8 × int8 → int32)"
    )
    template = start(gemm(), dlboost)
    lanes = tuple(replace(axis, group="m") if axis.group == "n" else axis for axis in template.einsum.axes)
    without = replace(template, einsum=replace(template.einsum, axes=lanes))
    assert refusal("S1 tensorize", without).startswith("the operator has no n-like axis (")


def test_tiling_splits_every_axis_over_its_levels(dlboost: Accelerator) -> None:
    after, note = run("multi-level tiling", gemm(6, 33, 9), dlboost)
    splits = {after.einsum.axis(split.axis).group: split for split in after.all(Split)}
    assert {group: (s.unit, s.blocks, s.levels) for group, s in splits.items()} == {
        "m": (1, 6, ("parallel", "cache", "register")),
        "n": (16, 3, ("parallel", "cache", "register")),
        "k": (4, 3, ("cache", "step")),
    }
    assert {split.tail for split in splits.values()} == {"overlap"}
    assert [order.level for order in after.all(Order)] == ["parallel", "cache"]
    assert next(after.all(WriteBack)).level == "cache"
    assert note.reason == "3 axes, 8 factors"


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("fixed", ["h w o kh kw ci"]),
        ("free", ["h w o kh kw ci", "h w o ci kh kw", "h o w kh kw ci", "h o w ci kh kw", "o h w kh kw ci",
                  "o h w ci kh kw"]),
        ("mixed", None),
    ],
)  # fmt: skip
def test_loop_orders(vary: Vary, order: str, expected: list[str] | None) -> None:
    after, _ = run("multi-level tiling", conv(), vary(f"levels: [{{name: cache, order: {order}}}]"))
    found = [" ".join(c) for o in after.all(Order) if o.level == "cache" for c in o.candidates]
    assert len(set(found)) == len(found)
    if expected is not None:
        assert found == expected
    else:
        assert (
            len(found) == 3 * 2 * 4
        )  # places of n, of the channels, of the reduction among the spatial loops
        assert "kh kw ci h w o" in found and "h kh kw ci w o" in found


def test_tiling_needs_a_level_for_every_axis(dlboost: Accelerator) -> None:
    levels = tuple(level for level in dlboost.levels if level.name in ("parallel", "register", "intrinsic"))
    template = until("multi-level tiling", start(gemm(), replace(dlboost, levels=levels)))
    assert refusal("multi-level tiling", template) == "no level of dlboost has loops for axis k"


def test_scratch_pads(vary: Vary, dlboost: Accelerator) -> None:
    after, note = run("S3 multi-scope SPM", gemm(), dlboost)
    assert after.holds == (Hold("accumulate", "register", "cache"),)
    assert note.reason == "accumulate in register"
    _, note = run("S2 multi-level SPM", gemm(), dlboost)
    assert note == Applied("S2 multi-level SPM", False, "no operand is held in more than one memory")
    chained = vary("memories: [{name: l2, holds: [accumulate]}]")
    after, note = run("S2 multi-level SPM", gemm(), chained)
    assert [hold.memory for hold in after.holds] == ["l2", "register"]
    assert note.reason == "accumulate: l2 → register"
    after, note = run("S3 multi-scope SPM", gemm(), chained)
    assert not note.applied and note.reason == "no memory holds an operand by itself"
    filled = vary("memories: [{name: l2, holds: [input]}]\nlevels: [{name: cache, fills: [l2]}]")
    after, _ = run("S3 multi-scope SPM", gemm(), filled)
    assert Hold("input", "l2", "cache") in after.holds
    unfilled = replace(filled, levels=dlboost.levels)
    assert refusal("S3 multi-scope SPM", until("S3 multi-scope SPM", start(gemm(), unfilled))) == (
        "memory l2 holds input, but no level of varied fills it"
    )


def test_pack(dlboost: Accelerator) -> None:
    after, _ = run("pack the weight", gemm(), dlboost)
    assert list(after.all(Pack)) == [Pack("weight")]
    template = until("pack the weight", start(gemm(), dlboost))
    weight = replace(template.einsum.weight, constant=False)
    changed = replace(template, einsum=replace(template.einsum, weight=weight))
    after = rule("pack the weight").run(changed)
    places = ("root", "cache.1", "cache.2")
    assert list(after.all(Pack)) == [Pack("weight", in_advance=False, positions=places)]
    assert after.log[-1].reason.endswith("by every call: at root, cache.1, cache.2")
    nowhere = replace(changed, accelerator=replace(dlboost, stages={}))
    assert refusal("pack the weight", nowhere).startswith(
        "the weight is not constant, and dlboost has no stage"
    )


@pytest.mark.parametrize(
    ("workload", "threads", "positions"),
    [
        (gemm(6, 32, 8), 1, None),
        (gemm(6, 32, 9), 2, None),  # the last group is shifted back: nothing outside is read
        (conv(padding=0), 1, None),
        (conv(), 1, ("root", "cache.1", "cache.2", "cache.3", "skip")),
        (conv(), 2, ("root", "parallel", "cache.1", "cache.2", "cache.3", "skip")),
        (conv(layout="NCHW", padding=0), 1, ("root", "cache.1", "cache.2", "cache.3")),
    ],
)
def test_places_of_the_input(
    dlboost: Accelerator, workload: Workload, threads: int, positions: tuple[str, ...] | None
) -> None:
    after, note = run("place the input", workload, dlboost, threads)
    if positions is None:
        assert note == Applied("place the input", False, "the input is read where it lies")
        assert after.place is None
    else:
        assert isinstance(after.place, Place) and after.place.positions == positions
        assert note.reason.startswith(after.place.required)


def test_places_that_are_missing(dlboost: Accelerator, vary: Vary) -> None:
    template = until("place the input", start(conv(), replace(dlboost, stages={})))
    assert refusal("place the input", template).endswith("and dlboost places none")
    only = vary("stages: {pad: {at: [skip]}}")
    template = until("place the input", start(conv(layout="NCHW"), only))
    assert refusal("place the input", template).endswith("and no place is legal")


def test_parallel(dlboost: Accelerator, vary: Vary) -> None:
    after, note = run("parallel", gemm(), vary("levels: [{name: parallel, at_most: 6}]"), 3)
    assert after.bind == Bind("parallel", "parallel", 6)
    assert note.reason == "parallel to parallel, 3 threads"
    unbound = replace(dlboost, levels=tuple(replace(level, bind=None) for level in dlboost.levels))
    after, note = run("parallel", gemm(), unbound)
    assert after.bind is None and note.reason == "no level is bound to parallel hardware"


def test_unroll(dlboost: Accelerator) -> None:
    after, note = run("unroll", gemm(), dlboost)
    assert list(after.all(Mark)) == [Mark("register", "unroll"), Mark("step", "unroll")]
    rolled = replace(dlboost, levels=tuple(replace(level, unroll=False) for level in dlboost.levels))
    _, note = run("unroll", gemm(), rolled)
    assert note == Applied("unroll", False, "no level is unrolled")


def test_vectorize(dlboost: Accelerator) -> None:
    after, note = run("vectorize", gemm(), dlboost)
    assert Mark("intrinsic", "vectorize") in after.primitives and note.applied
    _, note = run("vectorize", conv(layout="NCHW"), dlboost)
    assert note.reason == "o does not trail in the output: lanes are stored one by one"
    template = until("vectorize", start(gemm(), dlboost))
    single = tuple(
        replace(p, axes={**p.axes, "n": None}) if isinstance(p, Tensorize) else p for p in template.primitives
    )
    noted = rule("vectorize").run(replace(template, primitives=single)).log[-1]
    assert noted.reason == "the intrinsic has a single lane"


def test_words_that_mean_an_axis(dlboost: Accelerator) -> None:
    template = until("multi-level tiling", start(conv(), dlboost))
    assert template.words("h") == {"m", "spatial"}
    assert template.words("o") == {"n", "spatial"}
    assert template.words("kh") == {"k", "reduction", "window"}
    assert template.words("ci") == {"k", "reduction", "channel", "intrinsic.k"}
    with pytest.raises(KeyError):
        template.words("none")
    assert Axis("a_b", "m", (Part("a", 3), Part("b", 5))).extent == 15


def test_prefetch_needs_distances_and_an_output_of_whole_vectors(vary: Vary) -> None:
    both = vary("prefetch: {weight: [0, 8], output: [0, 1], input: [0]}")
    template, entry = run("prefetch", gemm(64, 64, 64), both)
    found = {each.operand: each.distances for each in template.all(Prefetch)}
    assert entry.applied and found == {"weight": (0, 8), "output": (0, 1)}
    none = vary("prefetch: {weight: [0], output: [0], input: [0]}")
    assert not run("prefetch", gemm(64, 64, 64), none)[1].applied
    scattered = conv(layout="NCHW")
    template, _ = run("prefetch", scattered, both)
    assert {each.operand for each in template.all(Prefetch)} == {"weight"}
    assert not run("prefetch", scattered, vary("prefetch: {weight: [0], output: [1], input: [0]}"))[1].applied


def test_results_are_streamed_where_vectors_fill_lines(vary: Vary) -> None:
    both = vary("stores: [cached, streamed]")
    template, entry = run("store", gemm(6, 64, 8), both)
    assert entry.applied and [each.kinds for each in template.all(Store)] == [("cached", "streamed")]
    for other in (gemm(6, 40, 8), conv(layout="NCHW"), conv(out_channels=24)):
        template, entry = run("store", other, both)
        assert not entry.applied and not list(template.all(Store))
    assert not run("store", gemm(6, 64, 8), vary("stores: cached"))[1].applied


def test_results_leave_registers_in_whole_pieces() -> None:
    target = load("tensorcore-sm90")
    template, entry = run("store", gemm(70, 40, 64), target)
    assert entry.applied and [each.kinds for each in template.all(Store)] == [("staged", "direct")]
    for other, why in ((gemm(70, 36, 64), "pieces"), (conv(layout="NCHW"), "registers")):
        template, entry = run("store", other, target)
        assert not entry.applied and why in entry.reason
        assert not list(template.all(Store))


def test_blocks_stay_where_copies_run_ahead_and_results_leave_directly() -> None:
    target, half = load("tensorcore-sm90"), DTypes("float16", "float16", "float32", "float16")
    for m, n, filled_by, why in (
        (70, 40, "bulk", ""),
        (70, 40, "threads", "copy"),
        (70, 36, "bulk", "staged"),
    ):
        workload = make("gemm", {"m": m, "n": n, "k": 64}, dtypes=half)
        template = replace(start(workload, target), instruction="wgmma", filled_by=filled_by)
        after = rule("stay").run(until("stay", template))
        assert [each.teams for each in after.all(Stay)] == ([] if why else [(0, 1, 2)])
        assert why in after.log[-1].reason


def test_whether_calls_overlap_is_tried_where_blocks_stay() -> None:
    target, half = load("tensorcore-sm90"), DTypes("float16", "float16", "float32", "float16")
    (level,) = (each for each in target.levels if True in each.overlap)
    only = replace(target, levels=[replace(each, overlap=each.overlap[:1]) for each in target.levels])
    never = replace(target, levels=[replace(each, overlap=(False,)) for each in target.levels])
    workload = make("gemm", {"m": 70, "n": 40, "k": 64}, dtypes=half)
    for machine, filled_by, why in (
        (target, "bulk", ""),
        (target, "threads", "do not stay"),
        (only, "bulk", "all calls overlap"),
        (never, "bulk", "do not overlap"),
    ):
        template = replace(start(workload, machine), instruction="wgmma", filled_by=filled_by)
        after = rule("overlap").run(until("overlap", template))
        assert [each.level for each in after.all(Overlap)] == ([] if why else [level.name])
        assert why in after.log[-1].reason


def test_prefetch_of_the_input_needs_tiles_that_move_it(dlboost: Accelerator) -> None:
    asked = {each.operand for each in run("prefetch", gemm(64, 64, 64), dlboost)[0].all(Prefetch)}
    assert asked == {"weight", "output", "input"}
    alone = {each.operand for each in run("prefetch", gemm(1, 64, 64), dlboost)[0].all(Prefetch)}
    assert alone == {"weight", "output"}
