"""Bézier patches and cut surfaces in real views: held by control points, moved as a whole, and put back by Escape."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot
from tests.gui.steps import PICTURES, Hand, close_window, open_window, write_small_study

from surgitwin.core.geometry import Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.gui.plan_shown import PlanShown
from surgitwin.gui.stage import Stage
from surgitwin.gui.theme import Theme, apply_theme
from surgitwin.gui.views.slice_view import SliceView
from surgitwin.gui.views.view3d import View3D
from surgitwin.render.content import (
    CutSurfaceContent,
    ImageContent,
    LabelLayer,
    PatchContent,
    SceneContent,
    SegmentStyle,
    SliceContent,
    SurfaceContent,
)
from surgitwin.render.patch_cutting import bezier_content, middle, normal_at
from surgitwin.render.slicing import Orientation
from surgitwin.session import Session

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
PLAIN, SHIFT, CTRL = (
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
)
# 80 x 60 x 40 voxels of 2 x 2 x 4 mm around the origin; slices at z = -78, -74, ...
GEOMETRY = Geometry.from_parts((80, 60, 40), (2.0, 2.0, 4.0), (-79.0, -59.0, -78.0))
SLICE = (0.0, 0.0, -18.0)


def control_points() -> np.ndarray:
    """4 x 5, a sheet across the patient's left-right axis that bulges to the left."""
    y, z = np.meshgrid(np.linspace(-45, 45, 4), np.linspace(-38, 42, 5), indexing="ij")
    return np.stack([12.0 * np.cos(y / 30), y, z], axis=-1)


PATCH = bezier_content("cut", control_points(), (60.0, 0.0, 0.0))


def ball(radius: float, centre: tuple[float, float, float] = (0.0, 0.0, 0.0), rings: int = 40) -> Mesh:
    """A closed sphere with outward triangles."""
    theta, phi = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.arange(2 * rings) * np.pi / rings, indexing="ij")
    points = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=-1)
    number = np.arange((rings + 1) * 2 * rings).reshape(rings + 1, 2 * rings)
    beside = np.roll(number, -1, axis=1)
    a, b, c, d = number[:-1], number[1:], beside[1:], beside[:-1]
    triangles = np.concatenate(
        [np.stack([a, b, c], -1)[:-1].reshape(-1, 3), np.stack([a, c, d], -1)[1:].reshape(-1, 3)]
    )
    return Mesh((radius * points.reshape(-1, 3) + centre).astype(np.float32), triangles.astype(np.int32))


@pytest.fixture
def theme(qapp: QApplication) -> Theme:
    return apply_theme(qapp)


@pytest.fixture
def view(qtbot: QtBot, theme: Theme) -> Iterator[View3D]:
    made = View3D(theme)
    made.resize(520, 420)
    made.set_content(
        SceneContent(surfaces=(SurfaceContent("liver", ball(50.0), (180, 100, 80), 0.5),), patches=(PATCH,))
    )
    with qtbot.waitSignal(made.ready, timeout=60_000):
        made.show()
    qtbot.waitUntil(lambda: made.scene.renderer.GetSize()[0] > 300)
    turn(made)
    yield made
    made.shut_down()
    made.close()
    made.deleteLater()


def turn(view: View3D) -> None:
    """An oblique look, from the patient's front left and above."""
    from surgitwin.render.camera import CameraState

    view.set_camera(CameraState((210.0, -250.0, 120.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0), 75.0))
    QApplication.processEvents()


def slice_view(qtbot: QtBot, theme: Theme, orientation: Orientation = Orientation.AXIAL) -> SliceView:
    k, j, i = np.indices(GEOMETRY.shape_kji)
    at = GEOMETRY.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3)).reshape(*GEOMETRY.shape_kji, 3)
    voxels = np.where((at**2).sum(axis=-1) < 50**2, 110, -100).astype(np.int16)
    lost = (((at - (-25.0, 5.0, -18.0)) ** 2).sum(axis=-1) < 18**2).astype(np.uint8)
    layer = LabelLayer(lost, GEOMETRY, (SegmentStyle(1, (120, 120, 230), hatched=True),))
    made = SliceView(theme, orientation)
    qtbot.addWidget(made)
    made.resize(520, 420)
    made.set_content(SliceContent(ImageContent(voxels, GEOMETRY, "CT"), (layer,), patches=(PATCH,)))
    made.set_focus_point(SLICE)
    made.show()
    qtbot.waitExposed(made)
    return made


def mouse(
    target: QWidget, kind: QEvent.Type, at: QPointF, button: Qt.MouseButton, keys: Qt.KeyboardModifier = PLAIN
) -> None:
    moving = kind == QEvent.Type.MouseMove
    held = LEFT if kind == QEvent.Type.MouseButtonPress or (moving and button == LEFT) else NONE
    where = QPointF(target.mapToGlobal(at.toPoint()))
    QApplication.sendEvent(target, QMouseEvent(kind, at, where, NONE if moving else button, held, keys))


def drag(target: QWidget, start: QPointF, end: QPointF, keys: Qt.KeyboardModifier = PLAIN, drop: bool = True) -> None:
    mouse(target, QEvent.Type.MouseButtonPress, start, LEFT, keys)
    for part in (0.5, 1.0):
        mouse(target, QEvent.Type.MouseMove, start + (end - start) * part, LEFT, keys)
    if drop:
        mouse(target, QEvent.Type.MouseButtonRelease, end, LEFT, keys)


def on_screen(view: View3D, point: np.ndarray) -> QPointF:
    from surgitwin.render.camera import to_screen

    x, y, _ = to_screen(view.scene.renderer, point) / view.devicePixelRatioF()
    return QPointF(float(x), float(y))


def step_mm(view: View3D, pixels: QPointF) -> np.ndarray:
    """The LPS vector of a step on the screen, by the camera's own axes."""
    from surgitwin.render.camera import millimetres_per_pixel, screen_axes

    right, up, _ = screen_axes(view.scene.renderer)
    scale = view.devicePixelRatioF() * millimetres_per_pixel(view.scene.renderer)
    return scale * (pixels.x() * right - pixels.y() * up)


class Told:
    """What a view tells of a patch."""

    def __init__(self, view: View3D | SliceView) -> None:
        self.words: list[str] = []
        self.last: PatchContent | None = None
        view.patch_drag_started.connect(lambda name: self.words.append(f"start {name}"))
        view.patch_dragged.connect(lambda patch: self._take("move", patch))
        view.patch_drag_finished.connect(lambda patch: self._take("end", patch))
        view.patch_drag_cancelled.connect(lambda name: self.words.append(f"cancel {name}"))

    def _take(self, word: str, patch: PatchContent) -> None:
        self.words.append(word)
        self.last = patch

    @property
    def shift(self) -> np.ndarray:
        assert self.last is not None
        return self.last.control_points - PATCH.control_points


def only(row: int, column: int, by: np.ndarray) -> np.ndarray:
    """A shift of one control point alone."""
    expected = np.zeros_like(control_points())
    expected[row, column] = by
    return expected


def keep_picture(name: str, image: QImage) -> None:
    Path(PICTURES).mkdir(parents=True, exist_ok=True)
    image.save(str(PICTURES / f"patch-{name}.png"))


def with_margins(content: PatchContent) -> PatchContent:
    """Margin classes by the distance from a place, as around a lesion."""
    away = np.linalg.norm(content.mesh.points - (20.0, -8.0, -14.0), axis=1)
    classes = np.where(away < 16, 3, np.where(away < 24, 2, 1)).astype(np.uint8)
    classes[np.linalg.norm(content.mesh.points, axis=1) > 50] = 0
    return replace(content, classes=classes)


# In 3D ---------------------------------------------------------------------------------------------------------


def test_a_control_point_follows_the_mouse_across_the_line_of_sight(view: View3D) -> None:
    told, step = Told(view), QPointF(31, -17)
    camera = view.scene.camera
    start = on_screen(view, PATCH.control_points[1, 2])
    drag(view.interactor, start, start + step)
    assert told.words == ["start cut", "move", "move", "end"]
    assert told.shift == pytest.approx(only(1, 2, step_mm(view, step)), abs=1e-6)
    assert on_screen(view, told.last.control_points[1, 2]).toTuple() == pytest.approx(
        (start + step).toTuple(), abs=1e-3
    )
    assert view.content.patches[0] is told.last
    assert view.scene.camera == camera


def test_with_shift_a_control_point_moves_along_the_normal_of_the_patch(view: View3D) -> None:
    told, step = Told(view), QPointF(24, 10)
    start = on_screen(view, PATCH.control_points[2, 1])
    drag(view.interactor, start, start + step, SHIFT)
    normal = normal_at(PATCH.control_points, 2, 1)
    assert normal is not None
    moved = told.shift[2, 1]
    assert np.abs(moved) @ np.ones(3) > 1.0
    assert np.cross(moved, normal) == pytest.approx(np.zeros(3), abs=1e-6)
    # The rest of the step is at right angles to the normal's picture.
    left_over = step_mm(view, step) - moved
    from surgitwin.render.camera import screen_axes

    right, up, _ = screen_axes(view.scene.renderer)
    assert (left_over @ right) * (normal @ right) + (left_over @ up) * (normal @ up) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("by", ["a control point with Ctrl", "the surface with Ctrl", "the arrow"])
def test_a_patch_moves_as_a_whole(view: View3D, by: str) -> None:
    from surgitwin.render.camera import millimetres_per_pixel

    told, step = Told(view), QPointF(-22, 14)
    towards = middle(PATCH)[1]
    arrow = view.scene.patches()[0].arrow_points(millimetres_per_pixel(view.scene.renderer) * view.devicePixelRatioF())
    place = {
        "a control point with Ctrl": PATCH.control_points[0, 0],
        "the surface with Ctrl": (PATCH.control_points[1, 1] + PATCH.control_points[2, 2]) / 2,
        "the arrow": arrow[-1],
    }[by]
    start = on_screen(view, place)
    drag(view.interactor, start, start + step, CTRL if "Ctrl" in by else PLAIN)
    assert told.words == ["start cut", "move", "move", "end"]
    assert told.shift == pytest.approx(np.broadcast_to(step_mm(view, step), told.shift.shape), abs=1e-6)
    assert told.last.mesh.points == pytest.approx(PATCH.mesh.points + step_mm(view, step), abs=1e-3)
    assert middle(told.last)[1] == pytest.approx(towards, abs=1e-6)


def test_escape_gives_the_old_place_back_in_3d(qtbot: QtBot, view: View3D) -> None:
    told = Told(view)
    start = on_screen(view, PATCH.control_points[3, 0])
    drag(view.interactor, start, start + QPointF(30, 5), drop=False)
    assert view.content.patches[0] is not PATCH
    qtbot.keyClick(view.interactor, Qt.Key.Key_Escape)
    assert view.content.patches == (PATCH,)
    mouse(view.interactor, QEvent.Type.MouseButtonRelease, start, LEFT)
    assert told.words == ["start cut", "move", "move", "cancel cut"]


def test_the_cursor_and_the_control_point_tell_that_it_can_be_held(view: View3D) -> None:
    target = view.interactor
    mouse(target, QEvent.Type.MouseMove, on_screen(view, PATCH.control_points[1, 3]), NONE)
    assert target.cursor().shape() == Qt.CursorShape.PointingHandCursor
    assert view.scene.patches()[0].hot == (1, 3)
    mouse(target, QEvent.Type.MouseMove, QPointF(4, 4), NONE)
    assert target.cursor().shape() == Qt.CursorShape.ArrowCursor
    assert view.scene.patches()[0].hot is None


def test_what_is_not_editable_is_not_held(view: View3D) -> None:
    told = Told(view)
    view.set_patches((replace(PATCH, editable=False),))
    start = on_screen(view, PATCH.control_points[1, 2])
    drag(view.interactor, start, start + QPointF(20, 0))
    assert told.words == []
    view.set_content(replace(view.content, patches=(), cut_surfaces=(CutSurfaceContent("c", PATCH.mesh),)))
    drag(view.interactor, start, start + QPointF(20, 0), CTRL)
    assert told.words == []


def test_the_patch_and_its_margin_are_seen_in_3d(qtbot: QtBot, view: View3D, theme: Theme) -> None:
    plain = view.interactor.grabFramebuffer()
    keep_picture("3d", plain)
    view.set_patches((with_margins(PATCH),))
    QApplication.processEvents()
    image = view.interactor.grabFramebuffer()
    keep_picture("3d-margin", image)
    at = on_screen(view, np.array([12.0, -8.0, -14.0])) * image.devicePixelRatio()
    around = [
        image.pixelColor(round(at.x()) + x, round(at.y()) + y) for x in range(-12, 13, 2) for y in range(-12, 13, 2)
    ]
    red = [colour.red() > 1.7 * max(colour.green(), colour.blue()) for colour in around]
    lightness = [colour.lightness() for colour in around]
    assert np.mean(red) > 0.8
    assert np.percentile(lightness, 90) > 1.5 * np.percentile(lightness, 10), "hatched"
    view.set_patches(())
    QApplication.processEvents()
    assert view.scene.patches() == ()


def test_a_specimen_is_moved_aside_without_a_new_mesh(qtbot: QtBot, view: View3D) -> None:
    aside = SurfaceContent("part", ball(15.0), (120, 120, 230), hatched=True)
    view.set_content(SceneContent(surfaces=(aside,)))
    qtbot.waitUntil(lambda: not view.busy)
    inputs = [actor.GetMapper().GetInput() for actor in view.scene.pickable()]
    turn(view)
    before = view.interactor.grabFramebuffer()
    view.set_content(SceneContent(surfaces=(replace(aside, offset_mm=(-40.0, 0.0, 10.0)),)))
    assert not view.busy
    QApplication.processEvents()
    after = view.interactor.grabFramebuffer()
    keep_picture("3d-aside", after)
    assert all(a is b for a, b in zip(inputs, (x.GetMapper().GetInput() for x in view.scene.pickable()), strict=True))

    def blue(image: QImage, point: tuple[float, float, float]) -> bool:
        at = on_screen(view, np.array(point)) * image.devicePixelRatio()
        area = [image.pixelColor(round(at.x()) + x, round(at.y())) for x in range(-12, 13)]
        return max(colour.blue() - colour.red() for colour in area) > 40

    assert [blue(before, (0, 0, 0)), blue(before, (-40, 0, 10))] == [True, False]
    assert [blue(after, (0, 0, 0)), blue(after, (-40, 0, 10))] == [False, True]


def test_patches_that_are_gone_leave_nothing_behind(view: View3D) -> None:
    renderers = (view.scene.renderer, view.scene.front)
    view.set_content(replace(view.content, patches=()))
    QApplication.processEvents()
    counts = [renderer.GetActors().GetNumberOfItems() for renderer in renderers]
    gone = []
    for number in range(20):
        patch = bezier_content("cut", control_points() + number, (80.0, 0.0, 0.0))
        view.set_patches((with_margins(patch),))
        QApplication.processEvents()
        gone.append(weakref.ref(patch.mesh))
        del patch
    view.set_patches(())
    QApplication.processEvents()
    gc.collect()
    assert [renderer.GetActors().GetNumberOfItems() for renderer in renderers] == counts
    assert [one for one in gone if one() is not None] == []


# In slices -----------------------------------------------------------------------------------------------------


def knob(view: SliceView, row: int, column: int) -> QPointF:
    (curve,) = view.picture.curves(view.picture.position_at(view.focus), view.placement)
    return next(QPointF(*one.at) for one in curve.knobs if (one.row, one.column) == (row, column))


@pytest.mark.parametrize("orientation", list(Orientation))
def test_a_control_point_moves_in_the_plane_of_the_slice(qtbot: QtBot, theme: Theme, orientation: Orientation) -> None:
    view = slice_view(qtbot, theme, orientation)
    row, column = 2, 3
    view.set_focus_point(tuple(PATCH.control_points[row, column]))
    told, step = Told(view), QPointF(26, -11)
    start = knob(view, row, column)
    drag(view, start, start + step)
    assert told.words == ["start cut", "move", "move", "end"]
    by = orientation.to_lps((step.x() / view.placement.pixels_per_mm, step.y() / view.placement.pixels_per_mm, 0.0))
    assert by[orientation.axis] == 0
    assert told.shift == pytest.approx(only(row, column, by), abs=1e-9)
    assert knob(view, row, column).toTuple() == pytest.approx((start + step).toTuple())


def test_a_patch_moves_as_a_whole_in_a_slice(qtbot: QtBot, theme: Theme) -> None:
    view = slice_view(qtbot, theme)
    (curve,) = view.picture.curves(view.picture.position_at(view.focus), view.placement)
    assert curve.arrow is not None
    tip = np.array(curve.arrow[1])
    assert tip[0] > curve.arrow[0][0], "the left goes, which lies on the screen's right"
    for start, keys in ((QPointF(*tip), PLAIN), (QPointF(*curve.runs[0].points[8]), CTRL)):
        told = Told(view)
        drag(view, start, start + QPointF(12, 9), keys)
        by = np.array([12, 9, 0]) / view.placement.pixels_per_mm
        assert told.shift == pytest.approx(np.broadcast_to(by, told.shift.shape), abs=1e-9)
        view.set_patches((PATCH,))


def test_escape_gives_the_old_place_back_in_a_slice(qtbot: QtBot, theme: Theme) -> None:
    view = slice_view(qtbot, theme)
    view.set_focus_point(tuple(PATCH.control_points[1, 1]))
    told = Told(view)
    start = knob(view, 1, 1)
    drag(view, start, start + QPointF(30, 5), drop=False)
    assert view.content.patches[0] is not PATCH
    qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert view.content.patches == (PATCH,)
    mouse(view, QEvent.Type.MouseButtonRelease, start, LEFT)
    assert told.words == ["start cut", "move", "move", "cancel cut"]
    level = view.window_level
    drag(view, QPointF(40, 300), QPointF(60, 320))
    assert view.window_level != level, "the left button is free again"


def test_a_drag_beside_the_patch_still_means_window_and_level(qtbot: QtBot, theme: Theme) -> None:
    view = slice_view(qtbot, theme)
    told, level = Told(view), view.window_level
    (curve,) = view.picture.curves(view.picture.position_at(view.focus), view.placement)
    on_curve = QPointF(*curve.runs[0].points[8])
    assert curve.arrow_px(on_curve.toTuple()) > 30
    drag(view, on_curve, on_curve + QPointF(20, 10))
    assert told.words == []
    assert view.window_level != level


def test_hidden_patches_are_neither_seen_nor_held(qtbot: QtBot, theme: Theme) -> None:
    view = slice_view(qtbot, theme)
    view.set_focus_point(tuple(PATCH.control_points[1, 1]))
    start = knob(view, 1, 1)
    told = Told(view)
    view.set_patches((replace(PATCH, visible=False),))
    assert view.picture.curves(view.picture.position_at(view.focus), view.placement) == []
    drag(view, start, start + QPointF(30, 5))
    assert told.words == []


def test_the_curve_is_drawn_in_the_colour_of_the_cut_and_not_of_the_crosshair(qtbot: QtBot, theme: Theme) -> None:
    view = slice_view(qtbot, theme)
    keep_picture("slice", view.grab().toImage())
    (curve,) = view.picture.curves(view.picture.position_at(view.focus), view.placement)
    x, y = curve.runs[0].points[10]
    image = view.grab().toImage()
    found = image.pixelColor(round(x * image.devicePixelRatio()), round(y * image.devicePixelRatio()))
    cut = theme.colour("cut")
    assert distance(found, cut) < 60 < distance(found, theme.colour("crosshair"))


def test_the_margin_is_drawn_along_the_curve_in_colour_and_pattern(qtbot: QtBot, theme: Theme) -> None:
    view = slice_view(qtbot, theme)
    view.set_patches((with_margins(PATCH),))
    image = view.grab().toImage()
    keep_picture("slice-margin", image)
    (curve,) = view.picture.curves(view.picture.position_at(view.focus), view.placement)
    kinds = [int(margin) for run in curve.runs for margin, _ in run.parts()]
    assert kinds == [1, 2, 3, 2, 1]
    seen = dict.fromkeys(("margin-safe", "margin-uncertain", "margin-below"), False)
    for x, y in np.concatenate([run.points for run in curve.runs]):
        for aside in (-2, 2):
            found = image.pixelColor(round(x * image.devicePixelRatio()) + aside, round(y * image.devicePixelRatio()))
            for name in seen:
                seen[name] |= distance(found, theme.colour(name)) < 40
    assert all(seen.values()), seen


def distance(one: QColor, other: QColor) -> float:
    return float(np.linalg.norm(np.subtract(one.getRgb()[:3], other.getRgb()[:3])))


# In the window -------------------------------------------------------------------------------------------------


@pytest.fixture
def hand(qtbot: QtBot, qapp: QApplication, tmp_path: Path) -> Iterator[Hand]:
    write_small_study(tmp_path / "study")
    with Session() as session:
        session.save_as(tmp_path / "case.twin")
        session.run("new", path=tmp_path / "study", pseudonym="Case 4")
        session.run("segment", method="threshold", into="Liver", settings={"lower": 80, "upper": 250})
        session.run("mesh")
    hand = open_window(qtbot, qapp, "patch")
    hand.window.opener.open(tmp_path / "case.twin")
    hand.wait(lambda: hand.desk.volume is not None)
    hand.wait_for_3d()
    hand.rest()
    yield hand
    close_window(hand)


@pytest.fixture
def stage(qtbot: QtBot, theme: Theme, hand: Hand) -> Iterator[Stage]:
    """Four views on the case of the window, to which nobody else gives a plan to show."""
    window = hand.window
    made = Stage(window.desk, theme, window.live, window.spans, window.edited, window.second)
    made.resize(900, 700)
    made.refresh()
    made.show()
    qtbot.waitUntil(lambda: made.view3d.attached and made.view3d.scene.renderer.GetSize()[0] > 200, timeout=60_000)
    hand.rest()
    yield made
    made.close_views()
    made.close()
    made.deleteLater()


def liver_patch() -> PatchContent:
    """Across the phantom's liver, which lies around `LIVER_AT`."""
    y, z = np.meshgrid(np.linspace(-60, 60, 4), np.linspace(-70, 70, 4), indexing="ij")
    points = np.stack([-45 + 12 * np.cos(y / 30), y, z], axis=-1)
    return with_margins(bezier_content("patch", points, (-90.0, 0.0, 0.0)))


def test_all_views_follow_a_patch_that_is_dragged_in_one_of_them(hand: Hand, stage: Stage, qtbot: QtBot) -> None:
    patch = liver_patch()
    hand.window.desk.move_crosshair(tuple(patch.control_points[1, 1]))
    stage.show_plan(PlanShown(patches=(patch,)))
    hand.rest()
    told: list[tuple[str, object]] = []
    stage.patch_drag_started.connect(lambda name: told.append(("start", name)))
    stage.patch_dragged.connect(lambda moved: told.append(("move", moved)))
    stage.patch_dropped.connect(lambda moved: told.append(("drop", moved)))
    stage.patch_drag_cancelled.connect(lambda name: told.append(("cancel", name)))
    views = (*stage.slices, stage.view3d)

    start = knob(stage.coronal, 1, 1)
    drag(stage.coronal, start, start + QPointF(15, 12))
    assert [word for word, _ in told] == ["start", "move", "move", "drop"]
    dropped = told[-1][1]
    assert all(view.content.patches == (dropped,) for view in views)
    stage.refresh()
    hand.rest()
    assert all(view.content.patches == (dropped,) for view in views), "it stays where it was dropped"

    told.clear()
    start = on_screen(stage.view3d, dropped.control_points[2, 2])
    drag(stage.view3d.interactor, start, start + QPointF(25, -9), drop=False)
    stage.refresh()
    hand.rest()
    held = told[-1][1]
    assert all(view.content.patches == (held,) for view in views), "a refresh does not pull it out of the hand"
    hand.picture("dragged in 3D", stage)
    qtbot.keyClick(stage.view3d.interactor, Qt.Key.Key_Escape)
    assert [word for word, _ in told] == ["start", "move", "move", "cancel"]
    hand.rest()
    assert all(view.content.patches == (dropped,) for view in views)
    mouse(stage.view3d.interactor, QEvent.Type.MouseButtonRelease, start, LEFT)


def test_a_specimen_beside_the_organ_and_lost_tissue_are_shown_in_the_views(hand: Hand, stage: Stage) -> None:
    patch = liver_patch()
    (organ,) = stage.view3d.content.surfaces
    specimen = SurfaceContent("specimen", ball(30.0, (-70.0, 0.0, 0.0)), (200, 120, 90))
    remnant = SurfaceContent("remnant", ball(40.0, (-20.0, 0.0, 0.0)), (180, 100, 80), hatched=True)
    volume = hand.desk.volume
    k, j, i = np.indices(volume.geometry.shape_kji)
    at = volume.geometry.to_lps(np.stack([i, j, k], axis=-1).reshape(-1, 3)).reshape(*volume.geometry.shape_kji, 3)
    lost = (((at - (-20.0, 10.0, 0.0)) ** 2).sum(axis=-1) < 18**2).astype(np.uint8)
    layer = LabelLayer(lost, volume.geometry, (SegmentStyle(1, (120, 120, 230), hatched=True),))
    curtain = CutSurfaceContent("curtain", ball(25.0, (-20.0, 10.0, 0.0)))
    stage.show_plan(
        PlanShown(
            patches=(patch,),
            cut_surfaces=(curtain,),
            parts=(specimen, remnant),
            instead_of=frozenset({organ.id}),
            layers=(layer,),
        )
    )
    hand.window.desk.move_crosshair((-40.0, 0.0, 0.0))
    hand.rest()
    shown = {surface.id: surface for surface in stage.view3d.content.surfaces}
    assert not shown[organ.id].visible
    assert shown["specimen"].offset_mm == (0.0, 0.0, 0.0)
    assert layer in stage.axial.content.layers
    stage.move_aside({"specimen": (-60.0, 0.0, 0.0)})
    hand.rest()
    hand.picture("specimen aside", stage)
    shown = {surface.id: surface for surface in stage.view3d.content.surfaces}
    assert shown["specimen"].offset_mm == (-60.0, 0.0, 0.0)
    assert shown["specimen"].mesh is specimen.mesh
    stage.move_aside({})
    stage.show_plan(PlanShown())
    hand.rest()
    assert [surface.visible for surface in stage.view3d.content.surfaces] == [True]
    assert stage.axial.content.patches == () == stage.view3d.content.cut_surfaces
