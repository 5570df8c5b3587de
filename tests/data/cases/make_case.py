"""Write a small case in the present format, and what is in it, for the test that later programs can still open it.

``python make_case.py FOLDER`` writes ``vN.twin`` and ``vN.json``. Run it once for each format, with the last program
before the next format; what it wrote is never written again. Every value is invented.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.identity import ImageIdentity, PatientIdentity
from surgitwin.core.notices import Notice
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.editor import Editor, Transaction
from surgitwin.scene.nodes import (
    CarriedBy,
    CaseNode,
    CutModel,
    LabelLayerNode,
    LandmarkNode,
    LandmarkPair,
    Node,
    PlaneModel,
    PlanNode,
    Provenance,
    ReportSettingsNode,
    SegmentationNode,
    SegmentNode,
    SignOff,
    SurfaceNode,
    TransformNode,
    VolumeNode,
)
from surgitwin.scene.scene import Scene
from surgitwin.storage.case_file import CaseFile
from surgitwin.storage.migrations import FORMAT

SIZE_IJK = (70, 9, 5)
GEOMETRY = Geometry.from_parts(SIZE_IJK, (0.5, 0.75, 3.0), (-10.0, 20.5, -300.25))


def fill(tx: Transaction) -> LabelLayerNode:
    """Add one node of every type, each with something in every kind of field."""
    patient = PatientIdentity("TEST-1", "Tëst^Pätient", "1950-01-31", "O", 165.0, 70.5)
    identity = ImageIdentity(
        modality="CT",
        study_uid="2.25.1",
        series_uid="2.25.2",
        frame_of_reference_uid="2.25.3",
        sop_instance_uids=tuple(f"2.25.4{k}" for k in range(5)),
        study_date="2024-05-06",
        header={"Manufacturer": "Invented", "KVP": 120.0, "ImageType": ["ORIGINAL", "PRIMARY"]},
    )
    k, j, i = np.indices(SIZE_IJK[::-1])
    case = CaseNode(name="Case", pseudonym="P-1", patient=patient, height_cm=165.0, log_confirmations=("Same patient",))
    tx.add(case)
    voxels = ArrayData.of((k * 100 - j * 7 + i).astype(np.int16))
    notice = Notice("tilt", "The gantry was tilted.", {"tilt_deg": 12.5})
    volume = VolumeNode(
        name="CT", parent=case.id, geometry=GEOMETRY, voxels=voxels, unit="HU", identity=identity, notices=(notice,)
    )
    tx.add(volume)
    grid = SegmentationNode(name="Segments", parent=case.id, volume=volume.id, geometry=GEOMETRY)
    tx.add(grid)
    layer = LabelLayerNode(
        name="Layer", parent=grid.id, labels=ArrayData.of(((i + j) % 3).astype(np.uint8), constant=False)
    )
    tx.add(layer)
    liver = SegmentNode(
        name="Liver", parent=grid.id, layer=layer.id, value=1, color=(200, 90, 80), kind="organ", status="reviewed"
    )
    tx.add(liver)
    tx.add(SegmentNode(name="Tumour", parent=grid.id, layer=layer.id, value=2, color=(240, 220, 0), kind="lesion"))
    made = Provenance(
        tool="mesh", version="0.1.0", parameters={"smooth": 0.5}, inputs={liver.id: liver.revision}, automatic=True
    )
    points = ArrayData.of(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32))
    triangles = ArrayData.of(np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32))
    tx.add(
        SurfaceNode(
            name="Liver surface", parent=liver.id, points=points, triangles=triangles, segment=liver.id, provenance=made
        )
    )
    cut = CutModel(planes=(PlaneModel(point_mm=(1.0, 2.5, 3.0), normal=(0.0, 0.6, 0.8)),))
    tx.add(PlanNode(name="Plan", parent=case.id, organ=liver.id, cuts=(cut,), numbers={"organ_ml": 1.5, "flr": None}))
    tx.add(LandmarkNode(name="Hilum", parent=case.id, position_mm=(0.1, -2.0, 3.5)))
    add_registration(tx, volume, grid)
    tx.add(ReportSettingsNode(name="Report", parent=case.id, title="Title", author="Author", notes="Notes"))
    return layer


def add_registration(tx: Transaction, fixed: VolumeNode, grid: SegmentationNode) -> None:
    """A second image, a deformable registration of it that somebody accepted, and a segment that came by it."""
    moving = VolumeNode(
        name="MR",
        parent=fixed.parent,
        geometry=GEOMETRY,
        voxels=ArrayData.of(np.arange(np.prod(SIZE_IJK), dtype=np.uint16).reshape(SIZE_IJK[::-1])),
    )
    tx.add(moving)
    field = np.linspace(-2, 2, 4 * 3 * 2 * 3, dtype=np.float32).reshape(2, 3, 4, 3)
    transform = TransformNode(
        name="MR on CT",
        parent=fixed.parent,
        fixed=fixed.id,
        moving=moving.id,
        kind="deformable",
        matrix=(0.8, -0.6, 0.0, 3.25, 0.6, 0.8, 0.0, -1.5, 0.0, 0.0, 1.0, 7.125, 0.0, 0.0, 0.0, 1.0),
        displacement=ArrayData.of(field),
        grid=Geometry.from_parts((4, 3, 2), (10.0, 3.0, 6.0), (-10.0, 20.5, -300.25)),
        similarity=(0.25, 0.75),
        landmarks=(LandmarkPair(fixed_mm=(1.0, 2.0, 3.0), moving_mm=(1.5, 2.0, 3.0), error_mm=0.5),),
        accepted=SignOff(by="Dr. Invented", content_hash="0" * 64),
    )
    tx.add(transform)
    layer = LabelLayerNode(
        name="Layer 2", parent=grid.id, labels=ArrayData.of(np.ones(SIZE_IJK[::-1], np.uint8), constant=False)
    )
    tx.add(layer)
    carried = (CarriedBy(registration=transform.id, revision=transform.revision, source_cut_off=True),)
    tx.add(SegmentNode(name="Carried", parent=grid.id, layer=layer.id, value=1, color=(90, 200, 80), carried=carried))


def contents(nodes: list[Node]) -> dict[str, object]:
    """Type and name of every node, and a hash of each of its arrays."""
    return {
        node.id: {
            "type": node.type_name,
            "name": node.name,
            "revision": node.revision,
            "arrays": {name: hashlib.sha256(one.read().tobytes()).hexdigest() for name, one in node.arrays().items()},
        }
        for node in nodes
    }


def main(folder: Path) -> None:
    editor = Editor(Scene())
    with editor.transaction("New") as tx:
        layer = fill(tx)
    path = folder / f"v{FORMAT}.twin"
    with CaseFile.create(path, editor.scene) as case_file:
        editor.journal = case_file
        case_file.log("new", {"path": "images"}, {})
        case_file.save_version("Before painting")
        before = contents(list(editor.scene))
        with editor.transaction("Paint") as tx:
            tx.patch(layer.id, "labels", Box((60, 2, 1), (70, 5, 3)), 2)
        after = contents(list(editor.scene))
    expected = {"nodes": after, "version": {"name": "Before painting", "nodes": before}, "log": ["new"]}
    path.with_suffix(".json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
