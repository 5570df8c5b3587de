"""The 3D picture: sides, colours, sizes, volume rendering, and that it needs no display and leaves nothing open."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.render.bounds import mesh_bounds
from surgitwin.render.camera import CameraState, Side, camera_from
from surgitwin.render.content import (
    ImageContent,
    MarkerContent,
    PlaneContent,
    SceneContent,
    SurfaceContent,
    vec3,
)
from surgitwin.render.offscreen import new_offscreen_window, render_offscreen
from surgitwin.render.prepared import FRUGAL_TRIANGLES, PIECE_TRIANGLES, prepare_mesh
from surgitwin.render.scene3d import Scene3D
from surgitwin.render.tokens import load_tokens
from surgitwin.render.volume_props import VolumeActor, reduced, volume_preset, volume_presets
from surgitwin.render.vtk_arrays import from_vtk
from surgitwin.surfaces import mask_surface

SIZE = (320, 240)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def ball(centre: tuple[float, float, float], radius: float = 12.0) -> Mesh:
    """A triangulated sphere."""
    rings, sectors = 12, 18
    polar = np.pi * np.arange(rings + 1) / rings
    around = 2 * np.pi * np.arange(sectors) / sectors
    p, a = np.meshgrid(polar, around, indexing="ij")
    points = np.stack([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)], axis=-1).reshape(-1, 3)
    one = np.arange(rings * sectors).reshape(rings, sectors)
    right = np.roll(one, -1, axis=1)
    quads = np.stack([one, one + sectors, right + sectors, right], axis=-1).reshape(-1, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    return Mesh((points * radius + centre).astype(np.float32), triangles)


def three_balls(**changes: object) -> SceneContent:
    """Red on the patient's right, green in front of the middle, blue above."""
    surfaces = (
        SurfaceContent("right", ball((-40, 0, 0)), RED),
        SurfaceContent("front", ball((0, -40, 0)), GREEN),
        SurfaceContent("above", ball((0, 0, 40)), BLUE),
        SurfaceContent("middle", ball((0, 0, 0)), (128, 128, 128)),
    )
    return SceneContent(surfaces=surfaces, **changes)  # type: ignore[arg-type]


def place_of(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> tuple[float, float, int]:
    """Mean column and row of the pixels of one pure colour, 0 to 1, and how many there are."""
    channels = picture.astype(int)
    main = int(np.argmax(colour))
    others = [c for c in range(3) if c != main]
    mask = (channels[..., main] > 90) & (channels[..., others].max(axis=-1) < channels[..., main] / 3)
    rows, columns = np.nonzero(mask)
    if rows.size == 0:
        return float("nan"), float("nan"), 0
    return float(columns.mean()) / picture.shape[1], float(rows.mean()) / picture.shape[0], rows.size


@pytest.fixture(scope="module")
def from_front() -> NDArray[np.uint8]:
    return render_offscreen(three_balls(), SIZE)


def test_from_the_front_the_patients_right_is_on_the_screens_left(from_front: NDArray[np.uint8]) -> None:
    x, y, _ = place_of(from_front, RED)
    assert x < 0.4 and y > 0.5
    x, y, _ = place_of(from_front, BLUE)
    assert abs(x - 0.5) < 0.25 and y < 0.4


@pytest.mark.parametrize(
    ("side", "colour", "where"),
    [
        (Side.POSTERIOR, RED, "right"),
        (Side.LEFT, GREEN, "left"),
        (Side.RIGHT, GREEN, "right"),
        (Side.SUPERIOR, GREEN, "top"),
        (Side.SUPERIOR, RED, "right"),
        (Side.INFERIOR, RED, "left"),
        (Side.INFERIOR, GREEN, "top"),
    ],
)
def test_every_side_shows_the_patient_as_seen_from_there(side: Side, colour: tuple[int, int, int], where: str) -> None:
    x, y, count = place_of(render_offscreen(three_balls(), SIZE, side, oversampling=1), colour)
    assert count > 20
    assert {"left": x < 0.42, "right": x > 0.58, "top": y < 0.42}[where]


def test_the_picture_has_the_size_asked_for_and_the_background_of_the_theme(from_front: NDArray[np.uint8]) -> None:
    assert from_front.shape == (240, 320, 3)
    assert tuple(from_front[2, 160]) == load_tokens("dark").rgb("scene")
    light = render_offscreen(three_balls(), (64, 48), tokens=load_tokens("light"), oversampling=1)
    assert tuple(light[1, 32]) == load_tokens("light").rgb("scene")


def test_a_length_on_the_picture_is_the_length_that_the_camera_says() -> None:
    camera = CameraState((0, -500, 0), (0, 0, 0), (0, 0, 1), half_height_mm=60.0)
    content = SceneContent(surfaces=(SurfaceContent("a", ball((0, 0, 0), 30.0), RED),))
    picture = render_offscreen(content, (240, 240), camera, oversampling=1)
    columns = np.nonzero((picture[..., 0] > 60) & (picture[..., 1] < 40))[1]
    assert (columns.max() - columns.min() + 1) / 2 == pytest.approx(60, abs=1.5), "30 mm radius, 2 pixels to the mm"


def test_hidden_surfaces_do_not_show_and_translucent_ones_let_others_through() -> None:
    organ = SurfaceContent("organ", ball((0, 0, 0), 40), (0, 0, 255), opacity=0.15)
    lesion = SurfaceContent("lesion", ball((0, 0, 0), 12), RED)
    _, _, through = place_of(render_offscreen(SceneContent(surfaces=(organ, lesion)), SIZE, oversampling=1), RED)
    solid = SurfaceContent("organ", organ.mesh, organ.colour)
    _, _, covered = place_of(render_offscreen(SceneContent(surfaces=(solid, lesion)), SIZE, oversampling=1), RED)
    hidden = SurfaceContent("organ", organ.mesh, organ.colour, visible=False)
    _, _, alone = place_of(render_offscreen(SceneContent(surfaces=(hidden, lesion)), SIZE, oversampling=1), RED)
    assert through > 100 and covered == 0 and alone > through


def test_the_cut_is_drawn_in_its_colour_and_lesion_numbers_in_theirs() -> None:
    plain = render_offscreen(three_balls(), SIZE, oversampling=1)
    plane = PlaneContent("cut", (0.0, 0.0, 0.0), (0.3, -1.0, 0.2), half_size_mm=45)
    marker = MarkerContent("1", (40.0, -60.0, -30.0), (0, 0, 0), (0, 0, 0))
    marked = render_offscreen(three_balls(planes=(plane,), markers=(marker,)), SIZE, oversampling=1)
    tokens = load_tokens("dark")
    for name, least in (("cut", 60), ("lesion", 20)):
        near = [np.abs(p.astype(int) - tokens.rgb(name)).max(axis=-1) < 12 for p in (plain, marked)]
        assert near[0].sum() == 0 and near[1].sum() > least


def test_an_empty_scene_draws_too() -> None:
    assert render_offscreen(SceneContent(), (60, 40), oversampling=1).shape == (40, 60, 3)


def test_pictures_need_no_display_and_say_nothing_on_standard_error() -> None:
    script = (
        "from surgitwin.render.offscreen import render_offscreen\n"
        "from surgitwin.render.content import SceneContent\n"
        "import sys\n"
        "picture = render_offscreen(SceneContent(), (40, 30), oversampling=1)\n"
        "assert picture.shape == (30, 40, 3)\n"
        "assert not any(name.startswith('PySide6') for name in sys.modules)\n"
    )
    bare = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run([sys.executable, "-c", script], env=bare, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_scene_changes_only_what_changed_and_lets_go_of_everything() -> None:
    from vtkmodules.vtkRenderingCore import vtkRenderer

    window, renderer = new_offscreen_window(80, 60), vtkRenderer()
    window.AddRenderer(renderer)
    scene = Scene3D(renderer, window, load_tokens("dark"))
    content = three_balls(planes=(PlaneContent("cut", (0, 0, 0), (1, 0, 0)),))
    scene.set_content(content)
    before = {key: surface.actors for key, surface in scene._surfaces.items()}
    camera = scene.camera
    recoloured = (SurfaceContent("right", content.surfaces[0].mesh, GREEN), *content.surfaces[1:3])
    scene.set_content(SceneContent(surfaces=recoloured))
    assert {k: s.actors for k, s in scene._surfaces.items()} == {k: before[k] for k in ("right", "front", "above")}
    assert before["right"][0].GetProperty().GetColor() == (0.0, 1.0, 0.0)
    assert scene.camera == camera, "new content does not move the camera"
    assert scene.planes() == ()
    scene.close()
    assert renderer.GetViewProps().GetNumberOfItems() == 0
    assert window.GetRenderers().GetNumberOfItems() == 1
    window.Finalize()


def bumpy(rows: int, centre: tuple[float, float, float] = (0, 0, 0)) -> Mesh:
    """A closed, uneven ball of ``4 * rows * rows`` triangles."""
    sectors = 2 * rows
    polar, around = np.pi * np.arange(rows + 1) / rows, 2 * np.pi * np.arange(sectors) / sectors
    p, a = np.meshgrid(polar, around, indexing="ij")
    radius = 30 + 2 * np.sin(9 * a) * np.sin(p) ** 2
    points = radius[..., None] * np.stack([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)], axis=-1)
    one = np.arange(rows * sectors).reshape(rows, sectors)
    right = np.roll(one, -1, axis=1)
    quads = np.stack([one, one + sectors, right + sectors, right], axis=-1).reshape(-1, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    return Mesh((points.reshape(-1, 3) + centre).astype(np.float32), triangles)


def test_a_large_mesh_is_drawn_in_pieces_that_are_together_exactly_it() -> None:
    mesh = bumpy(200)
    shuffled = Mesh(mesh.points, np.random.default_rng(3).permutation(mesh.triangles))
    for one in (mesh, shuffled):
        drawn = prepare_mesh(one, frugal=False)
        assert len(drawn.fine) == 3 and drawn.coarse is None
        corners, normals = [], []
        for piece in drawn.fine:
            assert piece.GetNumberOfPolys() <= PIECE_TRIANGLES
            triangles = from_vtk(piece.GetPolys().GetConnectivityArray()).reshape(-1, 3)
            corners.append(from_vtk(piece.GetPoints().GetData())[triangles])
            normals.append(from_vtk(piece.GetPointData().GetNormals())[triangles])
        assert np.array_equal(np.concatenate(corners), one.points[one.triangles])
        outward = np.concatenate(corners) / np.linalg.norm(np.concatenate(corners), axis=-1, keepdims=True)
        assert np.min(np.sum(outward * np.concatenate(normals), axis=-1)) > 0.5


def test_where_the_processor_draws_a_large_mesh_is_simplified_but_stays_in_place() -> None:
    mesh = bumpy(300, (5, -8, 20))  # 360 000 triangles
    drawn = prepare_mesh(mesh, frugal=True)
    count = sum(piece.GetNumberOfPolys() for piece in drawn.fine)
    assert 0.5 * FRUGAL_TRIANGLES < count < 1.5 * FRUGAL_TRIANGLES
    points = np.concatenate([from_vtk(piece.GetPoints().GetData()) for piece in drawn.fine]) - (5, -8, 20)
    around = np.arctan2(points[:, 1], points[:, 0])
    radius = np.linalg.norm(points, axis=-1)
    expected = 30 + 2 * np.sin(9 * around) * (np.hypot(points[:, 0], points[:, 1]) / radius) ** 2
    assert np.max(np.abs(radius - expected)) < 1.0, "less than two cells of the grid"
    whole = prepare_mesh(bumpy(150), frugal=True)  # 90 000
    assert sum(piece.GetNumberOfPolys() for piece in whole.fine) == 90_000


def test_where_the_processor_draws_a_closed_surface_looks_the_same_and_an_open_one_shows_its_inside() -> None:
    from vtkmodules.vtkRenderingCore import vtkRenderer

    whole = ball((0, 0, 0), 30.0)
    half = Mesh(whole.points, whole.triangles[whole.points[whole.triangles].mean(axis=1)[:, 1] > 0])  # open in front
    k, j, i = np.indices((40, 40, 40)) - 19.5
    grid = Geometry.from_parts((40, 40, 40), (2.0, 2.0, 2.0), (-39.0, -39.0, -39.0))
    closed = mask_surface((k**2 + j**2 + 3 * i**2 < 15**2) & (np.hypot(j, k) > 4), grid, ctx=Context()).mesh
    assert prepare_mesh(closed, frugal=True).solid and not prepare_mesh(half, frugal=True).solid
    inside_out = Mesh(closed.points, np.ascontiguousarray(closed.triangles[:, ::-1]))
    assert not prepare_mesh(inside_out, frugal=True).solid
    for mesh in (closed, half):
        pictures = []
        for software in (True, False):
            window, renderer = new_offscreen_window(*SIZE), vtkRenderer()
            window.AddRenderer(renderer)
            scene = Scene3D(renderer, window, load_tokens("dark"), software=software)
            scene.set_content(SceneContent(surfaces=(SurfaceContent("a", mesh, RED),)))
            window.Render()
            pictures.append(pixels_of(window).astype(int))
            scene.close()
            window.Finalize()
        assert np.abs(pictures[0] - pictures[1]).max() <= 2
        assert place_of(pictures[0].astype(np.uint8), RED)[2] > 1000


@pytest.mark.parametrize("software", [True, False])
def test_surfaces_that_come_gradually_leave_no_trace_until_they_are_there(software: bool) -> None:
    from vtkmodules.vtkRenderingCore import vtkRenderer

    window, renderer = new_offscreen_window(*SIZE), vtkRenderer()
    window.AddRenderer(renderer)
    scene = Scene3D(renderer, window, load_tokens("dark"), software=software, gradual=True)
    first = SceneContent(surfaces=(SurfaceContent("a", bumpy(200, (-40, 0, 0)), RED),))
    both = SceneContent(surfaces=(*first.surfaces, SurfaceContent("b", bumpy(200, (40, 0, 0)), BLUE)))
    for surface in both.surfaces:
        mesh_bounds(surface.mesh)  # who shows things gradually measures them first
    scene.set_content(SceneContent(), whole=both)
    window.Render()
    empty = pixels_of(window)

    scene.set_content(first, whole=both)
    frames = []
    while scene.uploading:
        window.Render()
        frames.append(pixels_of(window))
    window.Render()
    alone = pixels_of(window)

    assert len(frames) >= 2 and np.array_equal(frames[0], empty)
    assert place_of(alone, RED)[2] > 0
    scene.set_content(both)
    assert scene.uploading
    window.Render()
    assert np.array_equal(pixels_of(window), alone), "what is on its way is not seen, what was there stays"
    while scene.uploading:
        window.Render()
    window.Render()
    gradually = pixels_of(window)
    scene.close()

    at_once = Scene3D(renderer, window, load_tokens("dark"), software=software)
    at_once.set_content(both)
    window.Render()
    assert np.array_equal(pixels_of(window), gradually)
    at_once.close()
    window.Finalize()


def test_a_small_new_mesh_shows_with_the_next_frame_and_a_large_one_only_once_it_is_there() -> None:
    from vtkmodules.vtkRenderingCore import vtkRenderer

    window, renderer = new_offscreen_window(*SIZE), vtkRenderer()
    window.AddRenderer(renderer)
    scene = Scene3D(renderer, window, load_tokens("dark"), gradual=True)
    small = SurfaceContent("a", bumpy(60), RED)
    scene.set_content(SceneContent(surfaces=(small,)))
    assert not scene.uploading, "a brush stroke is seen at once"
    window.Render()
    before = pixels_of(window)
    scene.set_content(SceneContent(surfaces=(SurfaceContent("a", bumpy(250), RED),)))
    window.Render()
    assert np.array_equal(pixels_of(window), before), "the old surface stays"
    scene.set_content(SceneContent(surfaces=(small,)))
    assert not scene.uploading and len(scene.pickable()) == 1
    assert renderer.GetActors().GetNumberOfItems() == 2, "one surface and its stand-in, nothing of the others"
    scene.set_content(SceneContent())
    assert not any(actor.GetVisibility() for actor in renderer.GetActors())
    assert scene.tidy(1) and renderer.GetActors().GetNumberOfItems() == 1, "taken out one at a time"
    assert not scene.tidy(1) and renderer.GetActors().GetNumberOfItems() == 0
    scene.close()
    window.Finalize()


def pixels_of(window: Any) -> NDArray[np.uint8]:
    """What the window shows, RGB."""
    from vtkmodules.vtkRenderingCore import vtkWindowToImageFilter

    reader = vtkWindowToImageFilter()
    reader.SetInput(window)
    reader.ShouldRerenderOff()
    reader.ReadFrontBufferOff()
    reader.Update()
    width, height, _ = reader.GetOutput().GetDimensions()
    return from_vtk(reader.GetOutput().GetPointData().GetScalars()).reshape(height, width, 3).copy()


def test_the_camera_frames_the_whole_box_from_every_side() -> None:
    low, high = np.array((-10.0, -20.0, -70.0)), np.array((30.0, 60.0, 40.0))
    for side in Side:
        for aspect in (0.5, 1.0, 2.0):
            camera = camera_from(side, low, high, aspect)
            across = np.abs(np.cross(side.up, side.towards_viewer)) @ (high - low)
            height = np.abs(np.asarray(side.up)) @ (high - low)
            assert 2 * camera.half_height_mm >= height and 2 * camera.half_height_mm * aspect >= across
            assert camera.focal_point == pytest.approx((10, 20, -15))


def test_a_volume_made_ready_ahead_looks_as_one_made_by_its_first_frame_under_every_preset() -> None:
    from vtkmodules.vtkRenderingCore import vtkRenderer

    k, j, i = np.indices((40, 50, 60))
    array = np.where((k - 20) ** 2 + (j - 25) ** 2 + (i - 30) ** 2 < 225, 700, -1000).astype(np.int16)
    image = ImageContent(array, Geometry.from_parts((60, 50, 40)))
    pictures = []
    for ahead in (True, False):
        window, renderer = new_offscreen_window(*SIZE), vtkRenderer()
        window.AddRenderer(renderer)
        scene = Scene3D(renderer, window, load_tokens("dark"))
        first, *others = [preset.id for preset in volume_presets()]
        if ahead:
            scene.volumes.add(image, scene.volumes.prepare(image, volume_preset(first)))
        else:
            source = (array, image.geometry)
            scene.volumes.add(image, VolumeActor(image, volume_preset(first), True, source))
        for preset in (first, *others):
            scene.set_content(SceneContent(image=image, volume_preset=preset))
            window.Render()
            pictures.append(pixels_of(window))
        scene.close()
        window.Finalize()
    half = len(pictures) // 2
    assert half == len(volume_presets()) and np.ptp(pictures[0]) > 50
    for one, other in zip(pictures[:half], pictures[half:], strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("flip", [1.0, -1.0])
def test_a_reduced_volume_stays_where_it_is_and_is_right_handed(flip: float) -> None:
    turn = np.deg2rad(25)
    direction = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, flip]])
    geometry = Geometry.from_parts((61, 47, 38), (0.8, 0.8, 2.5), (10.0, -30.0, 55.0), direction)
    k, j, i = np.indices(geometry.shape_kji)
    points = geometry.to_lps(np.stack([i, j, k], axis=-1))
    blob = np.array(geometry.to_lps((40, 15, 20)))
    array = np.where(np.linalg.norm(points - blob, axis=-1) < 7, 1000, 0).astype(np.int16)
    small, coarse = reduced(array, geometry, 9000)
    assert small.shape == coarse.shape_kji and small.size <= 9000 and small.flags.c_contiguous
    assert not coarse.left_handed
    k, j, i = np.indices(coarse.shape_kji)
    places = coarse.to_lps(np.stack([i, j, k], axis=-1))
    centre = (places * small[..., None]).sum(axis=(0, 1, 2)) / small.sum()
    assert np.linalg.norm(centre - blob) < 0.3
    assert small.sum() * coarse.voxel_volume_mm3 == pytest.approx(array.sum() * geometry.voxel_volume_mm3, rel=0.02)


def test_a_volume_is_drawn_where_its_voxels_lie_for_a_flipped_oblique_grid() -> None:
    turn = np.deg2rad(30)
    direction = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, -1.0]])
    geometry = Geometry.from_parts((50, 50, 40), (2.0, 2.0, 3.0), (0, 0, 0), direction)
    corner = geometry.centre_mm
    geometry = Geometry.from_parts((50, 50, 40), (2.0, 2.0, 3.0), -corner, direction)
    k, j, i = np.indices(geometry.shape_kji)
    points = geometry.to_lps(np.stack([i, j, k], axis=-1))
    # Dense bone on the patient's right and above.
    array = np.where(np.linalg.norm(points - (-25, 0, 30), axis=-1) < 10, 2000, -1000).astype(np.int16)
    content = SceneContent(image=ImageContent(array, geometry), volume_preset="ct-bone")
    camera = CameraState((0, -500, 0), (0, 0, 0), (0, 0, 1), half_height_mm=75.0)
    picture = render_offscreen(content, (300, 300), camera).astype(int)
    rows, columns = np.nonzero(picture[:200, :230].max(axis=-1) > 45)
    assert columns.mean() == pytest.approx(150 - 25 * 2, abs=4)
    assert rows.mean() == pytest.approx(150 - 30 * 2, abs=4)


def test_every_preset_is_ascending_and_known_by_its_id() -> None:
    assert {p.id for p in volume_presets()} >= {"ct-bone", "ct-soft-tissue", "ct-vessels", "ct-lung", "mr"}
    for preset in volume_presets():
        assert volume_preset(preset.id) is preset
        for points in (preset.opacity, preset.colour):
            values = [point[0] for point in points]
            assert values == sorted(values)
        assert all(0 <= opacity <= 1 for _, opacity in preset.opacity)
    with pytest.raises(BadInput, match="ct-bone"):
        volume_preset("x-ray")


def test_an_unknown_side_is_refused_with_the_list_of_sides() -> None:
    with pytest.raises(BadInput, match="anterior, posterior"):
        Side.named("front")


def test_mr_is_rendered_by_its_own_range_of_values() -> None:
    geometry = Geometry.from_parts((30, 30, 30), (2.0, 2.0, 2.0), (-29, -29, -29))
    k, j, i = np.indices(geometry.shape_kji)
    inside = (i - 15) ** 2 + (j - 15) ** 2 + (k - 15) ** 2 < 64
    for scale in (1.0, 1000.0):
        array = np.where(inside, scale, 0).astype(np.float32)
        content = SceneContent(image=ImageContent(array, geometry), volume_preset="mr")
        picture = render_offscreen(content, (120, 90))
        assert picture[30:60, 45:75].mean() > 80
        assert vec3(geometry.centre_mm) == (0, 0, 0)
