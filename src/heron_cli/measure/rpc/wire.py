"""What goes over the wire: JSON, and nothing that is executed by being read.

`OPEN` says what will be measured, once per session; `MEASURE` hands over kernels of it; `DESCRIBE` asks what
machine that is. They name functions of text that a server registers with TVM, and that answer with a text. A
kernel's code travels in base64. The answer to anything that cannot be done is `{"error": "one line"}`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from heron_cli.backends.base import Kernel, Operand
from heron_cli.errors import HeronError
from heron_cli.measure.limits import Limits
from heron_cli.measure.timing import Timing, TimingOptions
from heron_cli.measure.worker import Outcome
from heron_cli.trial import Candidate, Status

VERSION = 1
OPEN, MEASURE, DESCRIBE = "heron.open", "heron.measure", "heron.describe"


class RemoteError(HeronError):
    """A server cannot do what it was asked; the message is the server's."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a session measures: a workload (`definition`, as JSON) on an accelerator, and how."""

    target: str
    digest: str
    definition: Mapping[str, Any]
    threads: int = 1
    seed: int = 0
    timing: TimingOptions = field(default_factory=TimingOptions)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Order:
    """Kernels with the candidates that they were built from; timed one after the other or `interleaved`."""

    kernels: tuple[Kernel, ...]
    candidates: tuple[Candidate, ...]
    incumbent: float | None = None
    interleaved: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one kernel; `cycles` where the machine is simulated."""

    outcome: Outcome
    cycles: int | None = None


def dump_opening(opening: Opening) -> str:
    """The text for `OPEN`."""
    return json.dumps({"version": VERSION, **asdict(opening)})


def load_opening(text: str) -> Opening:
    """The inverse. Raises RemoteError when another version of heron wrote it, ValueError for nonsense."""
    content = _object(text)
    version = content.pop("version", None)
    if version != VERSION:
        raise RemoteError(f"the tuner speaks version {version} of the protocol, this server {VERSION}")
    timing, limits = TimingOptions(**content.pop("timing")), Limits(**content.pop("limits"))
    return Opening(timing=timing, limits=limits, **content)


def dump_order(order: Order) -> str:
    """The text for `MEASURE`."""
    return json.dumps(
        {
            "kernels": [
                {**asdict(kernel), "code": base64.b64encode(kernel.code).decode()} for kernel in order.kernels
            ],
            "candidates": [asdict(candidate) for candidate in order.candidates],
            "incumbent": order.incumbent,
            "interleaved": order.interleaved,
        }
    )


def load_order(text: str) -> Order:
    """The inverse. Raises ValueError, TypeError or KeyError for nonsense."""
    content = _object(text)
    return Order(
        tuple(_kernel(each) for each in content["kernels"]),
        tuple(Candidate.of(each["variant"], dict(each["knobs"])) for each in content["candidates"]),
        content["incumbent"],
        content["interleaved"],
    )


def dump_answers(answers: Sequence[Answer]) -> str:
    """What `MEASURE` answers."""
    return json.dumps({"answers": [asdict(answer) for answer in answers]})


def load_answers(text: str) -> list[Answer]:
    """The inverse. Raises RemoteError with the server's own words."""
    found = []
    for each in answer_of(text)["answers"]:
        outcome, timing = each["outcome"], each["outcome"]["timing"]
        measured = Timing(**timing) if timing is not None else None
        found.append(Answer(Outcome(Status(outcome["status"]), outcome["reason"], measured), each["cycles"]))
    return found


def answer_of(text: str) -> dict[str, Any]:
    """An answer of a server. Raises RemoteError if it is an error."""
    content = _object(text)
    if "error" in content:
        raise RemoteError(str(content["error"]))
    return content


def error(message: str) -> str:
    """An answer that says why not."""
    return json.dumps({"error": message})


def _kernel(value: Mapping[str, Any]) -> Kernel:
    operands = tuple(
        Operand(each["name"], tuple(each["shape"]), each["dtype"], each["packed_bytes"])
        for each in value["operands"]
    )
    code = base64.b64decode(value["code"], validate=True)
    return Kernel(value["symbol"], operands, code, value["program"], dict(value["metrics"]))


def _object(text: str) -> dict[str, Any]:
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")
    return content
