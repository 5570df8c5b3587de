"""What an edit of a segment may change: the rules that every tool obeys.

A tool says which voxels come to a segment and which leave it. The rules say where it may (an editable area, a range of
intensities) and which other segments give way. No other segment ever changes unless the overwrite rule says so: where a
segment that stays is in the way in the same layer, the edited segment moves to a layer with room, once.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box
from surgitwin.core.ids import NodeId, Revision
from surgitwin.core.text import tr
from surgitwin.scene.edits import PatchArray

Overwrite = Literal["all", "visible", "none"]
Mask = NDArray[np.bool_]

LAYER_TYPE = np.uint8
LAYER_VALUES = 255
# A segment that moves goes where it has so many voxels of room around it, so that the next strokes need no other move.
_ROOM = 24


@dataclass(frozen=True)
class EditRules:
    """Where a tool may change voxels, and which segments give way.

    Attributes
    ----------
    inside
        Only voxels of one of these segments; without any, everywhere.
    outside
        Not the voxels of these segments.
    lower, upper
        Only voxels whose intensity lies in this range, both ends included; ``None`` for no limit.
    overwrite
        Segments that lose the voxels that the edited one gets: all, those that are visible, or none, so that segments
        may overlap.

    Raises
    ------
    BadInput
        If a limit is not a number, or the lower one lies above the upper one.
    """

    inside: tuple[NodeId, ...] = ()
    outside: tuple[NodeId, ...] = ()
    lower: float | None = None
    upper: float | None = None
    overwrite: Overwrite = "none"

    def __post_init__(self) -> None:
        for name, value in ((tr("lower"), self.lower), (tr("upper"), self.upper)):
            if value is not None and math.isnan(value):
                raise BadInput(tr("The {name} limit of the intensity range must be a number.").format(name=name))
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            message = tr(
                "The intensity range is empty: its lower limit {lower:g} lies above its upper limit {upper:g}."
            )
            raise BadInput(message.format(lower=self.lower, upper=self.upper))
        if self.overwrite not in ("all", "visible", "none"):
            message = tr("Segments can be overwritten “all”, “visible” or “none”, not “{given}”.")
            raise BadInput(message.format(given=self.overwrite))

    @property
    def has_range(self) -> bool:
        return self.lower is not None or self.upper is not None


@dataclass(frozen=True)
class RuledSegment:
    """What the rules need to know of a segment: where its voxels are, and whether it is shown."""

    id: NodeId
    layer: NodeId
    value: int
    visible: bool = True


@dataclass(frozen=True, eq=False)
class RuledLayer:
    """A label layer of the whole grid, [k, j, i]; only the part that an edit needs is read."""

    id: NodeId
    revision: Revision
    labels: NDArray[Any]


@dataclass(frozen=True, eq=False)
class RuledGrid:
    """All layers and segments of one grid, and the image on it if intensities matter ([k, j, i])."""

    layers: tuple[RuledLayer, ...]
    segments: tuple[RuledSegment, ...]
    voxels: NDArray[Any] | None = None

    def segment(self, segment_id: NodeId) -> RuledSegment:
        found = next((segment for segment in self.segments if segment.id == segment_id), None)
        if found is None:
            raise BadInput(tr("A segment of the editable area is not on this image (any more). Choose another area."))
        return found

    def layer(self, layer_id: NodeId) -> RuledLayer:
        return next(layer for layer in self.layers if layer.id == layer_id)

    def used_values(self, layer_id: NodeId) -> set[int]:
        return {segment.value for segment in self.segments if segment.layer == layer_id}


@dataclass(frozen=True, eq=False)
class Allowed:
    """What is left of a tool's wish; boolean, [k, j, i], of the box.

    Attributes
    ----------
    add, remove
        Voxels that belong, or do not belong, to the segment afterwards.
    lost
        For each layer: the values that lose their voxels at ``add``.
    in_the_way
        A segment that must not change has voxels at ``add`` in the layer of the edited segment (or that has no layer
        yet), so that another layer must be found. That reads the whole layer.
    """

    add: Mask
    remove: Mask
    lost: Mapping[NodeId, frozenset[int]]
    in_the_way: bool


@dataclass(frozen=True, eq=False)
class RuledEdit:
    """An edit that obeys the rules.

    Attributes
    ----------
    allowed
        What the segment gets and loses.
    layer, value
        Where the segment is afterwards; ``layer`` is ``None`` if ``labels`` is a new one.
    patches
        To be carried out on the layers that there are.
    expected
        Revisions of the layers that the patches were worked out on.
    """

    allowed: Allowed
    layer: NodeId | None
    value: int
    patches: tuple[PatchArray, ...]
    labels: NDArray[Any] | None = None
    expected: Mapping[NodeId, Revision] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """False if the rules, or what was there, leave nothing to do."""
        return bool(self.patches) or self.labels is not None


def editable(grid: RuledGrid, rules: EditRules, box: Box) -> Mask:
    """Where the rules let a tool change voxels; boolean, [k, j, i], of ``box``.

    Raises
    ------
    BadInput
        If the rules name a segment that is not there, or a range where there is no image.
    """
    i, j, k = box.size_ijk
    free = np.ones((k, j, i), dtype=np.bool_)
    if rules.inside:
        free &= _any_of(grid, rules.inside, box)
    if rules.outside:
        free &= ~_any_of(grid, rules.outside, box)
    if rules.has_range:
        if grid.voxels is None:
            raise BadInput(tr("There is no image on this grid, so there are no intensities to keep to."))
        part = grid.voxels[box.slices]
        if rules.lower is not None:
            free &= part >= rules.lower
        if rules.upper is not None:
            free &= part <= rules.upper
    return free


def allowed(
    grid: RuledGrid,
    rules: EditRules,
    target: RuledSegment | None,
    box: Box,
    *,
    add: Mask | None = None,
    remove: Mask | None = None,
) -> Allowed:
    """What the rules leave of a wish; costs as much as the box is large.

    Parameters
    ----------
    target
        The segment to be edited; ``None`` for a new one.
    box
        Where the masks lie; inside the grid.
    add, remove
        Boolean, [k, j, i], of the box: voxels that shall (not) belong to the segment. To replace a segment, ``box``
        is the whole grid, or covers it, and ``remove`` is the opposite of ``add``.
    """
    free = editable(grid, rules, box)
    adding = free & add if add is not None else np.zeros_like(free)
    removing = free & remove if remove is not None else np.zeros_like(free)
    removing &= ~adding
    lost = {layer.id: _giving_way(grid, rules, target, layer.id) for layer in grid.layers}
    blocked = bool(adding.any())
    if blocked and target is not None:
        part = grid.layer(target.layer).labels[box.slices]
        blocked = _occupied(part[adding], {target.value, *lost[target.layer]})
    return Allowed(adding, removing, lost, blocked)


def ruled_edit(
    grid: RuledGrid,
    rules: EditRules,
    target: RuledSegment | None,
    box: Box,
    *,
    add: Mask | None = None,
    remove: Mask | None = None,
) -> RuledEdit:
    """The patches of an edit that obeys the rules; parameters as for `allowed`.

    It costs as much as the box is large, and once as much as the segment where that has to move.
    """
    return carried_out(grid, target, box, allowed(grid, rules, target, box, add=add, remove=remove))


def carried_out(grid: RuledGrid, target: RuledSegment | None, box: Box, found: Allowed) -> RuledEdit:
    """The patches that bring about what was `allowed`."""
    expected = {layer.id: layer.revision for layer in grid.layers}
    if target is not None and not found.in_the_way:
        patches = [
            _patch(layer, box, found, target.value if layer.id == target.layer else None) for layer in grid.layers
        ]
        return RuledEdit(found, target.layer, target.value, _some(patches), None, expected)
    if target is None and not found.add.any():
        return RuledEdit(found, None, 1, (), None, expected)
    own, extent = _voxels_of(grid, target)
    whole = box.union(extent)
    inside = _cut(np.zeros(_shape(whole), np.bool_), whole, own, extent)
    inside[_within(whole, box)] |= found.add
    inside[_within(whole, box)] &= ~found.remove
    layer, value = _room_for(grid, target, whole, inside, found)
    labels = None
    if layer is None:
        labels = np.zeros(grid.layers[0].labels.shape if grid.layers else _grid_shape(grid), LAYER_TYPE)
        labels[whole.slices][inside] = value
    patches = [
        _patch_of_move(one, box, whole, inside, found, target, value if layer is one else None) for one in grid.layers
    ]
    return RuledEdit(found, layer.id if layer is not None else None, value, _some(patches), labels, expected)


def _some(patches: Iterable[PatchArray | None]) -> tuple[PatchArray, ...]:
    return tuple(patch for patch in patches if patch is not None)


def _shape(box: Box) -> tuple[int, int, int]:
    i, j, k = box.size_ijk
    return k, j, i


def _grid_shape(grid: RuledGrid) -> tuple[int, ...]:
    if grid.voxels is None:
        raise BadInput(tr("There is neither an image nor a segment, so the size of the grid is not known."))
    return grid.voxels.shape


def _any_of(grid: RuledGrid, names: Iterable[NodeId], box: Box) -> Mask:
    """The voxels of ``box`` that belong to one of the segments."""
    by_layer: dict[NodeId, set[int]] = {}
    for segment in (grid.segment(name) for name in names):
        by_layer.setdefault(segment.layer, set()).add(segment.value)
    found = np.zeros(_shape(box), np.bool_)
    for layer, values in by_layer.items():
        found |= _flags(values)[grid.layer(layer).labels[box.slices]]
    return found


def _flags(values: Collection[int]) -> NDArray[np.bool_]:
    flags = np.zeros(LAYER_VALUES + 1, dtype=np.bool_)
    flags[list(values)] = True
    return flags


def _giving_way(grid: RuledGrid, rules: EditRules, target: RuledSegment | None, layer: NodeId) -> frozenset[int]:
    """Values of a layer whose segments lose what the edited one gets."""
    if rules.overwrite == "none":
        return frozenset()
    own = target.id if target is not None else None
    return frozenset(
        segment.value
        for segment in grid.segments
        if segment.layer == layer and segment.id != own and (rules.overwrite == "all" or segment.visible)
    )


def _occupied(labels: NDArray[Any], may_go: Collection[int]) -> bool:
    """True if some voxel belongs to a segment that stays."""
    keeps = ~_flags(may_go)
    keeps[0] = False
    return bool(keeps[labels].any())


def _patch(layer: RuledLayer, box: Box, found: Allowed, value: int | None) -> PatchArray | None:
    """What happens to one layer when the segment stays where it is: in this layer if ``value`` is given."""
    lost = found.lost[layer.id]
    if value is None and not lost:
        return None
    before = layer.labels[box.slices]
    after = before.copy()
    if lost:
        after[found.add & _flags(lost)[before]] = 0
    if value is not None:
        after[found.add] = value
        after[found.remove & (before == value)] = 0
    return PatchArray.between(layer.id, "labels", box, before, after, at_hand=True)


def _voxels_of(grid: RuledGrid, target: RuledSegment | None) -> tuple[Mask, Box]:
    if target is None:
        return np.zeros((0, 0, 0), np.bool_), Box((0, 0, 0), (0, 0, 0))
    whole = grid.layer(target.layer).labels == target.value
    extent = Box.of_mask(whole)
    return whole[extent.slices], extent


def _within(outer: Box, inner: Box) -> tuple[slice, slice, slice]:
    """Slices of the part ``inner`` of an array of ``outer``."""
    k, j, i = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner.slices, outer.slices, strict=True))
    return k, j, i


def _cut(into: Mask, outer: Box, part: Mask, place: Box) -> Mask:
    if not place.empty:
        into[_within(outer, place)] = part
    return into


def _room_for(
    grid: RuledGrid, target: RuledSegment | None, whole: Box, inside: Mask, found: Allowed
) -> tuple[RuledLayer | None, int]:
    """A layer where nothing that stays is in the way, with a free value; ``None`` if there is none.

    One with room all around is preferred; a new segment takes any.
    """
    for layer in grid.layers:
        free = next((v for v in range(1, LAYER_VALUES + 1) if v not in grid.used_values(layer.id)), None)
        if free is None or (target is not None and layer.id == target.layer):
            continue
        k, j, i = layer.labels.shape
        room = whole.grown(_ROOM, (i, j, k)) if target is not None else whole
        part = layer.labels[room.slices]
        if target is None:
            part = part[inside]
        if not _occupied(part, found.lost[layer.id] if target is None else ()):
            return layer, free
    return None, 1


def _patch_of_move(
    layer: RuledLayer,
    box: Box,
    whole: Box,
    inside: Mask,
    found: Allowed,
    target: RuledSegment | None,
    value: int | None,
) -> PatchArray | None:
    """What happens to one layer when the segment leaves its layer, and comes to this one if ``value`` is given."""
    leaves = target is not None and target.layer == layer.id
    lost = found.lost[layer.id]
    if not leaves and value is None and not lost:
        return None
    place = whole if leaves or value is not None else box
    before = layer.labels[place.slices]
    after = before.copy()
    if leaves and target is not None:
        after[before == target.value] = 0
    if lost:
        part = after[_within(place, box)]
        part[found.add & _flags(lost)[part]] = 0
    if value is not None:
        after[inside] = value
    return PatchArray.between(layer.id, "labels", place, before, after, at_hand=True)
