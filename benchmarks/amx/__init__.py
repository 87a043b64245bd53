"""heron's kernels on Intel AMX against oneDNN's: ``python -m benchmarks.amx``."""
