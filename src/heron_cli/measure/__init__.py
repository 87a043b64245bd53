"""Measurement: build pool, isolated worker, correctness check, timing, and the runners."""
