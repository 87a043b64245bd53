"""What a search method is, and how methods are found: one file of `methods/` each, which registers itself."""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, TypeVar

from ..errors import InputError
from ..trial import Candidate, Trial
from .problem import Problem
from .spent import Spent

_registry: dict[str, type[Method]] = {}


class Method(ABC):
    """Chooses what to try next.

    A method keeps nothing between calls: its proposals are a pure function of problem, seed, round and
    history, so a run that was killed goes on exactly as if it had not been.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    def __init__(self, problem: Problem, seed: int, spent: Spent | None = None) -> None:
        """`spent` receives the seconds of the solver ("solve") and of the cost model ("model")."""
        self.problem = problem
        self.seed = seed
        self.spent = spent if spent is not None else Spent()

    @abstractmethod
    def propose(self, count: int, history: Sequence[Trial], round_index: int) -> list[Candidate]:
        """At most `count` distinct candidates, none of them in `history`, the most promising first.

        Fewer than `count` only when no other candidates were found; none when the space is exhausted.
        Raises SpaceEmptyError when a variant's constraints cannot be satisfied at all.
        """


M = TypeVar("M", bound=type[Method])


def register(method: M) -> M:
    """Make a method known by its name; a decorator for its class."""
    if _registry.setdefault(method.name, method) is not method:
        raise ValueError(f"two search methods are named {method.name!r}")
    return method


def method_names() -> list[str]:
    """The names of all methods, found without importing their files."""
    from . import methods

    files = {module.name.replace("_", "-") for module in pkgutil.iter_modules(methods.__path__)}
    return sorted(files | set(_registry))


def get_method(name: str) -> type[Method]:
    """The method of that name: `methods/<name>.py`, or one registered elsewhere. InputError if unknown."""
    if name not in method_names():
        raise InputError(f"--method {name}: no such search method; there are {', '.join(method_names())}")
    if name not in _registry:
        importlib.import_module(f"{__package__}.methods.{name.replace('-', '_')}")
    return _registry[name]
