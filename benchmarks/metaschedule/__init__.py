"""TVM's own tuner, MetaSchedule, beside heron: `python -m benchmarks.metaschedule`.

It runs in processes of its own: heron never imports it, and it never imports heron's search.
"""
