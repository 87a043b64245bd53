"""The closed vocabularies of the accelerator YAML."""

from __future__ import annotations

SCHEMA = "heron/accelerator/1"

COMPUTES = ("gemm", "dot")
SCOPES = ("thread", "warp", "warpgroup")
SHARERS = ("thread", "warp", "block", "core")
ORDERS = ("fixed", "free", "mixed", "rasterised")
TAILS = ("overlap", "pad", "mask", "none")
SWIZZLES = ("none", "xor")
STORES = ("cached", "streamed", "staged", "direct")
FILLERS = ("threads", "bulk")
BINDS = (
    "parallel",
    "virtual",
    "cluster",
    *(f"blockIdx.{dimension}" for dimension in "xyz"),
    *(f"threadIdx.{dimension}" for dimension in "xyz"),
)
OPERANDS = ("input", "weight", "accumulate", "output", "bias", "scale", "residual")
DTYPES = (
    *(f"{sign}int{bits}" for bits in (4, 8, 16, 32, 64) for sign in ("", "u")),
    *("float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"),
)
DIMS = ("batch", "m", "n", "k")
INTRINSIC_NUMBERS = (*DIMS, "lanes")

_SPATIAL = frozenset({"spatial", "batch", "m", "n"})
_REDUCTION = frozenset({"reduction", "k", "channel", "window"})
AXES: dict[str, frozenset[str]] = {
    "spatial": _SPATIAL,
    "reduction": _REDUCTION,
    "batch": frozenset({"batch", "spatial"}),
    "m": frozenset({"m", "spatial"}),
    "n": frozenset({"n", "spatial"}),
    "k": _REDUCTION,
    "channel": frozenset({"channel", "k", "reduction"}),
    "window": frozenset({"window", "k", "reduction"}),
    "intrinsic.k": frozenset({"channel", "k", "reduction"}),
}
"""A level's axis word -> the groups of axes in which a rule may ask for that level's factors."""

GROUPS = ("batch", "m", "n", "k", "spatial", "reduction", "channel", "window")
LEVEL_KEYS = {"depth": "pipeline", "resident": "resident"}
COPIED = ("input", "weight")
COPIES = "copies"  # of a thread, of an operand that a memory holds
NARROW = "narrow"  # the same, of those that go through registers
LEVEL_NUMBERS = {"depth": "pipeline: {depth: [2, 3]}", "resident": "resident: [1, 2]"}
"""What else of a level a rule may name, the key that gives it and an example."""
ROOT, SKIP, INTRINSIC = "root", "skip", "intrinsic"
PACK = "pack"
"""The stage that packs a weight: it cannot be skipped."""
RESERVED = frozenset({"memories", "limits", "min", "max", ROOT, SKIP, "true", "false", "null"})
