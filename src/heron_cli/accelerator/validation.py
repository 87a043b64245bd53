"""pydantic's errors in heron's form: where in the file, at which key, what is wrong, what would be right."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from heron_cli.accelerator.document import Document
from heron_cli.accelerator.problems import Problem, suggest
from heron_cli.accelerator.tree import Tree

_DUE = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a map of keys and values",
    "model_type": "a map of keys and values",
    "model_attributes_type": "a map of keys and values",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}
Location = Sequence[str | int]
Model = TypeVar("Model", bound=BaseModel)


def validate(root: Tree) -> tuple[Document | None, list[Problem]]:
    """The accelerator's document of a tree, or what is wrong with its keys and values."""
    return validate_as(Document, root, "docs/accelerator-yaml.md")


def validate_as(model: type[Model], root: Tree, manual: str) -> tuple[Model | None, list[Problem]]:
    """The document of a tree, or what is wrong with its keys and values; `manual` explains them."""
    # pydantic takes null for "not given" wherever a key is optional; a key without value is a slip.
    empty = {
        path: Problem(node.key_origin or node.origin, path, "no value is given; give one or remove the key")
        for path, node in root.walk()
        if node.value is None
    }
    problems = list(empty.values())
    try:
        document = model.model_validate(root.plain())
    except ValidationError as error:
        found = [_problem(root, model, manual, details) for details in error.errors(include_url=False)]
        return None, problems + [problem for problem in dict.fromkeys(found) if problem.path not in empty]
    return (None if problems else document), problems


def _problem(root: Tree, model: type[BaseModel], manual: str, details: Any) -> Problem:
    location: Location = [part for part in details["loc"] if part != "[key]"]
    kind, context = details["type"], details.get("ctx", {})
    node, path, complete = root.follow(location)
    if kind == "missing":
        key = str(location[-1])
        field = _fields(model, location).get(key)
        example = flow(field.examples[0]) if field and field.examples else "…"
        title = f"{path}.{key}" if path else key
        return Problem(node.origin, title, f"missing; add '{key}: {example}'")
    if kind == "extra_forbidden":
        hint = suggest(str(location[-1]), _fields(model, location), "known keys")
        return Problem(node.key_origin or node.origin, path, f"unknown key '{location[-1]}'; {hint}")
    where = node.key_origin or node.origin if "[key]" in details["loc"] or not complete else node.origin
    return Problem(where, path, _message(kind, context, details, node, manual))


def _message(kind: str, context: Mapping[str, Any], details: Any, node: Tree, manual: str) -> str:
    if kind == "value_error":
        return " ".join(str(context["error"]).split())  # what it quotes may have several lines
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"{_shown(details['input'])} is out of range; write {words} {context[bound]}"
    if kind == "too_short":
        return "the list is empty; give at least one item"
    if kind == "string_too_long":
        return f"the text is too long; write at most {context['max_length']} characters"
    if kind in _DUE:
        # A single item may be written without brackets, so pydantic may have seen it inside a list.
        given = node.plain() if not isinstance(details["input"], list) else details["input"]
        return f"{_shown(given)} where {_DUE[kind]} is due; {_remedy(kind, given)}"
    return f"{details['msg']}; see {manual}"


def _remedy(kind: str, given: Any) -> str:
    if kind == "string_type":
        return f'quote it: "{given}"' if isinstance(given, int | float) else "write one text"
    if kind in ("int_type", "int_from_float"):
        if isinstance(given, str) and re.match(r"[0-9]", given):
            return "write digits only, without quotes or unit"
        return "write digits only"
    if kind == "bool_type":
        return "write true or false, without quotes"
    return "write '[a, b]'" if kind == "list_type" else "write '{key: value}'"


def _shown(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "a map"
        case list():
            return "a list"
        case str():
            return f"'{value}'" if len(value) <= 40 else f"'{value[:37]}…'"
        case _:
            return str(value)


def flow(value: Any) -> str:
    """An example in YAML's flow style."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(flow(item) for item in value) + "]"
        case _:
            return str(value)


def _fields(model: type[BaseModel], location: Location) -> dict[str, FieldInfo]:
    """The keys of the map in which the last part of `location` stands."""
    for part in location[:-1]:
        field = _keys(model).get(str(part)) if isinstance(part, str) else None
        if field is not None:  # else a position in a list, or a free key such as a stage's name
            model = _nested(field.annotation) or model
    return _keys(model)


def _keys(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _nested(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and get_origin(annotation) is None:
        return annotation
    return next((found for arg in get_args(annotation) if (found := _nested(arg))), None)
