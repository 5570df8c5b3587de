"""Surfaces that follow their segments through strokes, undo, moves to other layers and whatever else happens."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.commands.live_surfaces import LiveFailure, LiveSurfaces, LiveUpdate
from surgitwin.commands.painting import Painted, start_painting
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.ids import NodeId
from surgitwin.core.progress import Context
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import CaseNode, LabelLayerNode, SegmentationNode, SegmentNode, VolumeNode
from surgitwin.segmentation.rules import EditRules
from surgitwin.session import Session
from surgitwin.surfaces.incremental import LiveSurface

SIZE = (70, 60, 50)


class Work:
    """A case with two segments side by side in one layer, and everything that a live surface said."""

    def __init__(self, kept_bytes: int = 1 << 24) -> None:
        self.geometry = Geometry.from_parts(SIZE, (0.8, 0.9, 1.2), (5.0, -7.0, 11.0))
        self.session = Session()
        labels = np.zeros(SIZE[::-1], np.uint8)
        labels[12:38, 12:45, 10:35] = 1
        labels[12:38, 12:45, 36:60] = 2
        with self.session.transaction("New case") as tx:
            case = tx.add(CaseNode(name="Case", pseudonym="P"))
            voxels = ArrayData.of(np.zeros(SIZE[::-1], np.int16))
            self.volume = VolumeNode(name="CT", parent=case.id, geometry=self.geometry, voxels=voxels)
            tx.add(self.volume)
            grid = tx.add(SegmentationNode(name="S", parent=case.id, volume=self.volume.id, geometry=self.geometry))
            self.layer = LabelLayerNode(name="L", parent=grid.id, labels=ArrayData.of(labels, constant=False))
            tx.add(self.layer)
            self.liver = self._segment(grid.id, "Liver", 1)
            self.other = self._segment(grid.id, "Other", 2)
            tx.add(self.liver)
            tx.add(self.other)
        self.live = LiveSurfaces(self.session.editor, kept_bytes=kept_bytes)
        self.updates: list[LiveUpdate] = []
        self.failures: list[LiveFailure] = []
        self.live.updated.connect(self.updates.append)
        self.live.failed.connect(self.failures.append)

    def _segment(self, parent: NodeId, name: str, value: int) -> SegmentNode:
        return SegmentNode(name=name, parent=parent, layer=self.layer.id, value=value, color=(value, 9, 9))

    def mask(self, segment: SegmentNode) -> NDArray[np.bool_]:
        found = self.session.scene.expect(segment.id, SegmentNode)
        return np.asarray(self.session.scene.layer_of(found).labels.read() == found.value)

    def paint(self, start: tuple[int, int, int], stop: tuple[int, int, int], *, erase: bool = False) -> None:
        box = Box(start, stop)
        painted = Painted(box, np.ones(box.size_ijk[::-1], np.bool_), erase)
        work = start_painting(self.session, self.volume, "Liver", painted, EditRules())
        work.commit(work.compute(Context()))

    def assert_follows(self, segment: SegmentNode) -> None:
        self.live.wait()
        surface = self.live.surface(segment.id)
        assert surface is not None
        fresh = LiveSurface.of(self.mask(segment), self.geometry)
        assert np.array_equal(surface.whole.mesh.points, fresh.whole.mesh.points)
        assert np.array_equal(surface.whole.mesh.triangles, fresh.whole.mesh.triangles)
        latest = [update for update in self.updates if update.segment == segment.id][-1]
        assert latest.surface is surface
        assert latest.revision == self.session.scene.node(segment.id).revision


@pytest.fixture
def work() -> Iterator[Work]:
    made = Work()
    yield made
    made.live.close()
    made.session.close()


def test_it_follows_strokes_and_their_undo_and_redo(work: Work) -> None:
    work.live.follow(work.liver.id)
    work.assert_follows(work.liver)
    work.paint((5, 20, 20), (12, 28, 30))
    work.assert_follows(work.liver)
    work.paint((20, 10, 10), (30, 20, 20), erase=True)
    work.assert_follows(work.liver)
    for _ in range(2):
        work.session.undo()
        assert not work.live.busy  # it was known, so nobody waits for it
        work.assert_follows(work.liver)
    for _ in range(2):
        work.session.redo()
        assert not work.live.busy
        work.assert_follows(work.liver)
    assert not work.failures


def test_strokes_that_come_faster_than_surfaces_are_all_in_the_last_one(work: Work) -> None:
    work.live.follow(work.liver.id)
    for number in range(6):
        work.paint((8 + 3 * number, 8, 20), (14 + 3 * number, 15, 30))
        if number == 3:
            work.session.undo()
    work.assert_follows(work.liver)


def test_undo_while_a_surface_is_under_way_ends_where_the_segment_is(work: Work) -> None:
    work.live.follow(work.liver.id)
    work.live.wait()
    work.paint((5, 20, 20), (12, 28, 30))
    work.live.wait()
    work.paint((5, 30, 20), (12, 36, 30))
    work.session.undo()
    work.paint((5, 38, 20), (12, 44, 30))
    work.assert_follows(work.liver)


def test_pieces_of_all_updates_together_are_the_surface(work: Work) -> None:
    work.live.follow(work.liver.id)
    work.live.wait()
    work.paint((5, 20, 20), (12, 28, 30))
    work.live.wait()
    work.session.undo()
    work.paint((20, 5, 20), (30, 14, 30))
    work.live.wait()
    shown: dict[int, int] = {}
    for update in work.updates:
        shown |= {name: len(piece.mesh.triangles) if piece else 0 for name, piece in update.pieces.items()}
    assert sum(shown.values()) == len(work.updates[-1].surface.whole.mesh.triangles)


def test_it_follows_a_segment_that_moves_to_another_layer(work: Work) -> None:
    work.live.follow(work.liver.id)
    work.live.follow(work.other.id)
    work.live.wait()
    before = work.mask(work.other)
    work.paint((30, 20, 20), (48, 30, 30))  # over the other segment, which keeps its voxels
    assert work.session.scene.expect(work.liver.id, SegmentNode).layer != work.layer.id
    work.assert_follows(work.liver)
    assert np.array_equal(work.mask(work.other), before)
    work.assert_follows(work.other)
    work.session.undo()
    work.assert_follows(work.liver)


def test_a_stroke_in_one_segment_is_no_update_of_another(work: Work) -> None:
    work.live.follow(work.other.id)
    work.live.wait()
    count = len(work.updates)
    work.paint((5, 20, 20), (9, 28, 30))
    work.live.wait()
    assert len(work.updates) == count


def test_emptying_a_segment_takes_its_pieces_away(work: Work) -> None:
    work.live.follow(work.liver.id)
    work.live.wait()
    work.paint((0, 0, 0), SIZE, erase=True)
    work.assert_follows(work.liver)
    assert work.updates[-1].surface.whole.mesh.empty
    assert all(piece is None for piece in work.updates[-1].pieces.values())


def test_a_segment_that_is_removed_or_released_is_followed_no_longer(work: Work) -> None:
    work.live.follow(work.liver.id)
    work.live.follow(work.other.id)
    work.live.release(work.other.id)
    with work.session.transaction("Remove") as tx:
        tx.remove(work.liver.id)
    work.live.wait()
    assert work.live.surface(work.liver.id) is None and work.live.surface(work.other.id) is None
    assert not work.updates and not work.failures


def test_a_whole_array_put_in_place_of_another_is_followed(work: Work) -> None:
    work.live.follow(work.liver.id)
    work.live.wait()
    labels = np.zeros(SIZE[::-1], np.uint8)
    labels[20:30, 20:50, 5:66] = 1
    with work.session.transaction("Replace") as tx:
        tx.set(work.layer.id, labels=ArrayData.of(labels, constant=False))
    work.assert_follows(work.liver)


def test_a_fault_is_told_in_a_sentence_and_ends_the_following(
    work: Work, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    work.live.follow(work.liver.id)
    work.live.wait()

    def broken(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(LiveSurface, "updated", broken)
    work.paint((5, 20, 20), (9, 28, 30))
    work.live.wait()
    assert [failure.segment for failure in work.failures] == [work.liver.id]
    assert "MemoryError" in work.failures[0].message and not work.live.busy
    assert work.live.surface(work.liver.id) is None


def test_old_surfaces_are_forgotten_when_they_cost_too_much_and_undo_works_all_the_same() -> None:
    work = Work(kept_bytes=1)
    work.live.follow(work.liver.id)
    for number in range(4):
        work.paint((5, 14 + 6 * number, 20), (12, 18 + 6 * number, 30))
        work.live.wait()
    for _ in range(4):
        work.session.undo()
        work.assert_follows(work.liver)
    work.live.close()
    work.session.close()


def test_strokes_do_not_make_the_layer_be_copied(work: Work) -> None:
    work.live.follow(work.liver.id)
    work.live.wait()
    layer = work.session.scene.expect(work.layer.id, LabelLayerNode).labels
    first = layer.read().__array_interface__["data"]
    for number in range(4):
        work.paint((5, 14 + 6 * number, 20), (12, 18 + 6 * number, 30))
    work.live.wait()
    assert layer.read().__array_interface__["data"] == first
