"""What views draw of measurements: where slices cut them, what is faded, and labels that do not cover each other."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from surgitwin.core.geometry import Geometry
from surgitwin.core.identity import ImageIdentity
from surgitwin.render.content import ImageContent, SliceContent
from surgitwin.render.measures import (
    FADED,
    MeasureContent,
    in_slice,
    label_boxes,
    measure_contents,
    region_content,
)
from surgitwin.render.placement import Placement
from surgitwin.render.slicing import Orientation
from surgitwin.render.snapshot import draw_slice
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import MeasurementNode, VolumeNode
from surgitwin.scene.scene import Scene

PLACE = Placement(400.0, 300.0, 2.0, (0.0, 0.0))


def ruler(z: float = 0.0, label: str = "10.0 mm") -> MeasureContent:
    ends = ((-5.0, 0.0, z), (5.0, 0.0, z))
    return MeasureContent("m", (ends,), ends, label)


def test_a_ruler_is_whole_on_its_slice_faded_beside_it_and_gone_far_off() -> None:
    (on,) = in_slice([ruler()], Orientation.AXIAL, 0.2, 1.0, PLACE)
    assert on.opacity == 1.0
    assert np.ptp([x for x, _ in on.lines[0]]) == pytest.approx(20.0)
    (beside,) = in_slice([ruler(8.0)], Orientation.AXIAL, 0.0, 1.0, PLACE)
    assert beside.opacity == FADED
    assert in_slice([ruler(90.0)], Orientation.AXIAL, 0.0, 1.0, PLACE) == []


def test_a_sphere_is_cut_by_a_slice_in_its_circle_and_not_beside_it() -> None:
    ball = region_content("s", "sphere", (1.0, 2.0, 3.0), (5.0,) * 3, "40 HU")
    (cut,) = in_slice([ball], Orientation.CORONAL, 2.0 + 3.0, 1.0, PLACE)
    assert np.ptp([x for x, _ in cut.lines[0]]) == pytest.approx(2 * 2.0 * 4.0, rel=1e-3)
    assert in_slice([ball], Orientation.CORONAL, 7.5, 1.0, PLACE) == []


def test_what_was_measured_on_an_image_of_another_frame_is_not_drawn_over_this_one() -> None:
    grid = Geometry.from_parts((4, 4, 4))
    images = [
        VolumeNode(
            name=name,
            geometry=grid,
            voxels=ArrayData.of(np.zeros(grid.shape_kji, np.int16)),
            identity=ImageIdentity(frame_of_reference_uid=uid),
        )
        for name, uid in (("one", "1.2"), ("same", "1.2"), ("other", "1.3"), ("unknown", ""))
    ]
    scene = Scene()
    mark = MeasurementNode(name="R", kind="ruler", points_mm=((0, 0, 0), (1, 0, 0)), volume=images[0].id)
    scene.load([*images, mark])
    assert [len(measure_contents(scene, image)) for image in images] == [1, 1, 0, 0]
    assert len(measure_contents(scene)) == 1


def test_labels_at_one_place_lie_below_each_other_inside_the_picture() -> None:
    boxes = label_boxes([((390.0, 4.0), 80.0, 14.0)] * 3, 400.0, 300.0)
    for one, two in pairwise(boxes):
        assert one[3] <= two[1]
    assert all(box[0] >= 0 and box[2] <= 400 and box[1] >= 0 for box in boxes)


@pytest.mark.parametrize("value", [-1000, 3000])
def test_a_measurement_can_be_seen_on_black_and_on_white(value: int) -> None:
    grid = Geometry.from_parts((64, 64, 8), (1.0, 1.0, 1.0), (-32.0, -32.0, -4.0))
    image = ImageContent(np.full(grid.shape_kji, value, np.int16), grid)
    plain = draw_slice(SliceContent(image=image), Orientation.AXIAL, (0, 0, 0), (300, 300))
    drawn = draw_slice(SliceContent(image=image, measures=(ruler(),)), Orientation.AXIAL, (0, 0, 0), (300, 300))
    assert np.count_nonzero(np.abs(drawn.astype(int) - plain).max(axis=2) > 60) > 300
