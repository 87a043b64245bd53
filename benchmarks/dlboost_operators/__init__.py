"""Every operator of the paper on DL Boost against oneDNN: ``python -m benchmarks.dlboost_operators``."""
