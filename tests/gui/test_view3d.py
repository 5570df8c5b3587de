"""The 3D view in a real window: attached after the first paint, held by its handles, and closed without a trace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from surgitwin.core.mesh import Mesh
from surgitwin.gui.theme import apply_theme
from surgitwin.gui.views.view3d import View3D
from surgitwin.render.content import PlaneContent, SceneContent, SurfaceContent

LEFT, NONE = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
PLAIN, SHIFT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier
CUT = PlaneContent("cut", (0.0, 0.0, 0.0), (1.0, 0.0, 0.0), half_size_mm=30.0)


def box(half: float) -> Mesh:
    """A cube around the origin with outward normals."""
    points = half * np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float32)
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    triangles = [t for a, b, c, d in faces for t in ((a, b, c), (a, c, d))]
    return Mesh(points, np.array(triangles, dtype=np.int32))


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[View3D]:
    made = View3D(apply_theme(qapp))
    made.resize(420, 320)
    made.set_content(SceneContent(surfaces=(SurfaceContent("box", box(40.0), (200, 120, 90)),), planes=(CUT,)))
    with qtbot.waitSignal(made.ready, timeout=60_000):
        made.show()
    qtbot.waitUntil(lambda: made.scene.renderer.GetSize()[0] > 300)
    made.look_from("anterior")
    QApplication.processEvents()
    yield made
    made.shut_down()
    made.close()
    made.deleteLater()


def mouse(
    view: View3D, kind: QEvent.Type, at: QPointF, button: Qt.MouseButton, keys: Qt.KeyboardModifier = PLAIN
) -> None:
    held = NONE if kind == QEvent.Type.MouseButtonRelease else LEFT
    target = view.interactor
    QApplication.sendEvent(target, QMouseEvent(kind, at, QPointF(target.mapToGlobal(at.toPoint())), button, held, keys))


def drag(view: View3D, start: QPointF, end: QPointF, keys: Qt.KeyboardModifier = PLAIN) -> None:
    mouse(view, QEvent.Type.MouseButtonPress, start, LEFT, keys)
    for part in (0.5, 1.0):
        mouse(view, QEvent.Type.MouseMove, start + (end - start) * part, NONE, keys)
    mouse(view, QEvent.Type.MouseButtonRelease, end, LEFT, keys)


def on_screen(view: View3D, point: tuple[float, float, float]) -> QPointF:
    from surgitwin.render.camera import to_screen

    x, y, _ = to_screen(view.scene.renderer, point) / view.devicePixelRatioF()
    return QPointF(float(x), float(y))


def millimetres(view: View3D, pixels: float) -> float:
    from surgitwin.render.camera import millimetres_per_pixel

    return pixels * view.devicePixelRatioF() * millimetres_per_pixel(view.scene.renderer)


def test_nothing_of_vtk_is_loaded_before_the_first_paint() -> None:
    script = (
        "import sys\n"
        "from PySide6.QtWidgets import QApplication\n"
        "from surgitwin.gui.theme import apply_theme\n"
        "from surgitwin.gui.views.slice_view import SliceView\n"
        "from surgitwin.gui.views.view3d import View3D\n"
        "from surgitwin.render.slicing import Orientation\n"
        "app = QApplication([])\n"
        "theme = apply_theme(app)\n"
        "views = [View3D(theme), SliceView(theme, Orientation.AXIAL)]\n"
        "[view.show() for view in views]\n"
        "heavy = ('vtkmodules', 'pyvista', 'matplotlib', 'trimesh', 'numba', 'scipy', 'SimpleITK')\n"
        "loaded = [name for name in sys.modules if name.split('.')[0] in heavy]\n"
        "assert not loaded, loaded\n"
        "views[0].shut_down()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_scene_is_drawn_and_the_front_faces_the_viewer(view: View3D) -> None:
    from surgitwin.render.camera import Side, facing

    assert facing(view.scene.renderer) is Side.ANTERIOR
    image = view.interactor.grabFramebuffer()
    at = on_screen(view, (25.0, -40.0, 25.0)) * image.devicePixelRatio()
    colour = image.pixelColor(round(at.x()), round(at.y()))
    assert colour.red() > colour.green() > colour.blue() > 20


def test_keys_look_from_the_sides_and_shift_from_the_opposite(qtbot: QtBot, view: View3D) -> None:
    from surgitwin.render.camera import Side, facing

    expected = (
        (Qt.Key.Key_Home, PLAIN, Side.SUPERIOR),
        (Qt.Key.Key_Home, SHIFT, Side.INFERIOR),
        (Qt.Key.Key_PageDown, PLAIN, Side.LEFT),
        (Qt.Key.Key_PageDown, SHIFT, Side.RIGHT),
        (Qt.Key.Key_End, SHIFT, Side.POSTERIOR),
        (Qt.Key.Key_R, PLAIN, Side.ANTERIOR),
    )
    for key, modifier, side in expected:
        qtbot.keyClick(view.interactor, key, modifier)
        assert facing(view.scene.renderer) is side


def test_dragging_beside_the_cut_turns_the_camera(view: View3D) -> None:
    before = view.scene.camera
    drag(view, on_screen(view, (25.0, -40.0, 15.0)), on_screen(view, (5.0, -40.0, 25.0)))
    assert view.scene.camera.position != before.position
    assert view.scene.camera.focal_point == pytest.approx(before.focal_point)
    assert view.content.planes == (CUT,)


def test_dragging_the_centre_moves_the_cut_along_its_normal(view: View3D) -> None:
    told: list[tuple[str, float]] = []
    view.plane_drag_started.connect(lambda plane: told.append((plane, 0.0)))
    view.plane_dragged.connect(lambda plane: told.append(("move", plane.point[0])))
    view.plane_drag_finished.connect(lambda plane: told.append(("end", plane.point[0])))
    start = on_screen(view, (0.0, 0.0, 0.0))
    camera = view.scene.camera
    drag(view, start, start + QPointF(40, 13))
    shift = millimetres(view, 40)
    assert [name for name, _ in told] == ["cut", "move", "move", "end"]
    assert told[-1][1] == pytest.approx(shift, rel=0.01)
    assert view.content.planes[0].point == pytest.approx((shift, 0, 0), abs=1e-6)
    assert view.content.planes[0].normal == CUT.normal
    assert view.scene.camera == camera


def test_dragging_a_corner_turns_the_cut_so_that_the_corner_stays_under_the_mouse(view: View3D) -> None:
    from surgitwin.render.cutting import corners

    view.look_from("left")
    corner = corners(CUT)[2]
    start = on_screen(view, tuple(corner))
    inward = on_screen(view, (0.0, 0.0, 0.0)) - start
    goal = start + inward * 0.3
    drag(view, start, goal)
    plane = view.content.planes[0]
    assert plane.point == pytest.approx(CUT.point)
    assert abs(np.dot(plane.normal, CUT.normal)) < 0.95
    from surgitwin.render.camera import from_screen

    ratio = view.devicePixelRatioF()
    ray = from_screen(view.scene.renderer, (goal.x() * ratio, goal.y() * ratio))
    # Seen from the left the ray runs along x: somewhere on it the plane passes at the corner's distance.
    n = np.asarray(plane.normal)
    x = -(n[1] * ray[1] + n[2] * ray[2]) / n[0]
    assert np.linalg.norm((x, ray[1], ray[2])) == pytest.approx(np.linalg.norm(corner), rel=0.02)


def test_escape_puts_the_cut_back(qtbot: QtBot, view: View3D) -> None:
    start = on_screen(view, (0.0, 0.0, 0.0))
    mouse(view, QEvent.Type.MouseButtonPress, start, LEFT)
    mouse(view, QEvent.Type.MouseMove, start + QPointF(30, 0), NONE)
    assert view.content.planes[0] != CUT
    with qtbot.waitSignal(view.plane_drag_cancelled):
        qtbot.keyClick(view.interactor, Qt.Key.Key_Escape)
    assert view.content.planes == (CUT,)


def test_shift_click_marks_the_point_of_the_surface_under_the_mouse(qtbot: QtBot, view: View3D) -> None:
    target = (20.0, -40.0, 22.0)
    with qtbot.waitSignal(view.focus_moved) as moved:
        qtbot.mouseClick(view.interactor, LEFT, SHIFT, on_screen(view, target).toPoint())
    assert moved.args[0] == pytest.approx(target, abs=millimetres(view, 1.5))
    qtbot.mouseClick(view.interactor, LEFT, SHIFT, QPoint(3, 3))
    assert len(moved.args) == 1, "nothing lies there"


def test_a_double_click_asks_for_the_whole_window(qtbot: QtBot, view: View3D) -> None:
    with qtbot.waitSignal(view.maximise_requested):
        qtbot.mouseDClick(view.interactor, LEFT, PLAIN, QPoint(100, 100))


def test_one_step_of_a_turn_draws_one_frame(qtbot: QtBot, view: View3D) -> None:
    frames: list[bool] = []
    told = view.interactor.on_frame
    view.interactor.on_frame = lambda started: (frames.append(started), told(started))
    ends: list[int] = []
    tag = view.scene.renderer.AddObserver("EndEvent", lambda *_: ends.append(1))
    mouse(view, QEvent.Type.MouseButtonPress, QPointF(60, 60), LEFT)
    mouse(view, QEvent.Type.MouseMove, QPointF(80, 70), NONE)
    qtbot.waitUntil(lambda: len(frames) >= 2)
    assert len(ends) == 1
    mouse(view, QEvent.Type.MouseButtonRelease, QPointF(80, 70), LEFT)
    QApplication.processEvents()
    view.scene.renderer.RemoveObserver(tag)
    view.interactor.on_frame = told


def test_a_moving_focus_is_drawn_when_it_has_come_to_rest(qtbot: QtBot, view: View3D) -> None:
    QApplication.processEvents()
    frames: list[bool] = []
    view.interactor.on_frame = frames.append
    for step in range(5):
        view.set_focus_point((float(step), 0.0, 0.0))
        QApplication.processEvents()
    assert frames == []
    qtbot.waitUntil(lambda: frames == [True, False])


def test_shutting_down_twice_and_before_attaching_is_harmless(qtbot: QtBot, qapp: QApplication) -> None:
    early = View3D(apply_theme(qapp))
    qtbot.addWidget(early)
    early.show()
    qtbot.waitExposed(early)
    early.shut_down()
    early.shut_down()
    QApplication.processEvents()
    assert not early.attached
    early.set_content(SceneContent())


def test_an_off_screen_picture_can_be_made_while_the_window_is_open(view: View3D) -> None:
    from surgitwin.render.offscreen import render_offscreen

    picture = render_offscreen(view.content, (120, 90), oversampling=1)
    assert picture.std() > 5
    view.interactor.update()
    QApplication.processEvents()
    assert view.interactor.grabFramebuffer().pixelColor(60, 160).red() >= 0


def rough_ball(steps: int) -> Mesh:
    """A sphere of 2 steps² triangles."""
    polar, around = np.meshgrid(np.linspace(0.02, np.pi - 0.02, steps + 1), np.linspace(0, 2 * np.pi, steps + 1))
    points = 30 * np.stack([np.sin(polar) * np.cos(around), np.sin(polar) * np.sin(around), np.cos(polar)], axis=-1)
    a = (np.arange(steps)[:, None] * (steps + 1) + np.arange(steps)).ravel()
    corners = np.concatenate(
        [np.stack(t, axis=-1) for t in ((a, a + steps + 1, a + 1), (a + 1, a + steps + 1, a + steps + 2))]
    )
    return Mesh(points.reshape(-1, 3).astype(np.float32), corners.astype(np.int32))


def test_large_surfaces_come_from_a_thread_and_the_old_one_stays_until_then(qtbot: QtBot, view: View3D) -> None:
    old = view.content.surfaces[0]
    large = SurfaceContent("box", rough_ball(200), (90, 200, 90))
    view.set_content(SceneContent(surfaces=(large,)))
    assert view.busy
    assert view.scene.content.surfaces[0].mesh is old.mesh, "shown until the new one is ready"
    assert view.scene.content.surfaces[0].colour == large.colour
    qtbot.waitUntil(lambda: not view.busy, timeout=20_000)
    assert view.scene.content.surfaces[0].mesh is large.mesh


def test_a_large_first_surface_is_measured_on_a_thread_and_then_framed(qtbot: QtBot, qapp: QApplication) -> None:
    from surgitwin.render.bounds import mesh_bounds, unmeasured

    large = rough_ball(400)
    large = Mesh(large.points + np.float32(500.0), large.triangles)
    assert unmeasured([large])
    view = View3D(apply_theme(qapp))
    view.resize(420, 320)
    with qtbot.waitSignal(view.ready, timeout=60_000):
        view.show()
    try:
        view.set_content(SceneContent(surfaces=(SurfaceContent("far", large, (200, 120, 90)),)))
        assert view.busy
        qtbot.waitUntil(lambda: not view.busy, timeout=20_000)
        low, high = mesh_bounds(large)
        np.testing.assert_allclose(view.scene.camera.focal_point, (low + high) / 2, atol=1.0)
    finally:
        view.shut_down()
        view.close()
        view.deleteLater()


def test_a_small_change_shows_at_once(view: View3D) -> None:
    stroke = SurfaceContent("box", rough_ball(20), (90, 200, 90))
    view.set_content(SceneContent(surfaces=(stroke,)))
    assert not view.busy and view.scene.content.surfaces[0].mesh is stroke.mesh


def test_large_surfaces_are_coarse_while_the_view_moves_and_whole_at_rest(qtbot: QtBot, view: View3D) -> None:
    if not view.scene.software:
        pytest.skip("A graphics card draws here, so there are no stand-ins.")
    view.set_content(SceneContent(surfaces=(SurfaceContent("large", rough_ball(120), (90, 200, 90)),)))
    qtbot.waitUntil(lambda: not view.busy, timeout=20_000)
    (surface,) = view.scene._surfaces.values()
    view.set_moving(at_once=True)
    (whole,) = surface.actors
    assert surface.stand_in.GetVisibility() and not whole.GetVisibility()
    cells = surface.stand_in.GetMapper().GetInput().GetNumberOfPolys()
    assert 0 < cells < 28_800 / 4
    qtbot.waitUntil(lambda: bool(whole.GetVisibility()))
    assert not surface.stand_in.GetVisibility()


def test_a_volume_is_reduced_on_a_thread_and_then_shown(qtbot: QtBot, view: View3D) -> None:
    from surgitwin.core.geometry import Geometry
    from surgitwin.render.content import ImageContent

    array = np.zeros((20, 30, 40), dtype=np.int16)
    image = ImageContent(array, Geometry.from_parts((40, 30, 20)))
    view.set_content(SceneContent(image=image, volume_preset="ct-bone"))
    assert view.scene.content.volume_preset is None
    qtbot.waitUntil(lambda: view.scene.content.volume_preset == "ct-bone", timeout=20_000)
    view.set_content(SceneContent(image=image, volume_preset="ct-lung"))
    assert view.scene.content.volume_preset == "ct-lung", "reduced once for all presets"


def test_another_theme_keeps_the_camera_and_changes_the_background(view: View3D) -> None:
    from surgitwin.gui.theme import Theme

    view.look_from("left")
    before = view.scene.camera
    light = Theme.load("light")
    view.set_theme(light)
    assert view.scene.camera == before
    assert view.scene.renderer.GetBackground() == pytest.approx(light.tokens.unit_rgb("scene"))
    assert len(view.scene.planes()) == 1


def test_what_fails_in_the_background_is_raised_on_the_main_thread(qtbot: QtBot, qapp: QApplication) -> None:
    from surgitwin.gui.views.background import Background

    background = Background()
    results: list[int] = []

    def fail() -> int:
        raise ValueError("broken")

    with qtbot.captureExceptions() as exceptions:
        background.submit(fail, results.append)
        background.submit(lambda: 7, results.append)
        qtbot.waitUntil(lambda: results == [7])
    assert [kind for kind, *_ in exceptions] == [ValueError]
    background.close()
    background.submit(lambda: 8, results.append)
    assert results == [7]


def test_a_change_that_does_not_show_draws_no_frame(qtbot: QtBot, view: View3D) -> None:
    QApplication.processEvents()
    frames: list[bool] = []
    view.interactor.on_frame = frames.append
    surfaces = tuple(SurfaceContent(s.id, s.mesh, s.colour, name="renamed") for s in view.content.surfaces)
    view.set_content(SceneContent(surfaces=surfaces, planes=view.content.planes))
    QApplication.processEvents()
    assert frames == []
    view.set_content(SceneContent(surfaces=surfaces))
    qtbot.waitUntil(lambda: frames[-2:] == [True, False])


def test_a_volume_described_anew_is_not_reduced_again(qtbot: QtBot, view: View3D) -> None:
    from surgitwin.core.geometry import Geometry
    from surgitwin.render.content import ImageContent

    array, geometry = np.zeros((20, 30, 40), dtype=np.int16), Geometry.from_parts((40, 30, 20))
    view.set_content(SceneContent(image=ImageContent(array.view(), geometry), volume_preset="ct-bone"))
    view.set_content(SceneContent(image=ImageContent(array.view(), geometry), volume_preset="ct-bone"))
    qtbot.waitUntil(lambda: not view.busy, timeout=20_000)
    (reduced,) = view.scene.pickable()
    view.set_content(SceneContent(image=ImageContent(array.view(), geometry), volume_preset="ct-lung"))
    assert not view.busy
    assert view.scene.pickable() == (reduced,)
