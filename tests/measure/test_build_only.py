from __future__ import annotations

from measure_fakes import FakeBackend, Task, candidate

from heron_cli.measure.build_only import BuildOnlyRunner
from heron_cli.measure.protocol import Runner
from heron_cli.trial import Status


def test_candidates_are_built_and_never_run(library: str) -> None:
    with BuildOnlyRunner(Task(), FakeBackend(library), jobs=1, preload=()) as runner:
        assert isinstance(runner, Runner)
        found = dict(runner.run([candidate("segfaults"), candidate("build-error")]))
        again = runner.remeasure([candidate("build-error"), candidate("good")])
    assert (found[0].status, found[0].seconds, found[0].verified) == (Status.OK, None, False)
    assert found[0].metrics == {"instructions": 12.0}
    assert found[1].status is Status.BUILD_ERROR
    assert [measurement.status for measurement in again] == [Status.BUILD_ERROR, Status.OK]
