"""Add segments to an organ, and make surfaces of segments."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from surgitwin.commands.base import Arg, Bench, Command, Document, Work
from surgitwin.commands.images import describe, provenance
from surgitwin.commands.mesh_files import cut_off_warning
from surgitwin.commands.placement import Places, crop_of, find_places, freeze_segmentation, put_in_place
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.ids import NodeId
from surgitwin.core.notices import Notice
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.arrays import ArrayData
from surgitwin.scene.nodes import LabelLayerNode, Provenance, SegmentationNode, SegmentNode, SurfaceNode
from surgitwin.scene.scene import Scene

APART_VOXELS = 4_000_000  # smaller images are done with before a process has started


class Unite(Command):
    """Add voxels of other segments to an organ, such as lesions that were cut out of its label; undoable."""

    name: ClassVar[str] = "unite"
    title: ClassVar[str] = tr("Add to an organ")
    summary: ClassVar[str] = tr("Add lesions or vessels that lie outside an organ's label to it; they stay segments.")

    organ: Annotated[str, Arg(tr("the segment that grows"), positional=True)]
    parts: Annotated[tuple[str, ...], Arg(tr("segments whose voxels are added"), option="with")] = Field(min_length=1)
    surrounded_only: Annotated[bool, Arg(tr("add only what the organ surrounds, as for a vessel that leaves it"))] = (
        False
    )

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        organ = scene.resolve(self.organ, SegmentNode)
        parts = [scene.resolve(name, SegmentNode) for name in self.parts]
        for part in parts:
            if part.parent != organ.parent or part.id == organ.id:
                message = tr("“{part}” cannot be added to “{organ}”: it is the same, or lies on another image.")
                raise BadInput(message.format(part=part.name, organ=organ.name))
        segmentation = scene.segmentation_of(organ)
        layers = freeze_segmentation(scene, segmentation)
        frozen = [(segment, scene.layer_of(segment).labels.frozen()) for segment in (organ, *parts)]
        made_from = provenance(bench, "unite", [segment for segment, _ in frozen[1:]], surrounded=self.surrounded_only)

        def compute(ctx: Context) -> tuple[Places, int, int, bool]:
            from surgitwin.resection import Structure
            from surgitwin.resection.unite import united

            ctx.progress(0.1, tr("Adding to {organ}").format(organ=organ.name))
            structures = [Structure(s.name, *crop_of(labels, s.value)) for s, labels in frozen]
            mask = united(structures[0], segmentation.geometry, structures[1:], surrounded_only=self.surrounded_only)
            before = int(np.count_nonzero(structures[0].mask))
            cut_off = Box.of_mask(mask).touches_edge(segmentation.geometry.size_ijk)
            return find_places(layers, mask, {1: organ}), before, int(np.count_nonzero(mask)), cut_off

        def commit(outcome: tuple[Places, int, int, bool]) -> Document:
            place, before, after, cut_off = outcome
            names = ", ".join(part.name for part in parts)
            with bench.transaction(tr("Add {names} to {organ}").format(names=names, organ=organ.name)) as tx:
                layer = put_in_place(scene, tx, segmentation, place)
                carried = tuple(dict.fromkeys(link for one in (organ, *parts) for link in one.carried))
                origin = organ.provenance or made_from
                tx.set(organ.id, layer=layer, value=place.values[1], provenance=origin, carried=carried)
            voxel_ml = segmentation.geometry.voxel_volume_mm3 / 1000.0
            return {
                "node": describe(organ),
                "voxels": after,
                "volume_ml": after * voxel_ml,
                "added_ml": (after - before) * voxel_ml,
                "cut_off": cut_off,
                "warnings": [cut_off_warning(organ.name)] if cut_off else [],
            }

        return Work(compute, commit)


class MakeSurfaces(Command):
    """Make closed surfaces of segments."""

    name: ClassVar[str] = "mesh"
    title: ClassVar[str] = tr("Make surfaces")
    summary: ClassVar[str] = tr("Make closed, smooth surfaces of some or all segments.")

    segment: Annotated[tuple[str, ...], Arg(tr("segment to mesh; without it all"))] = ()
    smooth: Annotated[float, Arg(tr("smoothing, 0 (none) to 1 (strong)"))] = Field(default=0.5, ge=0, le=1)
    triangles: Annotated[int | None, Arg(tr("at most about so many triangles per surface"))] = Field(
        default=None, ge=100
    )

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        wanted = [scene.resolve(name, SegmentNode) for name in self.segment] or scene.of_type(SegmentNode)
        if not wanted:
            raise BadInput(tr("This case has no segments to make surfaces of."))
        layers: dict[NodeId, list[SegmentNode]] = {}
        for segment in wanted:
            layers.setdefault(segment.layer, []).append(segment)
        frozen = {
            layer: (
                scene.expect(layer, LabelLayerNode).labels.frozen(),
                scene.segmentation_of(segments[0]).geometry,
            )
            for layer, segments in layers.items()
        }
        made_from = {
            segment.id: provenance(
                bench, "mesh", [segment], automatic=True, smoothing=self.smooth, triangles=self.triangles
            )
            for segment in wanted
        }

        def compute(ctx: Context) -> dict[NodeId, Any]:
            from surgitwin.surfaces import decimate

            results: dict[NodeId, Any] = {}
            for number, (layer, (labels, geometry)) in enumerate(frozen.items()):
                part = ctx.part(number / len(frozen), (number + 1) / len(frozen))
                values = [segment.value for segment in layers[layer]]
                if labels.size < APART_VOXELS:
                    found = _surfaces(labels, geometry, values, self.smooth, ctx=part)
                else:
                    found = part.apart(_surfaces, labels, geometry, values, self.smooth)
                for segment in layers[layer]:
                    if segment.value not in found:
                        continue
                    result = found[segment.value]
                    mesh = result.mesh
                    if self.triangles is not None and len(mesh.triangles) > self.triangles:
                        mesh = decimate(mesh, self.triangles, part)
                    results[segment.id] = (mesh, mesh.volume_ml, result)
            return results

        return Work(compute, lambda results: self._commit(bench, wanted, results, made_from))

    def _commit(
        self,
        bench: Bench,
        wanted: list[SegmentNode],
        results: dict[NodeId, Any],
        made_from: dict[NodeId, Provenance],
    ) -> Document:
        scene = bench.scene
        surfaces: list[dict[str, Any]] = []
        warnings: list[dict[str, Any]] = []
        with bench.transaction(tr("Make surfaces")) as tx:
            for segment in wanted:
                if segment.id not in results or segment.id not in scene:
                    continue
                mesh, volume_ml, result = results[segment.id]
                surface = put_surface(scene, tx, scene.expect(segment.id, SegmentNode), mesh, made_from[segment.id])
                surfaces.append(
                    describe(surface)
                    | {
                        "segment": segment.id,
                        "triangles": len(mesh.triangles),
                        "volume_ml": volume_ml,
                        "voxel_volume_ml": result.voxel_volume_ml,
                        "volume_error_percent": percent_error(volume_ml, result.voxel_volume_ml),
                        "closed": result.closed,
                    }
                )
                warnings += surface_warnings(segment.name, result.notices)
        missing = [segment.name for segment in wanted if segment.id not in results]
        if missing:
            message = tr("Empty segments have no surface: {names}.").format(names=", ".join(missing))
            warnings.append({"code": "empty-segment", "message": message})
        return {"surfaces": surfaces, "warnings": warnings}


def _surfaces(
    labels: NDArray[Any], geometry: Geometry, values: list[int], smoothing: float, *, ctx: Context
) -> dict[int, Any]:
    """For `Context.apart`: a minute of Python and numpy for structures with millions of voxels at their border."""
    from surgitwin.surfaces import surfaces_from_labels

    return dict(surfaces_from_labels(labels, geometry, values, smoothing=smoothing, ctx=ctx))


def surface_warnings(name: str, notices: Iterable[Notice]) -> list[Document]:
    """What a surface's maker found, with the name of the segment."""
    warnings: list[Document] = []
    for notice in notices:
        if notice.code == "cut-off":
            warnings.append(cut_off_warning(name))
            continue
        message = tr("{name}: {message}").format(name=name, message=notice.message[:1].lower() + notice.message[1:])
        warnings.append(notice.as_json() | {"message": message, "segment": name})
    return warnings


def percent_error(value: float, reference: float) -> float | None:
    return 100.0 * (value - reference) / reference if reference else None


def put_surface(scene: Scene, tx: Any, segment: SegmentNode, mesh: Any, made_from: Provenance) -> SurfaceNode:
    """Replace the segment's surface, or add its first one."""
    points, triangles = ArrayData.of(mesh.points), ArrayData.of(mesh.triangles)
    old = surface_of(scene, segment)
    side_known = segment.parent is None or scene.expect(segment.parent, SegmentationNode).side_known
    if old is not None:
        tx.set(old.id, points=points, triangles=triangles, provenance=made_from, side_known=side_known)
        return scene.expect(old.id, SurfaceNode)
    surface = SurfaceNode(
        name=segment.name,
        parent=segment.id,
        segment=segment.id,
        points=points,
        triangles=triangles,
        side_known=side_known,
        provenance=made_from,
    )
    tx.add(surface)
    return surface


def surface_of(scene: Scene, segment: SegmentNode) -> SurfaceNode | None:
    for node in scene.children(segment.id):
        if isinstance(node, SurfaceNode):
            return node
    return None
