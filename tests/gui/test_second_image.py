"""A second image in the real window: registered, looked at, measured, accepted, and its segments shown and carried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from steps import LESION_AT, LIVER_AT, SMALL, Hand, close_window, open_window, small_ct, write_small_study

from surgitwin.core.geometry import Geometry
from surgitwin.core.identity import ImageIdentity
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import SegmentNode, TransformNode, VolumeNode
from surgitwin.session import Session

SHIFT_MM = np.array([8.0, -6.0, 10.0])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study, and the same patient lying elsewhere in a second image with the liver marked there."""
    folder = tmp_path_factory.mktemp("case")
    path = folder / "Case 2A.twin"
    write_small_study(folder / "study")
    with Session() as session:
        session.save_as(path)
        session.run("new", path=folder / "study", pseudonym="Case 2A")
        first = session.scene.of_type(VolumeNode)[0]
        shifted = SMALL.affine_lps.copy()
        shifted[:3, 3] += SHIFT_MM
        rng = np.random.default_rng(5)
        voxels = (small_ct() + rng.normal(0, 5, SMALL.shape_kji)).astype(np.int16)
        with session.transaction("A second image") as tx:
            second = VolumeNode(
                name="Arterial",
                parent=first.parent,
                geometry=Geometry.from_affine(SMALL.size_ijk, shifted),
                voxels=ArrayData.of(voxels),
                unit="HU",
                identity=ImageIdentity(modality="CT"),
            )
            tx.add(second)
        session.run("segment", method="threshold", into="Liver", onto="Arterial", settings={"lower": 80, "upper": 250})
    return path


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication, made: Path, tmp_path: Path) -> Iterator[Hand]:
    copy = tmp_path / made.name
    copy.write_bytes(made.read_bytes())
    hand = open_window(qtbot, qapp, "second-image")
    hand.window.opener.open(copy)
    hand.wait(lambda: hand.desk.volume is not None)
    hand.rest()
    yield hand
    close_window(hand)


def axial(hand: Hand) -> NDArray[np.int64]:
    """The greys of the axial view."""
    view = hand.window.stage.axial
    pixels = view.picture.pixels(view.index, view.window_level, view.slab)
    return np.asarray((pixels & 255).astype(np.int64))


def register(hand: Hand) -> TransformNode:
    hand.press_button("Register")
    hand.wait(lambda: hand.scene.of_type(TransformNode))
    hand.rest()
    node = hand.scene.of_type(TransformNode)[0]
    assert isinstance(node, TransformNode)
    return node


def click(hand: Hand, point: NDArray[np.float64]) -> None:
    """Scroll to a place and click it in the axial view."""
    view = hand.window.stage.axial
    hand.desk.move_crosshair(tuple(float(v) for v in point))
    hand.rest()
    at = view.pixel_of(tuple(float(v) for v in point))
    hand.grab(view, at)
    hand.let_go(view, at)
    hand.rest()


def test_a_second_image_is_registered_looked_at_measured_and_accepted(hand: Hand) -> None:
    box, desk = hand.window.study.second, hand.desk
    first, second = hand.scene.of_type(VolumeNode)
    assert "Nothing says how these images lie" in box.state.text()
    hand.choose(box.mode, "Faded in")
    hand.rest()
    assert hand.window.second.image is None and "⚠" in box.state.text()  # nothing links them yet
    hand.picture("not-linked")

    node = register(hand)
    assert "NOT ACCEPTED" in box.state.text()
    hand.wait(lambda: hand.window.second.image is not None)
    desk.move_crosshair(tuple(float(v) for v in LIVER_AT))
    hand.rest()
    alone = axial(hand)
    shown = hand.window.stage.axial.content.second
    assert shown is not None and "⚠ registration not accepted" in shown.captions
    # The same patient: registered, a fade of the two is the one, apart from noise and half a voxel at edges.
    box.share.setValue(0)
    hand.rest()
    assert np.median(np.abs(axial(hand) - alone)) <= 4
    hand.picture("faded")
    hand.choose(box.mode, "Checkerboard")
    hand.rest()
    hand.picture("checkerboard")
    assert len(hand.window.stage.axial.content.layers) == 1  # the liver of the second image, where it lies here

    hand.press_button("Mark places")
    for place in (LIVER_AT, LESION_AT):
        click(hand, place)
        assert desk.volume.id == second.id
        assert not hand.window.stage.axial.crosshair_visible  # it would lead the hand
        if place is LESION_AT:
            hand.picture("second-place")
        click(hand, place + SHIFT_MM)
        assert desk.volume.id == first.id
    hand.key(Qt.Key.Key_Escape, box)
    hand.rest()
    node = hand.scene.expect(node.id, TransformNode)
    assert len(node.landmarks) == box.marks.count() == 2
    assert node.mean_error_mm is not None and node.mean_error_mm < 4.0  # of voxels of 4 x 4 x 5 mm
    missed = np.abs(np.subtract(node.landmarks[1].fixed_mm, LESION_AT))
    assert (missed <= (0.6, 0.6, 2.5)).all()  # to the pixel, and to the slice
    assert "misses 2 places by" in box.state.text()

    box.by.setText("Dr. Reader")
    hand.press_button("Accept")
    hand.rest()
    assert "✓ ACCEPTED by Dr. Reader" in box.state.text()
    shown = hand.window.stage.axial.content.second
    assert shown is not None and "✓ registration accepted" in shown.captions
    hand.picture("accepted")

    hand.press_button("Carry over")
    hand.wait(lambda: len(hand.scene.of_type(SegmentNode)) == 2)
    hand.rest()
    carried = [s for s in hand.scene.of_type(SegmentNode) if hand.scene.segmentation_of(s).volume == first.id]
    labels = hand.scene.layer_of(carried[0]).labels.read() == carried[0].value
    truth = (small_ct() >= 80) & (small_ct() <= 250)
    assert 2 * (labels & truth).sum() / (labels.sum() + truth.sum()) > 0.9
    hand.picture("carried")
    hand.window.resize(hand.window.minimumSize())
    hand.rest()
    panel = hand.window.panels.currentWidget()
    assert panel.widget().width() <= panel.viewport().width() and not hand.cut_off_texts()
    hand.picture("small")


def test_undo_of_the_registration_takes_the_second_image_out_of_the_slices(hand: Hand) -> None:
    box = hand.window.study.second
    hand.choose(box.mode, "Faded in")
    register(hand)
    hand.wait(lambda: hand.window.stage.axial.content.second is not None)
    hand.desk.undo()
    hand.rest()
    assert hand.window.stage.axial.content.second is None
    assert "Nothing says" in box.state.text() or "⚠" in box.state.text()
    hand.desk.redo()
    hand.wait(lambda: hand.window.stage.axial.content.second is not None)
    hand.choose(box.mode, "Not shown")
    hand.rest()
    assert hand.window.stage.axial.content.second is None


def test_a_place_that_is_begun_is_dropped_by_escape(hand: Hand) -> None:
    box = hand.window.study.second
    first, second = hand.scene.of_type(VolumeNode)
    node = register(hand)
    hand.press_button("Mark places")
    click(hand, LIVER_AT)
    assert hand.desk.volume.id == second.id and box.hint.isVisible()
    hand.key(Qt.Key.Key_Escape, hand.window.stage.axial)
    hand.rest()
    assert hand.desk.volume.id == first.id and not box.hint.isVisible()
    assert hand.window.stage.axial.crosshair_visible
    assert not hand.scene.expect(node.id, TransformNode).landmarks
    view = hand.window.stage.axial
    assert view.tool is None
    hand.grab(view, QPointF(20, 20))
    hand.let_go(view, QPointF(20, 20))
    assert not hand.scene.expect(node.id, TransformNode).landmarks
