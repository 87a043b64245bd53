"""From a valid document to the immutable model, with its digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from heron_cli.accelerator.document import Document, IntrinsicKeys, LevelKeys, MemoryKeys, ShapeKeys
from heron_cli.accelerator.frozen import FrozenMap
from heron_cli.accelerator.model import (
    Accelerator,
    Dtypes,
    Intrinsic,
    Level,
    Memory,
    Requires,
    Rule,
    StageSpec,
    TargetValue,
)
from heron_cli.accelerator.nodes import Node
from heron_cli.accelerator.tree import Tree
from heron_cli.accelerator.vocabulary import capacities
from heron_cli.accelerator.wording import to_text
from heron_cli.errors import Origin

Expressions = Mapping[int, tuple[Node | None, Node]]


def build(document: Document, expressions: Expressions, root: Tree) -> Accelerator:
    """The accelerator of a valid document; `expressions`: (when, require) by the rule's position."""
    origins = {path: node.key_origin or node.origin for path, node in root.walk()}
    origins |= {path: node.origin for path, node in root.walk() if node.key_origin is None}
    target = {key: _target(value) for key, value in document.tvm_target.items()}
    intrinsics = tuple(_intrinsic(keys, origins[f"intrinsics.{keys.name}"]) for keys in document.intrinsics)
    memories = tuple(_memory(keys, origins[f"memories.{keys.name}"]) for keys in document.memories)
    levels = tuple(_level(keys, origins[f"levels.{keys.name}"]) for keys in document.levels)
    stages = {
        name: StageSpec(tuple(keys.at), origins[f"stages.{name}"]) for name, keys in document.stages.items()
    }
    rules = tuple(
        Rule(keys.name, keys.why, *expressions[index], origin=origins[f"rules.{keys.name}"])
        for index, keys in enumerate(document.rules)
    )
    clock = None if document.clock is None else float(document.clock.value)
    content = {
        "schema": document.schema_,
        "name": document.name,
        "backend": document.backend,
        "tvm_target": target,
        "requires": sorted(document.requires.cpu_flags),
        **_gpu(document),
        "clock": clock,
        "tails": document.tails,
        "intrinsics": [_content(item) for item in intrinsics],
        "memories": [_content(item) for item in memories],
        "levels": [_content(item) for item in levels],
        "stages": {name: stage.at for name, stage in stages.items()},
        **_prefetch(document),
        **({} if document.stores == ["cached"] else {"stores": list(document.stores)}),
        "limits": dict(document.limits),
        "rules": [(rule.name, rule.when and to_text(rule.when), to_text(rule.require)) for rule in rules],
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return Accelerator(
        name=document.name,
        description=document.description,
        backend=document.backend,
        sources=tuple(document.sources),
        tvm_target=FrozenMap(target),
        requires=Requires(
            tuple(document.requires.cpu_flags),
            document.requires.compute_capability,
            document.requires.exact_capability,
        ),
        clock=clock,
        tails=document.tails,
        intrinsics=intrinsics,
        memories=memories,
        levels=levels,
        stages=FrozenMap(stages),
        stores=tuple(document.stores),
        prefetch=FrozenMap(
            {operand: tuple(tried) for operand, tried in document.prefetch.model_dump().items() if any(tried)}
        ),
        limits=FrozenMap(document.limits),
        estimate=FrozenMap(document.estimate),
        peak=FrozenMap(document.peak),
        rules=rules,
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
        file=root.origin.file,
        origins=FrozenMap(origins),
    )


def _gpu(document: Document) -> dict[str, object]:
    """What is asked of a GPU; nothing where none is asked for, so that such files keep their digest."""
    asked = document.requires
    if asked.compute_capability is None:
        return {}
    return {"gpu": [asked.compute_capability, asked.exact_capability]}


def _prefetch(document: Document) -> dict[str, object]:
    """What is prefetched; nothing where nothing is, so that such files keep their digest."""
    found = {operand: tried for operand, tried in document.prefetch.model_dump().items() if any(tried)}
    return {"prefetch": found} if found else {}


def _content(item: Intrinsic | Memory | Level) -> dict[str, object]:
    """All fields that matter; key order is json's, so the model's field order is free to change."""
    fields = {name: getattr(item, name) for name in item.__slots__ if name != "origin"}
    if isinstance(item, Intrinsic):
        fields["shapes"] = [dict(shape) for shape in item.shapes]
        types = item.dtypes
        fields["dtypes"] = [types.input, types.weight, types.accumulate, *filter(None, [types.output])]
        fields["extra"] = dict(item.extra)
    if isinstance(item, Level) and item.resident == (1,):
        del fields["resident"]  # as below
    if isinstance(item, Level) and item.overlap == (False,):
        del fields["overlap"]
    if isinstance(item, Level) and item.teams == (0,):
        del fields["teams"]
    if isinstance(item, Memory):
        fields["units"] = dict(item.units)
        if item.filled_by == ("threads",):
            del fields["filled_by"]  # files from before the key keep their digest
    return fields


def _target(value: str | int | float | bool | Sequence[str | int | float | bool]) -> TargetValue:
    return value if isinstance(value, str | int | float | bool) else tuple(value)


def _intrinsic(keys: IntrinsicKeys, origin: Origin) -> Intrinsic:
    return Intrinsic(
        name=keys.name,
        computes=keys.computes,
        scope=keys.scope,
        lanes=keys.lanes or 1,
        shapes=tuple(FrozenMap(_extents(shape)) for shape in keys.shape),
        dtypes=Dtypes(keys.dtypes.input, keys.dtypes.weight, keys.dtypes.accumulate, keys.dtypes.output),
        extra=FrozenMap(
            {name: text for name, text in (("llvm", keys.llvm), ("ptx", keys.ptx)) if text is not None}
        ),
        origin=origin,
    )


def _extents(shape: ShapeKeys) -> dict[str, int]:
    """An intrinsic without rows and columns has one of each; without a batch it has none."""
    batch = {} if shape.batch is None else {"batch": shape.batch}
    return {**batch, "m": shape.m or 1, "n": shape.n or 1, "k": shape.k}


def _memory(keys: MemoryKeys, origin: Origin) -> Memory:
    vector = None if keys.vector is None else int(keys.vector.value)
    return Memory(
        name=keys.name,
        scope=keys.scope,
        units=FrozenMap({} if keys.capacity is None else capacities(keys.capacity, vector)),
        vector_bytes=vector,
        shared_by=keys.shared_by,
        holds=tuple(keys.holds),
        implicit=tuple(keys.implicit),
        copies=tuple(keys.copies),
        pad=tuple(keys.pad),
        swizzle=tuple(keys.swizzle),
        filled_by=tuple(keys.filled_by),
        bandwidth=None if keys.bandwidth is None else float(keys.bandwidth.value),
        origin=origin,
    )


def _level(keys: LevelKeys, origin: Origin) -> Level:
    return Level(
        name=keys.name,
        axes=tuple(keys.axes or ()),
        bind=keys.bind,
        order=keys.order,
        unroll=keys.unroll,
        at_most=keys.at_most,
        fills=tuple(keys.fills),
        pipeline=tuple(keys.pipeline.depth) if keys.pipeline else (),
        resident=tuple(keys.resident),
        teams=tuple(keys.teams),
        overlap=tuple(keys.overlap),
        origin=origin,
    )
