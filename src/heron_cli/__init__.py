"""heron: an auto-tuner that generates kernel libraries for deep-learning accelerators."""

__version__ = "0.1.0"
