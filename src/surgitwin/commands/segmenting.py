"""Make segments, or change them, by a method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgitwin.commands.base import Arg, Bench, Document, Work
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.labels import make_segment, pick_volume, segmentation_for, segments_of
from surgitwin.commands.mesh_files import cut_off_warning
from surgitwin.commands.placement import Places, find_places, find_segmentation, freeze_segmentation, put_in_place
from surgitwin.commands.ruled import RuledCommand, ruled_grid
from surgitwin.commands.segments import APART_VOXELS
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.ids import NodeId
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import Provenance, SegmentNode, VolumeNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.segmentation.methods import Inputs, MethodParams, Parts, Seeds, SegmentMethod
    from surgitwin.segmentation.rules import EditRules, RuledGrid

    Worker = Callable[[Inputs, MethodParams, Context], NDArray[np.bool_] | Parts]

EVERY_PART = "all"
NAMED_AT_ONCE = 3  # so many names fit into the title of a step


class MakeSegment(RuledCommand):
    """Make a segment, or replace one, by a method."""

    name: ClassVar[str] = "segment"
    title: ClassVar[str] = tr("Make a segment")
    summary: ClassVar[str] = tr("Make or change a segment: threshold, grow, seeds, bone, lungs, smooth ...")

    method: Annotated[str, Arg(tr("how: threshold, grow, seeds, body, bone, lungs, network ..."), positional=True)]
    into: Annotated[
        str, Arg(tr("name of the segment to make or replace; “all” takes every part of a method that makes several"))
    ] = Field(min_length=1, max_length=200)
    of: Annotated[str | None, Arg(tr("segment that the method starts from; without it the one named by --into"))] = None
    onto: Annotated[str | None, Arg(tr("the image to work on; without it the first"))] = None
    labels: Annotated[Path | None, Arg(tr("names of the seeds: a JSON file, value to name"))] = None
    settings: Annotated[dict[str, Any], Arg(tr("a setting of the method, k=v"), option="set")] = Field(
        default_factory=dict
    )

    def start(self, bench: Bench) -> Work[Any]:
        return self.started(bench)

    def started(self, bench: Bench, by: Worker | None = None) -> Work[Any]:
        """As `start`; what the method finds may come from a worker that remembers what it found before."""
        from surgitwin.commands.methods import method_named
        from surgitwin.segmentation.methods import Parts, applied

        method = method_named(self.method)
        params = method.parse(self.settings)
        scene = bench.scene
        volume = pick_volume(scene, self.onto)
        if method.ct_only and volume.unit != "HU":
            message = tr("“{method}” needs CT values in HU, but “{name}” has none. Use a threshold instead.")
            raise BadInput(message.format(method=method.title, name=volume.name))
        if self.labels is not None and method.seeds == "no":
            raise BadInput(tr("--labels names seeds, but “{method}” takes none.").format(method=method.title))
        source = scene.resolve(self.of or self.into, SegmentNode) if method.needs_segment else None
        given = _Given(method, params, volume, source, _references(scene, params), self.labels)
        for segment in given.segments():
            if scene.segmentation_of(segment).volume != volume.id:
                message = tr("“{segment}” does not lie on the image “{volume}”; name its image with --onto.")
                raise BadInput(message.format(segment=segment.name, volume=volume.name))
        frozen = _Frozen.of(scene, given)
        segments = segments_of_volume(scene, volume)
        layers = freeze_segmentation(scene, find_segmentation(scene, volume))
        rules, grid = self.edit_rules(scene, volume), ruled_grid(scene, volume)
        made_from = provenance(
            bench, f"segment {method.name}", [volume, *given.segments()], automatic=True, **_recorded(params)
        )

        def compute(ctx: Context) -> _Result:
            inputs, rest = frozen.inputs(ctx.part(0.0, 0.1)), ctx.part(0.1, 0.95)
            if by is not None:
                found = by(inputs, params, rest)
            elif method.light or inputs.voxels.size < APART_VOXELS:
                found = method.apply(inputs, params, rest)
            else:
                found = rest.apart(applied, method.name, inputs, params)
            parts = _chosen(found, method, self.into, source)
            targets = {value: segment_named(segments, name) for value, name in parts.names.items()}
            labels, free = _ruled(parts.labels, rules, grid, targets, method)
            ctx.partial(Parts(labels, parts.names, parts.notes))  # to be looked at while its place is found
            counts = {value: _counted(labels, value, volume.geometry) for value in targets}
            replaced = {target.id for target in targets.values() if target is not None}
            overwritten = [
                segment
                for segment in segments
                if segment.id not in replaced
                and (rules.overwrite == "all" or (rules.overwrite == "visible" and segment.visible))
            ]
            places = find_places(layers, labels, targets, overwritten, free)
            return _Result(places, parts.names, targets, counts, parts.notes, parts.provenance)

        def commit(result: _Result) -> Document:
            return _commit(bench, volume, method, made_from, result)

        return Work(compute, commit)


@dataclass(frozen=True, eq=False)
class _Given:
    """What a person named, found in the scene."""

    method: SegmentMethod[Any]
    params: MethodParams
    volume: VolumeNode
    source: SegmentNode | None
    references: Mapping[str, tuple[SegmentNode, ...]]
    table: Path | None

    def segments(self) -> list[SegmentNode]:
        named = [segment for found in self.references.values() for segment in found]
        every = [self.source, *named] if self.source is not None else named
        return list({segment.id: segment for segment in every}.values())


@dataclass(frozen=True, eq=False)
class _Frozen:
    """The same as arrays that no edit changes any more."""

    given: _Given
    voxels: NDArray[Any]
    labels: Mapping[NodeId, NDArray[Any]]

    @staticmethod
    def of(scene: Scene, given: _Given) -> _Frozen:
        labels = {segment.id: scene.layer_of(segment).labels.frozen() for segment in given.segments()}
        return _Frozen(given, given.volume.voxels.frozen(), labels)

    def inputs(self, ctx: Context) -> Inputs:
        from surgitwin.segmentation.methods import Inputs

        given = self.given
        seeded = given.references.get("segments", ()) if given.method.seeds != "no" else ()
        named = {
            setting: {segment.name: self._mask(segment) for segment in found}
            for setting, found in given.references.items()
            if not (seeded and setting == "segments")
        }
        seeds = self._seeds_of(seeded) if seeded else _seeds_from(given, ctx)
        current = self._mask(given.source) if given.source is not None else None
        name = given.source.name if given.source is not None else ""
        in_hu = given.volume.unit == "HU"
        geometry, modality = given.volume.geometry, _modality(given.volume)
        return Inputs(self.voxels, geometry, current, named, seeds, name, modality=modality, in_hu=in_hu)

    def _mask(self, segment: SegmentNode) -> NDArray[np.bool_]:
        return np.asarray(self.labels[segment.id] == segment.value)

    def _seeds_of(self, segments: tuple[SegmentNode, ...]) -> Seeds:
        from surgitwin.segmentation.methods import Seeds

        labels = np.zeros(self.voxels.shape, dtype=np.uint8)
        for value, segment in enumerate(segments, start=1):
            np.copyto(labels, np.uint8(value), where=self._mask(segment))
        return Seeds(labels, {value: segment.name for value, segment in enumerate(segments, start=1)})


@dataclass(frozen=True, eq=False)
class _Result:
    """What is to be put into the scene, by the number of each part."""

    places: Places
    names: Mapping[int, str]
    targets: Mapping[int, SegmentNode | None]
    counts: Mapping[int, tuple[int, bool]]  # voxels, cut off by the image's edge
    notes: tuple[str, ...]
    provenance: Mapping[str, Any]  # besides the settings


def _modality(volume: VolumeNode) -> str:
    """As DICOM writes it; what is in HU is CT, whatever kind of file it came from."""
    return volume.identity.modality or ("CT" if volume.unit == "HU" else "")


def segments_of_volume(scene: Scene, volume: VolumeNode) -> list[SegmentNode]:
    """The segments that lie on a volume's grid."""
    segmentation = find_segmentation(scene, volume)
    return [] if segmentation is None else segments_of(scene, segmentation)


def segment_named(segments: list[SegmentNode], name: str) -> SegmentNode | None:
    """The segment with this name or id, or ``None`` where a new one is to be made.

    Raises
    ------
    BadInput
        If several have the name.
    """
    for hits in (
        [segment for segment in segments if name in (segment.id, segment.name)],
        [segment for segment in segments if segment.name.casefold() == name.casefold()],
    ):
        if len(hits) == 1:
            return hits[0]
        if hits:
            listed = ", ".join(f"{segment.name} ({segment.id})" for segment in hits)
            message = tr("{count} segments are called “{name}”: {listed}. Give the id of the one you mean.")
            raise BadInput(message.format(count=len(hits), name=name, listed=listed))
    return None


def _references(scene: Scene, params: MethodParams) -> dict[str, tuple[SegmentNode, ...]]:
    found: dict[str, tuple[SegmentNode, ...]] = {}
    for setting, several in type(params).references().items():
        value = getattr(params, setting)
        names = () if value is None else tuple(value) if several else (value,)
        if names:
            found[setting] = tuple(scene.resolve(name, SegmentNode) for name in names)
    return found


def _recorded(params: MethodParams) -> dict[str, Any]:
    """The settings as they are kept with the segment: of a file its name only, for folders may name the patient."""
    values = params.model_dump(mode="json")
    for name in ("seeds", "model"):
        if isinstance(values.get(name), str):
            values[name] = Path(values[name]).name
    return values


def _seeds_from(given: _Given, ctx: Context) -> Seeds | None:
    """Read the seeds' file; its grid must be the image's.

    Raises
    ------
    BadInput
        If it cannot be read, lies on another grid, or is empty.
    """
    from surgitwin.segmentation.labelmaps import read_labelmap
    from surgitwin.segmentation.methods import Seeds

    path = getattr(given.params, "seeds", None)
    if given.method.seeds == "no" or path is None:
        return None
    file = read_labelmap(Path(path), ctx, given.table)
    if not file.geometry.same_grid(given.volume.geometry):
        message = tr(
            "The seeds in {file} lie on another grid ({found}) than the image “{image}” ({wanted}). Draw them on the "
            "image's own grid."
        )
        found, wanted = (_grid_text(geometry) for geometry in (file.geometry, given.volume.geometry))
        raise BadInput(message.format(file=Path(path).name, found=found, image=given.volume.name, wanted=wanted))
    names: dict[int, str] = {}
    labels = np.zeros(given.volume.geometry.shape_kji, dtype=np.uint16)
    for number, layer in enumerate(file.layers):
        for key, name in file.names.items():
            if key[0] == number:
                value = key[1] if len(file.layers) == 1 else len(names) + 1
                labels[layer == key[1]] = value
                names[value] = name
    if not names:
        raise BadInput(tr("The seeds in {file} are empty: mark each structure first.").format(file=Path(path).name))
    return Seeds(labels, names)


def _grid_text(geometry: Geometry) -> str:
    size = " x ".join(str(count) for count in geometry.size_ijk)
    spacing = " x ".join(f"{value:.4g}" for value in geometry.spacing_mm)
    origin = ", ".join(f"{value:.4g}" for value in geometry.origin_mm)
    return tr("{size} voxels of {spacing} mm, first at {origin}").format(size=size, spacing=spacing, origin=origin)


def _chosen(
    found: NDArray[np.bool_] | Parts, method: SegmentMethod[Any], into: str, source: SegmentNode | None
) -> Parts:
    """What becomes a segment of what the method found."""
    from surgitwin.segmentation.methods import Parts

    if not isinstance(found, Parts):
        if not found.any():
            raise BadInput(tr("{method} found nothing. Change its settings.").format(method=method.title))
        return Parts(found, {1: into})
    present = _present(found.labels)
    names = {value: name for value, name in found.names.items() if value in present}
    if not names:
        raise BadInput(tr("{method} found nothing. Change its settings.").format(method=method.title))
    if into.casefold() == EVERY_PART or (source is not None and into in (source.name, source.id)):
        return Parts(_only(found.labels, list(names)), names, found.notes, found.provenance)
    wanted = [value for value, name in names.items() if name.casefold() == into.casefold()]
    if not wanted:
        listed = ", ".join(f"“{name}”" for name in names.values())
        message = tr("{method} makes {names}, but no “{into}”. Name one of them, or “all”.")
        raise BadInput(message.format(method=method.title, names=listed, into=into))
    mask = np.asarray(found.labels == wanted[0])
    return Parts(mask, {1: names[wanted[0]]}, found.notes, found.provenance)


def _only(labels: NDArray[Any], values: list[int]) -> NDArray[Any]:
    """The labels without what is no part, such as the background that competed with them."""
    kept = np.zeros(max(int(labels.max()), *values) + 1, dtype=np.uint8 if max(values) <= 255 else np.uint16)
    kept[values] = values
    result = np.empty(labels.shape, dtype=kept.dtype)
    for plane, into in zip(labels, result, strict=True):  # planes fit into the cache, and Python's lock is let go of
        into[...] = kept[plane]
    return result


def _present(labels: NDArray[Any]) -> NDArray[np.intp]:
    """The values that occur, counted plane by plane as in `_only`."""
    counts = np.zeros(int(labels.max(initial=0)) + 1, dtype=np.int64)
    for plane in labels:
        counts += np.bincount(plane.reshape(-1), minlength=len(counts))
    return np.flatnonzero(counts)


def _ruled(
    labels: NDArray[Any],
    rules: EditRules,
    grid: RuledGrid,
    targets: Mapping[int, SegmentNode | None],
    method: SegmentMethod[Any],
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """The parts as far as the rules let them be, and where that is: elsewhere every segment stays as it is."""
    if not (rules.inside or rules.outside or rules.has_range):
        return labels, None
    from surgitwin.segmentation.rules import editable

    free = editable(grid, rules, _whole(labels))
    ruled = labels.astype(np.uint16 if max(targets) > 255 else np.uint8)
    ruled[~free] = 0
    if not ruled.any():
        message = tr("{method} found nothing in the area that may be edited. Change the area or the range.")
        raise BadInput(message.format(method=method.title))
    for part, target in targets.items():
        if target is not None:
            ruled[~free & (grid.layer(target.layer).labels == target.value)] = part
    return ruled, free


def _whole(labels: NDArray[Any]) -> Box:
    k, j, i = labels.shape
    return Box((0, 0, 0), (i, j, k))


def _counted(labels: NDArray[Any], value: int, geometry: Geometry) -> tuple[int, bool]:
    mask = labels if labels.dtype == np.bool_ else labels == value
    return int(np.count_nonzero(mask)), Box.of_mask(mask).touches_edge(geometry.size_ijk)


def _commit(
    bench: Bench, volume: VolumeNode, method: SegmentMethod[Any], made_from: Provenance, result: _Result
) -> Document:
    scene = bench.scene
    for target in result.targets.values():
        if target is not None and target.id not in scene:
            raise BadInput(tr("The segment “{name}” was removed meanwhile.").format(name=target.name))
    made: list[SegmentNode] = []
    # Their own old content is no input any more: it has just been replaced.
    replaced = {target.id for target in result.targets.values() if target is not None}
    kept = {key: revision for key, revision in made_from.inputs.items() if key not in replaced}
    parameters = {**made_from.parameters, **result.provenance}
    origin = made_from.model_copy(update={"inputs": kept, "parameters": parameters})
    sources = [scene.get(key, SegmentNode) for key in made_from.inputs]
    carried = tuple(dict.fromkeys(link for source in sources if source is not None for link in source.carried))
    # A segment that is replaced may have been named by its id.
    targets = {part: target for part, target in result.targets.items() if target is not None}
    names = {**result.names, **{part: scene.node(target.id).name for part, target in targets.items()}}
    with bench.transaction(_step_name(method, names)) as tx:
        segmentation = segmentation_for(scene, tx, volume)
        layer = put_in_place(scene, tx, segmentation, result.places)
        for part, name in result.names.items():
            target, value = result.targets[part], result.places.values[part]
            if target is None:
                colors = [segment.color for segment in segments_of(scene, segmentation)]
                otherwise = "" if method.makes_parts else method.title
                segment = make_segment(segmentation, name, layer, value, colors, provenance=origin, otherwise=otherwise)
                made.append(segment)
                tx.add(segment.model_copy(update={"work": "in-progress", "carried": carried}))
            else:
                made.append(target)
                work = "in-progress" if target.work == "not-started" else target.work
                tx.set(target.id, layer=layer, value=value, provenance=origin, work=work, carried=carried)
    return _document(scene, volume.geometry, made, result)


def _step_name(method: SegmentMethod[Any], names: Mapping[int, str]) -> str:
    if len(names) > NAMED_AT_ONCE:
        return tr("{method}: {count} segments").format(method=method.title, count=len(names))
    return tr("{method}: {name}").format(method=method.title, name=", ".join(names.values()))


def _document(scene: Scene, geometry: Geometry, made: list[SegmentNode], result: _Result) -> Document:
    entries: list[Document] = []
    for segment, (voxels, cut_off) in zip(made, result.counts.values(), strict=True):
        volume_ml = voxels * geometry.voxel_volume_mm3 / 1000.0
        node = describe(scene.node(segment.id))
        entries.append({"node": node, "voxels": voxels, "volume_ml": volume_ml, "cut_off": cut_off})
    warnings = [cut_off_warning(entry["node"]["name"]) for entry in entries if entry["cut_off"]]
    warnings += [{"code": "segmentation-note", "message": note} for note in result.notes]
    only: Document = dict(entries[0]) if len(entries) == 1 else {}
    return {**only, "segments": entries, "nodes": [entry["node"] for entry in entries], "warnings": warnings}
