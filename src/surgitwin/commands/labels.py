"""Masks and label maps into the scene: which layer they lie in, what they are called, what colour they get."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surgitwin.commands.base import Bench, Document, Work
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.ids import NodeId
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.editor import Transaction
from surgitwin.scene.nodes import (
    Color,
    LabelLayerNode,
    Node,
    Provenance,
    SegmentationNode,
    SegmentKind,
    SegmentNode,
    VolumeNode,
)
from surgitwin.scene.scene import Scene

LAYER_TYPE = np.uint8
LAYER_VALUES = 255


def pick_volume(scene: Scene, name: str | None) -> VolumeNode:
    """The volume a person named, or the first one.

    Raises
    ------
    BadInput
        If the case holds no image.
    """
    if name is not None:
        return scene.resolve(name, VolumeNode)
    volumes = scene.of_type(VolumeNode)
    if not volumes:
        raise BadInput(tr("This case holds no image. Start it with “new”, or add images first."))
    return volumes[0]


def segmentation_for(scene: Scene, tx: Transaction, volume: VolumeNode) -> SegmentationNode:
    """The segmentation on a volume's grid; made if there is none."""
    for segmentation in scene.of_type(SegmentationNode):
        if segmentation.volume == volume.id:
            return segmentation
    made = SegmentationNode(
        name=tr("Segments of {volume}").format(volume=volume.name),
        parent=scene.case.id,
        volume=volume.id,
        geometry=volume.geometry,
        frame_of_reference_uid=volume.identity.frame_of_reference_uid,
        side_known=volume.side_known,
    )
    tx.add(made)
    return made


def layers_of(scene: Scene, segmentation: SegmentationNode) -> list[LabelLayerNode]:
    return [node for node in scene.children(segmentation.id) if isinstance(node, LabelLayerNode)]


def segments_of(scene: Scene, segmentation: SegmentationNode) -> list[SegmentNode]:
    return [node for node in scene.children(segmentation.id) if isinstance(node, SegmentNode)]


def free_values(scene: Scene, layer: LabelLayerNode) -> list[int]:
    used = {segment.value for segment in scene.segments_of_layer(layer.id)}
    return [value for value in range(1, LAYER_VALUES + 1) if value not in used]


def mask_of(scene: Scene, segment: SegmentNode) -> tuple[NDArray[np.bool_], Box]:
    """A segment's voxels, cropped: (mask [k, j, i], where that crop lies in the grid)."""
    labels = scene.layer_of(segment).labels.read()
    box = Box.of_mask(labels == segment.value)
    return labels[box.slices] == segment.value, box


def full_mask_of(scene: Scene, segment: SegmentNode) -> NDArray[np.bool_]:
    """A segment's voxels on the whole grid, a copy that later strokes cannot change."""
    mask: NDArray[np.bool_] = scene.layer_of(segment).labels.read() == segment.value
    return mask


def clear_segment(scene: Scene, tx: Transaction, segment: SegmentNode) -> None:
    """Set the segment's voxels to background, so that its value can be used again."""
    mask, box = mask_of(scene, segment)
    if not box.empty:
        tx.patch(segment.layer, "labels", box, 0, mask)


def write_mask(
    scene: Scene,
    tx: Transaction,
    segmentation: SegmentationNode,
    mask: NDArray[np.bool_],
    segment: SegmentNode | None,
) -> tuple[NodeId, int]:
    """Put a mask into a layer where it overlaps nothing, and return (layer, value).

    Parameters
    ----------
    segment
        An existing segment that the mask replaces.
    """
    if segment is not None:
        clear_segment(scene, tx, segment)
    box = Box.of_mask(mask)
    crop = mask[box.slices]
    for layer in layers_of(scene, segmentation):
        same = segment is not None and segment.layer == layer.id
        values = [segment.value] if same and segment is not None else free_values(scene, layer)
        if values and not np.any(layer.labels.read()[box.slices][crop]):
            tx.patch(layer.id, "labels", box, values[0], crop)
            return layer.id, values[0]
    labels = np.zeros(mask.shape, dtype=LAYER_TYPE)
    labels[box.slices][crop] = 1
    return add_layer(tx, segmentation, labels, len(layers_of(scene, segmentation)) + 1), 1


def add_layer(tx: Transaction, segmentation: SegmentationNode, labels: NDArray[Any], number: int) -> NodeId:
    layer = LabelLayerNode(
        name=tr("Layer {number}").format(number=number),
        parent=segmentation.id,
        labels=ArrayData.of(labels, constant=False),
    )
    tx.add(layer)
    return layer.id


def look_of(name: str, used: Iterable[Color]) -> tuple[SegmentKind, str, Color]:
    """Kind, terminology key and colour that belong to a segment's name."""
    from surgitwin.segmentation.terminology import match_term, next_color

    term = match_term(name)
    if term is None:
        return "other", "", next_color(list(used))
    return term.kind, term.name, term.color


def make_segment(
    segmentation: SegmentationNode,
    name: str,
    layer: NodeId,
    value: int,
    used: Iterable[Color],
    kind: SegmentKind | None = None,
    color: Color | None = None,
    provenance: Provenance | None = None,
) -> SegmentNode:
    found, term, default_color = look_of(name, used)
    return SegmentNode(
        name=name,
        parent=segmentation.id,
        layer=layer,
        value=value,
        kind=kind or found,
        term=term,
        color=color or default_color,
        provenance=provenance,
    )


def start_adding_labels(
    bench: Bench,
    path: Path,
    *,
    labels: Path | None,
    name: str | None,
    onto: str | None,
    kind: SegmentKind | None,
    series: str | None = None,
) -> Work[Any]:
    """The work behind ``add --as labelmap``."""
    scene = bench.scene
    volume = pick_volume(scene, onto)

    def compute(ctx: Context) -> _Labels:
        return _read(path, labels, name, series, volume.geometry, ctx)

    def commit(read: _Labels) -> Document:
        segments: list[Node] = []
        with bench.transaction(tr("Add segments from a label map")) as tx:
            segmentation = segmentation_for(scene, tx, volume)
            colors = [segment.color for segment in segments_of(scene, segmentation)]
            taken = {segment.name.casefold() for segment in segments_of(scene, segmentation)}
            doubles = [title for title in read.names.values() if title.casefold() in taken]
            if doubles:
                message = tr("The case has a segment “{name}” already. Remove or rename it, then add the label map.")
                raise BadInput(message.format(name=doubles[0]))
            number = len(layers_of(scene, segmentation))
            for array, values in read.layers:
                number += 1
                layer = add_layer(tx, segmentation, array, number)
                for value, source in values:
                    color = read.colors.get(source)
                    segment = make_segment(segmentation, read.names[source], layer, value, colors, kind, color)
                    colors.append(segment.color)
                    segments.append(tx.add(segment))
        nodes = [{"id": node.id, "type": node.type_name, "name": node.name} for node in segments]
        warnings = [notice.as_json() for notice in read.notices]
        return {"case": str(bench.case_path or ""), "nodes": nodes, "warnings": warnings}

    return Work(compute, commit)


class _Labels:
    """A label map on the volume's grid, packed into layers of at most 255 values each."""

    def __init__(self, layers: list[NDArray[Any]], names: dict[tuple[int, int], str]) -> None:
        self.names = names
        self.colors: dict[tuple[int, int], Color] = {}
        self.notices: list[Notice] = []
        self.layers: list[tuple[NDArray[Any], list[tuple[int, tuple[int, int]]]]] = []
        for index, layer in enumerate(layers):
            sources = sorted(key for key in names if key[0] == index)
            for start in range(0, len(sources), LAYER_VALUES):
                part = sources[start : start + LAYER_VALUES]
                table = np.zeros(int(layer.max()) + 1, dtype=LAYER_TYPE)
                for value, (_, old) in enumerate(part, start=1):
                    table[old] = value
                self.layers.append((table[layer], list(enumerate(part, start=1))))


def _read(
    path: Path, table: Path | None, name: str | None, series: str | None, grid: Geometry, ctx: Context
) -> _Labels:
    from surgitwin.segmentation.labelmaps import read_labelmap, resample_labels

    file = read_labelmap(path, ctx, table=table, series_uid=series) if series else read_labelmap(path, ctx, table=table)
    layers: list[NDArray[Any]] = []
    notices = list(file.notices)
    for layer in file.layers:
        placed, found = resample_labels(layer, file.geometry, grid, ctx)
        layers.append(placed)
        notices += found
    names = _names(layers, file.names, name, table is not None)
    labels = _Labels(layers, names)
    labels.notices = notices
    labels.colors = {key: color for key, color in file.colors.items() if key in names}
    return labels


def _names(
    layers: list[NDArray[Any]], known: dict[tuple[int, int], str], name: str | None, from_table: bool
) -> dict[tuple[int, int], str]:
    """Name every value that occurs: all one segment if ``name`` is given and there is no table."""
    names: dict[tuple[int, int], str] = {}
    for index, layer in enumerate(layers):
        if name is not None and not from_table:
            layer[layer > 0] = 1
        for value in np.flatnonzero(np.bincount(layer.ravel())).tolist():
            if value == 0:
                continue
            if name is not None and not from_table:
                names[index, value] = name
            elif (index, value) in known:
                names[index, value] = known[index, value]
            elif not from_table:
                names[index, value] = tr("Label {value}").format(value=value)
            else:
                raise BadInput(tr("The label table gives no name to the value {value}.").format(value=value))
    if not names:
        raise BadInput(tr("The label map is empty: every voxel in it is zero."))
    seen: dict[str, int] = {}
    for key, title in names.items():
        seen[title] = seen.get(title, 0) + 1
        if seen[title] > 1:
            names[key] = f"{title} ({seen[title]})"
    return names
