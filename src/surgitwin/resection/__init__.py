"""Cut surfaces, the partition of an organ, margins, the remnant and the published limits it is held against."""

from surgitwin.resection.cuts import Plane, PlaneCut
from surgitwin.resection.partition import CutNumbers, LesionNumbers, LiveCut, Partition, partition
from surgitwin.resection.prepare import PartitionInput, Structure, prepare

__all__ = [
    "CutNumbers",
    "LesionNumbers",
    "LiveCut",
    "Partition",
    "PartitionInput",
    "Plane",
    "PlaneCut",
    "Structure",
    "partition",
    "prepare",
]
