from __future__ import annotations

from heron_cli.records import Record
from heron_cli.search.result import describe_failures
from heron_cli.search.spent import Spent
from heron_cli.trial import Candidate, Measurement, Status, Trial


def failed(reason: str, status: Status = Status.RUN_ERROR) -> Record:
    trial = Trial(Candidate.of("plain", {}), Measurement(status, reason=reason))
    return Record("w", {}, "gemm", "toy", "d", 1, trial, 0, "cga", {}, "")


def test_reasons_are_counted_and_the_rare_ones_summed() -> None:
    records = [failed("segmentation\n  fault")] * 3 + [failed("", Status.TIMEOUT)] * 2
    assert describe_failures(records) == "3 × run-error: segmentation fault; 2 × timeout"
    many = describe_failures([failed(f"reason {n}") for n in range(9)])
    assert many.count("run-error") == 5 and many.endswith("; 4 × other reasons")
    assert describe_failures([]) == ""


def test_seconds_go_to_the_phase_that_spent_them() -> None:
    moments = iter([1.0, 3.5, 10.0, 11.0])
    spent = Spent(lambda: next(moments))
    with spent.on("solve"):
        pass
    with spent.on("model"):
        pass
    spent.add("solve", 0.5)
    assert spent.seconds() == {"solve": 3.0, "build": 0.0, "measure": 0.0, "model": 1.0}
