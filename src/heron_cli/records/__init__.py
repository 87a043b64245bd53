"""The trial store: what was measured, under which versions, and which of it is best."""

from __future__ import annotations

from .lease import Lease
from .record import Purpose, Record, cost_of
from .rows import Query
from .standing import best_of, champion, comparable
from .store import Store
from .versions import current_versions

__all__ = [
    "Lease",
    "Purpose",
    "Query",
    "Record",
    "Store",
    "best_of",
    "champion",
    "comparable",
    "cost_of",
    "current_versions",
]
