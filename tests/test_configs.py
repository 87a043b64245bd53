from __future__ import annotations

from pathlib import Path

import pytest

from heron_cli import configs
from heron_cli.errors import HeronError


def test_the_folder_holds_what_ships() -> None:
    assert (configs.config_dir() / "accelerators" / "dlboost.yaml").is_file()
    assert (configs.config_dir() / "workloads").is_dir()


def test_a_wheel_has_it_inside_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "heron_cli"
    (package / "configs" / "accelerators").mkdir(parents=True)
    (tmp_path / "configs" / "accelerators").mkdir(parents=True)
    monkeypatch.setattr(configs, "__file__", str(package / "configs.py"))
    assert configs.config_dir() == package / "configs"


def test_an_incomplete_installation_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configs, "__file__", str(tmp_path / "a" / "b" / "configs.py"))
    with pytest.raises(HeronError, match="the configs/ folder is missing; install heron-cli again"):
        configs.config_dir()
