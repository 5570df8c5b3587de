"""A small case to print from: a block, a sheet of one voxel, an empty segment, and an open surface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from surgitwin.core.geometry import Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import (
    CaseNode,
    LabelLayerNode,
    SegmentationNode,
    SegmentNode,
    SurfaceNode,
    VolumeNode,
)
from surgitwin.session import Session
from surgitwin.surfaces import solids

COS, SIN = np.cos(0.3), np.sin(0.3)
OBLIQUE = np.array([[COS, -SIN, 0.0], [SIN, COS, 0.0], [0.0, 0.0, -1.0]])  # left-handed
GEOMETRY = Geometry.from_parts((40, 36, 24), (0.8, 0.9, 1.4), (-20.0, 12.0, 100.0), OBLIQUE)


def print_case(path: Path) -> Path:
    """Write the case; the block is 16 x 23 x 14 voxels, the sheet 1 x 23 x 14."""
    labels = np.zeros(GEOMETRY.shape_kji, np.uint8)
    labels[4:18, 5:28, 6:22] = 1
    labels[4:18, 5:28, 30:31] = 2
    box = solids.box((0, 0, 100), (20, 20, 120)).mesh()
    holed = Mesh(box.points, box.triangles[1:].copy())
    with Session() as session:
        with session.transaction("Start") as tx:
            for node in _nodes(labels, holed):
                tx.add(node)
        session.save_as(path)
    return path


def _nodes(labels: np.ndarray, holed: Mesh) -> list[Any]:
    root = CaseNode(name="Case", pseudonym="Case 7")
    voxels = np.where(labels > 0, 200, 0).astype(np.int16)
    volume = VolumeNode(name="CT", parent=root.id, geometry=GEOMETRY, voxels=ArrayData.of(voxels), unit="HU")
    segmentation = SegmentationNode(name="Segments", parent=root.id, volume=volume.id, geometry=GEOMETRY)
    layer = LabelLayerNode(name="Layer", parent=segmentation.id, labels=ArrayData.of(labels))
    segments = [
        SegmentNode(name=name, parent=segmentation.id, layer=layer.id, value=value, color=(200, 90, 80))
        for value, name in enumerate(("Block", "Sheet", "Empty"), 1)
    ]
    surface = SurfaceNode(
        name="Open",
        parent=root.id,
        points=ArrayData.of(holed.points),
        triangles=ArrayData.of(holed.triangles),
        side_known=False,
    )
    return [root, volume, segmentation, layer, *segments, surface]
