"""What every method must do, whichever it is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from heron_cli.errors import InputError
from heron_cli.search.problem import VariantSpace
from heron_cli.search.protocol import get_method, method_names, register
from heron_cli.trial import Candidate, Trial

from .toy import FakeRunner, problem, small_variant, variant

SHIPPED = ["cga", "cga-random-keys", "ga-penalty", "ga-repair", "model-random", "random", "sa"]


def measured(candidates: list[Candidate], variants: list[VariantSpace]) -> list[Trial]:
    runner = FakeRunner(variants, failing=0.2)
    return [Trial(candidate, runner.measure(candidate)) for candidate in candidates]


def test_methods_are_found_by_their_files() -> None:
    assert set(SHIPPED) <= set(method_names())
    for name in SHIPPED:
        assert get_method(name).name == name and get_method(name).summary
    with pytest.raises(InputError, match=r"no such search method; there are .*cga"):
        get_method("gradient-descent")


def test_two_methods_of_one_name_are_refused() -> None:
    other = type("Other", (get_method("random"),), {})
    with pytest.raises(ValueError, match="two search methods"):
        register(other)


def test_naming_the_methods_loads_none_of_them() -> None:
    program = (
        "import sys; from heron_cli.search.protocol import method_names\n"
        "print(method_names(), 'lightgbm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == f"{SHIPPED} False"


@pytest.mark.parametrize("name", SHIPPED)
def test_proposals_are_new_valid_and_a_pure_function(name: str) -> None:
    variants = [variant(), variant("other", capacity=1 << 12)]
    history: list[Trial] = []
    for round_index in range(3):
        proposed = get_method(name)(problem(*variants), 7).propose(16, history, round_index)
        again = get_method(name)(problem(*variants), 7).propose(16, list(history), round_index)
        assert proposed == again
        assert len(proposed) == len(set(proposed)) == 16
        assert not set(proposed) & {trial.candidate for trial in history}
        assert proposed != get_method(name)(problem(*variants), 8).propose(16, history, round_index)
        for space in variants:
            own = [candidate.values for candidate in proposed if candidate.variant == space.name]
            assert own, "no variant is given up"
            assert space.sampler.valid(space.rows(own)).all()  # type: ignore[attr-defined]
        history += measured(proposed, variants)


@pytest.mark.parametrize("name", SHIPPED)
def test_what_an_exhausted_variant_leaves_goes_to_the_others(name: str) -> None:
    variants = [small_variant(), variant()]
    method = get_method(name)(problem(*variants), 0)
    proposed = method.propose(400, [], 0)
    assert len(proposed) == 400
    assert sum(candidate.variant == "small" for candidate in proposed) == 144
    history = measured(proposed, variants)
    assert {candidate.variant for candidate in method.propose(40, history, 1)} == {"plain"}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_cut_batch_serves_every_variant(name: str) -> None:
    variants = [variant("a"), variant("b"), variant("c")]
    first = get_method(name)(problem(*variants), 0).propose(15, [], 0)[:3]
    assert {candidate.variant for candidate in first} == {"a", "b", "c"}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_small_space_is_tried_to_the_last_point_and_then_there_is_nothing(name: str) -> None:
    small = small_variant()
    method = get_method(name)(problem(small), 3)
    history: list[Trial] = []
    for round_index in range(4):
        history += measured(method.propose(40, history, round_index), [small])
    assert len({trial.candidate for trial in history}) == len(history) == 144
    assert method.propose(40, history, 4) == []


def test_the_documentation_lists_every_method() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    listed = re.findall(r"^\| `([a-z-]+)` \|", page.split("### Search methods")[1], re.MULTILINE)
    assert sorted(listed) == SHIPPED
