"""Surfaces of segments: labels and masks to closed meshes, decimation, checks and statistics."""

from surgitwin.surfaces.check import MeshCheck, check_mesh, is_closed, merge_vertices
from surgitwin.surfaces.decimate import decimate
from surgitwin.surfaces.extract import DEFAULT_SMOOTHING, SurfaceResult, mask_surface, surfaces_from_labels
from surgitwin.surfaces.statistics import (
    Intensity,
    SegmentStatistics,
    box_of_labels,
    label_statistics,
    segment_statistics,
)

__all__ = [
    "DEFAULT_SMOOTHING",
    "Intensity",
    "MeshCheck",
    "SegmentStatistics",
    "SurfaceResult",
    "box_of_labels",
    "check_mesh",
    "decimate",
    "is_closed",
    "label_statistics",
    "mask_surface",
    "merge_vertices",
    "segment_statistics",
    "surfaces_from_labels",
]
