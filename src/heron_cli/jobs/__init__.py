"""Tuning as a job: accelerators × workloads within one budget, held to a bar, with files for a CI server."""
