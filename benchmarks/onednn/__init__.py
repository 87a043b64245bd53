"""oneDNN primitives, called directly, on the same buffers as heron's kernels."""

from benchmarks.onednn.library import UNRESTRICTED, VNNI
from benchmarks.onednn.primitive import Primitive, random_arrays
from benchmarks.onednn.problem import BFLOAT16, INT8, Problem, Types, Workload, problem

__all__ = [
    "BFLOAT16",
    "INT8",
    "UNRESTRICTED",
    "VNNI",
    "Primitive",
    "Problem",
    "Types",
    "Workload",
    "problem",
    "random_arrays",
]
