"""Cut surfaces, the partition of an organ, margins, the remnant and the published limits it is held against."""

from surgitwin.resection.cuts import Cut, MaskCut, Plane, PlaneCut
from surgitwin.resection.partition import CutNumbers, LesionNumbers, LiveCut, Partition, partition
from surgitwin.resection.prepare import PartitionInput, Structure, prepare
from surgitwin.resection.surface_cut import SurfaceCut

__all__ = [
    "Cut",
    "CutNumbers",
    "LesionNumbers",
    "LiveCut",
    "MaskCut",
    "Partition",
    "PartitionInput",
    "Plane",
    "PlaneCut",
    "Structure",
    "SurfaceCut",
    "partition",
    "prepare",
]
