"""Carry a segment of one image over to another, through the registration that links the two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgitwin.commands.base import Arg, Bench, Command, Document, Work
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.labels import make_segment, segmentation_for, segments_of
from surgitwin.commands.mesh_files import cut_off_warning
from surgitwin.commands.placement import Places, find_places, find_segmentation, freeze_segmentation, put_in_place
from surgitwin.commands.registered import link_between, registration_of
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import CarriedBy, Node, Provenance, SegmentNode, TransformNode, VolumeNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.imaging.registration import Registration

CARRY = "carry"


class CarrySegment(Command):
    """Show a segment of one image on another one."""

    name: ClassVar[str] = "carry"
    title: ClassVar[str] = tr("Carry a segment over")
    summary: ClassVar[str] = tr("Bring a segment onto another image through the registration that links the two.")

    segment: Annotated[str, Arg(tr("name or id of the segment"), positional=True)]
    onto: Annotated[str, Arg(tr("the other image"))]
    through: Annotated[str | None, Arg(tr("the registration, if several link the images"))] = None
    as_: Annotated[str | None, Arg(tr("name of the new segment"), option="name")] = Field(
        default=None, min_length=1, max_length=200
    )

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        segment = scene.resolve(self.segment, SegmentNode)
        target = scene.resolve(self.onto, VolumeNode)
        grid = scene.segmentation_of(segment)
        source = scene.get(grid.volume, VolumeNode)
        if source is None:
            raise BadInput(tr("The image that “{name}” lies on is not in this case.").format(name=segment.name))
        if source.id == target.id:
            message = tr("“{segment}” lies on “{image}” already; name another image.")
            raise BadInput(message.format(segment=segment.name, image=target.name))
        link = link_between(scene, source, target, self.through)
        name = self.as_ or segment.name
        old = _carried_before(scene, segment, target, name)
        layers = freeze_segmentation(scene, find_segmentation(scene, target))
        job = _Carrying.of(scene, segment, target, link)

        def compute(ctx: Context) -> _Carried:
            return job.compute(ctx, find=lambda mask: find_places(layers, mask, {1: old}))

        def commit(carried: _Carried) -> Document:
            made_from = job.provenance(bench)
            return _commit_carried(bench, job, carried, old, name, made_from)

        return Work(compute, commit)


def _carried_before(scene: Scene, segment: SegmentNode, target: VolumeNode, name: str) -> SegmentNode | None:
    """What an earlier run made there; a segment that was not carried over from this one is never replaced."""
    there = find_segmentation(scene, target)
    same = [s for s in segments_of(scene, there) if s.name.casefold() == name.casefold()] if there is not None else []
    for found in same:
        made_from = found.provenance
        if made_from is None or made_from.tool != CARRY or segment.id not in made_from.inputs:
            message = tr("“{image}” has a segment “{name}” already. Give the new one another name with --name.")
            raise BadInput(message.format(image=target.name, name=found.name))
    return same[0] if same else None


@dataclass(frozen=True, eq=False)
class _Carried:
    places: Places
    voxels: int
    cut_off: bool
    source_cut_off: bool
    source_voxels: int


@dataclass(frozen=True, eq=False)
class _Carrying:
    """A segment, where it goes, and through what, as no later edit can change them."""

    segment: SegmentNode
    labels: NDArray[Any]
    geometry: Geometry
    target: VolumeNode
    link: TransformNode | None
    to_fixed: bool

    @staticmethod
    def of(scene: Scene, segment: SegmentNode, target: VolumeNode, link: TransformNode | None) -> _Carrying:
        labels = scene.layer_of(segment).labels.frozen()
        to_fixed = link is not None and link.fixed == target.id
        return _Carrying(segment, labels, scene.segmentation_of(segment).geometry, target, link, to_fixed)

    def compute(self, ctx: Context, find: Any) -> _Carried:
        from surgitwin.imaging.registration import Registration

        mask = np.asarray(self.labels == self.segment.value)
        source = Box.of_mask(mask)
        if source.empty:
            raise BadInput(tr("The segment “{name}” is empty.").format(name=self.segment.name))
        through = registration_of(self.link) if self.link is not None else Registration.identity()
        arguments = (mask, self.geometry, self.target.geometry, through, self.to_fixed)
        found: NDArray[np.bool_] = ctx.part(0.0, 0.95).apart(carried_over, *arguments)
        box = Box.of_mask(found)
        if box.empty:
            message = tr("“{segment}” lies outside of the image “{image}”, or is smaller than its voxels.")
            raise BadInput(message.format(segment=self.segment.name, image=self.target.name))
        return _Carried(
            find(found),
            int(np.count_nonzero(found)),
            box.touches_edge(self.target.geometry.size_ijk),
            source.touches_edge(self.geometry.size_ijk),
            int(np.count_nonzero(mask)),
        )

    def provenance(self, bench: Bench) -> Provenance:
        inputs: list[Node] = [self.segment, *([self.link] if self.link is not None else [])]
        through = self.link.name if self.link is not None else "same frame of reference"
        matrix = list(self.link.matrix) if self.link is not None else [float(v) for v in np.eye(4).reshape(-1)]
        kind = self.link.kind if self.link is not None else "identity"
        direction = "moving to fixed" if self.to_fixed else "fixed to moving"
        return provenance(
            bench, CARRY, inputs, automatic=True, through=through, kind=kind, matrix=matrix, direction=direction
        )


def carried_over(
    mask: NDArray[np.bool_],
    source: Geometry,
    target: Geometry,
    registration: Registration,
    to_fixed: bool,
    ctx: Context,
) -> NDArray[np.bool_]:
    """`imaging.registration.carried_mask` in a process of its own."""
    from surgitwin.imaging.registration import carried_mask

    return carried_mask(mask, source, target, registration, ctx, to_fixed=to_fixed)


def _commit_carried(
    bench: Bench, job: _Carrying, carried: _Carried, old: SegmentNode | None, name: str, made_from: Provenance
) -> Document:
    scene, segment, target = bench.scene, job.segment, job.target
    for node in (segment, target, *([job.link] if job.link is not None else []), *([old] if old is not None else [])):
        if node.id not in scene:
            raise BadInput(tr("“{name}” was removed meanwhile. Nothing was changed.").format(name=node.name))
    links = segment.carried
    if job.link is not None:
        own = CarriedBy(registration=job.link.id, revision=job.link.revision, source_cut_off=carried.source_cut_off)
        links = (*links, own)
    with bench.transaction(tr("Carry over: {name}").format(name=name)) as tx:
        grid = segmentation_for(scene, tx, target)
        layer = put_in_place(scene, tx, grid, carried.places)
        value = carried.places.values[1]
        if old is None:
            colors = [one.color for one in segments_of(scene, grid)]
            made = make_segment(grid, name, layer, value, colors, segment.kind, segment.color, made_from)
            made = made.model_copy(update={"term": segment.term, "opacity": segment.opacity, "carried": links})
            tx.add(made)
            node_id = made.id
        else:
            tx.set(old.id, layer=layer, value=value, provenance=made_from, carried=links)
            node_id = old.id
    node = scene.expect(node_id, SegmentNode)
    return {
        "node": describe(node),
        "nodes": [describe(node)],
        "through": describe(job.link) if job.link is not None else None,
        "accepted": job.link is None or job.link.accepted is not None,
        "voxels": carried.voxels,
        "volume_ml": carried.voxels * target.geometry.voxel_volume_mm3 / 1000.0,
        "source_volume_ml": carried.source_voxels * job.geometry.voxel_volume_mm3 / 1000.0,
        "cut_off": carried.cut_off or carried.source_cut_off,
        "warnings": _carry_warnings(node, job, carried),
    }


def _carry_warnings(node: SegmentNode, job: _Carrying, carried: _Carried) -> list[Document]:
    warnings = [cut_off_warning(node.name)] if carried.cut_off else []
    if carried.source_cut_off:
        message = tr("{name} is cut off in the image that it came from, so it is not whole here either.")
        warnings.append(_warning("carried-cut-off", message, node))
    if job.link is not None and job.link.accepted is None:
        message = tr("Nobody has accepted the registration that {name} came by; no plan uses it until somebody does.")
        warnings.append(_warning("registration-not-accepted", message, node))
    return warnings


def _warning(code: str, message: str, node: SegmentNode) -> Document:
    return {"code": code, "message": message.format(name=node.name), "segment": node.name}
