"""oneDNN primitives, called directly, on the same buffers as heron's kernels."""

from benchmarks.onednn.library import UNRESTRICTED, VNNI
from benchmarks.onednn.primitive import Primitive, random_arrays
from benchmarks.onednn.problem import Problem, Workload, problem

__all__ = ["UNRESTRICTED", "VNNI", "Primitive", "Problem", "Workload", "problem", "random_arrays"]
