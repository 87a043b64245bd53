"""Generation 0: optima of an analytic model over the same space, found by CP-SAT and forced apart.

The model is the traffic into the innermost tile: loads per multiply-accumulate, which a matrix intrinsic
cannot hide once it issues as fast as it can (the roofline's nearest memory). It knows nothing of caches,
so its optima are places to start from, not answers.
"""

from __future__ import annotations

from heron_cli.space import CpBackend, Evaluator, Space, Var
from heron_cli.space.faults import SolverTimeoutError

OBJECTIVE = "feature.loads_per_kilo"
SHAPE = ("feature.accumulators", "feature.loads")


def seeds(space: Space, count: int = 6) -> list[dict[str, int]]:
    """At most `count` assignments of the knobs, best first, all of different tile shapes.

    Empty where the space does not derive the model's variables.
    """
    names = {item.name for item in space.derived}
    if OBJECTIVE not in names or not names.issuperset(SHAPE):
        return []
    solver, evaluator = CpBackend(space), Evaluator(space)
    found: list[dict[str, int]] = []
    used: list[dict[str, int]] = []
    for _ in range(count):
        try:
            optimum = solver.minimise(Var(OBJECTIVE), avoid=used)
        except SolverTimeoutError:
            break
        if optimum is None:
            break
        found.append({name: optimum.values[name] for name in space.names})
        columns = evaluator.columns(space.row(optimum.values)[None, :])
        used.append({name: int(columns[name][0]) for name in SHAPE})
    return found
