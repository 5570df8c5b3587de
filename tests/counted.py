"""A case whose whole state follows from one number, so that what a crash left can be judged exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from surgitwin.core.geometry import Box, Geometry
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.editor import Editor
from surgitwin.scene.nodes import CaseNode, LabelLayerNode, LandmarkNode, Node, SegmentationNode, SurfaceNode
from surgitwin.scene.scene import Scene
from surgitwin.storage.case_file import CaseFile
from surgitwin.storage.verification import verify

SIZE_IJK = (80, 10, 70)
SHAPE = SIZE_IJK[::-1]
GEOMETRY = Geometry.from_parts(SIZE_IJK)
KEPT = 3  # landmarks at a time


def box_of(count: int) -> Box:
    i, k = (count * 13) % 60, (count * 7) % 50
    return Box((i, count % 5, k), (i + 20, 10, k + 20))


def labels_after(count: int) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    for one in range(1, count + 1):
        labels[box_of(one).slices] = one % 250 + 1
    return labels


def points_after(count: int) -> np.ndarray:
    return np.full((count % 7 + 1, 3), count, np.float32)


class CountedTwin:
    """Each `step` changes nodes, a label array and a constant array in one transaction, in ways that the count says."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        scene = Scene()
        self.editor = Editor(scene)
        with self.editor.transaction("New") as tx:
            case = tx.add(CaseNode(name="0", pseudonym="P"))
            grid = tx.add(SegmentationNode(name="S", parent=case.id, volume=None, geometry=GEOMETRY))
            labels = ArrayData.of(labels_after(0), constant=False)
            tx.add(LabelLayerNode(name="L", parent=grid.id, labels=labels))
            triangles = ArrayData.of(np.zeros((1, 3), np.int32))
            tx.add(SurfaceNode(name="M", parent=case.id, points=ArrayData.of(points_after(0)), triangles=triangles))
        self.editor.history.clear()
        self.case_file = CaseFile.create(path, scene)
        self.editor.journal = self.case_file

    def reopen(self, case_file: CaseFile) -> None:
        self.case_file = case_file
        self.editor.scene.load(case_file.load_nodes())
        self.editor.journal = case_file
        self.editor.history.clear()
        self.count = int(self.editor.scene.case.name)

    def step(self) -> None:
        """One change."""
        self.count += 1
        scene = self.editor.scene
        with self.editor.transaction(f"Step {self.count}") as tx:
            tx.set(scene.case.id, name=str(self.count))
            tx.patch(scene.of_type(LabelLayerNode)[0].id, "labels", box_of(self.count), self.count % 250 + 1)
            tx.set(scene.of_type(SurfaceNode)[0].id, points=ArrayData.of(points_after(self.count)))
            tx.add(LandmarkNode(name=str(self.count), parent=scene.case.id, position_mm=(float(self.count), 0, 0)))
            landmarks = scene.of_type(LandmarkNode)
            if len(landmarks) > KEPT:
                tx.remove(landmarks[0].id)


def check_nodes(nodes: list[Node]) -> int:
    """The count that the nodes are in the state of; fails if they are in no such state."""
    scene = Scene()
    scene.load(nodes)
    count = int(scene.case.name)
    assert np.array_equal(scene.of_type(LabelLayerNode)[0].labels.read(), labels_after(count))
    assert np.array_equal(scene.of_type(SurfaceNode)[0].points.read(), points_after(count))
    kept = [str(one) for one in range(max(count - KEPT, 0) + 1, count + 1)]
    assert [node.name for node in scene.of_type(LandmarkNode)] == kept
    return count


def check_counted(path: Path, at_least: int, at_most: int) -> int:
    """What a crash left must verify, open, be in one state, and that within bounds; returns its count."""
    report = verify(path)
    assert report.ok, report.sentences()
    with CaseFile.open(path) as case_file:
        count = check_nodes(case_file.load_nodes())
        for version in case_file.versions():
            check_nodes(case_file.load_version(version.name))
    assert at_least <= count <= at_most
    assert [entry.name for entry in path.parent.iterdir() if entry.name.startswith(path.name)] == [path.name]
    assert verify(path).ok
    return count
