"""A small case to export: a liver with a tumour in it, a kidney, an empty segment, and a mirrored implant."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from surgitwin.core.geometry import Geometry
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import (
    CaseNode,
    ImplantModel,
    ImplantNode,
    LabelLayerNode,
    Node,
    SegmentationNode,
    SegmentNode,
    VolumeNode,
)
from surgitwin.session import Session

COS, SIN = np.cos(0.3), np.sin(0.3)
TURN = np.array([[COS, -SIN, 0.0], [SIN, COS, 0.0], [0.0, 0.0, 1.0]])
SIZE, SPACING, ORIGIN = (26, 22, 18), (0.8, 0.9, 1.4), (-20.0, 12.0, 100.0)
GRIDS = {
    "oblique": Geometry.from_parts(SIZE, SPACING, ORIGIN, TURN),
    "flipped": Geometry.from_parts(SIZE, SPACING, ORIGIN, np.diag([-1.0, -1.0, 1.0])),
    "left-handed": Geometry.from_parts(SIZE, SPACING, ORIGIN, TURN @ np.diag([1.0, 1.0, -1.0])),
}
# Along k, j and i.
BOXES = {
    "Liver": (slice(3, 15), slice(3, 17), slice(2, 14)),
    "Kidney": (slice(4, 12), slice(5, 15), slice(16, 24)),
    "Tumour": (slice(6, 10), slice(6, 10), slice(5, 9)),
}
COLORS = {"Liver": (200, 90, 80), "Kidney": (90, 120, 201), "Tumour": (250, 221, 40), "Empty": (1, 2, 3)}
VALUES = {"Liver": 1, "Kidney": 7, "Tumour": 1, "Empty": 3}
IMPLANT_COLOR = (168, 178, 193)
# A quarter turn about z, then away; the tip (3, 0, 0) of the mirrored mesh is at (-3, 0, 0) in its frame.
POSE = (0.0, -1.0, 0.0, 40.0, 1.0, 0.0, 0.0, -25.0, 0.0, 0.0, 1.0, 130.0, 0.0, 0.0, 0.0, 1.0)
TETRAHEDRON = np.array([[0, 0, 0], [-30, 0, 0], [0, 20, 0], [0, 0, 10]], np.float32)  # x to -x of the library's
FACES = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]], np.int32)
REMARK = "planning model, not for use in a patient; generic, not a product"


def mask(name: str) -> np.ndarray:
    found = np.zeros(SIZE[::-1], bool)
    if name in BOXES:
        found[BOXES[name]] = True
    return found


def export_case(path: Path, grid: str = "oblique", *, side_known: bool = True) -> Path:
    """Write the case."""
    geometry = GRIDS[grid]
    root = CaseNode(name="Case", pseudonym="Case 7")
    voxels = np.where(mask("Liver"), 200, 0).astype(np.int16)
    volume = VolumeNode(
        name="CT", parent=root.id, geometry=geometry, voxels=ArrayData.of(voxels), unit="HU", side_known=side_known
    )
    organs = np.zeros(SIZE[::-1], np.uint8)
    organs[BOXES["Liver"]], organs[BOXES["Kidney"]] = VALUES["Liver"], VALUES["Kidney"]
    segmentation = SegmentationNode(
        name="Segments", parent=root.id, volume=volume.id, geometry=geometry, side_known=side_known
    )
    layers = [
        LabelLayerNode(name=f"Layer {n}", parent=segmentation.id, labels=ArrayData.of(labels))
        for n, labels in enumerate((organs, mask("Tumour").astype(np.uint8)))
    ]
    nodes: list[Node] = [root, volume, segmentation, *layers]
    nodes += [
        SegmentNode(
            name=name,
            parent=segmentation.id,
            layer=layers[name == "Tumour"].id,
            value=VALUES[name],
            color=color,
            opacity=0.4 if name == "Liver" else 1.0,
        )
        for name, color in COLORS.items()
    ]
    nodes.append(_implant(root))
    with Session() as session:
        with session.transaction("Start") as tx:
            for node in nodes:
                tx.add(node)
        session.save_as(path)
    return path


def _implant(root: CaseNode) -> ImplantNode:
    return ImplantNode(
        name="Guide",
        parent=root.id,
        item=ImplantModel(id="x/1", family="x", kind="guide", name="Guide", generic=True, patient_specific=True),
        points=ArrayData.of(TETRAHEDRON),
        triangles=ArrayData.of(FACES),
        matrix=POSE,
        mirrored=True,
        color=IMPLANT_COLOR,
    )
