"""The stem of a vein, and the voxels that it fills."""

from __future__ import annotations

import numpy as np
import pytest

from surgitwin.core.geometry import Box, Geometry
from surgitwin.vessels.stem import stem_points, stem_voxels
from surgitwin.vessels.tree import Branch, VesselTree

TURN = np.linalg.qr(np.array([[0.8, -0.5, 0.2], [0.5, 0.7, -0.1], [-0.1, 0.3, -0.9]]))[0]
GRIDS = {
    "odd": Geometry.from_parts((40, 40, 30), (1.0, 0.8, 1.9), (-20.0, -16.0, -10.0), np.eye(3)),
    "flipped": Geometry.from_parts((40, 40, 30), (1.0, 0.8, 1.9), (20.0, 16.0, 47.0), np.diag([-1.0, -1.0, -1.0])),
    "oblique": Geometry.from_parts((70, 70, 60), (0.9, 1.1, 1.3), tuple(-TURN @ [31.0, 38.0, 30.0]), TURN),
}


def forked() -> VesselTree:
    """A trunk of 4 mm, then a thick branch of 3 mm with a thin end of 0.5 mm, and a branch of 2 mm."""
    points = [[0, 0, z] for z in (0, 5, 10)] + [[5, 0, 15], [10, 0, 20]] + [[-5, 0, 15]] + [[15, 0, 25]]
    return VesselTree(
        points_mm=np.array(points, dtype=np.float64),
        radii_mm=np.array([4, 4, 4, 3, 3, 2, 0.5]),
        parent=np.array([-1, 0, 1, 2, 3, 2, 4], dtype=np.int32),
        branch=np.array([0, 0, 0, 1, 1, 2, 3], dtype=np.int32),
        branches=tuple(Branch(number) for number in range(4)),
    )


def test_the_stem_follows_the_thickest_branches_and_ends_where_they_get_thin() -> None:
    assert stem_points(forked(), 0).tolist() == [0, 1, 2, 3, 4]
    assert stem_points(forked(), 0, thinnest_mm=0.1).tolist() == [0, 1, 2, 3, 4, 6]
    assert stem_points(forked(), 2).tolist() == [2, 5]


@pytest.mark.parametrize("name", GRIDS)
def test_its_voxels_are_those_whose_centres_lie_in_the_vein(name: str) -> None:
    grid, tree = GRIDS[name], forked()
    points = stem_points(tree, 0)

    mask = stem_voxels(tree, points, grid.full_box, grid)

    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape_kji), indexing="ij")
    centres = grid.to_lps(np.stack([i, j, k], axis=-1))
    inside = np.zeros(mask.shape, dtype=bool)
    ends = tree.points_mm[points]
    for start, end, ra, rb in zip(ends, ends[1:], tree.radii_mm[points], tree.radii_mm[points][1:], strict=False):
        for t in np.linspace(0, 1, 40):
            inside |= np.linalg.norm(centres - (start + t * (end - start)), axis=-1) <= ra + t * (rb - ra) - 1e-3
    missing, extra = inside & ~mask, mask & ~inside
    assert missing.sum() < 0.005 * inside.sum()  # where a cone's nearest point is not its widest
    assert extra.sum() < 0.04 * inside.sum()  # the samples of the line lie a little apart
    assert mask.sum() > 100


def test_a_vein_thinner_than_a_voxel_is_still_a_line_without_gaps() -> None:
    from scipy import ndimage

    grid = GRIDS["odd"]
    points = np.array([[-15.0, -10.0, -5.0], [14.0, 11.0, 30.0]])
    tree = VesselTree(
        points, np.array([0.05, 0.05]), np.array([-1, 0], np.int32), np.array([0, 0], np.int32), (Branch(0),)
    )

    mask = stem_voxels(tree, np.array([0, 1], dtype=np.int32), grid.full_box, grid)

    assert ndimage.label(mask, np.ones((3, 3, 3)))[1] == 1
    assert mask.sum() >= 29


def test_a_box_that_the_vein_misses_stays_empty_and_one_that_it_enters_holds_the_same_voxels() -> None:
    grid, tree = GRIDS["odd"], forked()
    points = stem_points(tree, 0)
    whole = stem_voxels(tree, points, grid.full_box, grid)
    box = Box((15, 10, 3), (33, 30, 14))

    assert np.array_equal(stem_voxels(tree, points, box, grid), whole[box.slices])
    assert not stem_voxels(tree, points, Box((0, 0, 0), (3, 3, 3)), grid).any()
