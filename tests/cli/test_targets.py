from __future__ import annotations

import json

import jsonschema
import yaml

from heron_cli.configs import config_dir

from .conftest import Heron, complaint


def test_list_is_the_default(heron: Heron) -> None:
    assert heron("targets").stdout == heron("targets", "list").stdout
    found = json.loads(heron("targets", "--json").stdout)
    assert "dlboost" in [each["name"] for each in found]
    for each in found:
        assert each["measurable"] == (each["reasons"] == [])


def test_schema_accepts_what_ships(heron: Heron) -> None:
    schema = json.loads(heron("targets", "--schema").stdout)
    text = (config_dir() / "accelerators/dlboost.yaml").read_text()
    jsonschema.validate(yaml.safe_load(text), schema)


def test_show(heron: Heron) -> None:
    found = json.loads(heron("targets", "show", "dlboost", "--json").stdout)
    assert found["backend"] == "x86"
    assert set(found["rules"]) >= {"register-budget"}
    text = heron("targets", "show", "dlboost").stdout
    assert "memories.register.vectors" in text


def test_an_unknown_target_names_those_there_are(heron: Heron) -> None:
    said = complaint(heron("targets", "show", "nothing-like-it"))
    assert "; known accelerators: amx-bf16, amx-int8, avx-vnni, avx512-bf16, dlboost-avx2, dlboost, " in said
