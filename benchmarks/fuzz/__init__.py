"""Fuzzing of everything that heron reads from files that others may have written.

python -m benchmarks.fuzz --scale 1.0     # the recorded run: over 1,000,000 inputs; needs atheris
"""
