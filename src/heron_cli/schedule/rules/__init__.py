"""The schedule generation rules, in the order in which they are tried."""

from heron_cli.schedule.rules.always_inline import AlwaysInline
from heron_cli.schedule.rules.base import ScheduleRule
from heron_cli.schedule.rules.bulk import BulkCopies
from heron_cli.schedule.rules.epilogue import FuseEpilogue
from heron_cli.schedule.rules.fill import Fill
from heron_cli.schedule.rules.multi_level_spm import MultiLevelSpm
from heron_cli.schedule.rules.multi_scope_spm import MultiScopeSpm
from heron_cli.schedule.rules.overlap import OverlappingCalls
from heron_cli.schedule.rules.pack_weight import PackWeight
from heron_cli.schedule.rules.parallel import Parallel
from heron_cli.schedule.rules.pipeline import SoftwarePipeline
from heron_cli.schedule.rules.place_input import PlaceInput
from heron_cli.schedule.rules.prefetch import PrefetchOperands
from heron_cli.schedule.rules.raster import Rasterise
from heron_cli.schedule.rules.resident import ResidentBlocks
from heron_cli.schedule.rules.stay import StayingBlocks
from heron_cli.schedule.rules.store import StoreResults
from heron_cli.schedule.rules.tensorize import TensorizeRule
from heron_cli.schedule.rules.tiling import MultiLevelTiling
from heron_cli.schedule.rules.unroll import Unroll
from heron_cli.schedule.rules.vectorize import Vectorize

RULES: tuple[ScheduleRule, ...] = (
    AlwaysInline(),
    TensorizeRule(),
    BulkCopies(),
    FuseEpilogue(),
    MultiLevelTiling(),
    MultiLevelSpm(),
    MultiScopeSpm(),
    PackWeight(),
    Fill(),
    PlaceInput(),
    Parallel(),
    SoftwarePipeline(),
    ResidentBlocks(),
    Rasterise(),
    PrefetchOperands(),
    StoreResults(),
    StayingBlocks(),
    OverlappingCalls(),
    Unroll(),
    Vectorize(),
)

__all__ = ["RULES", "ScheduleRule"]
