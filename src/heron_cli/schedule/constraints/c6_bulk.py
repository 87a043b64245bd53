"""C6: what bulk copies ask of tiles, and what is left of the registers for the warpgroups that multiply."""

from __future__ import annotations

from heron_cli.elements import BYTES
from heron_cli.schedule.boxes import Boxes, boxes
from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.primitives import Bind
from heron_cli.schedule.template import Template
from heron_cli.space import at_least, at_most, const, divides, maximum, product

_ATOM = 8  # rows of a swizzle atom
_SIDE = 256  # largest side of a box
_COPIER = 40  # registers of a thread of the warpgroup that copies
_GRAIN = 8  # registers are given in so many
_AROUND = 26  # registers that ptxas needs beside the sums of one instruction
_SPARE = 34  # registers of a multiplying thread for other things than sums


class BulkTiles(ConstraintRule):
    """For templates whose tiles arrive by bulk copies, shared among the blocks of a cluster."""

    name = "C6 bulk"

    def post(self, poster: Poster) -> None:
        """Post the sizes of boxes, the depth of the ring and the bound on registers."""
        template, space = poster.template, poster.space
        if template.filled_by != "bulk":
            return
        tensorize = template.tensorize
        shared = [bind.level for bind in template.all(Bind) if bind.kind == "cluster"]
        threads = [bind.level for bind in template.all(Bind) if bind.kind.startswith("threadIdx")]
        groups = const(1)
        rows = {}
        for dim in ("m", "n"):
            axis = tensorize.axes[dim]
            assert axis is not None
            split = template.split(axis)
            tile = product([split.unit, *(poster.factor(level, axis) for level in (*threads, split.inner))])
            rows[dim] = tile
            groups = groups * product([const(1), *(poster.factor(level, axis) for level in threads)])
        groups = groups * maximum(1, poster.teams)
        for dim, other in (("m", "n"), ("n", "m")):
            axis, across = tensorize.axes[dim], tensorize.axes[other]
            assert axis is not None and across is not None
            sharers = product([const(1), *(poster.factor(level, across) for level in shared)])
            if self._rows_trail(template, dim):
                k = tensorize.axes["k"]
                assert k is not None
                sliced = product([template.split(k).unit, poster.factor(template.split(k).inner, k)])
                why = f"every block of a cluster copies its share of the steps of {k}, whole swizzle atoms"
                space.require(f"{self.name} {axis} atoms", divides(sharers * _ATOM, sliced), f"axis {k}", why)
                continue
            why = f"every block of a cluster copies its share of the rows of {axis}, whole swizzle atoms"
            space.require(
                f"{self.name} {axis} atoms", divides(sharers * _ATOM, rows[dim]), f"axis {axis}", why
            )
            space.require(
                f"{self.name} {axis} box",
                at_most(rows[dim], sharers * _SIDE),
                f"axis {axis}",
                f"a box has at most {_SIDE} rows",
            )
        level = next((level for level in template.accelerator.levels if level.pipeline), None)
        if level is not None:
            space.require(
                f"{self.name} ring",
                at_least(poster.pipelined(level.name), 2),
                template.accelerator.where(f"levels.{level.name}.pipeline"),
                "one stage is filled while another is multiplied",
            )
        shape, lanes = tensorize.shape, tensorize.intrinsic.lanes
        threads_limit = template.accelerator.limits.get("threads")
        if threads_limit is not None:
            space.require(
                f"{self.name} threads",
                at_most(groups, threads_limit // lanes - 1),
                template.accelerator.where("limits.threads"),
                "one warpgroup of a block copies and multiplies nothing",
            )
        inner = [template.split(axis) for dim in ("m", "n") if (axis := tensorize.axes[dim]) is not None]
        sums = product([const(shape["m"] * shape["n"]), *(poster.factor(s.inner, s.axis) for s in inner)])
        registers = template.accelerator.limits.get("registers")
        if registers is not None:
            each = const(registers) // poster.resident // (lanes * (groups + 1)) // _GRAIN * _GRAIN
            n = tensorize.axes["n"]
            columns = poster.factor(template.split(n).inner, n) if n is not None else const(1)
            space.require(
                f"{self.name} instruction",
                at_most(const(shape["m"] * shape["n"]) * columns // lanes + _AROUND, each),
                template.accelerator.where("limits.registers"),
                "one instruction's sums fit into the registers that a thread begins with",
            )
            each = (each * (groups + 1) - _COPIER) // groups // _GRAIN * _GRAIN
            space.require(
                f"{self.name} registers",
                at_most(sums // lanes + _SPARE, each),
                template.accelerator.where("limits.registers"),
                "the warpgroups that multiply share the registers that the copying one gives up",
            )

    @staticmethod
    def _rows_trail(template: Template, dim: str) -> bool:
        """Whether an operand's rows neighbour in memory, instead of k."""
        einsum, axes = template.einsum, template.tensorize.axes
        access = einsum.input if dim == "m" else einsum.weight
        row, k = axes[dim], axes["k"]
        if access.constant or row is None or k is None:
            return False
        found = boxes(einsum, access, row, k, BYTES[access.dtype])
        return isinstance(found, Boxes) and found.rows
