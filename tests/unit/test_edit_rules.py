"""The rules that every tool obeys, against sets of voxels that know nothing of layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box
from surgitwin.core.ids import NodeId, Revision
from surgitwin.segmentation.rules import (
    EditRules,
    RuledEdit,
    RuledGrid,
    RuledLayer,
    RuledSegment,
    allowed,
    editable,
    ruled_edit,
)

SIZE = (9, 8, 7)  # i, j, k
SHAPE = SIZE[::-1]
Mask = NDArray[np.bool_]


@dataclass
class Grid:
    """Layers and segments that edits are carried out on."""

    layers: dict[str, NDArray[Any]]
    segments: dict[str, RuledSegment]
    voxels: NDArray[Any] | None = None
    numbers: list[int] = field(default_factory=lambda: [0])

    def ruled(self) -> RuledGrid:
        layers = tuple(RuledLayer(NodeId(key), Revision("r"), labels) for key, labels in self.layers.items())
        return RuledGrid(layers, tuple(self.segments.values()), self.voxels)

    def mask(self, name: str) -> Mask:
        segment = self.segments[name]
        return np.asarray(self.layers[segment.layer] == segment.value)

    def carry_out(self, name: str, edit: RuledEdit) -> None:
        for patch in edit.patches:
            assert np.array_equal(self.layers[patch.node_id][patch.box.slices], patch.old.array())
            self.layers[patch.node_id][patch.box.slices] = patch.new.array()
        if not edit.changes:
            return
        layer = edit.layer
        if layer is None:
            assert edit.labels is not None
            layer = NodeId(f"new {len(self.layers)}")
            self.layers[layer] = edit.labels
        visible = self.segments[name].visible if name in self.segments else True
        self.segments[name] = RuledSegment(NodeId(name), layer, edit.value, visible)

    def edit(self, name: str, rules: EditRules, box: Box, **masks: Any) -> RuledEdit:
        edit = ruled_edit(self.ruled(), rules, self.segments.get(name), box, **masks)
        self.carry_out(name, edit)
        return edit


def two_in_one_layer() -> Grid:
    """Liver and tumour side by side in one layer, a hidden vessel in the same, and body in another."""
    first, second = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    first[:, :, :4] = 1
    first[:, :, 4:6] = 2
    first[:, :3, 6:8] = 3
    second[1:6, 1:7, 1:8] = 9
    names = {"liver": ("a", 1), "tumour": ("a", 2), "vessel": ("a", 3), "body": ("b", 9)}
    segments = {
        name: RuledSegment(NodeId(name), NodeId(layer), value, name != "vessel")
        for name, (layer, value) in names.items()
    }
    voxels = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    return Grid({"a": first, "b": second}, segments, voxels)


def ball_box() -> tuple[Box, Mask]:
    return Box((2, 1, 1), (8, 5, 5)), np.ones((4, 4, 6), np.bool_)


def placed(box: Box, mask: Mask) -> Mask:
    whole = np.zeros(SHAPE, np.bool_)
    whole[box.slices] = mask
    return whole


def test_painting_with_overwrite_none_changes_no_other_segment_and_moves_the_painted_one_once() -> None:
    grid = two_in_one_layer()
    before = {name: grid.mask(name) for name in grid.segments}
    box, mask = ball_box()
    edit = grid.edit("liver", EditRules(), box, add=mask)
    assert edit.allowed.in_the_way
    assert np.array_equal(grid.mask("liver"), before["liver"] | placed(box, mask))
    for name in ("tumour", "vessel", "body"):
        assert np.array_equal(grid.mask(name), before[name])
    assert grid.segments["liver"].layer not in ("a", "b")  # the body is in the way there
    again = grid.edit("liver", EditRules(), Box((0, 0, 0), (9, 8, 2)), add=np.ones((2, 8, 9), np.bool_))
    assert not again.allowed.in_the_way and again.layer == edit_layer(grid, "liver")
    assert len(again.patches) == 1


def edit_layer(grid: Grid, name: str) -> str:
    return grid.segments[name].layer


def test_overwriting_all_takes_the_voxels_from_every_layer() -> None:
    grid = two_in_one_layer()
    before = {name: grid.mask(name) for name in grid.segments}
    box, mask = ball_box()
    edit = grid.edit("liver", EditRules(overwrite="all"), box, add=mask)
    assert edit.layer == "a" and not edit.allowed.in_the_way
    for name in ("tumour", "vessel", "body"):
        assert np.array_equal(grid.mask(name), before[name] & ~placed(box, mask))


def test_overwriting_what_is_visible_leaves_a_hidden_segment_alone() -> None:
    grid = two_in_one_layer()
    before = {name: grid.mask(name) for name in grid.segments}
    box, mask = ball_box()
    grid.edit("liver", EditRules(overwrite="visible"), box, add=mask)
    assert np.array_equal(grid.mask("vessel"), before["vessel"])
    for name in ("tumour", "body"):
        assert np.array_equal(grid.mask(name), before[name] & ~placed(box, mask))
    assert np.array_equal(grid.mask("liver"), before["liver"] | placed(box, mask))


def test_erasing_takes_from_the_edited_segment_only_whatever_the_overwrite_rule() -> None:
    for overwrite in ("all", "visible", "none"):
        grid = two_in_one_layer()
        before = {name: grid.mask(name) for name in grid.segments}
        box, mask = ball_box()
        grid.edit("tumour", EditRules(overwrite=overwrite), box, remove=mask)  # type: ignore[arg-type]
        for name in ("liver", "vessel", "body"):
            assert np.array_equal(grid.mask(name), before[name])
        assert np.array_equal(grid.mask("tumour"), before["tumour"] & ~placed(box, mask))


def test_the_editable_area_and_the_range_bind_painting_and_erasing_alike() -> None:
    grid = two_in_one_layer()
    assert grid.voxels is not None
    box = Box((0, 0, 0), SIZE)
    rules = EditRules(inside=(NodeId("body"),), outside=(NodeId("vessel"),), lower=100, upper=300.0)
    area = grid.mask("body") & ~grid.mask("vessel") & (grid.voxels >= 100) & (grid.voxels <= 300)
    assert np.array_equal(editable(grid.ruled(), rules, box), area)
    everywhere = np.ones(SHAPE, np.bool_)
    found = allowed(grid.ruled(), rules, grid.segments["liver"], box, add=everywhere)
    assert np.array_equal(found.add, area)
    found = allowed(grid.ruled(), rules, grid.segments["liver"], box, remove=everywhere)
    assert np.array_equal(found.remove, area)


def test_the_limits_of_the_range_belong_to_it() -> None:
    grid = two_in_one_layer()
    assert grid.voxels is not None
    found = editable(grid.ruled(), EditRules(lower=7, upper=7), Box((0, 0, 0), SIZE))
    assert np.array_equal(found, grid.voxels == 7)


def test_replacing_a_segment_outside_the_editable_area_leaves_it_as_it_is_there() -> None:
    grid = two_in_one_layer()
    before = grid.mask("tumour")
    new = np.zeros(SHAPE, np.bool_)
    new[2:4, 2:5, 5:7] = True
    rules = EditRules(inside=(NodeId("body"),))
    grid.edit("tumour", rules, Box((0, 0, 0), SIZE), add=new, remove=~new)
    body = grid.mask("body")
    assert np.array_equal(grid.mask("tumour"), np.where(body, new, before))


def test_a_new_segment_goes_into_a_layer_where_nothing_is_in_the_way() -> None:
    grid = two_in_one_layer()
    mask = np.zeros(SHAPE, np.bool_)
    mask[0, :, :6] = True
    edit = grid.edit("cyst", EditRules(), Box((0, 0, 0), SIZE), add=mask)
    assert edit.layer == "b" and edit.value not in (0, 9)
    assert np.array_equal(grid.mask("cyst"), mask)


def test_nothing_to_change_makes_no_patch() -> None:
    grid = two_in_one_layer()
    everywhere = np.ones(SHAPE, np.bool_)
    whole = Box((0, 0, 0), SIZE)
    assert not grid.edit("liver", EditRules(lower=1e6), whole, add=everywhere).changes
    assert not grid.edit("liver", EditRules(), whole, add=grid.mask("liver")).changes
    assert not grid.edit("liver", EditRules(), whole, remove=grid.mask("tumour")).changes


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"lower": 5.0, "upper": 4.0}, "its lower limit 5 lies above its upper limit 4"),
        ({"lower": float("nan")}, "lower limit of the intensity range must be a number"),
        ({"overwrite": "some"}, "not “some”"),
    ],
)
def test_rules_that_make_no_sense_are_refused_in_a_sentence(limits: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        EditRules(**limits)


def test_an_area_that_is_gone_and_a_range_without_an_image_are_refused() -> None:
    grid = two_in_one_layer()
    box = Box((0, 0, 0), SIZE)
    with pytest.raises(BadInput, match="editable area is not on this image"):
        editable(grid.ruled(), EditRules(inside=(NodeId("gone"),)), box)
    grid.voxels = None
    with pytest.raises(BadInput, match="no image on this grid"):
        editable(grid.ruled(), EditRules(lower=1), box)


names = st.sampled_from(["liver", "tumour", "vessel", "body"])
corners = st.tuples(*(st.integers(0, n - 1) for n in SIZE))
boxes = st.tuples(corners, corners).map(
    lambda c: Box(tuple(map(min, *c)), tuple(max(a, b) + 1 for a, b in zip(*c, strict=True)))  # type: ignore[arg-type]
)
rules_of = st.builds(
    EditRules,
    inside=st.lists(names, max_size=2).map(tuple),
    outside=st.lists(names, max_size=1).map(tuple),
    lower=st.none() | st.integers(0, 250),
    upper=st.none() | st.integers(250, 500),
    overwrite=st.sampled_from(["all", "visible", "none"]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(names, rules_of, boxes, st.integers(0, 2**32 - 1), st.booleans()), min_size=1, max_size=6))
def test_any_sequence_of_edits_does_to_each_segment_what_its_rules_say(
    sequence: list[tuple[str, EditRules, Box, int, bool]],
) -> None:
    grid = two_in_one_layer()
    model = {name: grid.mask(name).copy() for name in grid.segments}
    for name, rules, box, seed, erase in sequence:
        i, j, k = box.size_ijk
        mask = np.random.default_rng(seed).random((k, j, i)) < 0.7
        free = placed(box, mask)
        if rules.inside:
            free &= np.any([model[other] for other in rules.inside], axis=0)
        for other in rules.outside:
            free &= ~model[other]
        assert grid.voxels is not None
        free &= grid.voxels >= (-1 if rules.lower is None else rules.lower)
        free &= grid.voxels <= (10**6 if rules.upper is None else rules.upper)
        grid.edit(name, rules, box, **{"remove" if erase else "add": mask})
        if erase:
            model[name] &= ~free
        else:
            model[name] |= free
            for other in model:
                if other != name and (rules.overwrite == "all" or (rules.overwrite == "visible" and other != "vessel")):
                    model[other] &= ~free
        for other, expected in model.items():
            assert np.array_equal(grid.mask(other), expected)
