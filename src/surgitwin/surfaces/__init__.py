"""Surfaces of segments: labels and masks to closed meshes, decimation, checks and statistics."""

from surgitwin.surfaces.extract import SurfaceResult, mask_surface, surfaces_from_labels

__all__ = ["SurfaceResult", "mask_surface", "surfaces_from_labels"]
