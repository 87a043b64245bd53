"""The keys of an accelerator's YAML, as pydantic models: structure, types and units, one key at a time.

What spans several keys (a rule that names a memory, a level that fills one) is `references.py`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from heron_cli.accelerator import fields as f
from heron_cli.accelerator import units

_DIMS = {"gemm": {"m": 1, "n": 16, "k": 4}, "dot": {"batch": 16, "k": 4}}
"""What an intrinsic computes -> the extents that it has, with an example of each."""
_DTYPES = {"input": "uint8", "weight": "int8", "accumulate": "int32"}
_INTRINSIC = {
    "name": "vpdpbusd",
    "computes": "gemm",
    "shape": {"m": 1, "n": 16, "k": 4},
    "dtypes": _DTYPES,
}
_LEVELS = [{"name": "tile", "axes": ["spatial", "reduction"]}, {"name": "intrinsic"}]


class Strict(BaseModel):
    """No unknown keys, no silent conversions ("5" is no number)."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)


class ShapeKeys(Strict):
    """Extents of one intrinsic; which of them it has follows from what it computes."""

    m: f.Positive | None = Field(None, description="gemm: rows of the input and the output", examples=[1])
    n: f.Positive | None = Field(
        None, description="gemm: rows of the weight, columns of the output", examples=[16]
    )
    k: f.Positive = Field(description="elements that one output element sums", examples=[4])
    batch: f.Positive | None = Field(
        None, description="dot: elements of the output, each with an input and a weight", examples=[16]
    )


class DtypesKeys(Strict):
    """Element types of the intrinsic's operands."""

    input: f.Dtype = Field(description="type of the input", examples=["uint8"])
    weight: f.Dtype = Field(description="type of the weight", examples=["int8"])
    accumulate: f.Dtype = Field(description="type of the sum", examples=["int32"])
    output: f.Dtype | None = Field(None, description="type that results are stored in; default: the sum's")


class IntrinsicKeys(Strict):
    """A tensor instruction of the machine."""

    name: f.Label = Field(description="the instruction's name", examples=["vpdpbusd"])
    computes: f.Computes = Field(
        description="what it computes; gemm: C[m,n] += A[m,k] * B[n,k], "
        "dot: C[batch] += A[batch,k] * B[batch,k]",
        examples=["gemm"],
    )
    scope: f.Scope = Field("thread", description="who executes it together")
    lanes: f.Positive | None = Field(None, description="threads that execute it together", examples=[32])
    shape: f.Several[ShapeKeys] = Field(
        description="its extents, or a list of them where the hardware has several",
        examples=[{"m": 1, "n": 16, "k": 4}],
    )
    dtypes: DtypesKeys = Field(description="its element types", examples=[_DTYPES])
    llvm: f.Text | None = Field(None, description="the LLVM intrinsic that emits it")
    ptx: f.Text | None = Field(
        None,
        description="the PTX instruction that emits it; {n} stands for its columns",
        examples=["mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"],
    )
    drop: bool | None = Field(None, description="with `extends`: `true` leaves the inherited instruction out")

    @model_validator(mode="after")
    def _drops_what_is_inherited(self) -> IntrinsicKeys:
        if self.drop is not None:
            raise ValueError("no instruction of this name is inherited; remove the item, or 'drop: false'")
        return self

    @model_validator(mode="after")
    def _shapes_fit(self) -> IntrinsicKeys:
        due = _DIMS[self.computes]
        for shape in self.shape:
            given = {name for name, extent in shape.model_dump().items() if extent is not None}
            if given != set(due):
                example = ", ".join(f"{name}: {extent}" for name, extent in due.items())
                raise ValueError(
                    f"{self.computes} has the extents {', '.join(due)}; write 'shape: {{{example}}}'"
                )
        return self

    @model_validator(mode="after")
    def _lanes_fit(self) -> IntrinsicKeys:
        if self.scope == "thread" and self.lanes not in (None, 1):
            raise ValueError("one thread has no lanes; remove 'lanes' or write 'scope: warp'")
        if self.scope != "thread" and self.lanes is None:
            raise ValueError(f"scope {self.scope} needs its number of threads; add 'lanes: 32'")
        return self


class MemoryKeys(Strict):
    """A memory, listed far to near."""

    name: f.Identifier = Field(description="its name in rules and `fills`", examples=["l2"])
    scope: f.Text | None = Field(None, description="TVM's storage scope, where heron allocates in it")
    capacity: f.Capacity | None = Field(None, description="how much it holds; without it, unbounded")
    vector: f.Bytes | None = Field(None, description="size of one vector", examples=["64 B"])
    shared_by: f.Sharer = Field("thread", description="who shares one such memory")
    holds: f.Operands = Field(default=[], description="operands for which heron creates a buffer there")
    implicit: f.Operands = Field(
        default=[], description="operands that the compiler keeps there; they only count"
    )
    copies: f.PositiveInts = Field(default=[1], description="numbers of copies to try (2: double buffering)")
    pad: f.NaturalInts = Field(default=[0], description="elements to add to each row, to try")
    swizzle: f.Swizzles = Field(default=["none"], description="layouts of the rows, to try")
    filled_by: f.Fillers = Field(
        default=["threads"], description="what fills it, to try: threads, or bulk copies of whole tiles"
    )
    bandwidth: f.Bandwidth | None = Field(None, description="rate at which it is read", examples=["100 GB/s"])

    @model_validator(mode="after")
    def _consistent(self) -> MemoryKeys:
        if self.capacity is not None and self.capacity.dimension == units.VECTORS and self.vector is None:
            raise ValueError("a capacity in vectors needs the size of one; add 'vector: 64 B'")
        if both := [operand for operand in self.holds if operand in self.implicit]:
            raise ValueError(f"'{both[0]}' is in holds and in implicit; keep one of them")
        return self


class PipelineKeys(Strict):
    """Software pipelining of a level's loop."""

    depth: f.PositiveInts = Field(description="numbers of stages to try", examples=[[1, 2, 3]])


class LevelKeys(Strict):
    """A tiling level, listed outermost to innermost."""

    name: f.Identifier = Field(description="its name in rules and `stages`", examples=["cache"])
    axes: f.Axes | None = Field(None, description="the axes that it splits", examples=["spatial"])
    bind: f.Bind | None = Field(None, description="what executes its loops")
    order: f.Order = Field("fixed", description="the orders of its loops to try")
    unroll: bool = Field(False, description="whether its loops are unrolled")
    at_most: f.Natural | None = Field(None, description="largest factor (product of factors if bound)")
    fills: f.Fills = Field(default=[], description="memories that are loaded after its last loop")
    resident: f.PositiveInts = Field(
        default=[1], description="how many blocks of a processor the registers are shared among, to try"
    )
    teams: f.NaturalInts = Field(
        default=[0],
        description="how many teams of threads of a block take tiles in turn, to try; 0: one tile a block",
    )
    overlap: f.Bools = Field(
        default=[False], description="whether the next call's blocks begin while this call's end, to try"
    )
    pipeline: PipelineKeys | None = Field(None, description="software pipelining of its loop")


class StageKeys(Strict):
    """Where a stage of the loop nest may be computed."""

    at: f.Positions = Field(description="legal positions: root or levels", examples=[["root", "cache"]])


class PrefetchKeys(Strict):
    """What is asked of the caches before it is needed; each list is a knob."""

    weight: f.NaturalInts = Field(
        default=[0], description="vectors ahead of the one that is loaded, to try; 0: not at all"
    )
    output: f.NaturalInts = Field(
        default=[0], description="1: the lines of a tile, for writing, during its sums; 0: not at all"
    )
    input: f.NaturalInts = Field(
        default=[0], description="1: what the next tile reads, during a tile's sums; 0: not at all"
    )

    @model_validator(mode="after")
    def _known(self) -> PrefetchKeys:
        for name, tried in (("output", self.output), ("input", self.input)):
            if unknown := [value for value in tried if value > 1]:
                raise ValueError(f"{name} is {unknown[0]}; a tile's lines are asked for (1) or not (0)")
        return self


class RequiresKeys(Strict):
    """What a machine must have to run the kernels."""

    cpu_flags: f.Texts = Field(default=[], description="flags of /proc/cpuinfo", examples=[["avx512_vnni"]])
    compute_capability: f.Positive | None = Field(
        default=None, description="least compute capability of an NVIDIA GPU, without its dot", examples=[80]
    )
    exact_capability: bool = Field(
        default=False,
        description="whether the GPU must have that very capability (sm_90a code runs on 9.0 only)",
    )


class RuleKeys(Strict):
    """A constraint that no other key expresses."""

    name: f.Label = Field(description="its name in explanations", examples=["register-budget"])
    why: f.Text = Field(
        description="the reason, for whoever meets the rule", examples=["past 32 vectors it spills"]
    )
    when: f.Text | None = Field(None, description="condition under which the rule holds")
    require: f.Text = Field(description="condition that must be true", examples=["register.m <= 8"])


class Document(Strict):
    """An accelerator: the whole hardware in one file."""

    schema_: f.Schema = Field(
        alias="schema", description="version of this format", examples=["heron/accelerator/1"]
    )
    name: f.Label = Field(description="name for --target", examples=["dlboost"])
    extends: f.Text | None = Field(None, description="accelerator (name or path) whose keys these change")
    description: f.Text = Field("", description="one line for people", validate_default=False)
    backend: f.Label = Field(description="the code generator", examples=["x86"])
    sources: f.Texts = Field(default=[], description="where the numbers come from")
    tvm_target: f.Target = Field(
        description="TVM's target", examples=[{"kind": "llvm", "mcpu": "cascadelake"}]
    )
    requires: RequiresKeys = Field(default=RequiresKeys(), description="what a machine must have")
    clock: f.Frequency | None = Field(None, description="turns cycles into seconds", examples=["2.6 GHz"])
    tails: f.Tails = Field("pad", description="how axes that do not divide are covered")
    intrinsics: list[IntrinsicKeys] = Field(
        min_length=1, description="tensor instructions", examples=[[_INTRINSIC]]
    )
    memories: list[MemoryKeys] = Field(default=[], description="memories, far to near")
    levels: list[LevelKeys] = Field(
        min_length=1, description="tiling levels, outermost first", examples=[_LEVELS]
    )
    stages: dict[f.Identifier, StageKeys] = Field(default={}, description="where stages may be computed")
    stores: f.Stores = Field(
        default=["cached"],
        description="how results leave, to try: through the caches or past them; staged or direct",
    )
    prefetch: PrefetchKeys = Field(default=PrefetchKeys(), description="what is prefetched, to try")
    limits: dict[f.Identifier, f.Positive] = Field(
        default={}, description="scalars: counts and widths of fields"
    )
    estimate: dict[f.Identifier, f.Positive] = Field(
        default={}, description="how fast the machine is, roughly: what the first candidates are chosen by"
    )
    peak: dict[f.Dtype, f.Positive] = Field(
        default={},
        description="products that one processor ends in a cycle at most, by the input's type, as documented",
    )
    rules: list[RuleKeys] = Field(default=[], description="further constraints")
