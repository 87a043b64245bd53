"""Jobs on VTA, whose measurements are simulated, with a clock that the test moves."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as xml

import pytest
from click.testing import CliRunner, Result

from heron_cli.cli import application
from heron_cli.jobs.job import load
from heron_cli.jobs.run import Slice, exit_code, run, tasks_of
from heron_cli.records import Store
from heron_cli.report import page

WORKLOADS = """schema: heron/workloads/1
name: two
workloads:
  - {name: small, operator: gemm, shape: {m: 16, n: 32, k: 32}}
  - {name: large, operator: gemm, shape: {m: 32, n: 64, k: 64}, count: 3}
"""
JOB = "schema: heron/job/1\nname: mine\naccelerators: vta\nworkloads: w.yaml\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("w.yaml").write_text(WORKLOADS)
    return tmp_path


def job(rest: str) -> str:
    Path("job.yaml").write_text(JOB + rest)
    return "job.yaml"


def heron(*arguments: str) -> Result:
    return CliRunner().invoke(application, arguments)


class Clock:
    """A minute passes at each look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 60.0
        return self.now


def test_a_job_writes_what_a_ci_server_reads(folder: Path) -> None:
    done = heron("run", job("budget: {trials: 16}\nlibrary: lib\n"), "--ci")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [["vta", "small"], ["vta", "large"]]
    suites = xml.parse("build/job-mine/junit.xml").getroot()
    assert [suites.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["2", "0", "0", "0"]
    assert [case.get("name") for case in suites.iter("testcase")] == ["small", "large"]
    summary = json.loads(Path("build/job-mine/summary.json").read_text())
    assert (summary["schema"], summary["exit_code"]) == ("heron/job-summary/1", 0)
    assert all(entry["best"]["verified"] for entry in summary["kernels"])
    assert "<title>mine: passed</title>" in Path("build/job-mine/report.html").read_text()
    assert json.loads(Path("lib/vta/manifest.json").read_text())["schema"] == "heron/library/1"


@pytest.mark.parametrize("extra", [True, False])
def test_the_page_has_the_curves_where_the_extra_is_installed(
    extra: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if extra:
        pytest.importorskip("plotly", reason="the extra `report` is not installed")
    else:
        monkeypatch.setattr(page, "missing", lambda: ["plotly"])
    assert heron("run", job("budget: {trials: 16}\n"), "--out", "out").exit_code == 0
    text = Path("out/report.html").read_text()
    assert text.count('<td class="good">tuned</td>') == 2
    assert [f'id="curve-{number}"' in text for number in range(3)] == [extra, extra, False]
    assert ("http" in text) == extra  # names in plotly's own code; nothing is loaded
    assert ("No curves here: plotly missing" in text) != extra


def test_a_second_run_passes_the_bar_of_the_first_and_measures_nothing_twice() -> None:
    name = job("budget: {trials: 16}\nlibrary: lib\nacceptance: {against: lib, min_speedup: 1}\n")
    assert heron("run", name).exit_code == 0
    with Store.open("heron.db") as store:
        before = len(store.all())
    done = heron("run", name)
    assert done.exit_code == 0
    assert all(line.endswith("; passed (1.000×)") for line in done.stdout.splitlines())
    with Store.open("heron.db") as store:
        assert len(store.all()) == before


def test_a_regression_has_exit_code_5_and_leaves_the_library_alone() -> None:
    name = job("budget: {trials: 16}\nlibrary: lib\nacceptance: {against: lib, min_speedup: 1}\n")
    assert heron("run", name).exit_code == 0
    manifest = Path("lib/vta/manifest.json")
    content = json.loads(manifest.read_text())
    content["kernels"][0]["cycles"] -= 1
    manifest.write_text(json.dumps(content))
    done = heron("run", name, "--ci", "--out", "out")
    assert done.exit_code == 5
    assert done.stderr.splitlines()[-1].startswith("heron: error: vta: ")
    assert json.loads(manifest.read_text()) == content
    failures = list(xml.parse("out/junit.xml").getroot().iter("failure"))
    assert [failure.get("type") for failure in failures] == ["regression"]
    assert json.loads(Path("out/summary.json").read_text())["exit_code"] == 5
    assert "times as fast as in lib; at least 1 is due" in Path("out/report.html").read_text()


def test_a_workload_that_fits_no_program_is_an_error_beside_those_that_do() -> None:
    Path("picky.yaml").write_text(
        "schema: heron/accelerator/1\nname: picky\nextends: vta\n"
        "rules: [{name: large-only, why: test, require: 'tile(thread).m >= 32'}]\n"
    )
    Path("job.yaml").write_text((JOB + "budget: {trials: 16}\n").replace("vta", "picky.yaml"))
    done = heron("run", "job.yaml", "--ci")
    assert done.exit_code == 3
    small, large = xml.parse("build/job-mine/junit.xml").getroot().iter("testcase")
    error = small.find("error")
    assert error is not None
    assert "large-only" in str(error.get("message"))
    assert large.find("error") is None
    assert json.loads(Path("build/job-mine/summary.json").read_text())["kernels"][1]["best"]["verified"]


def test_the_budget_of_wall_clock_ends_the_job(folder: Path) -> None:
    found = load(job("budget: {time: 6h, trials: 1000}\n"))
    turns: list[Slice] = []
    clock = Clock()
    with Store.in_memory() as store:
        outcomes = run(found, tasks_of(found), store, turns.append, clock=clock)
    assert clock.now >= 6 * 3600 * 0.7
    assert sum(outcome.slices for outcome in outcomes) == len(turns) >= 2
    assert all(outcome.best is not None for outcome in outcomes)
    assert exit_code(outcomes) == 0


def test_what_the_budget_does_not_reach_is_skipped(folder: Path) -> None:
    done = heron("run", job("budget: {time: 1s, trials: 100000}\n"), "--ci")
    cases = list(xml.parse("build/job-mine/junit.xml").getroot().iter("testcase"))
    skipped = [case.find("skipped") is not None for case in cases]
    found = json.loads(Path("build/job-mine/summary.json").read_text())["kernels"]
    assert skipped == [entry["trials"] == 0 for entry in found]
    assert done.exit_code == (4 if all(skipped) else 0)


def test_leases_are_given_back_and_another_run_is_kept_out(folder: Path) -> None:
    found = load(job("budget: {trials: 16}\n"))
    tasks = tasks_of(found)
    with Store.open("heron.db") as store:
        with store.lease(tasks[0].workload.key, tasks[0].accelerator.digest, 1):
            outcomes = run(found, tasks, store)
        assert "is tuning" in str(outcomes[0].error)
        assert outcomes[1].best is not None
        assert exit_code(outcomes) == 2
        assert run(found, tasks, store)[0].best is not None


def test_a_name_that_means_nothing_is_a_usage_error() -> None:
    done = heron("run", "nothing")
    assert done.exit_code == 2
    assert done.stderr.startswith("heron: error: no file and no shipped job is called 'nothing'")
