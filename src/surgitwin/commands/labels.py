"""Segments and label maps into the scene: what they are called, what colour they get."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from surgitwin import __version__
from surgitwin.commands.base import Bench, Document, Work
from surgitwin.commands.placement import LAYER_TYPE, LAYER_VALUES, add_layer, find_segmentation, layers_of
from surgitwin.core.counting import value_counts
from surgitwin.core.errors import BadInput, NeedsConfirmation
from surgitwin.core.ids import NodeId
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.editor import Transaction
from surgitwin.scene.nodes import (
    Color,
    Node,
    Provenance,
    SegmentationNode,
    SegmentKind,
    SegmentNode,
    VolumeNode,
)
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.segmentation.labelmaps import LabelMapFile

LabelKey = tuple[int, int]  # layer, value
BODY_OPACITY = 0.2  # the body hides nothing that lies in it
ANOTHER_PATIENT = ("different-patient-id", "different-birth-date")  # of a label map; refused unless confirmed


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
    found = find_segmentation(scene, volume)
    if found is not None:
        return found
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


def segments_of(scene: Scene, segmentation: SegmentationNode) -> list[SegmentNode]:
    return [node for node in scene.children(segmentation.id) if isinstance(node, SegmentNode)]


def look_of(name: str, otherwise: str = "") -> tuple[SegmentKind, str, Color | None]:
    """Kind, terminology key and colour that belong to a segment's name, or else to the name ``otherwise``.

    What the terminology does not know has no colour of its own.
    """
    from surgitwin.segmentation.terminology import match_term

    term = match_term(name) or (match_term(otherwise) if otherwise else None)
    return ("other", "", None) if term is None else (term.kind, term.name, term.color)


def segment_look(
    name: str, otherwise: str = "", kind: SegmentKind | None = None, used: Iterable[Color] = ()
) -> tuple[Color, float]:
    """Colour and opacity of a segment; parameters as `make_segment`."""
    from surgitwin.segmentation.palette import next_color

    found, _, own_color = look_of(name, otherwise)
    return own_color or next_color(list(used)), BODY_OPACITY if (kind or found) == "body" else 1.0


def make_segment(
    segmentation: SegmentationNode,
    name: str,
    layer: NodeId,
    value: int,
    used: Iterable[Color],
    kind: SegmentKind | None = None,
    color: Color | None = None,
    provenance: Provenance | None = None,
    otherwise: str = "",
) -> SegmentNode:
    """A segment that looks as its name says; ``otherwise`` is what it is if the name says nothing."""
    found, term, _ = look_of(name, otherwise)
    kind = kind or found
    own_color, opacity = segment_look(name, otherwise, kind, used)
    return SegmentNode(
        name=name,
        parent=segmentation.id,
        layer=layer,
        value=value,
        kind=kind,
        term=term,
        color=color or own_color,
        opacity=opacity,
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
    confirm: bool = False,
) -> Work[Any]:
    """The work behind ``add --as labelmap``."""
    if labels is not None and name is not None:
        raise BadInput(tr("Give either --labels, a name for each value, or --name, one name for all; not both."))
    scene = bench.scene
    volume = pick_volume(scene, onto)
    used = [segment.color for segment in scene.of_type(SegmentNode)]

    def compute(ctx: Context) -> _Labels:
        read = _read(path, labels, name, series, volume, ctx)
        found = [notice.message for notice in read.notices if notice.code in ANOTHER_PATIENT]
        if found and not confirm:
            raise NeedsConfirmation(" ".join(found), tr("If they do belong together, add them again with --confirm."))
        return replace(read, colors=_final_colors(read, used, given=labels is not None))

    def commit(read: _Labels) -> Document:
        segments: list[Node] = []
        origin = Provenance(tool=tr("label map from a file"), version=__version__)
        with bench.transaction(tr("Add segments from a label map")) as tx:
            segmentation = segmentation_for(scene, tx, volume)
            taken = {segment.name.casefold() for segment in segments_of(scene, segmentation)}
            doubles = [title for title in read.names.values() if title.casefold() in taken]
            if doubles:
                message = tr("The case has a segment “{name}” already. Remove or rename it, then add the label map.")
                raise BadInput(message.format(name=doubles[0]))
            if not read.side_known:
                tx.set(segmentation.id, side_known=False)
            number = len(layers_of(scene, segmentation))
            for array, values in read.layers:
                number += 1
                layer = add_layer(tx, segmentation, array, number)
                for value, source in values:
                    title, color = read.names[source], read.colors[source]
                    segment = make_segment(segmentation, title, layer, value, (), kind, color, origin)
                    segments.append(tx.add(segment))
            confirmed = [
                f"{notice.code}: {segments[0].name}" for notice in read.notices if notice.code in ANOTHER_PATIENT
            ]
            tx.set(scene.case.id, log_confirmations=(*scene.case.log_confirmations, *confirmed))
        nodes = [{"id": node.id, "type": node.type_name, "name": node.name} for node in segments]
        warnings = [notice.as_json() for notice in read.notices]
        return {"case": str(bench.case_path or ""), "nodes": nodes, "warnings": warnings}

    return Work(compute, commit)


def _final_colors(read: _Labels, used: list[Color], given: bool) -> dict[LabelKey, Color]:
    """A colour for every label: the file's or the table's, the terminology's, or one that nothing else has.

    Anatomy looks alike in every case: a palette that only came with the file gives way to it, one that was ``given``
    does not.
    """
    from surgitwin.segmentation.palette import next_color

    taken, colors = list(used), dict[LabelKey, Color]()
    for source, title in read.names.items():
        own = look_of(title)[2]
        brought = read.colors.get(source)
        color = (brought or own) if given else (own or brought)
        colors[source] = color or next_color(taken)
        taken.append(colors[source])
    return colors


@dataclass(frozen=True, eq=False)
class _Labels:
    """A label map on the volume's grid, packed into layers of at most 255 values each.

    Attributes
    ----------
    layers
        Each an array [k, j, i] with its values: (value, where it came from).
    """

    layers: list[tuple[NDArray[Any], list[tuple[int, LabelKey]]]]
    names: dict[LabelKey, str]
    colors: dict[LabelKey, Color]
    notices: list[Notice]
    side_known: bool


def _read(
    path: Path, table: Path | None, name: str | None, series: str | None, volume: VolumeNode, ctx: Context
) -> _Labels:
    """Read a label map or a series that holds one, and bring it onto the volume's grid."""
    from surgitwin.segmentation.labelmaps import resample_labels

    file = _label_file(path, table, series, volume, ctx)
    notices = list(file.notices)
    placed: list[NDArray[Any]] = []
    for layer in file.layers:
        try:
            array, found = resample_labels(layer, file.geometry, volume.geometry, ctx)
        except BadInput as error:
            raise BadInput(tr("{file}: {why}").format(file=path.name, why=error)) from None
        placed.append(array)
        notices += [notice for notice in found if notice not in notices]
    layers, names = _by_value(placed, file.names) if name is None else _as_one(placed, name)
    if not names:
        raise BadInput(tr("No label of {file} has a voxel on the image's grid.").format(file=path.name))
    return _Labels(layers, _distinct(names), dict(file.colors), notices, file.side_known)


_Packed = tuple[list[tuple[NDArray[Any], list[tuple[int, LabelKey]]]], dict[LabelKey, str]]


def _by_value(placed: list[NDArray[Any]], titles: dict[LabelKey, str]) -> _Packed:
    """A segment for every value: layers of at most 255 values each, and the names."""
    layers: list[tuple[NDArray[Any], list[tuple[int, LabelKey]]]] = []
    names: dict[LabelKey, str] = {}
    for number, array in enumerate(placed):
        counts = value_counts(array)
        present = [int(value) for value in np.flatnonzero(counts) if value > 0]
        for start in range(0, len(present), LAYER_VALUES):
            part = present[start : start + LAYER_VALUES]
            lookup = np.zeros(len(counts), dtype=LAYER_TYPE)
            lookup[part] = np.arange(1, len(part) + 1)
            layers.append((lookup[array], [(new, (number, old)) for new, old in enumerate(part, start=1)]))
            names |= {(number, old): titles[number, old] for old in part}
    return layers, names


def _as_one(placed: list[NDArray[Any]], name: str) -> _Packed:
    """One segment of everything that is not background, in whichever layer."""
    whole = np.zeros(placed[0].shape, dtype=np.bool_)
    for array in placed:
        whole |= array != 0
    if not whole.any():
        return [], {}
    return [(whole.astype(LAYER_TYPE), [(1, (0, 1))])], {(0, 1): name}


def _label_file(path: Path, table: Path | None, series: str | None, volume: VolumeNode, ctx: Context) -> LabelMapFile:
    from surgitwin.segmentation.labelmaps import SUFFIXES, labels_from_array, read_labelmap

    if path.is_file() and path.name.lower().endswith(SUFFIXES):
        return read_labelmap(path, ctx, table)
    from surgitwin.imaging import load_series
    from surgitwin.imaging.consistency import check_same_patient

    loaded = load_series(path, series, ctx)
    differences = check_same_patient((volume.patient, volume.identity), (loaded.patient, loaded.identity))
    return labels_from_array(
        loaded.voxels,
        loaded.geometry,
        path.name,
        table=table,
        notices=(*loaded.notices, *differences),
        side_known=loaded.side_known,
        ctx=ctx,
    )


def _distinct(names: dict[LabelKey, str]) -> dict[LabelKey, str]:
    """The same names, numbered where two values have one, so that each can be named on its own."""
    seen: dict[str, int] = {}
    distinct: dict[LabelKey, str] = {}
    for key, title in names.items():
        seen[title] = seen.get(title, 0) + 1
        distinct[key] = title if seen[title] == 1 else f"{title} ({seen[title]})"
    return distinct
