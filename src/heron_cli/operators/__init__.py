"""Operators: one file per family with its parameters, TE compute, numpy reference, operations and bytes."""

from heron_cli.operators.base import Operator, TensorSpec
from heron_cli.operators.workload import DTypes, Workload

__all__ = ["DTypes", "Operator", "TensorSpec", "Workload"]
