"""Where masks go: which label layer and value they get, worked out away from the main thread."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box
from surgitwin.core.ids import NodeId, Revision
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.editor import Transaction
from surgitwin.scene.edits import PatchArray
from surgitwin.scene.nodes import LabelLayerNode, SegmentationNode, SegmentNode, VolumeNode
from surgitwin.scene.scene import Scene

LAYER_TYPE = np.uint8
LAYER_VALUES = 255


@dataclass(frozen=True, eq=False)
class FrozenLayer:
    """A label layer as it was when the work began."""

    id: NodeId
    revision: Revision
    labels: NDArray[Any]
    used: frozenset[int]


@dataclass(frozen=True, eq=False)
class Places:
    """Where the parts of a result go: one layer, a value for each, and the patches that put them there.

    Attributes
    ----------
    layer
        None if no layer has room: then ``labels`` is a new one.
    values
        The value in that layer for each part.
    expected
        Revisions of the layers that the patches were worked out on.
    """

    layer: NodeId | None
    values: Mapping[int, int]
    patches: tuple[PatchArray, ...]
    labels: NDArray[Any] | None
    expected: Mapping[NodeId, Revision]


def find_segmentation(scene: Scene, volume: VolumeNode) -> SegmentationNode | None:
    return next((s for s in scene.of_type(SegmentationNode) if s.volume == volume.id), None)


def layers_of(scene: Scene, segmentation: SegmentationNode) -> list[LabelLayerNode]:
    return [node for node in scene.children(segmentation.id) if isinstance(node, LabelLayerNode)]


def freeze_segmentation(scene: Scene, segmentation: SegmentationNode | None) -> list[FrozenLayer]:
    """All layers of a segmentation, for work on another thread; costs no copy."""
    if segmentation is None:
        return []
    return [
        FrozenLayer(
            layer.id,
            layer.revision,
            layer.labels.frozen(),
            frozenset(segment.value for segment in scene.segments_of_layer(layer.id)),
        )
        for layer in layers_of(scene, segmentation)
    ]


def crop_of(labels: NDArray[Any], value: int, ctx: Context | None = None) -> tuple[NDArray[np.bool_], Box]:
    """The voxels with this value, cropped: (mask [k, j, i], where that crop lies in the grid)."""
    from surgitwin.surfaces import box_of_labels

    box = box_of_labels(labels, [value], ctx or Context())
    return labels[box.slices] == value, box


def find_places(
    layers: list[FrozenLayer],
    parts: NDArray[Any],
    targets: Mapping[int, SegmentNode | None],
    overwritten: Collection[SegmentNode] = (),
    taking: NDArray[np.bool_] | None = None,
) -> Places:
    """Find a layer where the parts overlap no other segment; segments that they replace make room first.

    Parameters
    ----------
    parts
        Whole grid, [k, j, i]; a mask, or a whole number for each part.
    targets
        For each number that occurs in ``parts`` (1 for a mask): the existing segment that it replaces, or None.
    overwritten
        Segments that lose the voxels that the parts take; all others keep theirs.
    taking
        Where they lose them, [k, j, i]; without it wherever the parts are.
    """
    box = Box.of_mask(parts != 0)
    local = parts[box.slices]
    inside = local != 0
    taken = inside if taking is None else inside & taking[box.slices]
    replaced = [segment for segment in targets.values() if segment is not None]
    own = {layer.id: {s.value for s in replaced if s.layer == layer.id} for layer in layers}
    lost = {layer.id: {s.value for s in overwritten if s.layer == layer.id} - own[layer.id] for layer in layers}
    chosen, values = None, {part: number for number, part in enumerate(targets, start=1)}
    for layer in sorted(layers, key=lambda layer: -len(own[layer.id])):
        found = _values_in(layer, targets)
        here, may_go = layer.labels[box.slices], own[layer.id]
        if (
            found is None
            or _occupied(here[inside], may_go | lost[layer.id])
            or _occupied(here[inside & ~taken], may_go)
        ):
            continue
        chosen, values = layer, found
        break
    patches: list[PatchArray] = []
    for layer in layers:
        written = values if layer is chosen else None
        patches += _patch(layer, box, local, taken, own[layer.id], lost[layer.id], written)
    labels = None
    if chosen is None:
        labels = np.zeros(parts.shape, dtype=LAYER_TYPE)
        if local.dtype == np.bool_:  # a table would be looked up with eight bytes for each voxel
            np.copyto(labels[box.slices], LAYER_TYPE(values[1]), where=local)
        else:
            labels[box.slices] = _lookup(values)[local.astype(np.intp)]
    expected = {layer.id: layer.revision for layer in layers}
    return Places(chosen.id if chosen is not None else None, values, tuple(patches), labels, expected)


def _values_in(layer: FrozenLayer, targets: Mapping[int, SegmentNode | None]) -> dict[int, int] | None:
    """A value of the layer for each part: its own if it lies there, else a free one; None if there are too few."""
    free = (value for value in range(1, LAYER_VALUES + 1) if value not in layer.used)
    found: dict[int, int] = {}
    for part, segment in targets.items():
        value = segment.value if segment is not None and segment.layer == layer.id else next(free, None)
        if value is None:
            return None
        found[part] = value
    return found


def _flags(values: Collection[int]) -> NDArray[np.bool_]:
    flags = np.zeros(LAYER_VALUES + 1, dtype=np.bool_)
    flags[list(values)] = True
    return flags


def _lookup(values: Mapping[int, int]) -> NDArray[Any]:
    lookup = np.zeros(max(values, default=0) + 1, dtype=LAYER_TYPE)
    for part, value in values.items():
        lookup[part] = value
    return lookup


def _occupied(labels: NDArray[Any], may_go: Collection[int]) -> bool:
    """True if some voxel belongs to a segment that stays."""
    keeps = ~_flags(may_go)
    keeps[0] = False
    return bool(keeps[labels].any())


def _patch(
    layer: FrozenLayer,
    box: Box,
    local: NDArray[Any],
    taken: NDArray[np.bool_],
    own: Collection[int],
    lost: Collection[int],
    written: Mapping[int, int] | None,
) -> list[PatchArray]:
    """What happens to one layer: replaced segments go, overwritten ones lose voxels, the parts come."""
    if not own and not lost and written is None:
        return []
    whole = box
    if own:
        extent = Box.of_mask(_flags(own)[layer.labels])
        whole = extent if box.empty else box.union(extent) if not extent.empty else box
    if whole.empty:
        return []
    before = layer.labels[whole.slices]
    after = before.copy()
    if own:
        after[_flags(own)[before]] = 0
    inner = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(box.slices, whole.slices, strict=True))
    part = after[inner] if not box.empty else after[:0, :0, :0]
    if part.size:
        inside = local != 0
        if lost:
            part[taken & _flags(lost)[part]] = 0
        if written is not None:
            part[inside] = _lookup(written)[local[inside].astype(np.intp)]
    patch = PatchArray.between(layer.id, "labels", whole, before, after, at_hand=True)
    return [patch] if patch is not None else []


def clearing(layer: FrozenLayer, segment: SegmentNode) -> list[PatchArray]:
    """The patch that sets a segment's voxels to background, so that its value can be used again."""
    nowhere = Box((0, 0, 0), (0, 0, 0))
    nothing = layer.labels[:0, :0, :0]
    return _patch(layer, nowhere, nothing, nothing != 0, {segment.value}, (), None)


def put_in_place(scene: Scene, tx: Transaction, segmentation: SegmentationNode, places: Places) -> NodeId:
    """Carry places out and return the layer that the parts lie in.

    Raises
    ------
    BadInput
        If a layer was edited since: the patches would overwrite that edit.
    """
    for layer_id, revision in places.expected.items():
        if layer_id not in scene or scene.node(layer_id).revision != revision:
            raise BadInput(tr("The segments were edited while this ran. Nothing was changed; please do it again."))
    tx.carry_out(places.patches)
    if places.layer is not None:
        return places.layer
    assert places.labels is not None
    return add_layer(tx, segmentation, places.labels, len(layers_of(scene, segmentation)) + 1)


def add_layer(tx: Transaction, segmentation: SegmentationNode, labels: NDArray[Any], number: int) -> NodeId:
    layer = LabelLayerNode(
        name=tr("Layer {number}").format(number=number),
        parent=segmentation.id,
        labels=ArrayData.of(labels, constant=False),
    )
    tx.add(layer)
    return layer.id
