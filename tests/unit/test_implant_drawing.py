"""Implants in the views: the outline where a slice cuts them, the surface where the pose puts it."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from surgitwin.core.geometry import Geometry
from surgitwin.implants.parametric.plain import Sphere
from surgitwin.implants.parametric.screws import PedicleScrew
from surgitwin.implants.placement import aimed, as_matrix
from surgitwin.render.bounds import content_bounds
from surgitwin.render.implants import ImplantMeshes
from surgitwin.render.placement import Placement
from surgitwin.render.slice_picture import SlicePicture
from surgitwin.render.slicing import Orientation
from surgitwin.render.snapshot import snapshot_slice
from surgitwin.render.twin import scene_content, slice_content
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.editor import Editor
from surgitwin.scene.nodes import CaseNode, ImplantNode, VolumeNode
from surgitwin.scene.scene import Scene

GEOMETRY = Geometry.from_parts((40, 50, 30), (2.0, 1.5, 3.0), (-40.0, -30.0, 10.0))


def scene_with(*implants: tuple[Any, Any]) -> Scene:
    editor = Editor(Scene())
    with editor.transaction("Make") as tx:
        case = tx.add(CaseNode(name="C", pseudonym="C"))
        voxels = ArrayData.of(np.zeros(GEOMETRY.shape_kji, np.int16))
        tx.add(VolumeNode(name="CT", parent=case.id, geometry=GEOMETRY, voxels=voxels))
        for family, pose in implants:
            mesh = family.mesh()
            tx.add(
                ImplantNode(
                    name=family.family,
                    parent=case.id,
                    item=family.model(),
                    points=ArrayData.of(mesh.points),
                    triangles=ArrayData.of(mesh.triangles),
                    matrix=as_matrix(pose),
                    color=(250, 10, 200),
                )
            )
    return editor.scene


def test_a_slice_cuts_a_sphere_in_the_circle_of_its_height() -> None:
    ball = Sphere(diameter_mm=20.0)
    scene = scene_with((ball, aimed(ball.model(), (5.0, 6.0, 43.0))))
    content = slice_content(scene, scene.of_type(VolumeNode)[0], None, {})
    picture = SlicePicture(Orientation.AXIAL, content)
    placement = Placement(400.0, 400.0, 1.0, (0.0, 0.0))
    (curve,) = picture.curves(49.0, placement)
    places = np.concatenate([run.points for run in curve.runs])
    centre = np.asarray(placement.to_pixels(Orientation.AXIAL.to_view((5.0, 6.0, 49.0))[:2]))
    assert np.linalg.norm(places - centre, axis=1) == pytest.approx(8.0, abs=0.05)  # 6 mm above the middle
    assert not picture.curves(54.0, placement)


def test_the_snapshot_of_a_slice_shows_the_implant_in_its_colour() -> None:
    from PIL import Image

    ball = Sphere(diameter_mm=20.0)
    scene = scene_with((ball, aimed(ball.model(), (0.0, 0.0, 40.0))))
    content = slice_content(scene, scene.of_type(VolumeNode)[0], None, {})
    drawn = np.asarray(
        Image.open(io.BytesIO(snapshot_slice(content, Orientation.CORONAL, (0.0, 0.0, 40.0), (300, 300))))
    )
    assert (np.abs(drawn.astype(int) - (250, 10, 200)).max(axis=2) < 30).sum() > 100


def test_the_3d_view_places_an_implant_by_its_pose_and_keeps_its_mesh() -> None:
    screw = PedicleScrew()
    pose = aimed(screw.model(), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0))
    scene = scene_with((screw, pose))
    meshes = ImplantMeshes()
    first = scene_content(scene, None, None, {}, implants=meshes)
    again = scene_content(scene, None, None, {}, implants=meshes)
    assert first.surfaces[0].mesh is again.surfaces[0].mesh and first.looks_like(again)
    bounds = content_bounds(first)
    assert bounds is not None
    assert bounds[0] == pytest.approx((-15, -6.5, -6.5), abs=1e-4) and bounds[1] == pytest.approx(
        (45, 6.5, 6.5), abs=1e-4
    )


def test_the_colours_of_a_fit_are_those_of_the_distances_between_two_balls() -> None:
    from surgitwin.gui.fit_tints import FitTints, Tinting
    from surgitwin.implants.fit import LiveFit
    from surgitwin.render.fit_colours import APART, CONTACT, INSIDE, distance_scale

    ball, bone = Sphere(diameter_mm=20.0), Sphere(diameter_mm=40.0)
    pose = aimed(ball.model(), (0.0, 0.0, 28.0))  # 2 mm deep in the bone at most
    live = LiveFit(ball.mesh(), bone.mesh())
    fit, tints = live.at(pose), FitTints(live)
    implant, around = tints.parts("n", "Ball", 1.0, fit, Tinting())
    scale = distance_scale(3.0, 1.0)
    truth = np.linalg.norm(implant.mesh.points + np.array([0, 0, 28.0]), axis=1) - 20.0
    assert implant.colours is not None and around.colours is not None
    # A tenth of a millimetre (the bone is of flat triangles) is worth fewer than 14 of 255 steps of colour.
    assert np.abs(implant.colours.astype(int) - scale.colours(truth)).max() <= 14
    at_bone = np.linalg.norm(around.mesh.points - np.array([0, 0, 28.0]), axis=1) - 10.0
    assert at_bone.max() <= 3.01 and at_bone.min() == pytest.approx(-2.0, abs=0.1)
    assert np.abs(around.colours.astype(int) - scale.colours(at_bone)).max() <= 14

    parts = tints.parts("n", "Ball", 1.0, fit, Tinting("classes"))
    classes = parts[0].colours
    assert classes is not None
    for colour, which in ((INSIDE, truth < -1.1), (CONTACT, np.abs(truth) < 0.9), (APART, truth > 1.1)):
        assert which.any() and (classes[which] == colour).all()
    assert parts[0].mesh is implant.mesh
    assert tints.parts("n", "Ball", 1.0, fit, Tinting("none")) == ()
    assert [one.id for one in tints.parts("n", "Ball", 1.0, fit, Tinting(where="implant"))] == ["n/fit"]
    assert [one.id for one in tints.parts("n", "Ball", 1.0, fit, Tinting(where="bone"))] == ["n/bone-fit"]
