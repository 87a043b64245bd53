"""C6: the tokens that wait between modules fit their counters."""

from __future__ import annotations

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.space import at_most, total


class Tokens(ConstraintRule):
    """For machines whose modules order each other by tokens.

    A token stands for a buffer that was filled and not yet read, or read and not yet refilled. It is taken
    before the buffer's next one is given, so no more tokens wait than there are buffers on the way.
    """

    name = "C6 tokens"

    def post(self, poster: Poster) -> None:
        """Bound the buffers between load and compute, and those between compute and store."""
        template = poster.template
        limit = template.accelerator.limits.get("tokens")
        if limit is None:
            return
        sums = [hold.memory for hold in template.holds if hold.operand == "accumulate"]
        loaded = [hold.memory for hold in template.holds if hold.operand in ("input", "weight")]
        for way, memories in (("loads", loaded), ("stores", sums)):
            poster.space.require(
                f"{self.name} {way}",
                at_most(total([poster.buffers(memory) for memory in memories]), limit),
                template.accelerator.where("limits.tokens"),
                f"a token may wait for every buffer of {', '.join(memories)}",
            )
