"""Search methods compared: `python -m benchmarks.exploration`."""
