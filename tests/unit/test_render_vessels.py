"""Vessel trees as they are drawn and picked: against answers that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.render.bounds import content_bounds
from surgitwin.render.content import SceneContent, SegmentStyle, TreeContent
from surgitwin.render.lost import lost_layer, lost_surfaces
from surgitwin.render.offscreen import render_offscreen
from surgitwin.render.overlay import OverlayLook, overlay_patch
from surgitwin.render.placement import Placement
from surgitwin.render.slicing import Orientation, SliceGrid
from surgitwin.render.twin import scene_content, tree_contents
from surgitwin.render.vessel_pick import pick_along, pick_near
from surgitwin.render.vessel_props import (
    SYSTEM_COLOURS,
    branch_colours,
    branch_lines,
    free_places,
    shown_colours,
    tree_labels,
    tube_data,
)
from surgitwin.render.vtk_arrays import from_vtk
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.editor import Editor
from surgitwin.scene.nodes import (
    BranchModel,
    BreakModel,
    CaseNode,
    LabelLayerNode,
    SegmentationNode,
    SegmentNode,
    SurfaceNode,
    TerritoriesNode,
    VesselTreeNode,
)
from surgitwin.scene.scene import Scene
from surgitwin.vessels.tree import Branch, Break, VesselTree

RED, GREEN, BASE = (255, 0, 0), (0, 255, 0), (10, 20, 30)


def fork() -> VesselTree:
    """A trunk of radius 4 up to z = 20, from there branches of radius 2 to the left and 1 to the right, of which the
    latter goes on in a tip; and a piece that lies apart."""
    trunk = [(0, 0, z) for z in range(21)]
    left = [(x, 0, 20) for x in range(1, 16)]
    right = [(-x, 0, 20) for x in range(1, 11)]
    tip = [(-10, 0, 20 + z) for z in range(1, 6)]
    apart = [(0, 0, 30 + z) for z in range(4)]
    points = np.array([*trunk, *left, *right, *tip, *apart], dtype=np.float64)
    branch = np.repeat([0, 7, 3, 5, 9], [21, 15, 10, 5, 4]).astype(np.int32)
    parent = np.arange(-1, len(points) - 1, dtype=np.int32)
    parent[21], parent[36], parent[46], parent[51] = 20, 20, 45, -1
    return VesselTree(
        points,
        np.repeat([4.0, 2.0, 1.0, 0.5, 1.5], [21, 15, 10, 5, 4]),
        parent,
        branch,
        (
            Branch(0, "Portal vein"),
            Branch(7, "Left", GREEN),
            Branch(3, "Right", RED, suggested=True),
            Branch(5),
            Branch(9),
        ),
        (Break(51, 20, 10.0),),
    )


def content(**changes: object) -> TreeContent:
    tree = fork()
    return TreeContent("tree", tree, branch_colours(tree, BASE), **changes)  # type: ignore[arg-type]


def test_a_branch_takes_the_colour_of_the_nearest_coloured_one_towards_the_root() -> None:
    assert branch_colours(fork(), BASE) == (BASE, GREEN, RED, RED, BASE)


def test_the_picked_branch_is_in_the_accent_and_what_leaves_from_it_is_lighter() -> None:
    shown = shown_colours(content(picked=3), (1, 2, 3)).tolist()
    assert shown[:2] == [list(BASE), list(GREEN)] and shown[2] == [1, 2, 3] and shown[4] == list(BASE)
    assert shown[3][0] == 255 and 60 < shown[3][1] == shown[3][2] < 200


def test_a_pick_of_a_branch_that_is_gone_changes_no_colour() -> None:
    assert shown_colours(content(picked=99), (1, 2, 3)).tolist() == [list(c) for c in content().colours]


def test_each_branch_is_one_line_that_begins_at_its_fork_with_its_own_radius() -> None:
    lines = branch_lines(fork())
    pieces = [lines.points_mm[a:b] for a, b in zip(lines.offsets[:-1], lines.offsets[1:], strict=True)]
    ends = {int(lines.row[a]): (p[0].tolist(), p[-1].tolist()) for a, p in zip(lines.offsets, pieces, strict=False)}
    assert ends == {
        0: ([0, 0, 0], [0, 0, 20]),
        1: ([0, 0, 20], [15, 0, 20]),
        2: ([0, 0, 20], [-10, 0, 20]),
        3: ([-10, 0, 20], [-10, 0, 25]),
        4: ([0, 0, 30], [0, 0, 33]),
    }
    assert lines.radii_mm[lines.row == 1].tolist() == [2.0] * int((lines.row == 1).sum())
    # 0.6 of a radius of 4 mm is 2.4 mm: of points 1 mm apart some go, of thin branches all stay.
    assert (lines.row == 0).sum() < 21 and (lines.row == 3).sum() == 6


def test_repeated_points_and_a_branch_of_one_point_still_make_tubes() -> None:
    points = np.array([(0, 0, 0), (0, 0, 0), (0, 0, 5), (0, 0, 5), (9, 0, 0)], dtype=np.float64)
    tree = VesselTree(
        points,
        np.full(5, 1.0),
        np.array([-1, 0, 1, 2, -1], dtype=np.int32),
        np.array([0, 0, 0, 0, 1], dtype=np.int32),
        (Branch(0), Branch(1)),
    )
    lines = branch_lines(tree)
    assert np.diff(lines.offsets).tolist() == [2, 2]
    data, rows = tube_data(tree)
    assert data.GetNumberOfPoints() == len(rows) and set(rows.tolist()) == {0, 1}


def test_tubes_have_the_radius_of_the_vessel_and_know_their_branch() -> None:
    tree = fork()
    data, rows = tube_data(tree)
    points = from_vtk(data.GetPoints().GetData())
    trunk = points[rows == 0]
    away = np.hypot(trunk[:, 0], trunk[:, 1])
    assert away[(trunk[:, 2] > 1) & (trunk[:, 2] < 19)] == pytest.approx(4.0, abs=1e-4)
    left = points[rows == 1]
    away = np.hypot(left[:, 1], left[:, 2] - 20)
    assert away[(left[:, 0] > 1) & (left[:, 0] < 14)] == pytest.approx(2.0, abs=1e-4)
    assert data.GetPointData().GetNormals() is not None


def test_tubes_for_while_the_view_turns_have_the_same_branches_and_far_fewer_points() -> None:
    tree = fork()
    (fine, _), (coarse, rows) = tube_data(tree), tube_data(tree, coarse=True)
    assert set(rows.tolist()) == set(range(5))
    assert coarse.GetNumberOfPoints() < 0.5 * fine.GetNumberOfPoints()
    assert coarse.GetBounds() == pytest.approx(fine.GetBounds(), abs=2.0)


def test_a_click_takes_the_vessel_in_front_even_where_another_lies_nearer_to_the_line() -> None:
    # From the left the branch to the left (radius 2) lies in front of the trunk (radius 4) and of the right one.
    found = pick_along([content()], (100, 1.5, 20), (-1, 0, 0), 0.0)
    assert found is not None and found.branch == 7 and found.point == pytest.approx((15, 0, 20))
    behind = pick_along([content()], (-100, 0.4, 20), (3, 0, 0), 0.0)
    assert behind is not None and behind.branch == 3 and behind.point == pytest.approx((-10, 0, 20))


def test_a_click_beside_a_vessel_means_it_within_the_tolerance_alone() -> None:
    seen = {tolerance: pick_along([content()], (8.25, -50, 23), (0, 1, 0), tolerance) for tolerance in (0.5, 1.5)}
    assert seen[0.5] is None
    assert seen[1.5] is not None and seen[1.5].branch == 7 and seen[1.5].point == pytest.approx((8.25, 0, 20))


def test_a_click_between_two_points_is_on_the_vessel() -> None:
    tree = VesselTree(
        np.array([(0, 0, 0), (0, 0, 40)], dtype=np.float64),
        np.array([1.0, 3.0]),
        np.array([-1, 0], dtype=np.int32),
        np.zeros(2, dtype=np.int32),
        (Branch(0),),
    )
    found = pick_along([TreeContent("t", tree, (RED,))], (1.9, -9, 20), (0, 1, 0), 0.0)  # the radius there is 2
    assert found is not None and found.point == pytest.approx((0, 0, 20))
    assert pick_along([TreeContent("t", tree, (RED,))], (2.1, -9, 20), (0, 1, 0), 0.0) is None


@pytest.mark.parametrize("seed", range(3))
def test_picking_agrees_with_brute_force_along_oblique_lines(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tree = fork()
    for _ in range(25):
        towards = rng.normal(size=3)
        aim = tree.points_mm[rng.integers(len(tree.points_mm))] + rng.normal(0, 2, 3)
        found = pick_along([content()], aim - 80 * towards, towards, 0.0)
        # Along the line, the first place that lies in a ball around any of many points of the centre lines.
        unit = towards / np.linalg.norm(towards)
        line = aim + np.arange(-30, 30, 0.02)[:, None] * unit
        balls, radii, branch = _many_balls(tree)
        inside = ((line[:, None] - balls) ** 2).sum(axis=-1) <= radii**2
        if not inside.any():
            assert found is None or min(np.linalg.norm(np.cross(balls - aim, unit), axis=1) - radii) < 0.03
            continue
        first = int(inside.any(axis=1).argmax())
        possible = set(branch[inside[first : first + 25].any(axis=0)].tolist())  # 0.5 mm
        assert found is not None and found.branch in possible


def _many_balls(tree: VesselTree) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
    balls, radii, branch = [], [], []
    for point, above in enumerate(tree.parent):
        start = point if above < 0 else above
        own = above >= 0 and tree.branch[above] == tree.branch[point]
        first = tree.radii_mm[above] if own else tree.radii_mm[point]
        for share in np.linspace(0, 1, 11):
            balls.append(tree.points_mm[start] + share * (tree.points_mm[point] - tree.points_mm[start]))
            radii.append(first + share * (tree.radii_mm[point] - first))
            branch.append(tree.branch[point])
    return np.array(balls), np.array(radii), np.array(branch)


def test_a_hidden_tree_is_not_picked() -> None:
    assert pick_along([content(visible=False)], (0, -50, 10), (0, 1, 0), 5.0) is None
    assert pick_near([content(visible=False)], (0, 0, 10), 5.0) is None


def test_a_click_in_a_slice_means_the_branch_whose_wall_is_nearest() -> None:
    found = pick_near([content()], (8.0, 3.0, 20.5), 1.5)
    assert found is not None and found.branch == 7 and found.point == pytest.approx((8, 0, 20))
    assert pick_near([content()], (8.0, 4.0, 20.0), 1.5) is None


def test_labels_name_the_picked_branch_gaps_and_named_branches_and_mark_what_is_only_suggested() -> None:
    labels = tree_labels(fork(), picked=5)
    assert [label.text for label in labels] == ["branch 5", "gap 10 mm", "Portal vein", "Left", "Right ?"]
    assert [label.sure for label in labels] == [True, False, True, True, False]
    assert labels[1].point == pytest.approx((0, 0, 25)) and labels[3].point == pytest.approx((6, 0, 20))


def test_labels_that_would_cover_a_more_important_one_are_left_out() -> None:
    boxes = np.array([(0, 0, 10, 5), (8, 2, 18, 7), (10, 0, 20, 5), (0, 5, 10, 10)], dtype=np.float64)
    assert free_places(boxes).tolist() == [True, False, True, True]
    assert free_places(boxes, np.array([(0, 0, 4, 4.0)])).tolist() == [False, True, False, False]


def a_scene() -> tuple[Scene, VesselTreeNode, SegmentNode]:
    grid = Geometry.from_parts((4, 4, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    case = CaseNode(name="Case", pseudonym="Case")
    segmentation = SegmentationNode(name="Segmentation", parent=case.id, volume=None, geometry=grid)
    layer = LabelLayerNode(name="Layer", parent=segmentation.id, labels=ArrayData.of(np.ones((4, 4, 4), np.uint8)))
    vein = SegmentNode(name="Vein", parent=segmentation.id, layer=layer.id, value=1, color=RED, kind="vessel")
    tree = fork()
    node = VesselTreeNode(
        name="Vein tree",
        parent=vein.id,
        segment=vein.id,
        system="portal",
        points_mm=ArrayData.of(tree.points_mm),
        radii_mm=ArrayData.of(tree.radii_mm),
        parents=ArrayData.of(tree.parent),
        branch_of=ArrayData.of(tree.branch),
        branches=tuple(BranchModel(id=b.id, name=b.name, color=b.color, suggested=b.suggested) for b in tree.branches),
        breaks=(BreakModel(root=51, towards=20, gap_mm=10.0),),
    )
    triangle = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0)], dtype=np.float32)
    surface = SurfaceNode(
        name="Vein",
        parent=vein.id,
        segment=vein.id,
        points=ArrayData.of(triangle),
        triangles=ArrayData.of(np.array([(0, 1, 2)], dtype=np.int32)),
    )
    territories = TerritoriesNode(name="Parts", parent=case.id, organ=vein.id, tree=node.id, unsure=vein.id)
    editor = Editor(Scene())
    with editor.transaction("All") as tx:
        for one in (case, segmentation, layer, vein, node, surface, territories):
            tx.add(one)
    return editor.scene, editor.scene.expect(node.id, VesselTreeNode), editor.scene.expect(vein.id, SegmentNode)


def test_a_tree_of_the_scene_is_drawn_in_the_colour_of_what_it_carries_and_its_vessel_becomes_a_shell() -> None:
    scene, node, _ = a_scene()
    keep: dict[object, TreeContent] = {}
    whole = scene_content(scene, None, None, {}, keep_trees=keep, picked=(node.id, 7))  # type: ignore[arg-type]
    (drawn,) = whole.trees
    assert drawn.colours[0] == SYSTEM_COLOURS["portal"] and drawn.colours[1] == GREEN and drawn.picked == 7
    assert whole.surfaces[0].opacity < 0.2
    again = tree_contents(scene, keep, (node.id, 7))  # type: ignore[arg-type]
    assert again[0] is drawn and replace(whole, trees=again).looks_like(whole)
    other = tree_contents(scene, keep, (node.id, 3))  # type: ignore[arg-type]
    assert other[0].tree is drawn.tree and not replace(whole, trees=other).looks_like(whole)


def test_a_pick_on_a_branch_that_is_gone_is_none() -> None:
    scene, node, _ = a_scene()
    assert tree_contents(scene, picked=(node.id, 99))[0].picked is None


def test_a_picture_shows_the_branches_in_their_colours_and_the_picked_one_in_the_accent() -> None:
    picture = render_offscreen(SceneContent(trees=(content(picked=7),)), (200, 200), oversampling=1).astype(int)
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    accent = (green > 1.5 * red) & (blue > 1.5 * red) & (green > 60)
    right = (red > 100) & (green < red / 3) & (blue < red / 3)
    assert accent.sum() > 150 and right.sum() > 50
    # Seen from the front the patient's left is on the right.
    assert np.nonzero(accent)[1].mean() > np.nonzero(right)[1].mean() + 50


def test_a_tree_alone_is_framed() -> None:
    bounds = content_bounds(SceneContent(trees=(content(),)))
    assert bounds is not None and bounds[0].tolist() == [-10, 0, 0] and bounds[1].tolist() == [15, 0, 33]


def test_voxels_on_which_methods_disagree_are_hatched_in_slices() -> None:
    scene, _, vein = a_scene()
    from surgitwin.render.twin import layer_contents

    (layer,) = layer_contents(scene, None)
    assert [style.hatched for style in layer.styles] == [True] and vein.id
    grid = SliceGrid.of(Geometry.from_parts((8, 8, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)), Orientation.AXIAL)
    labels = np.ones((8, 8), np.uint8)
    place = Placement.fit(grid, 80, 80, 0)
    shares = []
    for hatched in (False, True):
        style = SegmentStyle(1, RED, hatched=hatched)
        patch = overlay_patch(labels, grid, (style,), place, OverlayLook(outline_px=0))
        assert patch is not None
        shares.append(np.count_nonzero(patch.argb) / patch.argb.size)
    assert shares[0] == 1.0 and shares[1] == pytest.approx(0.5, abs=0.03)


def test_what_loses_inflow_outflow_or_both_is_told_apart_and_what_was_not_assessed_is_not_drawn() -> None:
    grid = Geometry.from_parts((4, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    inflow, outflow = np.array([[[False, True, False, True]]]), np.array([[[False, False, True, True]]])
    both = lost_layer(inflow, outflow, grid)
    assert both is not None and both.array.ravel().tolist() == [0, 1, 2, 3]
    assert all(style.hatched for style in both.styles) and len({style.colour for style in both.styles}) == 3
    alone = lost_layer(None, outflow, grid)
    assert alone is not None and alone.array.ravel().tolist() == [0, 0, 2, 2]
    assert lost_layer(None, None, grid) is None


def test_what_is_lost_is_hatched_in_3d_as_large_as_it_is_and_where_it_is() -> None:
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    grid = Geometry.from_parts((30, 26, 20), (1.0, 1.5, 2.0), (10.0, -20.0, 40.0), turn)
    inflow, outflow = np.zeros(grid.shape_kji, dtype=np.bool_), np.zeros(grid.shape_kji, dtype=np.bool_)
    inflow[4:12, 5:15, 3:13] = True
    outflow[4:12, 5:15, 8:20] = True
    layer = lost_layer(inflow, outflow, grid)
    assert layer is not None

    surfaces = lost_surfaces(layer, Box((3, 5, 4), (20, 15, 12)), Context())

    sizes = {"no inflow": 5, "no outflow": 7, "neither inflow nor outflow": 5}
    assert {surface.name for surface in surfaces} == set(sizes)
    for surface, style in zip(surfaces, layer.styles, strict=True):
        assert surface.hatched and surface.colour == style.colour
        assert surface.mesh.volume_mm3 == pytest.approx(sizes[surface.name] * 10 * 8 * 3.0, rel=0.01)
        middle = grid.to_lps(np.argwhere(layer.array == style.value)[:, ::-1].mean(axis=0))
        assert np.allclose(surface.mesh.points.mean(axis=0), middle, atol=1.0)
    assert lost_surfaces(lost_layer(np.zeros_like(inflow), None, grid), grid.full_box, Context()) == ()
