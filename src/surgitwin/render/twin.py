"""What of a scene is drawn: the bridge from nodes to the plain contents that views and snapshots show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from surgitwin.core.geometry import Box, FloatArray, Geometry
from surgitwin.core.ids import NodeId, Revision
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.render.content import (
    ImageContent,
    LabelLayer,
    MarkerContent,
    PlaneContent,
    SceneContent,
    SegmentStyle,
    SliceContent,
    SurfaceContent,
    TreeContent,
    vec3,
)
from surgitwin.render.implants import ImplantMeshes, implant_outlines, implant_surfaces
from surgitwin.render.measures import measure_contents
from surgitwin.render.plan_cuts import curve_contents, patch_contents
from surgitwin.scene.nodes import (
    LabelLayerNode,
    PlanNode,
    SegmentationNode,
    SegmentNode,
    SurfaceNode,
    TerritoriesNode,
    VesselTreeNode,
    VolumeNode,
)
from surgitwin.scene.scene import Scene
from surgitwin.vessels.tree import Branch, Break, VesselTree

Point = tuple[float, float, float]
GHOST = 0.08
GLASS = 0.5
SHELL = 0.15  # of a vessel's surface around its tree
REACH = 0.95  # of the box's half diagonal: a plane that covers an organ from any usual side


@dataclass(frozen=True)
class Span:
    """Where a segment lies: an LPS box in mm."""

    low: Point
    high: Point

    @property
    def centre(self) -> Point:
        x, y, z = ((a + b) / 2 for a, b in zip(self.low, self.high, strict=True))
        return x, y, z

    @property
    def half_size_mm(self) -> float:
        """Half the edge of a square that covers the box from any side."""
        diagonal = math.dist(self.low, self.high)
        return max(10.0, REACH * diagonal / 2)


Spans = Mapping[tuple[NodeId, Revision], Span]


def image_content(volume: VolumeNode, *, side_known: bool = True) -> ImageContent:
    """The volume's voxels as they are; they are not copied."""
    return ImageContent(volume.voxels.read(), volume.geometry, volume.name, volume.side_known and side_known)


LayerKey = tuple[NodeId, Revision, tuple[SegmentStyle, ...], bytes]


def layer_contents(
    scene: Scene,
    volume: VolumeNode | None,
    keep: dict[LayerKey, LabelLayer] | None = None,
    moved: FloatArray | None = None,
) -> tuple[LabelLayer, ...]:
    """The label layers on a volume's grid, with the looks of their segments.

    Parameters
    ----------
    moved
        4x4, from LPS millimetres of the volume to those of the image over which the layers are drawn; without it they
        lie where they are.
    keep
        Layers of the last call by what they were made of; brought up to date. A layer in which nothing changed is the
        same object again, so that views need not draw it anew.
    """
    known = dict(keep or {})
    if keep is not None:
        keep.clear()
    layers: list[LabelLayer] = []
    unsure = {node.unsure for node in scene.of_type(TerritoriesNode)}
    for segmentation in scene.of_type(SegmentationNode):
        if volume is not None and segmentation.volume != volume.id:
            continue
        for layer in scene.children(segmentation.id):
            if not isinstance(layer, LabelLayerNode):
                continue
            styles = tuple(
                SegmentStyle(s.value, s.color, s.opacity, s.visible, s.name, hatched=s.id in unsure)
                for s in scene.segments_of_layer(layer.id)
            )
            key = (layer.id, layer.revision, styles, b"" if moved is None else moved.tobytes())
            content = known.get(key)
            if content is None:
                grid = segmentation.geometry
                if moved is not None:
                    grid = Geometry.from_affine(grid.size_ijk, moved @ grid.affine_lps)
                content = LabelLayer(layer.labels.read(), grid, styles)
            if keep is not None:
                keep[key] = content
            layers.append(content)
    return tuple(layers)


def plane_contents(plan: PlanNode | None, organ: Span | None, *, editable: bool = True) -> tuple[PlaneContent, ...]:
    """The planes of a plan; each knows by its id which one it is: ``cut index:plane index``."""
    if plan is None:
        return ()
    half = organ.half_size_mm if organ is not None else 60.0
    return tuple(
        PlaneContent(
            id=f"{number}:{index}",
            point=plane.point_mm,
            normal=plane.normal,
            half_size_mm=half,
            group=str(number),
            editable=editable,
            visible=cut.enabled and plan.visible,
        )
        for number, cut in enumerate(plan.cuts)
        for index, plane in enumerate(cut.planes)
    )


def marker_contents(scene: Scene, spans: Spans) -> tuple[MarkerContent, ...]:
    """Lesions, numbered alike in every view."""
    markers: list[MarkerContent] = []
    lesions = [segment for segment in scene.of_type(SegmentNode) if segment.kind == "lesion"]
    for number, lesion in enumerate(lesions, start=1):
        span = spans.get((lesion.id, lesion.revision))
        if span is not None and lesion.visible:
            markers.append(MarkerContent(str(number), span.centre, span.low, span.high))
    return tuple(markers)


def surface_contents(
    scene: Scene, keep: Mapping[NodeId, SurfaceContent] | None = None, about: PlanNode | None = None
) -> tuple[SurfaceContent, ...]:
    """Every surface with the look of its segment.

    Parameters
    ----------
    about
        A plan to look at: its organ, lesions and vessels stay as they are, everything else becomes a ghost that hides
        nothing.
    keep
        Contents of an earlier call: a surface whose mesh is the same keeps its mesh object, so that views do not
        build it again.
    """
    contents: list[SurfaceContent] = []
    inside = {node.segment for node in scene.of_type(VesselTreeNode) if node.visible}
    lesions = [segment for segment in scene.of_type(SegmentNode) if segment.kind == "lesion"]
    for surface in scene.of_type(SurfaceNode):
        segment = scene.get(surface.segment, SegmentNode)
        looks = segment if segment is not None else surface
        old = (keep or {}).get(surface.id)
        points, triangles = surface.points.read(), surface.triangles.read()
        same = old is not None and _same(old.mesh, points, triangles)
        mesh = old.mesh if old is not None and same else Mesh(points, triangles)
        visible = surface.visible and looks.visible
        opacity = looks.opacity * (1.0 if about is None else _presence(segment, about, hides=bool(lesions)))
        if segment is not None and segment.id in inside:
            opacity *= SHELL
        contents.append(SurfaceContent(surface.id, mesh, looks.color, opacity, visible, looks.name))
    return tuple(contents)


TreeKey = tuple[NodeId, Revision]


def tree_contents(
    scene: Scene, keep: dict[TreeKey, TreeContent] | None = None, picked: tuple[NodeId, int] | None = None
) -> tuple[TreeContent, ...]:
    """Every vessel tree in the colours of its branches, or of what it carries.

    Parameters
    ----------
    keep
        Contents of the last call; brought up to date. A tree in which nothing changed is the same object again.
    picked
        A tree and the branch of it that is chosen.
    """
    from surgitwin.render.vessel_props import SYSTEM_COLOURS, branch_colours

    known = dict(keep or {})
    if keep is not None:
        keep.clear()
    contents: list[TreeContent] = []
    for node in scene.of_type(VesselTreeNode):
        key = (node.id, node.revision)
        segment = scene.get(node.segment, SegmentNode)
        base = SYSTEM_COLOURS.get(node.system) or (segment.color if segment is not None else (200, 200, 200))
        old = known.get(key)
        tree = old.tree if old is not None else _tree_of(node)
        branch = picked[1] if picked is not None and picked[0] == node.id and picked[1] in tree.row_of else None
        content = TreeContent(node.id, tree, branch_colours(tree, base), branch, node.visible)
        if old is not None and _looks(old) == _looks(content):
            content = old
        if keep is not None:
            keep[key] = content
        contents.append(content)
    return tuple(contents)


def _looks(content: TreeContent) -> tuple[object, ...]:
    return content.colours, content.picked, content.visible


def _tree_of(node: VesselTreeNode) -> VesselTree:
    """The node's content; its arrays are constant, so this costs no copy."""
    return VesselTree(
        points_mm=node.points_mm.frozen(),
        radii_mm=node.radii_mm.frozen(),
        parent=node.parents.frozen(),
        branch=node.branch_of.frozen(),
        branches=tuple(Branch(b.id, b.name, b.color, b.suggested) for b in node.branches),
        breaks=tuple(Break(b.root, b.towards, b.gap_mm) for b in node.breaks),
    )


def _presence(segment: SegmentNode | None, plan: PlanNode, hides: bool) -> float:
    """How opaque something is while a plan is looked at: lesions and vessels fully, the organ that hides them half."""
    if segment is not None and segment.id == plan.organ:
        return GLASS if hides else 1.0
    return 1.0 if segment is not None and segment.kind in ("lesion", "vessel") else GHOST


def _same(mesh: Mesh, points: object, triangles: object) -> bool:
    """True if the mesh already shows exactly these arrays in memory."""
    address = [getattr(a, "__array_interface__")["data"][0] for a in (mesh.points, points, mesh.triangles, triangles)]  # noqa: B009
    return bool(address[0] == address[1] and address[2] == address[3])


def slice_content(
    scene: Scene,
    volume: VolumeNode | None,
    plan: PlanNode | None,
    spans: Spans,
    keep: dict[LayerKey, LabelLayer] | None = None,
    implants: ImplantMeshes | None = None,
) -> SliceContent:
    """Everything a slice view shows of the scene; ``keep`` is that of `layer_contents`."""
    return SliceContent(
        image=image_content(volume) if volume is not None else None,
        layers=layer_contents(scene, volume, keep),
        planes=plane_contents(plan, organ_span(scene, plan, spans)),
        markers=marker_contents(scene, spans),
        patches=patch_contents(plan),
        cut_surfaces=curve_contents(plan),
        measures=measure_contents(scene, volume),
        outlines=implant_outlines(scene, implants or ImplantMeshes()),
    )


def scene_content(
    scene: Scene,
    volume: VolumeNode | None,
    plan: PlanNode | None,
    spans: Spans,
    *,
    volume_preset: str | None = None,
    focus: Point | None = None,
    keep: Mapping[NodeId, SurfaceContent] | None = None,
    ghosts: bool = False,
    keep_trees: dict[TreeKey, TreeContent] | None = None,
    picked: tuple[NodeId, int] | None = None,
    implants: ImplantMeshes | None = None,
) -> SceneContent:
    """Everything the 3D view shows of the scene; with ``ghosts`` what does not belong to the plan is faint."""
    return SceneContent(
        surfaces=(
            *surface_contents(scene, keep, plan if ghosts else None),
            *implant_surfaces(scene, implants or ImplantMeshes()),
        ),
        planes=plane_contents(plan, organ_span(scene, plan, spans)),
        markers=marker_contents(scene, spans),
        patches=patch_contents(plan),
        cut_surfaces=curve_contents(plan),
        measures=measure_contents(scene),
        image=image_content(volume) if volume is not None and volume_preset is not None else None,
        volume_preset=volume_preset,
        focus=focus,
        side_confirmed=side_known(scene),
        trees=tree_contents(scene, keep_trees, picked),
    )


def side_known(scene: Scene) -> bool:
    """False if anything in the scene may have left and right swapped."""
    segmentations = all(node.side_known for node in scene.of_type(SegmentationNode))
    surfaces = all(node.side_known for node in scene.of_type(SurfaceNode))
    return segmentations and surfaces and all(node.side_known for node in scene.of_type(VolumeNode))


def organ_span(scene: Scene, plan: PlanNode | None, spans: Spans) -> Span | None:
    organ = scene.get(plan.organ, SegmentNode) if plan is not None else None
    return spans.get((organ.id, organ.revision)) if organ is not None else None


def spans_of(scene: Scene) -> dict[tuple[NodeId, Revision], Span]:
    """Where every segment lies; looks at every voxel, so windows do this as a job."""
    from surgitwin.surfaces.statistics import label_statistics

    spans: dict[tuple[NodeId, Revision], Span] = {}
    for layer in scene.of_type(LabelLayerNode):
        segments = scene.segments_of_layer(layer.id)
        if not segments or layer.parent is None:
            continue
        geometry = scene.expect(layer.parent, SegmentationNode).geometry
        values = [segment.value for segment in segments]
        found = label_statistics(layer.labels.read(), None, geometry, values, ctx=Context())
        for segment in segments:
            numbers = found[segment.value]
            if numbers.voxels:
                spans[segment.id, segment.revision] = span_of(geometry, numbers.box)
    return spans


def span_of(geometry: Geometry, box: Box) -> Span:
    """The LPS box around a box of voxels, their outer faces included."""
    low, high = geometry.cropped(box).bounds_mm()
    return Span(vec3(low), vec3(high))
