"""The loader answers any text with an accelerator or with lines for the user, and starts lightly."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heron_cli.accelerator.lint import Severity, lint

SKETCH = (Path(__file__).parent / "files" / "dlboost-sketch.yaml").read_text()
TOKENS = [
    *sorted(set(re.findall(r"[\w.]+|[^\w\s]|\s+", SKETCH))),
    "&a",
    "*a",
    "!!int",
    "~",
    "'",
    '"',
    "\t",
    "é",
    "<<",
]


@given(
    st.lists(st.tuples(st.integers(0, len(SKETCH)), st.integers(0, 12), st.sampled_from(TOKENS)), max_size=4)
)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_edit_gets_an_answer(tmp_path: Path, edits: list[tuple[int, int, str]]) -> None:
    text = SKETCH
    for place, removed, added in edits:
        text = text[:place] + added + text[place + removed :]
    path = tmp_path / "edited.yaml"
    path.write_text(text)
    lines = text.count("\n") + 2
    for found in lint(path):
        assert found.severity in Severity
        assert "\n" not in found.message
        assert 1 <= found.origin.line <= lines or not found.origin.file.endswith("edited.yaml")


def test_a_name_of_two_lines_is_told_in_one(tmp_path: Path) -> None:
    path = tmp_path / "edited.yaml"
    path.write_text(SKETCH.replace("name: dlboost-sketch", "name: dlboost-sketch\n  and more", 1))
    (found,) = (each for each in lint(path) if "name" in each.message)
    assert "'dlboost-sketch and more' is no name" in found.message


def test_the_light_modules_stay_light() -> None:
    """`heron --help` and the workers need names and the model, and must not pay for pydantic or YAML."""
    modules = ("model", "expression", "units", "catalog", "words")
    imports = "; ".join(f"import heron_cli.accelerator.{module}" for module in modules)
    check = "assert not {'pydantic', 'yaml', 'numpy', 'tvm'} & set(sys.modules)"
    source = str(Path(__file__).parents[2] / "src")
    command = f"import sys; sys.path.insert(0, {source!r}); {imports}; {check}"
    subprocess.run([sys.executable, "-c", command], check=True)
