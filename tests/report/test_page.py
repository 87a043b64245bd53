"""The page about a database: what it shows, and that a browser draws it without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from heron_cli.records import Record, Store
from heron_cli.report import page
from heron_cli.report.curves import MINIMUM, importance, subjects
from heron_cli.search.driver import tune
from heron_cli.search.result import Budget

from ..search.toy import FakeRunner, problem, variant

pytest.importorskip("plotly", reason="the extra `report` is not installed")
pytest.importorskip("jinja2", reason="the extra `report` is not installed")


def recorded(trials: int = 32, failing: float = 0.25) -> tuple[list[Record], list[Record]]:
    """The records of two runs of one workload, and its winner."""
    with Store.in_memory() as store:
        for seed in (0, 1):
            space = variant()
            runner = FakeRunner([space], failing=failing)
            tune(problem(space), "random", runner, store, Budget(trials), seed)
        return store.all(), store.best()


RECORDS, BEST = recorded()


def test_curves_fall_and_end_at_the_best() -> None:
    (subject,) = subjects(RECORDS, BEST)
    assert [curve.name for curve in subject.curves] == ["random, seed 0", "random, seed 1"]
    ends = []
    for curve in subject.curves:
        costs = [cost for cost in curve.best if cost is not None]
        assert len(curve.best) == 32
        assert costs == sorted(costs, reverse=True)
        ends.append(costs[-1])
    valid = [record.cost for record in RECORDS if record.cost is not None and str(record.purpose) == "trial"]
    assert min(ends) == min(valid)
    assert dict(subject.statuses) == {"ok": len(valid), "build-error": 64 - len(valid)}
    assert subject.reasons == (("no such instruction", 64 - len(valid)),)


def test_importance_needs_trials_and_adds_up() -> None:
    found = importance(RECORDS, count=99)
    assert sum(share for _, share in found) == pytest.approx(1.0)
    shares = [share for _, share in found]
    assert shares == sorted(shares, reverse=True)
    few = [record for record in RECORDS if record.cost is not None][: MINIMUM - 1]
    assert importance(few) == ()


def test_the_page_needs_no_network_and_escapes_what_it_shows() -> None:
    odd = [replace(record, workload="<script>alert(1)</script>") for record in RECORDS]
    text = page.render(odd, [], "a <b> title")
    assert "<script>alert" not in text
    assert "a &lt;b&gt; title" in text
    assert "No verified kernel." in text
    outside = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", outside)


def test_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "find_spec", lambda name: None)
    with pytest.raises(page.InputError, match=r"needs plotly and Jinja2; install them with pip install"):
        page.require()


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SPY = """<script>
window.complaints = [];
window.addEventListener("error", event => window.complaints.push(String(event.message)), true);
console.error = (...words) => window.complaints.push(words.join(" "));
window.addEventListener("load", () => setTimeout(() => {
  document.body.dataset.complaints = JSON.stringify(window.complaints);
  const lines = document.querySelectorAll("#curve-0 .scatterlayer path.js-line");
  document.body.dataset.lines = [...lines].filter(line => line.getTotalLength() > 100).length;
  const inside = [...document.querySelectorAll(".js-plotly-plot")].every(
    plot => plot.querySelector(".main-svg").getBoundingClientRect().right <= window.innerWidth);
  document.body.dataset.inside = inside;
}, 500));
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium in PATH (on Debian: apt-get install chromium)")
def test_a_browser_draws_the_curves_and_complains_of_nothing(tmp_path: Path) -> None:
    text = page.render(RECORDS, BEST, "heron").replace("<head>", f"<head>{SPY}", 1)
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    command = [
        *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,1000"),
        *("--proxy-server=127.0.0.1:9", f"--user-data-dir={tmp_path / 'profile'}"),
        *("--virtual-time-budget=10000", "--dump-dom", (tmp_path / "page.html").as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    body = done.stdout[done.stdout.index("<body") :]
    assert 'data-complaints="[]"' in body[:2000]
    assert 'data-lines="2"' in body[:2000]
    assert 'data-inside="true"' in body[:2000]
