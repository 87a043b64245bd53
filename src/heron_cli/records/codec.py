"""Reading a record from JSON that somebody else may have written: everything is checked."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, NoReturn

from ..trial import Candidate, Measurement, Status, Trial
from .record import Purpose, Record

_INT64 = 2**63


class RecordError(ValueError):
    """A JSON value that is no record: which key is wrong, how, and what would be right."""


def parse(text: str) -> Record:
    """The record in one line of JSON. Raises RecordError; its message fits behind `file:line: `."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise RecordError(f"not JSON at column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise RecordError("nested too deeply for a record") from error
    return from_json(value)


def from_json(value: Any) -> Record:
    """The record in a decoded JSON value; the inverse of `Record.to_json`. Raises RecordError."""
    if not isinstance(value, dict):
        raise RecordError("a record is a JSON object, in braces")
    unknown, missing = sorted(set(value) - set(_FIELDS)), sorted(set(_FIELDS) - set(value))
    if unknown:
        raise RecordError(f"unknown key {unknown[0]!r}; a record has {', '.join(_FIELDS)}")
    if missing:
        raise RecordError(f"key {missing[0]!r} is missing")
    field = {name: check(name, value[name]) for name, check in _FIELDS.items()}
    _check_together(field)
    measurement = Measurement(
        **{name: field[name] for name in ("status", "seconds", "spread", "cycles", "verified", "reason")},
        **{name: field[name] for name in ("build_seconds", "run_seconds", "program", "metrics")},
    )
    return Record(
        trial=Trial(Candidate.of(field["variant"], field["assignment"]), measurement),
        **{name: field[name] for name in ("workload", "definition", "operator", "target", "target_digest")},
        **{name: field[name] for name in ("threads", "seed", "method", "versions", "created")},
        **{name: field[name] for name in ("purpose", "round", "position")},
    )


def _check_together(field: Mapping[str, Any]) -> None:
    timed = field["seconds"] is not None or field["cycles"] is not None
    if field["verified"] and not timed:
        raise RecordError("verified, so seconds or cycles must be given")
    if field["status"] is not Status.OK and timed:
        raise RecordError(f"status is {field['status']}, so it has neither seconds nor cycles")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        names = [name for name, _ in pairs]
        raise RecordError(f"key {next(n for n in names if names.count(n) > 1)!r} is given twice")
    return result


def _no_constant(name: str) -> NoReturn:
    raise RecordError(f"{name} is no number of JSON")


def _wrong(name: str, value: Any, right: str) -> RecordError:
    shown = json.dumps(value)
    return RecordError(f"{name}: {shown if len(shown) <= 40 else shown[:37] + '...'} is not {right}")


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or any("\ud800" <= c <= "\udfff" for c in value):
        raise _wrong(name, value, "a text")
    return value


def _name(name: str, value: Any) -> str:
    if not _text(name, value).strip():
        raise _wrong(name, value, "a text that says something")
    return str(value)


def _integer(low: int) -> Callable[[str, Any], int]:
    def check(name: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value < _INT64:
            raise _wrong(name, value, "a 64-bit integer" + (f", at least {low}" if low > -_INT64 else ""))
        return value

    return check


def _number(name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) <= 1e300:
        raise _wrong(name, value, "a finite number")
    return float(value)


def _at_least_zero(name: str, value: Any) -> float:
    if _number(name, value) < 0:
        raise _wrong(name, value, "a number, at least 0")
    return float(value)


def _seconds(name: str, value: Any) -> float:
    if _number(name, value) <= 0 or math.isinf(value):
        raise _wrong(name, value, "a number above 0")
    return float(value)


def _optional(check: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    return lambda name, value: None if value is None else check(name, value)


def _choice(kind: type[Status] | type[Purpose]) -> Callable[[str, Any], Any]:
    def check(name: str, value: Any) -> Status | Purpose:
        if value not in [str(member) for member in kind]:
            raise _wrong(name, value, f"one of {', '.join(kind)}")
        return kind(value)

    return check


def _mapping(check: Callable[[str, Any], Any]) -> Callable[[str, Any], dict[str, Any]]:
    def check_all(name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(name, value, "an object, in braces")
        return {_name(name, key): check(f"{name}.{key}", item) for key, item in value.items()}

    return check_all


def _anything(name: str, value: Any) -> Any:
    """Any JSON value whose texts and numbers can be stored."""
    if isinstance(value, dict):
        return {_text(name, key): _anything(f"{name}.{key}", item) for key, item in value.items()}
    if isinstance(value, list):
        return [_anything(name, item) for item in value]
    if isinstance(value, str):
        return _text(name, value)
    if isinstance(value, float):
        return _number(name, value)
    return value


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(name, value, "true or false")
    return value


def _moment(name: str, value: Any) -> str:
    try:
        moment = datetime.fromisoformat(_text(name, value))
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() != timedelta(0):
        raise _wrong(name, value, "a moment in UTC, like 2026-11-23T14:05:00.000000+00:00")
    return moment.isoformat(timespec="microseconds")


_FIELDS: dict[str, Callable[[str, Any], Any]] = {
    "workload": _name,
    "operator": _name,
    "definition": _mapping(_anything),
    "target": _name,
    "target_digest": _name,
    "threads": _integer(1),
    "purpose": _choice(Purpose),
    "variant": _text,
    "assignment": _mapping(_integer(-_INT64)),
    "status": _choice(Status),
    "seconds": _optional(_seconds),
    "spread": _optional(_at_least_zero),
    "cycles": _optional(_integer(0)),
    "verified": _flag,
    "reason": _text,
    "build_seconds": _at_least_zero,
    "run_seconds": _at_least_zero,
    "program": _text,
    "metrics": _mapping(_number),
    "method": _name,
    "seed": _integer(-_INT64),
    "round": _integer(0),
    "position": _integer(0),
    "versions": _mapping(_text),
    "created": _moment,
}
