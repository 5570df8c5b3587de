"""Small scenes for the tests of scene, history and case file, and random changes to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.identity import ImageIdentity, PatientIdentity
from surgitwin.core.notices import Notice
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.editor import Editor, Transaction
from surgitwin.scene.history import History
from surgitwin.scene.nodes import (
    CaseNode,
    CutModel,
    LabelLayerNode,
    LandmarkNode,
    Node,
    PlaneModel,
    PlanNode,
    Provenance,
    SegmentationNode,
    SegmentNode,
    SurfaceNode,
    VolumeNode,
)
from surgitwin.scene.scene import Scene

SIZE_IJK = (70, 30, 66)  # three chunks of 64 in i and k would be too slow; two show every border
SHAPE = SIZE_IJK[::-1]
COS, SIN = np.cos(0.3), np.sin(0.3)
OBLIQUE = np.array([[COS, -SIN, 0.0], [SIN, COS, 0.0], [0.0, 0.0, -1.0]])  # left-handed
GEOMETRY = Geometry.from_parts(SIZE_IJK, (0.7, 0.9, 1.3), (-31.5, 12.25, 100.1), OBLIQUE)
PATIENT = PatientIdentity(patient_id="4711", name="Müller^Änne", birth_date="1950-01-31", sex="F", height_cm=165.0)
IDENTITY = ImageIdentity(
    modality="CT",
    study_uid="1.2.3",
    series_uid="1.2.3.4",
    frame_of_reference_uid="1.2.3.9",
    sop_instance_uids=tuple(f"1.2.3.4.{k}" for k in range(SHAPE[0])),
    study_date="2024-05-06",
    series_description="Abdomen",
    header={"PatientName": "Müller^Änne", "KVP": 120.0, "ImageType": ["ORIGINAL", "PRIMARY"]},
)


@dataclass
class Twin:
    """A scene and the editor that changes it."""

    editor: Editor
    case: CaseNode
    volume: VolumeNode
    segmentation: SegmentationNode
    layer: LabelLayerNode
    liver: SegmentNode
    tumour: SegmentNode

    @property
    def scene(self) -> Scene:
        return self.editor.scene

    def paint(self, box: Box, value: int, name: str = "Paint") -> None:
        with self.editor.transaction(name) as tx:
            tx.patch(self.layer.id, "labels", box, value)

    def labels(self) -> Any:
        return self.scene.expect(self.layer.id, LabelLayerNode).labels.read()


def small_twin(history: History | None = None) -> Twin:
    """A case with a volume, two segments in one layer, a surface, a plan and a landmark; it lives in memory."""
    rng = np.random.default_rng(7)
    editor = Editor(Scene(), history)
    labels = np.zeros(SHAPE, np.uint8)
    labels[10:50, 5:25, 10:60] = 1
    labels[20:30, 10:20, 20:30] = 2
    voxels = rng.integers(-1000, 2000, SHAPE, dtype=np.int16)
    with editor.transaction("New case") as tx:
        case = tx.add(CaseNode(name="Case", pseudonym="P-1", patient=PATIENT, log_confirmations=("Änne, confirmed",)))
        volume = VolumeNode(
            name="CT",
            parent=case.id,
            geometry=GEOMETRY,
            voxels=ArrayData.of(voxels),
            unit="HU",
            identity=IDENTITY,
            patient=PATIENT,
            notices=(Notice("tilt", "The gantry was tilted.", {"tilt_deg": 12.5}),),
        )
        tx.add(volume)
        segmentation = SegmentationNode(
            name="Segments",
            parent=case.id,
            volume=volume.id,
            geometry=GEOMETRY,
            frame_of_reference_uid=IDENTITY.frame_of_reference_uid,
        )
        tx.add(segmentation)
        layer = LabelLayerNode(name="Layer", parent=segmentation.id, labels=ArrayData.of(labels, constant=False))
        tx.add(layer)
        liver = SegmentNode(name="Liver", parent=segmentation.id, layer=layer.id, value=1, color=(200, 90, 80))
        tumour = SegmentNode(name="Tumour", parent=segmentation.id, layer=layer.id, value=2, color=(240, 220, 0))
        tx.add(liver)
        tx.add(tumour)
        made = Provenance(
            tool="mesh",
            version="0",
            parameters={"file": "/data/Müller/liver.stl", "smooth": 0.5},
            inputs={liver.id: liver.revision},
        )
        tx.add(
            SurfaceNode(
                name="Liver surface",
                parent=liver.id,
                points=ArrayData.of(rng.normal(size=(100, 3)).astype(np.float32)),
                triangles=ArrayData.of(rng.integers(0, 100, (180, 3), dtype=np.int32)),
                segment=liver.id,
                provenance=made,
            )
        )
        cut = CutModel(planes=(PlaneModel(point_mm=(1.0, 2.5, 3.0), normal=(0.0, 0.6, 0.8)),))
        tx.add(PlanNode(name="Plan", parent=case.id, organ=liver.id, cuts=(cut,), numbers={"organ_ml": 1.5, "x": None}))
        tx.add(LandmarkNode(name="Hilum", parent=case.id, position_mm=(0.1, -2.0, 3.5)))
    assert isinstance(case, CaseNode)
    return Twin(editor, case, volume, segmentation, layer, liver, tumour)


# Random changes: numbers that are read as "one of what there is", so that every list of them means something.

Change = tuple[int, int, int, int]
changes = st.tuples(st.integers(0, 9), *(st.integers(0, 2**16) for _ in range(3)))
steps = st.one_of(st.sampled_from(["undo", "redo", "fail"]), st.lists(changes, min_size=1, max_size=4))


class Abort(Exception):
    """Raised inside a change to have it rolled back."""


def play(editor: Editor, step: str | list[Change]) -> None:
    """Do one step: undo, redo, a change that fails half-way, or a change that succeeds."""
    if step == "undo":
        editor.undo()
    elif step == "redo":
        editor.redo()
    elif step == "fail":
        try:
            with editor.transaction("Fail") as tx:
                for change in [(0, 1, 2, 3), (6, 40, 3, 1), (3, 5, 1, 1), (8, 0, 0, 0)]:
                    _make(tx, editor.scene, change)
                raise Abort
        except Abort:
            pass
    else:
        with editor.transaction("Change") as tx:
            for change in step:
                assert not isinstance(change, str)
                _make(tx, editor.scene, change)


def _make(tx: Transaction, scene: Scene, change: Change) -> None:
    kind, a, b, c = change
    nodes = list(scene)
    node: Node = nodes[a % len(nodes)]
    layers, surfaces = scene.of_type(LabelLayerNode), scene.of_type(SurfaceNode)
    if kind == 0:
        tx.add(LandmarkNode(name=f"L{a}", parent=scene.case.id, position_mm=(a / 3, b / 7, -c / 11)))
    elif kind == 1 and not isinstance(node, CaseNode):
        for segment in scene.segments_of_layer(node.id):  # a segment without its layer would mean nothing
            tx.remove(segment.id)
        tx.remove(node.id)
    elif kind == 2:
        tx.set(node.id, name=f"Name {b % 5}", visible=bool(c % 2))
    elif kind == 3 and isinstance(node, SegmentNode):
        tx.set(node.id, value=1 + b % 4, opacity=(c % 5) / 4)
    elif kind == 4 and surfaces:
        points = np.full((b % 40, 3), c / 3, np.float32)
        tx.set(surfaces[a % len(surfaces)].id, points=ArrayData.of(points))
    elif kind == 5:
        segmentations = scene.of_type(SegmentationNode)
        if segmentations and len(layers) < 4:
            array = np.full(SHAPE, b % 3, np.uint8 if c % 2 else np.uint16)
            layer = LabelLayerNode(name="New", parent=segmentations[0].id, labels=ArrayData.of(array, constant=False))
            tx.add(layer)
            tx.patch(layer.id, "labels", _box(a, c), 9)
    elif layers:
        box = _box(b, c)
        mask = np.random.default_rng(c).random(box.size_ijk[::-1]) < 0.5 if kind == 7 else None
        tx.patch(layers[a % len(layers)].id, "labels", box, c % 4, mask)


def _box(b: int, c: int) -> Box:
    start = [(b * step + c) % (n - 3) for step, n in zip((1, 5, 11), SIZE_IJK, strict=True)]
    stop = [min(at + 1 + (c >> 4) % 40, n) for at, n in zip(start, SIZE_IJK, strict=True)]
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
