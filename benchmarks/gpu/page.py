"""The page: a row a workload, a geometric mean a family, and what a reader must know to trust them."""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_NOTES = """
Each row is one workload, tuned by `heron tune` (CGA; records of earlier runs on the same machine kind
are known to it), each trial verified element by element against numpy, the kernel shown here again
against a float64 product by PyTorch. `warm` and `cold` are PyTorch's time over heron's: the faster of
the calls that PyTorch offers (both memory formats for convolutions, conv1d also as an image of height 1,
`cudnn.benchmark` on). Both sides are captured and replayed as CUDA graphs by the same code, medians of
fifteen rounds in which they take turns, each time in another order. Cold: the calls of a graph go round
copies of the operands that together are twice as large as the L2 cache. `limit` is the larger of arithmetic at the measured product
rate and operands at the measured copy rate, as a share of heron's warm time; for operands that stay in
the L2 cache it can exceed 1.

Where the accelerator says `overlap`, blocks of heron's next kernel may begin while the last of this one
end; they wait there until it has ended before they touch memory. PyTorch's kernels do not. "Without overlap"
are the same kernels of heron's, each begun when the one before it had ended, timed in the same rounds.
"""
_HEAD = (
    "| workload | heron, µs | PyTorch, µs | warm | cold | limit | TFLOP/s "
    "| variant | trials | not ok | spread |",
    "|---|---|---|---|---|---|---|---|---|---|---|",
)
_OPERATORS, _LARGE = "heron-operators-tensorcore", "large-gemm"
_NETWORKS = Path(__file__).parents[2] / "configs" / "workloads" / "networks"


def write(source: Path, page: Path, notes: Sequence[str] = ()) -> None:
    """Write the page from the JSON lines of a run; `notes` come after the standing ones."""
    rows = [json.loads(line) for line in source.read_text().splitlines()]
    machines = [row for row in rows if row["name"] == "machine"]
    measured = {(row["file"], row["name"]): row for row in rows if "warm" in row}
    failed = {
        (row["file"], row["name"]): row["error"]
        for row in rows
        if "error" in row and (row["file"], row["name"]) not in measured
    }
    files: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for (file, _), row in measured.items():
        files[file].append(row)
    text = ["# TensorCore against cuBLAS and cuDNN", "", _NOTES.strip(), *(f"\n{note}" for note in notes), ""]
    text += [*_machine(machines), ""]
    roof = machines[0]
    networks = [file for file in files if (_NETWORKS / f"{file}.yaml").is_file()]
    text += ["## Bars", "", *_bars(files, networks), ""]
    if _OPERATORS in files:
        text += ["## Operators", "", *_families(files[_OPERATORS]), ""]
    if networks:
        text += ["## Networks", "", *_networks({file: files[file] for file in networks}), ""]
    for file, found in files.items():
        ordered = sorted(found, key=lambda row: _natural(row["name"]))
        text += [f"## {file}", "", *_HEAD, *(_row(row, roof) for row in ordered), ""]
    if failed:
        text += ["## Failed", "", *(f"- {file} {name}: {why}" for (file, name), why in failed.items()), ""]
    page.write_text("\n".join(text))


def _natural(name: str) -> list[tuple[str, int]]:
    """Such that layer-2 comes before layer-10."""
    return [(text, int(number or 0)) for text, number in re.findall(r"(\D*)(\d*)", name)]


def ratio(times: Mapping[str, float]) -> float:
    """PyTorch's best over heron's."""
    return _peer(times)[1] / times["heron"]


def _peer(times: Mapping[str, float]) -> tuple[str, float]:
    return min(((n, t) for n, t in times.items() if n != "heron"), key=lambda each: each[1])


def _row(row: Mapping[str, Any], roof: Mapping[str, Any]) -> str:
    warm = row["warm"]
    name, theirs = _peer(warm)
    least = max(row["flops"] / roof["matmul 8192, FLOP/s"], row["bytes"] / roof["copy of 1 GiB, bytes/s"])
    invalid = sum(count for status, count in row["statuses"].items() if status != "ok")
    return (
        f"| {row['name']} | {warm['heron'] * 1e6:.2f} | {theirs * 1e6:.2f} ({name}) | {ratio(warm):.2f} "
        f"| {ratio(row['cold']):.2f} | {least / warm['heron']:.2f} "
        f"| {row['flops'] / warm['heron'] / 1e12:.0f} | {row['variant']} "
        f"| {row['trials']} | {invalid} | {row['spread']['heron']:.2f} |"
    )


def _families(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    families = _by_family(rows)
    yield "| family | workloads | warm: geometric mean | least | cold: geometric mean | least |"
    yield "|---|---|---|---|---|---|"
    for name, found in [*families.items(), ("**all**", list(rows))]:
        warm, cold = ([ratio(row[kind]) for row in found] for kind in ("warm", "cold"))
        yield (
            f"| {name} | {len(found)} | {_mean(warm):.2f} | {min(warm):.2f} | {_mean(cold):.2f} "
            f"| {min(cold):.2f} |"
        )
    plain = [ratio({n: t for n, t in row["warm"].items() if not n.startswith("as ")}) for row in rows]
    yield f"| all, conv1d by conv1d alone | {len(rows)} | {_mean(plain):.2f} | {min(plain):.2f} | | |"
    yield from _alone(rows)
    trials = sum(row["trials"] for row in rows)
    wrong = sum(count for row in rows for status, count in row["statuses"].items() if status != "ok")
    yield ""
    yield f"{len(rows)} workloads, {trials} trials, {wrong} of them not ok."


def _alone(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """The mean without overlap, if the run timed it."""
    if not all("alone" in row for row in rows):
        return
    warm, cold = ([_peer(row[kind])[1] / row["alone"][kind] for row in rows] for kind in ("warm", "cold"))
    yield (
        f"| all, without overlap | {len(rows)} | {_mean(warm):.2f} | {min(warm):.2f} | {_mean(cold):.2f} "
        f"| {min(cold):.2f} |"
    )


def _bars(files: Mapping[str, Sequence[Mapping[str, Any]]], networks: Sequence[str]) -> Iterable[str]:
    """What was to be reached, and whether it was, on warm caches and with overlap as programs have it."""
    yield "| | warm | without overlap | bar | |"
    yield "|---|---|---|---|---|"

    def line(what: str, both: tuple[float, float], bar: float) -> str:
        state = "met" if min(both) >= bar else "met with overlap only" if both[0] >= bar else "**missed**"
        return f"| {what} | {both[0]:.3f} | {both[1]:.3f} | ≥ {bar} | {state} |"

    def mean(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
        return _mean([ratio(row["warm"]) for row in rows]), _mean([_waiting(row) for row in rows])

    if _OPERATORS in files:
        yield line("all operators, geometric mean", mean(files[_OPERATORS]), 1.3)
        for family, rows in _by_family(files[_OPERATORS]).items():
            yield line(f"{family} ({len(rows)})", mean(rows), 1.0)
    for row in files.get(_LARGE, ()):
        yield line(row["name"], (ratio(row["warm"]), _waiting(row)), 0.95)
    for file in networks:
        theirs = sum(row["count"] * _peer(row["warm"])[1] for row in files[file])
        ours = [sum(row["count"] * pick(row) for row in files[file]) for pick in (_heron, _alone_of)]
        yield line(f"{file}, sum of layers × count", (theirs / ours[0], theirs / ours[1]), 1.1)


def _heron(row: Mapping[str, Any]) -> float:
    return float(row["warm"]["heron"])


def _alone_of(row: Mapping[str, Any]) -> float:
    """The same where each kernel waits for the one before; as with overlap, where it was not timed."""
    return float(row["alone"]["warm"]) if "alone" in row else _heron(row)


def _waiting(row: Mapping[str, Any]) -> float:
    return _peer(row["warm"])[1] / _alone_of(row)


def _by_family(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    families: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        families[row["name"].split("-")[0]].append(row)
    return dict(sorted(families.items()))


def _networks(files: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterable[str]:
    yield "Sums of layer time × count, on both sides."
    yield ""
    yield "| network | layers | heron, µs | PyTorch, µs | warm | cold |"
    yield "|---|---|---|---|---|---|"
    for file, rows in files.items():
        sums = {
            (kind, side): sum(row["count"] * pick(row[kind]) for row in rows)
            for kind in ("warm", "cold")
            for side, pick in (("heron", lambda times: times["heron"]), ("theirs", lambda t: _peer(t)[1]))
        }
        warm, cold = (sums[kind, "theirs"] / sums[kind, "heron"] for kind in ("warm", "cold"))
        yield (
            f"| {file} | {len(rows)} | {sums['warm', 'heron'] * 1e6:.1f} "
            f"| {sums['warm', 'theirs'] * 1e6:.1f} | {warm:.2f} | {cold:.2f} |"
        )


def _machine(rows: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    first = rows[0]
    yield f"- {first['gpu']}; PyTorch {first['torch']}, cuDNN {first['cudnn']}"
    yield f"- {', '.join(f'{name} {version}' for name, version in first['versions'].items())}"
    yield f"- {first['state']}"

    def span(name: str, unit: float) -> str:
        found = sorted(row[name] / unit for row in rows)
        low, high = f"{found[0]:.0f}", f"{found[-1]:.0f}"
        return low if low == high else f"{low} to {high}"

    yield (
        f"- ceilings: {span('matmul 8192, FLOP/s', 1e12)} TFLOP/s (8192³ product by cuBLAS), "
        f"{span('mma.sync, FLOP/s', 1e12)} TFLOP/s (mma.sync on registers), "
        f"{span('copy of 1 GiB, bytes/s', 1e9)} GB/s (copy of 1 GiB)"
    )


def _mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))
