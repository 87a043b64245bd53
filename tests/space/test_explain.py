from __future__ import annotations

import pytest

from heron_cli.errors import Origin
from heron_cli.space import SpaceBuilder, Var, at_least, at_most, divides, equal, explain_empty, implies


def shared_memory(limit=49_152):
    b = SpaceBuilder()
    m, n, k = (b.knob(name, [16, 32, 64, 128, 256]) for name in ("bm", "bn", "bk"))
    stages = b.knob("stages", [1, 2, 3, 4])
    shared = b.derive("shared", (m + n) * k * stages * 2)
    b.require("shared memory", at_most(shared, limit), Origin("tensorcore.yaml", 31, 3))
    b.require("threads", at_most(m * n, 1 << 16), Origin("tensorcore.yaml", 40, 3))
    b.require("no idle stage", implies(stages > 2, k >= 32))
    return b.build()


DEMANDS = [("--set bm", at_least(Var("bm"), 128), None), ("--set bk", at_least(Var("bk"), 64), None)]


def test_the_conflict_is_named_with_its_numbers_and_the_cheapest_repair():
    explanation = explain_empty(
        shared_memory(), [*DEMANDS, ("--set stages", at_least(Var("stages"), 4), None)]
    )
    labels = [item.label for item in explanation.conflict]
    assert labels == ["shared memory", "--set bm", "--set bk", "--set stages"]
    # (128 + 16) * 64 * 4 * 2
    assert explanation.sentences[0] == (
        "shared memory (tensorcore.yaml:31:3) needs at least 73,728, has 49,152 (shared <= 49,152)"
    )
    assert explanation.sentences[3].startswith("--set stages asks for at least 4, but at most 2 is possible")
    repair = explanation.repair
    assert repair.constraint.label == "shared memory"
    assert (repair.limit, repair.needed) == (49_152, 73_728)
    assert repair.sentence == (
        "relaxing 'shared memory' (tensorcore.yaml:31:3) alone from 49,152 to 73,728 would make it fit"
    )
    assert [r.cost for r in explanation.repairs] == sorted(r.cost for r in explanation.repairs)
    assert "49,152" in str(explanation)


def test_each_repair_does_what_it_says():
    demands = [*DEMANDS, ("--set stages", at_least(Var("stages"), 4), None)]
    needed = explain_empty(shared_memory(), demands).repair.needed
    with pytest.raises(ValueError, match="not empty"):
        explain_empty(shared_memory(needed), demands)
    assert explain_empty(shared_memory(needed - 1), demands).conflict


def test_a_conflict_is_minimal():
    demands = [*DEMANDS, ("--set stages", at_least(Var("stages"), 4), None)]
    conflict = explain_empty(shared_memory(), demands).conflict
    free = shared_memory().without({"shared memory", "threads", "no idle stage"})
    for left_out in conflict:
        rest = [(c.label, c.condition, c.origin) for c in conflict if c is not left_out]
        with pytest.raises(ValueError, match="not empty"):
            explain_empty(free, rest)


def test_a_rule_without_a_limit_can_only_be_dropped():
    explanation = explain_empty(
        shared_memory(),
        [
            ("odd", divides(3, Var("shared")), None),
            ("even", equal(Var("shared") * 1 + Var("bm"), 1040), None),
        ],
    )
    assert {item.label for item in explanation.conflict} == {"odd", "even"}
    assert explanation.sentences[0] == "odd: 3 divides shared"
    assert explanation.repair.sentence == "dropping 'odd' alone would make it fit"
    assert explanation.repair.limit is None


def test_a_value_held_fixed_is_told_the_nearest_possible_one():
    extra = [
        (f"--set {name}={value}", equal(Var(name), value), None) for name, value in (("bm", 256), ("bk", 128))
    ]
    explanation = explain_empty(shared_memory(), extra)
    # 2 * (256 + 16) * 64 = 34,816 fits, twice that does not.
    assert "--set bk=128 asks for 128, but the nearest possible is 64 (bk == 128)" in explanation.sentences
    fixed = next(r for r in explanation.repairs if r.constraint.label == "--set bk=128")
    assert (fixed.limit, fixed.needed) == (128, 64)
    assert explanation.repair.constraint.label == "shared memory"


def test_without_a_single_repair_the_sentence_says_so():
    extra = [
        ("a", at_least(Var("bm"), 512), None),
        ("b", at_least(Var("bn"), 512), None),
    ]
    explanation = explain_empty(shared_memory(), extra)
    assert len(explanation.conflict) == 1
    assert explanation.repair is None
    assert str(explanation).endswith("no single rule, relaxed, makes it fit")
    assert "asks for at least 512, but at most 256 is possible" in explanation.sentences[0]


def test_a_conflict_in_a_space_with_splits(gemm):
    explanation = explain_empty(
        gemm(1024, 64, 256), [("user", equal(Var("register.m") * Var("register.n"), 48), None)]
    )
    assert [item.label for item in explanation.conflict] == ["register budget", "user"]
    assert (explanation.repair.limit, explanation.repair.needed) == (32, 51)


def test_a_space_that_is_not_empty_has_no_explanation(small):
    with pytest.raises(ValueError, match="the space is not empty"):
        explain_empty(small)
