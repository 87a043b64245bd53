"""benchmarks/results/reliability.md from the numbers of its sections."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

_HEAD = """# Reliability

What measuring survives, and what that costs. `python -m benchmarks.reliability` measures all of it again and writes this page;
`python -m benchmarks.reliability SECTION` measures one section. Each section says when and where it was measured.
"""


def page(parts: Path) -> str:
    """The Markdown; sections that were never measured are named as missing."""
    text = [_HEAD]
    for title, name, write in _SECTIONS:
        text.append(f"## {title}\n")
        path = parts / f"{name}.json"
        if not path.exists():
            text.append(f"Not measured yet: `python -m benchmarks.reliability {name}`.\n")
            continue
        document = json.loads(path.read_text())
        text.append(write(document.get("numbers", document)))
        text.append(_where(document))
    return "\n".join(text)


def _where(document: dict[str, Any]) -> str:
    versions = document.get("machine") or document["versions"]
    parts = [f"{name} {value}" for name, value in versions.items() if name not in ("lightgbm", "ortools")]
    return f"`{document['command'].strip()}`, {document['created']}; {', '.join(parts)}.\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _faults(numbers: dict[str, Any]) -> str:
    rows = numbers["rows"]
    header = ("the candidate …", "is recorded as", "tried", "survived", "records lost")
    table = _table(
        header,
        [[row[key] for key in ("fault", "outcome", "tried", "survived", "records lost")] for row in rows],
    )
    tried, survived = sum(row["tried"] for row in rows), sum(row["survived"] for row in rows)
    lost = sum(row["records lost"] for row in rows)
    return (
        "Each fault between two good candidates, all in one run of the local runner. Survived means that the fault has "
        "the status that is due, with its reason, and both neighbours are measured and verified.\n\n"
        f"{table}\n**{survived} of {tried} survived, {lost} records lost;** left behind at the end: "
        f"{numbers['processes left']} processes, {numbers['files left']} files.\n"
    )


def _injected(rows: list[dict[str, Any]]) -> str:
    body = [
        [
            row["fault"],
            row["tried"] or "could not be tried here",
            row["survived"] if row["tried"] else "–",
        ]
        for row in rows
    ]
    return (
        "Each is a test that passes only if every candidate is measured in the end, or, where nothing can measure any "
        "more, is recorded as lost with a reason, and nothing hangs.\n\n"
        + _table(("fault", "tried", "survived"), body)
    )


def _kills(numbers: dict[str, Any]) -> str:
    names = {"vta": "`heron tune` for VTA, CGA", "local": "isolated processes, method random"}
    keys = list(numbers["vta"])
    rows = [[names[kind], *(found[key] for key in keys)] for kind, found in numbers.items()]
    return (
        "`kill -9` of the tuner at random instants between its start and the time that a calm run takes; the same command "
        "again until it ends by itself. The final trials are compared with those of a calm run (candidates, rounds, "
        "positions, status; for VTA cycles as well).\n\n" + _table(("tuner", *keys), rows)
    )


def _fuzz(document: dict[str, Any]) -> str:
    rows = [
        [
            each["target"],
            f"{each['inputs']:,}",
            len(each["crashes"]),
            f"{each['slowest']:.2f}",
            f"{each['seconds']:.0f}",
        ]
        for each in document["targets"]
    ]
    total = sum(each["inputs"] for each in document["targets"])
    crashes = sum(len(each["crashes"]) for each in document["targets"])
    return (
        "Inputs made by atheris (libFuzzer), guided by coverage of heron's code. A crash is any exception that is not "
        "heron's own error.\n\n"
        + _table(("what is read", "inputs", "crashes", "slowest input, s", "whole run, s"), rows)
        + f"\n**{total:,} inputs, {crashes} crashes.** Shorter runs before this one found, and led to repair: a manifest "
        "without a key, text that is not UTF-8 in a database, tables whose definition is damaged, and values of the "
        "wrong JSON type in rows.\n"
    )


def _isolation(numbers: dict[str, Any]) -> str:
    rows = [[key, f"{value:.2f}" if isinstance(value, float) else value] for key, value in numbers.items()]
    bar = "met" if numbers["overhead, ms"] < 15 else "**missed**"
    fast = "met" if numbers["overhead of the fastest tenths, ms"] < 15 else "**missed**"
    return (
        "The same kernel, verified and timed for about 10 ms, in the isolated process, and in this one before and after.\n\n"
        + _table(("", "value"), rows)
        + f"\nBar: under 15 ms over in-process: {bar} by the medians, {fast} by the fastest tenth of each, which other work "
        "disturbs least.\n"
    )


def _driver(numbers: dict[str, Any]) -> str:
    keys = ("trials", "per second", "per second without model and solver")
    rows = [[method, *(f"{found[key]:,.0f}" for key in keys)] for method, found in numbers.items()]
    met = [method for method, found in numbers.items() if found["per second"] >= 200]
    return (
        "Search, records and resume with measurements that take no time, on a synthetic problem.\n\n"
        + _table(("method", *keys), rows)
        + f"\nBar: 200 trials per second by the driver alone: {'met' if 'random' in met else '**missed**'} (`random`, "
        "which has no model). What `cga` adds is its cost model and its sampler.\n"
    )


def _throughput(numbers: dict[str, Any], what: str) -> str:
    rows, first = [], {}
    for key, found in numbers.items():
        load, count = key.split(", ")
        first.setdefault(load, found["per second"])
        ratio = found["per second"] / first[load]
        rows.append([load, count, found["trials"], f"{found['per second']:.2f}", f"{ratio:.2f}×"])
    return _table(("load", what, "trials", "trials per second", "against one"), rows)


_LOADS = (
    "`simulated`: a program is executed where it is measured, which keeps a core busy, so the cores bound it. `board`: each "
    "takes 0.25 s more, in which a board would work and the host has nothing to do: what is left to bound it are builds, "
    "messages and queues."
)


def _scaling(numbers: dict[str, Any], what: str) -> str:
    """The table and the bar, which is due where something else than the cores of this machine may be the limit."""
    ratio, cores = (
        numbers[f"{load}, 2"]["per second"] / numbers[f"{load}, 1"]["per second"]
        for load in ("board", "simulated")
    )
    fewest = min(numbers[f"board, {count}"]["trials"] for count in (1, 2))
    bar = "met" if ratio >= 1.8 else "**missed**"
    if fewest < 20:
        bar = f"**not shown**, {fewest} trials are too few"
    return (
        f"{_LOADS}\n\n{_throughput(numbers, what)}\n"
        f"Bar: 1.8× at 2 {what} where the cores allow: {ratio:.2f}× with boards ({bar}); {cores:.2f}× simulated, where "
        "the tuner, its builds and the simulators share the cores named below.\n"
    )


def _rpc(numbers: dict[str, Any]) -> str:
    return (
        "Programs of VTA are built by the tuner, and run and verified by servers on the same machine. "
        + _scaling(numbers, "servers")
    )


def _ray(numbers: dict[str, Any]) -> str:
    return (
        "Nodes are Ray processes on this machine with two cores each by name; they share the cores that there are. "
        + _scaling(numbers, "nodes")
    )


_SECTIONS: tuple[tuple[str, str, Any], ...] = (
    ("Candidates that misbehave", "faults", _faults),
    ("Other faults", "injected", _injected),
    ("The tuner killed", "kills", _kills),
    ("Fuzzing", "fuzz", _fuzz),
    ("What isolation costs", "isolation", _isolation),
    ("The driver alone", "driver", _driver),
    ("RPC servers", "rpc", _rpc),
    ("Ray nodes", "ray", _ray),
)
