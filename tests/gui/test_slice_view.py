"""The slice view in a real window: what it draws, and what mouse and keys do."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from surgitwin.core.geometry import Geometry
from surgitwin.gui.theme import Theme, apply_theme
from surgitwin.gui.views.slice_view import SliceView
from surgitwin.render.content import ImageContent, LabelLayer, MarkerContent, PlaneContent, SegmentStyle, SliceContent
from surgitwin.render.slice_picture import Slab
from surgitwin.render.slicing import Orientation
from surgitwin.render.windowing import Window

LEFT, RIGHT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton, Qt.MouseButton.MiddleButton
NONE = Qt.MouseButton.NoButton
SHIFT, CTRL, PLAIN = (
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.NoModifier,
)
# 80 x 60 x 40 voxels of 2 x 2 x 4 mm around the origin.
GEOMETRY = Geometry.from_parts((80, 60, 40), (2.0, 2.0, 4.0), (-79.0, -59.0, -78.0))


@pytest.fixture
def theme(qapp: QApplication) -> Theme:
    return apply_theme(qapp)


def content() -> SliceContent:
    array = np.full(GEOMETRY.shape_kji, -1000, dtype=np.int16)
    array[:, 10:50, 10:70] = 50
    array[:, 20:30, 55:65] = 2000  # bone on the patient's left, in front
    labels = np.zeros(GEOMETRY.shape_kji, dtype=np.uint8)
    labels[:, 20:40, 12:30] = 1
    layer = LabelLayer(labels, GEOMETRY, (SegmentStyle(1, (255, 0, 0)),))
    plane = PlaneContent("cut", (0.0, 0.0, 0.0), (1.0, 0.0, 0.0), half_size_mm=40)
    marker = MarkerContent("1", (-40.0, 0.0, 0.0), (-45.0, -5.0, -5.0), (-35.0, 5.0, 5.0))
    return SliceContent(ImageContent(array, GEOMETRY, "CT"), (layer,), (plane,), (marker,))


def make_view(qtbot: QtBot, theme: Theme, orientation: Orientation = Orientation.AXIAL) -> SliceView:
    view = SliceView(theme, orientation)
    qtbot.addWidget(view)
    view.resize(400, 320)
    view.set_content(content())
    view.show()
    qtbot.waitExposed(view)
    return view


def colour_at(view: SliceView, point: tuple[float, float, float]) -> QColor:
    image = view.grab().toImage()
    at = view.pixel_of(point)
    ratio = image.devicePixelRatio()
    return image.pixelColor(round(at.x() * ratio), round(at.y() * ratio))


def mouse(
    view: SliceView,
    kind: QEvent.Type,
    at: QPointF,
    button: Qt.MouseButton,
    held: Qt.MouseButton,
    keys: Qt.KeyboardModifier = PLAIN,
) -> None:
    event = QMouseEvent(kind, at, QPointF(view.mapToGlobal(at.toPoint())), button, held, keys)
    QApplication.sendEvent(view, event)


def drag(
    view: SliceView, start: QPointF, end: QPointF, button: Qt.MouseButton = LEFT, keys: Qt.KeyboardModifier = PLAIN
) -> None:
    mouse(view, QEvent.Type.MouseButtonPress, start, button, button, keys)
    for part in (0.5, 1.0):
        mouse(view, QEvent.Type.MouseMove, start + (end - start) * part, NONE, button, keys)
    mouse(view, QEvent.Type.MouseButtonRelease, end, button, NONE, keys)


def wheel(view: SliceView, notches: float, keys: Qt.KeyboardModifier = PLAIN, at: QPointF | None = None) -> None:
    at = at or QPointF(200, 160)
    event = QWheelEvent(
        at,
        QPointF(view.mapToGlobal(at.toPoint())),
        QPoint(),
        QPoint(0, round(120 * notches)),
        NONE,
        keys,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, event)


@pytest.mark.parametrize("orientation", list(Orientation))
def test_bone_is_white_and_the_segment_tints_the_tissue_where_they_lie(
    qtbot: QtBot, theme: Theme, orientation: Orientation
) -> None:
    view = make_view(qtbot, theme, orientation)
    view.set_planes(())
    bone, liver = (41.0, -11.0, 2.0), (-41.0, 1.0, 30.0)
    view.set_focus_point(bone)
    view.set_crosshair_visible(False)
    assert colour_at(view, bone).getRgb()[:3] == (255, 255, 255)
    view.set_focus_point(liver)
    red = colour_at(view, liver)
    assert red.red() > red.green() + 60
    view.set_overlay(False)
    grey = colour_at(view, liver)
    assert grey.red() == grey.green() == grey.blue() == 128


def test_the_patients_left_is_on_the_screens_right_and_the_front_is_up(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    bone = view.pixel_of((41.0, -11.0, 0.0))
    assert bone.x() > view.width() / 2 and bone.y() < view.height() / 2


def test_the_wheel_steps_through_slices_and_stops_at_the_ends(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    before = view.index
    with qtbot.waitSignal(view.focus_moved) as moved:
        wheel(view, 1)
    assert view.index == before + 1
    assert moved.args == [view.focus]
    wheel(view, 0.5)
    assert view.index == before + 1, "half a notch is kept until the other half comes"
    wheel(view, 0.5)
    assert view.index == before + 2
    view.go_to(10_000)
    assert view.index == 39
    wheel(view, 3)
    assert view.index == 39


def test_control_wheel_zooms_about_the_cursor(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    at = QPointF(120, 90)
    under, scale = view.point_at(at), view.placement.pixels_per_mm
    wheel(view, 2, CTRL, at)
    assert view.placement.pixels_per_mm == pytest.approx(scale * 1.15**2)
    assert view.point_at(at) == pytest.approx(under)
    qtbot.keyClick(view, Qt.Key.Key_R)
    assert view.placement.pixels_per_mm == pytest.approx(scale)


def test_left_drag_changes_window_and_level(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    view.set_planes(())
    with qtbot.waitSignal(view.window_changed):
        drag(view, QPointF(100, 100), QPointF(150, 70))
    assert view.window_level.width > 350 and view.window_level.level < 50


def test_right_drag_zooms_and_middle_drag_pans(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    scale = view.placement.pixels_per_mm
    drag(view, QPointF(100, 200), QPointF(100, 150), RIGHT)
    assert view.placement.pixels_per_mm > scale
    for button, keys in ((MIDDLE, PLAIN), (LEFT, SHIFT)):
        under = view.point_at(QPointF(100, 100))
        drag(view, QPointF(100, 100), QPointF(130, 80), button, keys)
        assert view.point_at(QPointF(130, 80)) == pytest.approx(under)


def test_moving_with_shift_moves_the_crosshair_in_the_slice_only(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    index = view.index
    with qtbot.waitSignal(view.focus_moved):
        mouse(view, QEvent.Type.MouseMove, QPointF(111, 77), NONE, NONE, SHIFT)
    assert view.pixel_of(view.focus).x() == pytest.approx(111)
    assert view.pixel_of(view.focus).y() == pytest.approx(77)
    assert view.index == index


def test_hovering_tells_point_and_value(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    told: list[tuple[object, object]] = []
    view.hovered.connect(lambda point, value: told.append((point, value)))
    mouse(view, QEvent.Type.MouseMove, view.pixel_of((41.0, -11.0, 0.0)), NONE, NONE)
    assert told[-1][1] == 2000
    mouse(view, QEvent.Type.MouseMove, QPointF(1, 1), NONE, NONE)
    assert told[-1][1] is None


def test_a_click_without_a_drag_picks_the_point(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    before = view.window_level
    with qtbot.waitSignal(view.picked) as picked:
        qtbot.mouseClick(view, LEFT, pos=QPoint(100, 100))
    assert picked.args[0] == pytest.approx(view.point_at(QPointF(100, 100)))
    assert view.window_level == before


def test_a_double_click_asks_for_the_whole_window(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    with qtbot.waitSignal(view.maximise_requested):
        qtbot.mouseDClick(view, LEFT, pos=QPoint(100, 100))


def test_keys_choose_slices_windows_overlay_and_inversion(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    start = view.index
    for key, index in (
        (Qt.Key.Key_Up, start + 1),
        (Qt.Key.Key_Left, start),
        (Qt.Key.Key_F, start + 1),
        (Qt.Key.Key_PageDown, start - 9),
        (Qt.Key.Key_End, 39),
        (Qt.Key.Key_Home, 0),
    ):
        qtbot.keyClick(view, key)
        assert view.index == index
    for key, text in ((Qt.Key.Key_2, "W 150 L 90"), (Qt.Key.Key_4, "W 2000 L 300")):
        with qtbot.waitSignal(view.window_changed):
            qtbot.keyClick(view, key)
        assert view.window_level.text == text
    with qtbot.waitSignal(view.overlay_toggled) as toggled:
        qtbot.keyClick(view, Qt.Key.Key_G)
    assert toggled.args == [False]
    qtbot.keyClick(view, Qt.Key.Key_I)
    assert view.window_level.inverted


def test_dragging_the_line_moves_the_plane_and_tells_every_step(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    steps: list[tuple[str, object]] = []
    view.plane_drag_started.connect(lambda plane: steps.append(("start", plane)))
    view.plane_dragged.connect(lambda plane: steps.append(("move", plane.point[0])))
    view.plane_drag_finished.connect(lambda plane: steps.append(("end", plane.point[0])))
    start = QPointF(*view.lines()[0]) + QPointF(0, 20)
    drag(view, start, start + QPointF(30, 0))
    shift = 30 / view.placement.pixels_per_mm
    assert steps == [
        ("start", "cut"),
        ("move", pytest.approx(shift / 2)),
        ("move", pytest.approx(shift)),
        ("end", pytest.approx(shift)),
    ]
    assert view.window_level == Window(), "the drag is the plane's, not the window's"


@pytest.mark.parametrize("orientation", [Orientation.AXIAL, Orientation.CORONAL, Orientation.SAGITTAL])
def test_dragging_an_end_turns_the_plane_so_that_its_line_follows_the_mouse(
    qtbot: QtBot, theme: Theme, orientation: Orientation
) -> None:
    view = make_view(qtbot, theme, orientation)
    normal = (0.2, 1.0, 0.3) if orientation is Orientation.SAGITTAL else (1.0, 0.2, 0.3)
    view.set_planes((PlaneContent("cut", (1.0, 2.0, 3.0), normal, half_size_mm=30),))
    (line,) = view.picture.lines(view.picture.position_at(view.focus), view.placement)
    goal = QPointF(*line.ends[1]) + QPointF(25, -15)
    drag(view, QPointF(*line.ends[1]), goal)
    plane = view.content.planes[0]
    assert abs((np.asarray(view.point_at(goal)) - plane.point) @ np.asarray(plane.normal)) < 1e-6
    pivot = np.asarray(view.point_at(QPointF(*line.centre)))
    assert abs((pivot - plane.point) @ np.asarray(plane.normal)) < 1e-6


def test_escape_puts_a_dragged_plane_back(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    start = QPointF(*view.lines()[0])
    mouse(view, QEvent.Type.MouseButtonPress, start, LEFT, LEFT)
    mouse(view, QEvent.Type.MouseMove, start + QPointF(40, 0), NONE, LEFT)
    assert view.content.planes[0].point[0] > 5
    with qtbot.waitSignal(view.plane_drag_cancelled):
        qtbot.keyClick(view, Qt.Key.Key_Escape)
    assert view.content.planes[0].point == (0, 0, 0)


def test_a_plane_that_may_not_be_edited_stays_where_it_is(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    view.set_planes((PlaneContent("cut", (0, 0, 0), (1, 0, 0), editable=False),))
    start = QPointF(*view.lines()[0])
    drag(view, start, start + QPointF(40, 0))
    assert view.content.planes[0].point == (0, 0, 0)


def test_the_cut_has_the_colour_of_the_cut_in_the_slice(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    view.set_focus_point((30.0, 40.0, 0.0))
    found = colour_at(view, (0.0, -22.0, 0.0))
    cut = theme.colour("cut")
    assert abs(found.red() - cut.red()) + abs(found.green() - cut.green()) + abs(found.blue() - cut.blue()) < 90


def test_the_view_keeps_its_scale_on_another_size_once_it_was_zoomed_by_hand(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme)
    view.resize(500, 400)
    fitted = view.placement.pixels_per_mm
    wheel(view, 1, CTRL)
    zoomed = view.placement.pixels_per_mm
    view.resize(300, 300)
    assert view.placement.pixels_per_mm == zoomed > fitted


def test_a_slab_shows_what_lies_beside_the_slice(qtbot: QtBot, theme: Theme) -> None:
    view = make_view(qtbot, theme, Orientation.CORONAL)
    point = (41.0, -25.0, 2.0)
    view.set_planes(())
    view.set_crosshair_visible(False)
    view.set_focus_point(point)
    assert colour_at(view, point).red() == 128
    view.set_slab(Slab(20.0, "max"))
    assert colour_at(view, point).red() == 255


def test_an_empty_view_and_a_slice_outside_the_volume_draw_without_an_image(qtbot: QtBot, theme: Theme) -> None:
    view = SliceView(theme, Orientation.AXIAL)
    qtbot.addWidget(view)
    view.resize(300, 200)
    assert not view.grab().isNull()
    wheel(view, 1)
    view.set_content(content())
    view.set_focus_point((0.0, 0.0, 5000.0))
    assert not view.grab().isNull()
    wheel(view, -1)
    assert view.index == 39
