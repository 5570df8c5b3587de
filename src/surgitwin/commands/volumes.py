"""New images from an image of the case: cropped to a part, or with everything else masked."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgitwin.commands.base import Arg, Bench, Command, Document, Work
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.labels import pick_volume
from surgitwin.commands.placement import crop_of
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.identity import ImageIdentity
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import Node, Provenance, SegmentNode, VolumeNode
from surgitwin.scene.scene import Scene

AIR_HU = -1024


class CropVolume(Command):
    """Make a smaller image of the part around a segment."""

    name: ClassVar[str] = "crop"
    title: ClassVar[str] = tr("Crop an image")
    summary: ClassVar[str] = tr("Make a smaller image of the part around a segment, or of a box.")

    around: Annotated[str | None, Arg(tr("the segment to keep whole"))] = None
    margin_mm: Annotated[float, Arg(tr("room around it"), unit="mm")] = Field(default=10.0, ge=0, le=1000)
    box: Annotated[
        tuple[float, float, float, float, float, float] | None,
        Arg(tr("instead of a segment: two opposite corners, six numbers in LPS mm"), unit="mm"),
    ] = None
    of: Annotated[str | None, Arg(tr("the image to crop; without it the first"))] = None
    as_: Annotated[str | None, Arg(tr("name of the new image"), option="name")] = Field(default=None, min_length=1)

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        volume = pick_volume(scene, self.of)
        if (self.around is None) == (self.box is None):
            raise BadInput(tr("Give either --around and a segment, or --box and two corners."))
        segment = _segment_on(scene, volume, self.around) if self.around is not None else None
        labels = scene.layer_of(segment).labels.frozen() if segment is not None else None
        voxels = volume.voxels.frozen()
        inputs: list[Node] = [volume, segment] if segment is not None else [volume]
        made_from = provenance(bench, "crop", inputs, margin_mm=self.margin_mm, box_mm=self.box)

        def compute(ctx: Context) -> tuple[Box, NDArray[Any]]:
            ctx.progress(0.1, tr("Cropping"))
            if segment is not None and labels is not None:
                inner = crop_of(labels, segment.value)[1]
                if inner.empty:
                    raise BadInput(tr("The segment “{name}” is empty.").format(name=segment.name))
                reach = [int(np.ceil(self.margin_mm / spacing)) for spacing in volume.geometry.spacing_mm]
                part = _clamped(
                    [a - r for a, r in zip(inner.start, reach, strict=True)],
                    [b + r for b, r in zip(inner.stop, reach, strict=True)],
                    volume.geometry,
                )
            else:
                assert self.box is not None
                part = box_of(volume.geometry, self.box)
                if part.empty:
                    raise BadInput(tr("The box lies outside of the image “{name}”.").format(name=volume.name))
            return part, np.ascontiguousarray(voxels[part.slices])

        def commit(outcome: tuple[Box, NDArray[Any]]) -> Document:
            part, cropped = outcome
            name = self.as_ or tr("{name}, cropped").format(name=volume.name)
            identity = _derived(volume.identity, part, volume.geometry)
            made = _new_volume(volume, name, volume.geometry.cropped(part), cropped, identity, made_from)
            with bench.transaction(tr("Crop: {name}").format(name=name)) as tx:
                tx.add(made)
            return _document(made)

        return Work(compute, commit)


class MaskVolume(Command):
    """Make an image in which everything inside or outside of a segment has one value."""

    name: ClassVar[str] = "mask"
    title: ClassVar[str] = tr("Mask an image")
    summary: ClassVar[str] = tr("Make an image in which what lies outside (or inside) of a segment has one value.")

    segment: Annotated[str, Arg(tr("the segment"), positional=True)]
    keep: Annotated[Literal["inside", "outside"], Arg(tr("the side that stays as it is"))] = "inside"
    fill: Annotated[float | None, Arg(tr("value of the other side; without it air in CT, else 0"))] = None
    of: Annotated[str | None, Arg(tr("the image; without it the first"))] = None
    as_: Annotated[str | None, Arg(tr("name of the new image"), option="name")] = Field(default=None, min_length=1)

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        volume = pick_volume(scene, self.of)
        segment = _segment_on(scene, volume, self.segment)
        voxels, labels = volume.voxels.frozen(), scene.layer_of(segment).labels.frozen()
        fill = self.fill if self.fill is not None else float(AIR_HU if volume.unit == "HU" else 0)
        if np.issubdtype(voxels.dtype, np.integer):
            limits = np.iinfo(voxels.dtype)
            if fill != int(fill) or not limits.min <= fill <= limits.max:
                message = tr(
                    "The image holds whole numbers from {least} to {most}; it cannot be filled with {value:g}."
                )
                raise BadInput(message.format(least=limits.min, most=limits.max, value=fill))
        made_from = provenance(bench, "mask", [volume, segment], keep=self.keep, fill=fill)

        def compute(ctx: Context) -> NDArray[Any]:
            masked = np.empty_like(voxels)
            for k in range(voxels.shape[0]):
                if k % 16 == 0:
                    ctx.progress(k / voxels.shape[0], tr("Masking"))
                    ctx.check()
                stays = (labels[k] == segment.value) == (self.keep == "inside")
                masked[k] = np.where(stays, voxels[k], voxels.dtype.type(fill))
            return masked

        def commit(masked: NDArray[Any]) -> Document:
            side = tr("inside") if self.keep == "inside" else tr("outside")
            name = self.as_ or tr("{image}, {side} {segment}").format(
                image=volume.name, side=side, segment=segment.name
            )
            identity = _derived(volume.identity, volume.geometry.full_box, volume.geometry)
            made = _new_volume(volume, name, volume.geometry, masked, identity, made_from)
            with bench.transaction(tr("Mask: {name}").format(name=name)) as tx:
                tx.add(made)
            return _document(made)

        return Work(compute, commit)


def box_of(geometry: Geometry, corners_mm: tuple[float, ...]) -> Box:
    """The voxels whose centre lies in the LPS box between two opposite corners, widened to a box of the grid."""
    low, high = np.minimum(corners_mm[:3], corners_mm[3:]), np.maximum(corners_mm[:3], corners_mm[3:])
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    index = geometry.to_index(corners)
    return _clamped(
        np.ceil(index.min(axis=0) - 1e-6).astype(int).tolist(),
        (np.floor(index.max(axis=0) + 1e-6).astype(int) + 1).tolist(),
        geometry,
    )


def _clamped(start: list[int], stop: list[int], geometry: Geometry) -> Box:
    i0, j0, k0 = (min(max(a, 0), n) for a, n in zip(start, geometry.size_ijk, strict=True))
    i1, j1, k1 = (min(max(b, 0), n) for b, n in zip(stop, geometry.size_ijk, strict=True))
    return Box((i0, j0, k0), (i1, j1, k1))


def _segment_on(scene: Scene, volume: VolumeNode, name: str) -> SegmentNode:
    segment = scene.resolve(name, SegmentNode)
    if scene.segmentation_of(segment).volume != volume.id:
        message = tr("“{segment}” does not lie on the image “{volume}”; name its image with --of.")
        raise BadInput(message.format(segment=segment.name, volume=volume.name))
    return segment


def _derived(identity: ImageIdentity, part: Box, geometry: Geometry) -> ImageIdentity:
    """The identity of a part: no slice of the original is it, but it came from these."""
    whole = geometry.size_ijk[2]
    sources = identity.sop_instance_uids or identity.source_sop_instance_uids
    kept = sources[part.start[2] : part.stop[2]] if len(sources) == whole else sources
    return dataclasses.replace(
        identity, series_uid="", sop_instance_uids=(), source_sop_instance_uids=kept, frame_numbers=()
    )


def _new_volume(
    source: VolumeNode,
    name: str,
    geometry: Geometry,
    voxels: NDArray[Any],
    identity: ImageIdentity,
    made_from: Provenance,
) -> VolumeNode:
    return VolumeNode(
        name=name,
        parent=source.parent,
        geometry=geometry,
        voxels=ArrayData.of(voxels),
        unit=source.unit,
        identity=identity,
        patient=source.patient,
        notices=source.notices,
        side_known=source.side_known,
        window_hu=source.window_hu,
        level_hu=source.level_hu,
        provenance=made_from,
    )


def _document(volume: VolumeNode) -> Document:
    return {
        "node": describe(volume),
        "nodes": [describe(volume)],
        "size_ijk": list(volume.geometry.size_ijk),
        "affine_lps": [[float(value) for value in row] for row in volume.geometry.affine_lps],
        "warnings": [],
    }
