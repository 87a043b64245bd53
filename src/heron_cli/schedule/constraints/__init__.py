"""The constraint generation rules, in the order in which they read the template and post to the space."""

from heron_cli.schedule.constraints.base import ConstraintRule, Poster
from heron_cli.schedule.constraints.c1_split import LoopSplit
from heron_cli.schedule.constraints.c2_fuse import LoopFuse
from heron_cli.schedule.constraints.c3_candidates import Candidates
from heron_cli.schedule.constraints.c4_pack import PackOnce
from heron_cli.schedule.constraints.c4_stage import StageLength
from heron_cli.schedule.constraints.c5_memory import MemoryLimit
from heron_cli.schedule.constraints.c6_accelerator import AcceleratorRules
from heron_cli.schedule.constraints.c6_accumulator import AccumulatorDistance
from heron_cli.schedule.constraints.c6_bulk import BulkTiles
from heron_cli.schedule.constraints.c6_direct import DirectStores
from heron_cli.schedule.constraints.c6_fill import FilledTiles
from heron_cli.schedule.constraints.c6_groups import GroupTiles
from heron_cli.schedule.constraints.c6_micro_ops import MicroOps
from heron_cli.schedule.constraints.c6_overlap import OverlappingBlocks
from heron_cli.schedule.constraints.c6_skip import SkippedTaps
from heron_cli.schedule.constraints.c6_stay import StayingTiles
from heron_cli.schedule.constraints.c6_tokens import Tokens
from heron_cli.schedule.constraints.c6_transfer import TransferSize

RULES: tuple[ConstraintRule, ...] = (
    LoopSplit(),
    LoopFuse(),
    Candidates(),
    StageLength(),
    PackOnce(),
    MemoryLimit(),
    SkippedTaps(),
    FilledTiles(),
    MicroOps(),
    GroupTiles(),
    DirectStores(),
    AccumulatorDistance(),
    TransferSize(),
    Tokens(),
    BulkTiles(),
    StayingTiles(),
    OverlappingBlocks(),
    AcceleratorRules(),
)

__all__ = ["RULES", "ConstraintRule", "Poster"]
