"""Blocks that share operands run close in time: bands of tiles, so that the cache holds what they share."""

from __future__ import annotations

from heron_cli.schedule.primitives import Raster
from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.template import Template

_BANDS = (1, 2, 4, 8, 16)


class Rasterise(ScheduleRule):
    """Records the widths of bands for each bound level with `order: rasterised`."""

    name = "rasterise"

    def unless(self, template: Template) -> str | None:
        """There must be such a level."""
        found = any(level.order == "rasterised" for level in template.accelerator.levels)
        return None if found else "no level is rasterised"

    def rewrite(self, template: Template) -> tuple[Template, str]:
        """One primitive a level."""
        names = [level.name for level in template.accelerator.levels if level.order == "rasterised"]
        return template.add(
            *(Raster(name, _BANDS) for name in names)
        ), f"bands of {', '.join(map(str, _BANDS))}"
