"""The JSON Schema of the accelerator YAML, for editors: completion, descriptions and first checks.

A file that extends another may leave out what it inherits, so the schema has two branches. What spans several
keys (names in rules, references) is beyond a JSON Schema: `heron lint` checks that.
"""

from __future__ import annotations

import copy
from typing import Any

from heron_cli.accelerator import words
from heron_cli.accelerator.document import Document

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) that every file the loader accepts satisfies."""
    whole = Document.model_json_schema(by_alias=True)
    definitions = {name: _tidy(definition) for name, definition in whole.pop("$defs").items()}
    strict = _tidy(whole)
    strict["properties"] = {"schema": {"const": words.SCHEMA}} | {
        key: value for key, value in strict["properties"].items() if key != "schema"
    }
    partial = {_partial_name(name): _loosened(definition) for name, definition in definitions.items()}
    extending = _loosened(strict)
    extending["required"] = ["schema", "name", "extends"]
    return {
        "$schema": DIALECT,
        "title": "heron accelerator",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": extending,
        "else": strict,
        "$defs": definitions | partial,
    }


def _partial_name(name: str) -> str:
    return f"Partial{name}"


def _tidy(node: Any) -> Any:
    """Drop pydantic's titles, and the null that only the model knows: in a file the key is left out."""
    if isinstance(node, list):
        return [_tidy(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidy = {key: _tidy(value) for key, value in node.items() if key != "title" or not isinstance(value, str)}
    choices = [choice for choice in tidy.get("anyOf", ()) if choice != {"type": "null"}]
    if choices and len(choices) < len(tidy["anyOf"]):
        tidy.pop("default", None)
        tidy["anyOf"] = choices
    return choices[0] | {key: tidy[key] for key in tidy if key != "anyOf"} if len(choices) == 1 else tidy


def _loosened(schema: dict[str, Any]) -> dict[str, Any]:
    """The same keys, of which only a name is required, with references to the loosened definitions."""
    loose: dict[str, Any] = _redirected(copy.deepcopy(schema))
    if "required" in loose:
        loose["required"] = [key for key in loose["required"] if key == "name"]
    return loose


def _redirected(node: Any) -> Any:
    if isinstance(node, list):
        return [_redirected(item) for item in node]
    if not isinstance(node, dict):
        return node
    redirected = {key: _redirected(value) for key, value in node.items()}
    if isinstance(reference := node.get("$ref"), str):
        prefix, _, name = reference.rpartition("/")
        redirected["$ref"] = f"{prefix}/{_partial_name(name)}"
    return redirected
