"""Surfaces of segments: labels and masks to closed meshes, decimation, checks and statistics."""

from surgitwin.surfaces.check import MeshCheck, check_mesh, is_closed, merge_vertices
from surgitwin.surfaces.extract import SurfaceResult, mask_surface, surfaces_from_labels

__all__ = [
    "MeshCheck",
    "SurfaceResult",
    "check_mesh",
    "is_closed",
    "mask_surface",
    "merge_vertices",
    "surfaces_from_labels",
]
