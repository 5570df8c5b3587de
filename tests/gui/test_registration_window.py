"""What the window shows of a plan that rests on a registration."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from steps import LESION_AT, LIVER_AT, SMALL, Hand, close_window, open_window, write_small_study

from surgitwin.core.geometry import Geometry
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import PlanNode, SegmentNode, TransformNode, VolumeNode
from surgitwin.session import Session

ERROR_MM = 2.0
SHIFT_MM = np.array([4.0, -3.0, 5.0])


def words(session: Session) -> dict[str, object]:
    liver = next(
        node
        for node in session.scene.of_type(SegmentNode)
        if node.name == "Liver"
        and session.scene.segmentation_of(node).volume == session.scene.of_type(VolumeNode)[0].id
    )
    return {"name": "Right", "organ": liver.id, "plane": "-35,0,0,-1,0,0"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Liver and tumour drawn on a second, shifted image, carried onto the first, and a plan there."""
    folder = tmp_path_factory.mktemp("case")
    path = folder / "Case 7F3A.twin"
    write_small_study(folder / "study")
    with Session() as session:
        session.save_as(path)
        session.run("new", path=folder / "study", pseudonym="Case 7F3A")
        first = session.scene.of_type(VolumeNode)[0]
        shifted = SMALL.affine_lps.copy()
        shifted[:3, 3] += SHIFT_MM
        matrix = np.eye(4)
        matrix[:3, 3] = SHIFT_MM
        with session.transaction("A second image, and how it lies") as tx:
            second = VolumeNode(
                name="Arterial",
                parent=first.parent,
                geometry=Geometry.from_affine(SMALL.size_ijk, shifted),
                voxels=ArrayData.of(first.voxels.read().copy()),
                unit="HU",
            )
            tx.add(second)
            tx.add(
                TransformNode(
                    name="Arterial on CT",
                    parent=first.parent,
                    fixed=first.id,
                    moving=second.id,
                    kind="rigid",
                    matrix=tuple(float(value) for value in matrix.reshape(-1)),
                )
            )
        for name, low in (("Liver", 90), ("Tumour", 170)):
            settings = {"low": low, "high": 250}
            session.run("segment", method="threshold", into=name, onto="Arterial", settings=settings)
            session.run("carry", segment=name, onto=first.id)
        session.run("accept", registration="Arterial on CT", by="Dr. Test")
        at = [*(LIVER_AT), *(LIVER_AT + SHIFT_MM + [ERROR_MM, 0.0, 0.0])]
        shown = [f"{value:g}" for value in at]
        session.run("landmarks", registration="Arterial on CT", pair=[",".join(shown[:3]) + "=" + ",".join(shown[3:])])
        session.run("plan", **words(session))
    return path


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication, made: Path, tmp_path: Path) -> Iterator[Hand]:
    case = tmp_path / made.name
    case.write_bytes(made.read_bytes())
    opened = open_window(qtbot, qapp, "registration")
    opened.window.opener.open(case)
    opened.wait(lambda: opened.desk.volume is not None)
    opened.rest()
    yield opened
    close_window(opened)


def test_the_band_stands_below_the_margin_and_follows_the_cut(hand: Hand) -> None:
    window = hand.window
    hand.click(window.rail.buttons["plan"])
    hand.desk.look_at_plan(hand.scene.of_type(PlanNode)[0].id)
    hand.wait(lambda: window.live.ready)
    hand.rest()
    assert hand.tree_row("Arterial on CT").data(0, hand.detail) == f"✓ {ERROR_MM:.1f} mm"
    (lesion,) = hand.desk.plan.numbers["lesions"]
    half = math.hypot(2.5, ERROR_MM)  # voxels of 5 mm
    assert lesion["margin_mm"] == pytest.approx(-35 - LESION_AT[0] - 14.0, abs=4.0)

    def band(margin: float) -> str:
        return f"{max(margin - half, 0):.1f} to {margin + half:.1f} mm by registration"

    assert band(lesion["margin_mm"]) in window.plan.margin_card.accessibleName()
    hand.picture("band")
    view = window.stage.coronal
    start = hand.cut_handle(view)
    moved: list[dict[str, object]] = []
    window.live.numbers_changed.connect(lambda numbers: moved.append(numbers.document) if numbers.moving else None)
    hand.grab(view, start)
    for step in range(1, 4):
        hand.move(view, type(start)(start.x() + 3.0 * step, start.y()))
    (dragged,) = moved[-1]["lesions"]
    assert dragged["margin_mm"] != lesion["margin_mm"]
    assert band(dragged["margin_mm"]) in window.plan.margin_card.accessibleName()
    hand.let_go(view, type(start)(start.x() + 9.0, start.y()))
    hand.rest()
    (stored,) = hand.desk.plan.numbers["lesions"]
    assert stored == dragged
