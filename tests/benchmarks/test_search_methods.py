from __future__ import annotations

from benchmarks.search_methods import Run, table, trials_to_match

RUNS = (
    Run("a", "cga", 0, 10.0, (4.0, None, 2.0, 1.0)),
    Run("a", "cga", 1, 12.0, (4.0, 4.0, 4.0, 1.0)),
    Run("a", "random", 0, 20.0, (8.0, 4.0, 3.0, 2.0)),
    Run("a", "random", 1, 20.0, (8.0, 8.0, 4.0, 2.0)),
    Run("b", "random", 0, 20.0, (None, None)),
)


def test_best_so_far_skips_failures() -> None:
    assert [RUNS[0].best_after(count) for count in (1, 2, 3, 4, 9)] == [4.0, 4.0, 2.0, 1.0, 1.0]
    assert RUNS[4].best_after(2) is None


def test_shares_of_the_best_known_time() -> None:
    rows = table("a", RUNS, checkpoints=(1, 3, 4))
    assert rows[0] == "Best found by any of the 4 runs: 1000000.0 µs."
    assert rows[4].startswith(
        "| CGA | 0.250 (0.250–0.250) | 0.354 (0.250–0.500) | 1.000 (1.000–1.000) | 2 | 11 |"
    )
    assert rows[5].startswith("| constrained random | 0.125")


def test_trials_to_the_final_result_of_random_search() -> None:
    assert trials_to_match(RUNS, "a") == "3 trials"
    slow = [run for run in RUNS if run.method == "random"] + [Run("a", "cga", 0, 1.0, (9.0, 9.0))]
    assert trials_to_match(slow, "a") == "more than 4 trials"


def test_a_case_where_nothing_was_found() -> None:
    assert table("b", RUNS)[0] == "None of the 1 runs found a kernel."
    assert trials_to_match(RUNS, "b") == "random search found no kernel"
