from __future__ import annotations

from pathlib import Path

import pytest

from heron_cli.accelerator import catalog
from heron_cli.accelerator.loader import load
from heron_cli.errors import InputError


def test_every_shipped_accelerator_loads_under_its_name() -> None:
    entries = catalog.entries()
    assert "dlboost" in [entry.name for entry in entries]
    for entry in entries:
        assert load(entry.name).name == entry.name
        assert load(entry.path).digest == load(entry.name).digest


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("dlboost", False),
        ("tensorcore-sm80", False),
        ("sm8.0", False),
        ("./dlboost", True),
        ("a.yaml", True),
        ("a.yml", True),
        ("dir/a", True),
        ("/dev/null", True),
    ],
)
def test_names_and_paths_are_told_apart(text: str, path: bool) -> None:
    assert catalog.is_path(text) is path


def test_a_name_is_not_a_file_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    assert catalog.find("other.yaml") == Path("other.yaml")
    with pytest.raises(InputError, match=r"no accelerator 'other'; .*a file of your own: \./other\.yaml"):
        catalog.find("other")


def test_beside_a_file(tmp_path: Path) -> None:
    here, neighbour = tmp_path / "here.yaml", tmp_path / "base.yml"
    here.write_text("")
    neighbour.write_text("")
    assert catalog.find("base", beside=here) == neighbour
    assert catalog.find("./base.yml", beside=here).samefile(neighbour)
    assert catalog.find("dlboost", beside=here).name == "dlboost.yaml"


@pytest.mark.parametrize("text", ["", "dlboos", "x/../..", "~nobody/x.yaml"])
def test_what_is_not_there(text: str) -> None:
    with pytest.raises(InputError) as caught:
        catalog.find(text)
    assert "; " in str(caught.value)
    assert "\n" not in str(caught.value)
