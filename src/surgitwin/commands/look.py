"""Commands that only look: the tree, the statistics of segments, the check of a case file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import numpy as np

from surgitwin.commands.base import Arg, Bench, CaseUse, Command, Document, Work, at_once
from surgitwin.commands.mesh_files import cut_off_warning
from surgitwin.commands.registered import registration_hash
from surgitwin.commands.segments import surface_of
from surgitwin.commands.signing import SignedContent, signed_nodes
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.ids import NodeId
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.arrays import AnyArray
from surgitwin.scene.nodes import LabelLayerNode, PlanNode, SegmentNode, TransformNode, VolumeNode

AROUND_VOXELS = 2  # what a surface needs to see around its segment


class ShowTree(Command):
    """List every node of the case."""

    name: ClassVar[str] = "tree"
    title: ClassVar[str] = tr("Show the tree")
    summary: ClassVar[str] = tr("Every node of the case, its parent, and whether it is stale.")
    case: ClassVar[CaseUse] = "read"

    def start(self, bench: Bench) -> Work[None]:
        def apply() -> Document:
            scene = bench.scene
            nodes = [
                {
                    "id": node.id,
                    "type": node.type_name,
                    "name": node.name,
                    "parent": node.parent,
                    "stale": scene.is_stale(node),
                    "visible": node.visible,
                }
                for node in scene
            ]
            return {"nodes": nodes}

        return at_once(apply)


@dataclass(frozen=True)
class LayerInputs:
    """A label layer with its segments and the image below it, frozen for work on another thread.

    Attributes
    ----------
    labels, voxels
        [k, j, i] of ``box``.
    geometry
        Of the whole image.
    """

    labels: AnyArray
    geometry: Geometry
    box: Box
    segments: tuple[SegmentNode, ...]
    voxels: AnyArray | None
    unit: str
    modality: str
    surfaces: dict[NodeId, Mesh]


def freeze_layers(bench: Bench, wanted: list[SegmentNode]) -> list[LayerInputs]:
    """Group segments by layer, with their image's voxels and their current surfaces."""
    scene = bench.scene
    groups: dict[NodeId, list[SegmentNode]] = {}
    for segment in wanted:
        groups.setdefault(segment.layer, []).append(segment)
    frozen: list[LayerInputs] = []
    for layer, segments in groups.items():
        segmentation = scene.segmentation_of(segments[0])
        volume = scene.get(segmentation.volume, VolumeNode)
        surfaces: dict[NodeId, Mesh] = {}
        for segment in segments:
            surface = surface_of(scene, segment)
            if surface is not None and not scene.is_stale(surface):
                surfaces[segment.id] = Mesh(surface.points.frozen(), surface.triangles.frozen())
        frozen.append(
            LayerInputs(
                scene.expect(layer, LabelLayerNode).labels.frozen(),
                segmentation.geometry,
                segmentation.geometry.full_box,
                tuple(segments),
                volume.voxels.frozen() if volume is not None else None,
                volume.unit if volume is not None else "",
                volume.identity.modality if volume is not None else "",
                surfaces,
            )
        )
    return frozen


def statistics_document(layer: LayerInputs, ctx: Context) -> dict[NodeId, Document]:
    """What `stats` says of each segment of a layer; surfaces that are missing or stale are made for it."""
    from surgitwin.surfaces import box_of_labels

    values = [segment.value for segment in layer.segments]
    found = box_of_labels(layer.labels, values, ctx)
    box = found.grown(AROUND_VOXELS, layer.geometry.size_ijk)
    # Most of an image is sent as it is rather than copied first.
    if not found.empty and 2 * np.prod(box.size_ijk) < layer.geometry.voxel_count:
        layer = replace(
            layer,
            labels=np.ascontiguousarray(layer.labels[box.slices]),
            voxels=None if layer.voxels is None else np.ascontiguousarray(layer.voxels[box.slices]),
            box=box,
        )
    return ctx.apart(_statistics_of, layer)


def _statistics_of(layer: LayerInputs, ctx: Context) -> dict[NodeId, Document]:
    from surgitwin.surfaces import label_statistics, surfaces_from_labels

    values = [segment.value for segment in layer.segments]
    counted = label_statistics(layer.labels, layer.voxels, layer.geometry, values, layer.box, ctx=ctx.part(0.0, 0.3))
    missing = [s.value for s in layer.segments if s.id not in layer.surfaces and counted[s.value].voxels]
    grid = layer.geometry.cropped(layer.box)
    made = surfaces_from_labels(layer.labels, grid, missing, ctx=ctx.part(0.3, 1.0)) if missing else {}
    documents: dict[NodeId, Document] = {}
    for segment in layer.segments:
        numbers = counted[segment.value]
        mesh = layer.surfaces.get(segment.id)
        if mesh is None and segment.value in made:
            mesh = made[segment.value].mesh
        entry = numbers.as_json(mesh)
        entry["cut_off"] = entry.pop("touches_edge")
        if layer.unit != "HU" and layer.modality:  # an MR image has brightness, and no HU
            entry |= {"hu": None, "intensity": entry["hu"]}
        about = {
            "name": segment.name,
            "id": segment.id,
            "kind": segment.kind,
            "status": segment.status,
            "work": segment.work,
        }
        documents[segment.id] = {**about, **entry}
    return documents


def _sign_off(content: SignedContent, ctx: Context) -> Document:
    """Who signed a node, and whether it still is what was signed."""
    node = content.node
    assert node.sign_off is not None
    holds = content.content_hash(ctx.part(1.0, 1.0)) == node.sign_off.content_hash
    return {"name": node.name, "status": node.status, **node.sign_off.model_dump(mode="json"), "holds": holds}


def _acceptance(node: TransformNode) -> Document:
    """Who accepted a registration, and whether it still is what was accepted."""
    assert node.accepted is not None
    holds = registration_hash(node) == node.accepted.content_hash
    return {"name": node.name, "status": "accepted", **node.accepted.model_dump(mode="json"), "holds": holds}


class ShowStatistics(Command):
    """Volumes, areas, positions and HU of segments."""

    name: ClassVar[str] = "stats"
    title: ClassVar[str] = tr("Statistics of segments")
    summary: ClassVar[str] = tr("Volume by voxels and by surface, area, centroid and HU of every segment.")
    case: ClassVar[CaseUse] = "read"

    segment: Annotated[tuple[str, ...], Arg(tr("segment to look at; without it all"))] = ()

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        wanted = [scene.resolve(name, SegmentNode) for name in self.segment] or scene.of_type(SegmentNode)
        layers = freeze_layers(bench, wanted)
        order = [segment.id for segment in wanted]

        def compute(ctx: Context) -> Document:
            found: dict[NodeId, Document] = {}
            for number, layer in enumerate(layers):
                part = ctx.part(number / len(layers), (number + 1) / len(layers))
                found |= statistics_document(layer, part)
            segments = [found[node_id] for node_id in order]
            warnings = [cut_off_warning(entry["name"]) for entry in segments if entry["cut_off"]]
            if any(layer.voxels is not None and not layer.unit and not layer.modality for layer in layers):
                message = tr("The image does not say what its values are; they are taken for HU.")
                warnings.append({"code": "hu-assumed", "message": message})
            return {"segments": segments, "warnings": warnings}

        return Work(compute, lambda document: document)


class VerifyCase(Command):
    """Check a case file from end to end."""

    name: ClassVar[str] = "verify"
    title: ClassVar[str] = tr("Verify the case")
    summary: ClassVar[str] = tr("Check that the case file is whole and everything in it can be read.")
    case: ClassVar[CaseUse] = "read"

    def start(self, bench: Bench) -> Work[Any]:
        path = bench.case_path
        if path is None:
            raise BadInput(tr("This case has no file yet. Save it first."))
        signed = signed_nodes(bench.scene)
        accepted = [node for node in bench.scene.of_type(TransformNode) if node.accepted is not None]
        stale = [node.name for node in bench.scene if bench.scene.is_stale(node) and not isinstance(node, PlanNode)]

        def compute(ctx: Context) -> Document:
            from surgitwin.storage import verify

            report = verify(path)
            signatures = [_sign_off(content, ctx) for content in signed] + [_acceptance(node) for node in accepted]
            return {**report.as_json(), "stale": stale, "sign_offs": signatures}

        return Work(compute, lambda document: document)

    @classmethod
    def complaint(cls, document: Document) -> str:
        broken = [entry["name"] for entry in document["sign_offs"] if not entry["holds"]]
        if document["ok"] and broken:
            message = tr("“{name}” is not what was signed: its content differs. Look at it again and sign it anew.")
            return message.format(name=broken[0])
        if document["ok"]:
            return ""
        message = tr("The case is damaged ({count} findings): {first} Go back to a copy of it.")
        return message.format(count=len(document["problems"]), first=document["problems"][0]["message"])
