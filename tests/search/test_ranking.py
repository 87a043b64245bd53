from __future__ import annotations

from dataclasses import replace

from heron_cli.records import Purpose, Record
from heron_cli.search.ranking import is_ranked, rivals
from heron_cli.trial import DISTURBED, Candidate, Measurement, Status, Trial


def record(tile: int, seconds: float | None, program: str = "", verified: bool = True, at: int = 0) -> Record:
    status = Status.OK if seconds is not None else Status.TIMEOUT
    measurement = Measurement(status, seconds, verified=verified and seconds is not None, program=program)
    trial = Trial(Candidate.of("plain", {"tile": tile}), measurement)
    moment = f"2026-11-23T10:00:{at:02}.000000+00:00"
    return Record("w", {}, "gemm", "toy", "d", 1, trial, 0, "cga", {}, moment, position=tile)


def tiles(records: list[Record]) -> list[int]:
    return [record.trial.candidate.values["tile"] for record in records]


def test_only_the_close_ones_and_at_most_eight() -> None:
    assert tiles(rivals([record(1, 1.12), record(2, 1.08), record(3, 1.0), record(4, None)])) == [3, 2]
    assert tiles(rivals([record(tile, 1.0 + tile / 1000) for tile in range(10)])) == list(range(8))


def test_no_program_twice() -> None:
    found = rivals([record(1, 1.0, "a"), record(2, 1.01, "a"), record(3, 1.02, "b"), record(4, 1.03)])
    assert tiles(found) == [1, 3, 4]


def test_nothing_to_decide() -> None:
    assert rivals([]) == rivals([record(1, None)]) == rivals([record(1, 1.0), record(2, 2.0)]) == []


def test_what_is_held_to_be_best_takes_part() -> None:
    lucky = [record(1, 1.0, "a"), record(2, 1.05, "b")]
    assert tiles(rivals(lucky, record(3, 1.2, "c"))) == [1, 2, 3]
    assert tiles(rivals(lucky, record(2, 1.2, "b"))) == [1, 2]
    assert tiles(rivals(lucky, record(4, 1.2, "b"))) == [1, 2], "the same program"
    assert tiles(rivals([record(1, 1.0)], record(3, 1.2))) == [1, 3], "one trial, and what held before it"
    champion, best = record(3, 1.2, "c"), record(4, 1.1, "d")
    assert tiles(rivals(lucky, champion, best)) == [1, 2, 3, 4]
    assert tiles(rivals(lucky, champion, champion)) == [1, 2, 3]
    assert tiles(rivals(lucky, None, best)) == [1, 2, 4], "nothing was ranked yet"


def test_lucky_times_of_disturbed_trials_do_not_keep_others_out() -> None:
    def made_up(tile: int, seconds: float) -> Record:
        found = record(tile, seconds)
        measured = replace(
            found.trial.measurement, reason=f"{DISTURBED}: another kernel took 2 times as long"
        )
        return replace(found, trial=replace(found.trial, measurement=measured))

    lucky = [made_up(tile, 0.6 + tile / 1000) for tile in range(10)]
    assert tiles(rivals([*lucky, record(20, 1.0), record(21, 1.05), record(22, 1.2)])) == [0, 1, 2, 3, 20, 21]
    assert tiles(rivals(lucky)) == list(range(8)), "nothing else is known"
    first = made_up(30, 0.5)
    first = replace(
        first, trial=replace(first.trial, measurement=replace(first.trial.measurement, program="p"))
    )
    copied = record(31, 0.5, "p")  # its reason says that it was not run again
    assert tiles(rivals([first, copied, record(20, 1.0), record(21, 1.05)])) == [30, 20, 21]


def test_modelled_cycles_are_not_measured_again() -> None:
    def modelled(tile: int, cycles: int, verified: bool) -> Record:
        measured = Measurement(Status.OK, cycles=cycles, verified=verified)
        found = record(tile, 1.0)
        return replace(found, trial=replace(found.trial, measurement=measured))

    assert rivals([modelled(1, 100, True), modelled(2, 101, False)]) == []
    assert tiles(rivals([modelled(1, 100, False), modelled(2, 101, True)])) == [1, 2]


def test_a_fast_one_that_was_not_verified_is_ranked_even_alone() -> None:
    assert tiles(rivals([record(1, 1.0, verified=False), record(2, 2.0)])) == [1]


def test_a_ranking_counts_while_nothing_changed() -> None:
    chosen = [record(1, 1.0, at=1), record(2, 1.0, at=2)]

    def ranked(tile: int, at: int) -> Record:
        return replace(record(tile, 1.0, at=at), purpose=Purpose.RANKING)

    assert not is_ranked(chosen, [])
    assert is_ranked(chosen, [ranked(1, 5), ranked(2, 5)])
    assert not is_ranked(chosen, [ranked(1, 5), ranked(2, 6)]), "not side by side"
    assert is_ranked(chosen, [ranked(1, 5), ranked(2, 5), ranked(3, 5)])
    assert is_ranked([chosen[0], ranked(2, 5)], [ranked(1, 5), ranked(2, 5)]), "the winner itself"
    assert not is_ranked([*chosen, record(3, 1.0, at=9)], [ranked(t, 5) for t in (1, 2, 3)]), (
        "a trial came later"
    )
