"""What leaves the program: meshes, masks, pictures and the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from surgitwin.commands.base import Arg, Bench, CaseUse, Command, Document, Work
from surgitwin.commands.export_labels import export_label_map
from surgitwin.commands.export_presets import (
    Preset,
    check_preset,
    implant_mesh,
    remark_of,
    side_warnings,
    within_budget,
)
from surgitwin.commands.mesh_files import (
    MESH_SUFFIXES,
    NamedMesh,
    check_document,
    check_target,
    crossings_up_to,
    cut_off_warning,
    write_meshes,
)
from surgitwin.commands.segments import surface_of
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Geometry
from surgitwin.core.ids import NodeId
from surgitwin.core.mesh import Mesh
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.arrays import AnyArray
from surgitwin.scene.nodes import ImplantNode, LabelLayerNode, PlanNode, SegmentNode, SurfaceNode, VolumeNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.render.picture_process import PictureProcess

PAGE_SUFFIX = ".html"
IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
View = Literal["3d", "axial", "coronal", "sagittal"]


@dataclass(frozen=True, eq=False)
class SegmentInput:
    """One segment to export, frozen: its labels and its current surface if there is one."""

    segment: SegmentNode
    labels: AnyArray
    geometry: Geometry
    mesh: Mesh | None


def freeze_segments(scene: Scene, wanted: list[SegmentNode]) -> list[SegmentInput]:
    inputs: list[SegmentInput] = []
    for segment in wanted:
        surface = surface_of(scene, segment)
        current = surface is not None and not scene.is_stale(surface)
        mesh = Mesh(surface.points.frozen(), surface.triangles.frozen()) if surface is not None and current else None
        labels = scene.layer_of(segment).labels.frozen()
        inputs.append(SegmentInput(segment, labels, scene.segmentation_of(segment).geometry, mesh))
    return inputs


def meshes_of(inputs: list[SegmentInput], ctx: Context) -> list[NamedMesh]:
    """The closed mesh of every segment; those without a current surface are made now."""
    from surgitwin.surfaces import label_statistics, surfaces_from_labels

    groups: dict[NodeId, list[SegmentInput]] = {}
    for entry in inputs:
        groups.setdefault(entry.segment.layer, []).append(entry)
    meshes: dict[NodeId, NamedMesh] = {}
    for number, group in enumerate(groups.values()):
        part = ctx.part(number / len(groups), (number + 1) / len(groups))
        labels, geometry = group[0].labels, group[0].geometry
        counted = label_statistics(labels, None, geometry, [e.segment.value for e in group], ctx=part.part(0.0, 0.2))
        missing = [e.segment.value for e in group if e.mesh is None and counted[e.segment.value].voxels]
        made = surfaces_from_labels(labels, geometry, missing, ctx=part.part(0.2, 1.0)) if missing else {}
        for entry in group:
            segment, numbers = entry.segment, counted[entry.segment.value]
            mesh = entry.mesh
            if mesh is None and segment.value in made:
                mesh = made[segment.value].mesh
            if mesh is None or numbers.voxels == 0:
                raise BadInput(tr("The segment “{name}” is empty: it has no surface.").format(name=segment.name))
            meshes[segment.id] = NamedMesh(
                segment.name,
                mesh,
                segment.color,
                segment.opacity,
                numbers.volume_ml,
                numbers.touches_edge,
            )
    return [meshes[entry.segment.id] for entry in inputs]


def segment_or_surface(scene: Scene, name: str) -> SegmentNode | SurfaceNode:
    """The segment, or the surface that belongs to none, of this name or id; a segment if both are called so."""
    surfaces = [node for node in scene.of_type(SurfaceNode) if node.segment is None]
    if any(name in (node.id, node.name) for node in scene.of_type(SegmentNode)):
        return scene.resolve(name, SegmentNode)
    found = [node for node in surfaces if node.id == name] or [node for node in surfaces if node.name == name]
    if len(found) > 1:
        return scene.resolve(name, SurfaceNode)  # says which there are
    return found[0] if found else scene.resolve(name, SegmentNode)


class ExportCase(Command):
    """Write segments as meshes or masks, or the image itself."""

    name: ClassVar[str] = "export"
    title: ClassVar[str] = tr("Export")
    summary: ClassVar[str] = tr(
        "Export surfaces (STL, GLB, PLY, OBJ, 3MF, USDZ, VTP), a page (HTML), masks, label maps or the image "
        "(NIfTI, NRRD, MHA)."
    )
    case: ClassVar[CaseUse] = "read"

    out: Annotated[Path, Arg(tr("the file to write; its ending says the kind"), positional=True)]
    segment: Annotated[
        tuple[str, ...], Arg(tr("segment or loose surface to export; without it all, or the image itself"))
    ] = ()
    implant: Annotated[tuple[str, ...], Arg(tr("implant to export; alone, no segments are written"))] = ()
    preset: Annotated[
        Preset | Literal["print"] | None,
        Arg(tr("a device: fewer triangles than it can show, and how far that is off; print: as the print command")),
    ] = None
    process: Annotated[str, Arg(tr("with --preset print: the printing process, FDM, SLA, SLS, MJF, metal"))] = ""
    material: Annotated[str, Arg(tr("with --preset print: what it is printed in"))] = ""
    accept_by: Annotated[str | None, Arg(tr("with --preset print: who accepts the outlines over the slices"))] = None
    force: Annotated[bool, Arg(tr("with --preset print: write it although the check failed, marked FORCED"))] = False
    volume: Annotated[str | None, Arg(tr("the image to export; without it the first"))] = None
    labels: Annotated[
        Path | None,
        Arg(tr("write the segments as one label map, and to this JSON file which value is which segment")),
    ] = None
    crossings: Annotated[
        bool, Arg(tr("count triangles that cross each other, however many triangles there are; may take a minute"))
    ] = False
    check_only: Annotated[bool, Arg(tr("check the surfaces that would be written, and write nothing"))] = False
    overwrite: Annotated[bool, Arg(tr("replace the file if it exists"))] = False

    @property
    def changes_case(self) -> bool:
        """An accepted print stays in the case."""
        return self.preset == "print" and self.accept_by is not None

    def start(self, bench: Bench) -> Work[Any]:
        if self.preset == "print":
            return self._print().start(bench)
        if self.process or self.material or self.accept_by is not None or self.force:
            raise BadInput(tr("A process, a material, an acceptance and --force belong to --preset print."))
        suffixes = (*MESH_SUFFIXES, PAGE_SUFFIX, *IMAGE_SUFFIXES)
        suffix = check_target(self.out, suffixes, self.overwrite or self.check_only)
        scene = bench.scene
        if self.check_only and suffix not in MESH_SUFFIXES:
            message = tr("There is nothing to check of {file}: --check-only is for {known}.")
            raise BadInput(message.format(file=self.out.name, known=", ".join(MESH_SUFFIXES)))
        if self.preset is not None:
            check_preset(self.preset, suffix)
        if self.labels is not None:
            return self._label_map(scene, self.labels, suffix)
        if suffix in (*MESH_SUFFIXES, PAGE_SUFFIX):
            chosen = bool(self.segment or self.implant)
            named = [segment_or_surface(scene, name) for name in self.segment]
            wanted = [node for node in named if isinstance(node, SegmentNode)]
            wanted = wanted if chosen else scene.of_type(SegmentNode)
            loose = [node for node in named if isinstance(node, SurfaceNode)]
            loose = loose if chosen else [s for s in scene.of_type(SurfaceNode) if s.segment is None]
            implants = [scene.resolve(name, ImplantNode) for name in self.implant]
            implants = implants if chosen else scene.of_type(ImplantNode)
            if suffix == ".obj" and self.out.with_suffix(".mtl").exists() and not self.overwrite:
                message = tr("{path} exists already. Use --overwrite to replace it.")
                raise BadInput(message.format(path=self.out.with_suffix(".mtl")))
            if not wanted and not loose and not implants:
                raise BadInput(tr("This case has no segments or surfaces to export."))
            if suffix == PAGE_SUFFIX:
                return self._page(frozen_scene(scene, identity=False), freeze_segments(scene, wanted), loose, implants)
            sided = [*wanted, *loose, *(scene.of_type(VolumeNode) if implants else ())]
            return self._meshes(freeze_segments(scene, wanted), loose, implants, side_warnings(scene, sided))
        if len(self.segment) > 1:
            message = tr("A mask holds one segment; give one --segment, or --labels TABLE.json for a label map of all.")
            raise BadInput(message)
        if self.segment:
            segment = scene.resolve(self.segment[0], SegmentNode)
            return self._mask(freeze_segments(scene, [segment])[0], side_warnings(scene, [segment]))
        from surgitwin.commands.labels import pick_volume

        volume = pick_volume(scene, self.volume)
        return self._image(volume, side_warnings(scene, [volume]))

    def _label_map(self, scene: Scene, table: Path, suffix: str) -> Work[Any]:
        if suffix not in IMAGE_SUFFIXES:
            message = tr("--labels is for label maps: {path} should end in {known}.")
            raise BadInput(message.format(path=self.out.name, known=", ".join(IMAGE_SUFFIXES)))
        if self.volume is not None or self.implant:
            raise BadInput(tr("A label map holds segments only; leave --volume and --implant out."))
        check_target(table, (".json",), self.overwrite)
        wanted = [scene.resolve(name, SegmentNode) for name in self.segment] or scene.of_type(SegmentNode)
        wanted = list({segment.id: segment for segment in wanted}.values())
        said = side_warnings(scene, wanted)
        return export_label_map(freeze_segments(scene, wanted), self.out, table, said, side_known=not said)

    def _print(self) -> Command:
        """The print command, which the preset stands for."""
        from surgitwin.commands.base import build
        from surgitwin.commands.printing import PrintModel

        wanted = (*self.segment, *self.implant)
        if not wanted:
            raise BadInput(tr("Say what is to be printed: --segment and a name."))
        values = self.model_dump(
            include={"out", "process", "material", "accept_by", "force", "check_only", "overwrite"}
        )
        return build(PrintModel, {**values, "segment": wanted})

    def _meshes(
        self,
        inputs: list[SegmentInput],
        loose: list[SurfaceNode],
        implants: list[ImplantNode],
        said: list[Document],
    ) -> Work[Any]:
        from surgitwin.commands.print_record import surface_remark

        extra = [
            NamedMesh(
                s.name, Mesh(s.points.frozen(), s.triangles.frozen()), s.color, s.opacity, None, False,
                surface_remark(s),
            )
            for s in loose
        ]  # fmt: skip
        extra += [
            NamedMesh(i.name, implant_mesh(i), i.color, i.opacity, None, False, remark_of(i.item)) for i in implants
        ]

        def compute(ctx: Context) -> Document:
            meshes = [*meshes_of(inputs, ctx.part(0.0, 0.4)), *extra]
            budget: Document | None = None
            if self.preset is not None and self.preset != "print":
                meshes, budget = ctx.part(0.4, 0.6).apart(within_budget, meshes, self.preset)
            written = write_meshes(
                meshes,
                self.out,
                ctx.part(0.6, 1.0),
                crossings_up_to=crossings_up_to(self.out, self.crossings),
                check_only=self.check_only,
            )
            warnings = [*said, *written.warnings]
            return {"files": written.files, "check": written.check, "preset": budget, "warnings": warnings}

        return Work(compute, lambda document: document)

    def _page(
        self, still: Scene, inputs: list[SegmentInput], loose: list[SurfaceNode], implants: list[ImplantNode]
    ) -> Work[Any]:
        def compute(ctx: Context) -> Document:
            from surgitwin.commands.viewer_parts import ViewerPage, loose_surfaces
            from surgitwin.exchange.html_viewer import FRAME, write_html
            from surgitwin.render.twin import side_known

            page = ViewerPage(still)
            found = meshes_of(inputs, ctx.part(0.0, 0.4))
            for entry, named in zip(inputs, found, strict=True):
                page.add_segment(entry.segment, named, asked=bool(self.segment))
            loose_surfaces(page, loose)
            page.add_implants(implants)
            plans = still.of_type(PlanNode)
            for number, plan in enumerate(plans):
                page.add_plan(plan, ctx.part(0.4 + 0.3 * number / len(plans), 0.4 + 0.3 * (number + 1) / len(plans)))
            page.lighter(ctx.part(0.7, 0.9))
            ctx.progress(0.9, tr("Writing {name}").format(name=self.out.name))
            write_html(page.document(side_known(still)), self.out)
            volumes = [*(m.voxel_volume_ml for m in found), *[None] * (len(page.meshes) - len(found))]
            written = [
                NamedMesh(item.name, item.mesh, (0, 0, 0), 1.0, volume, False)
                for item, volume in zip(page.items(), volumes, strict=True)
            ]
            check = check_document(written, ctx.part(0.9, 1.0), crossings_up_to=0)
            check |= {"unit": "mm", "frame": FRAME, "deviation_mm": page.deviation_mm}
            warnings = side_warnings(still, [*still.of_type(VolumeNode), *(e.segment for e in inputs), *loose])
            warnings += [cut_off_warning(m.name) for m in found if m.cut_off]
            warnings += [notice.as_json() for notice in page.notices]
            return {"files": [str(self.out)], "check": check, "warnings": warnings}

        return Work(compute, lambda document: document)

    def _mask(self, entry: SegmentInput, said: list[Document]) -> Work[Any]:
        def compute(ctx: Context) -> Document:
            from surgitwin.exchange.labelmap_out import write_mask

            ctx.progress(0.2, tr("Writing {name}").format(name=self.out.name))
            segment, mask = entry.segment, entry.labels == entry.segment.value
            part, sure = ctx.part(0.2, 1.0), not said
            written = write_mask(self.out, mask, entry.geometry, segment.name, segment.color, part, side_known=sure)
            return {"files": [str(written)], "check": None, "warnings": said}

        return Work(compute, lambda document: document)

    def _image(self, volume: VolumeNode, said: list[Document]) -> Work[Any]:
        voxels = volume.voxels.frozen()

        def compute(ctx: Context) -> Document:
            from surgitwin.exchange.labelmap_out import write_volume

            ctx.progress(0.2, tr("Writing {name}").format(name=self.out.name))
            part = ctx.part(0.2, 1.0)
            written = write_volume(self.out, voxels, volume.geometry, part, side_known=volume.side_known)
            return {"files": [str(written)], "check": None, "warnings": said}

        return Work(compute, lambda document: document)


class TakeSnapshot(Command):
    """Draw a view into a picture file; needs no display."""

    name: ClassVar[str] = "snapshot"
    title: ClassVar[str] = tr("Save a picture")
    summary: ClassVar[str] = tr("Draw the 3D view or a slice into a PNG file; works without a display.")
    case: ClassVar[CaseUse] = "read"

    out: Annotated[Path, Arg(tr("the PNG file to write"), positional=True)]
    view: Annotated[View, Arg(tr("what to draw"))] = "3d"
    plan: Annotated[str | None, Arg(tr("plan whose cut is drawn; without it the last one"))] = None
    at: Annotated[tuple[float, float, float] | None, Arg(tr("LPS point that a slice goes through"), unit="mm")] = None
    size: Annotated[tuple[int, int], Arg(tr("width and height in pixels"))] = (1200, 900)
    overwrite: Annotated[bool, Arg(tr("replace the file if it exists"))] = False

    def start(self, bench: Bench) -> Work[Any]:
        check_target(self.out, (".png",), self.overwrite)
        width, height = self.size
        if not (64 <= width <= 8192 and 64 <= height <= 8192):
            raise BadInput(tr("A picture is 64 to 8192 pixels wide and high, not {w} × {h}.").format(w=width, h=height))
        pictures = Pictures(bench.scene, (width, height))
        plan = chosen_plan(bench.scene, self.plan)

        def compute(ctx: Context) -> Document:
            from surgitwin.exchange.atomic import write_atomically

            ctx.progress(0.1, tr("Drawing"))
            if self.view == "3d":
                pictures.complete([plan] if plan is not None else [], ctx.part(0.1, 0.5))
            data = pictures.draw(self.view, plan, self.at, ctx)
            write_atomically(self.out, lambda temporary: _write(temporary, data))
            return {"files": [str(self.out)], "view": self.view, "size_px": [width, height], "warnings": []}

        return Work(compute, lambda document: document)


class CopyCase(Command):
    """Write the whole case to another file."""

    name: ClassVar[str] = "copy"
    title: ClassVar[str] = tr("Save a copy")
    summary: ClassVar[str] = tr("Write the whole case to another file; for sharing, without identity and log.")
    case: ClassVar[CaseUse] = "read"

    out: Annotated[Path, Arg(tr("the case file to write"), positional=True)]
    for_sharing: Annotated[bool, Arg(tr("leave out who the patient is, and the log of commands"))] = False
    overwrite: Annotated[bool, Arg(tr("replace the file if it exists"))] = False

    def start(self, bench: Bench) -> Work[Any]:
        check_target(self.out, (".twin",), self.overwrite)
        path = bench.case_path
        if path is not None and self.out.exists() and self.out.samefile(path):
            raise BadInput(tr("A copy needs another name than the case itself."))

        def compute(ctx: Context) -> Document:
            ctx.progress(None, tr("Writing {name}").format(name=self.out.name))
            bench.save_copy(self.out, for_sharing=self.for_sharing, overwrite=self.overwrite)
            return {"files": [str(self.out)], "warnings": []}

        return Work(compute, lambda document: document)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def chosen_plan(scene: Scene, name: str | None) -> PlanNode | None:
    if name is not None:
        return scene.resolve(name, PlanNode)
    plans = scene.of_type(PlanNode)
    return plans[-1] if plans else None


class Pictures:
    """Draws the views of a case as the window shows them; frozen when made.

    Parameters
    ----------
    size
        Width and height in pixels.
    identity
        Whether images may be called as the scanner or the file calls them, which may name the patient.
    """

    def __init__(self, scene: Scene, size: tuple[int, int], identity: bool = False) -> None:
        if len(scene) == 0:
            raise BadInput(tr("This case is empty. Add images first."))
        self._size = size
        self._scene = frozen_scene(scene, identity)
        volumes = self._scene.of_type(VolumeNode)
        self._volume = volumes[0] if volumes else None
        self._spans: Any = None

    @property
    def has_image(self) -> bool:
        return self._volume is not None

    def complete(self, plans: list[PlanNode], ctx: Context) -> None:
        """Make the surfaces that 3D pictures of these plans lack, for the pictures alone; the case stays as it is.

        A plan needs its organ, lesions and vessels; without plans and without any surface, all but the body. Surfaces
        that are stale are made anew, as a picture has no room to say so.
        """
        visible = [segment for segment in self._scene.of_type(SegmentNode) if segment.visible]
        organs = {plan.organ for plan in plans}
        if plans or len(self._scene.of_type(SurfaceNode)) > 0:
            wanted = [s for s in visible if s.id in organs or (plans and s.kind in ("lesion", "vessel"))]
        else:
            wanted = [s for s in visible if s.kind != "body"]
        found = {segment.id: surface_of(self._scene, segment) for segment in visible}
        stale = {key for key, surface in found.items() if surface is not None and self._scene.is_stale(surface)}
        missing = {s.id for s in wanted if found[s.id] is None}
        make = [s for s in visible if s.id in stale | missing and (s.id, s.revision) in self.spans()]
        if make:
            self._add_surfaces(make, meshes_of(freeze_segments(self._scene, make), ctx))

    def _add_surfaces(self, segments: list[SegmentNode], meshes: list[NamedMesh]) -> None:
        from surgitwin.scene.arrays import ArrayData

        nodes = {node.id: node for node in self._scene}
        for segment, named in zip(segments, meshes, strict=True):
            side_known = self._scene.segmentation_of(segment).side_known
            old = surface_of(self._scene, segment)
            surface = SurfaceNode(
                name=segment.name,
                parent=segment.id,
                segment=segment.id,
                visible=old is None or old.visible,
                points=ArrayData.of(named.mesh.points),
                triangles=ArrayData.of(named.mesh.triangles),
                side_known=side_known,
            )
            if old is not None:
                del nodes[old.id]
            nodes[surface.id] = surface
        self._scene = Scene()
        self._scene.load(nodes.values())

    def shows(self, segment: SegmentNode) -> bool:
        """True if 3D pictures show the segment."""
        surface = surface_of(self._scene, segment)
        return segment.visible and surface is not None and surface.visible

    def spans(self) -> Any:
        """Where segments lie; found when first asked for, as that looks at every voxel."""
        from surgitwin.render.twin import spans_of

        if self._spans is None:
            self._spans = spans_of(self._scene)
        return self._spans

    def focus(self, plan: PlanNode | None) -> tuple[float, float, float]:
        """The point of interest: the plan's organ, or the middle of the image."""
        from surgitwin.render.twin import organ_span

        span = organ_span(self._scene, plan, self.spans())
        if span is not None:
            return span.centre
        if self._volume is None:
            return (0.0, 0.0, 0.0)
        x, y, z = (float(v) for v in self._volume.geometry.centre_mm)
        return x, y, z

    def draw(
        self,
        view: str,
        plan: PlanNode | None = None,
        at: tuple[float, float, float] | None = None,
        by: Context | PictureProcess | None = None,
    ) -> bytes:
        """One view as PNG, with the cut of a plan; on any thread.

        Parameters
        ----------
        by
            The process that draws 3D pictures where this thread may not, or the context of one for this picture alone.
        """
        from surgitwin.render import twin
        from surgitwin.render.picture_process import PictureProcess
        from surgitwin.render.slicing import Orientation
        from surgitwin.render.snapshot import snapshot_slice
        from surgitwin.render.windowing import window_for

        if view == "3d":
            content = twin.scene_content(self._scene, self._volume, plan, self.spans(), ghosts=plan is not None)
            if isinstance(by, PictureProcess):
                return by.draw(content, self._size)
            with PictureProcess(by or Context()) as process:
                return process.draw(content, self._size)
        if self._volume is None:
            raise BadInput(tr("This case holds no image to cut a slice from."))
        if at is not None and not self._volume.geometry.contains(at):
            point = ", ".join(f"{v:g}" for v in at)
            raise BadInput(tr("The point {point} lies outside the image.").format(point=point))
        slices = twin.slice_content(self._scene, self._volume, plan, self.spans())
        window = window_for(self._volume.voxels.read(), self._volume.identity.modality)
        return snapshot_slice(slices, Orientation[view.upper()], at or self.focus(plan), self._size, window=window)


def frozen_scene(scene: Scene, identity: bool) -> Scene:
    """A scene of the same nodes whose label arrays no later edit can change; images are named by date and phase."""
    from surgitwin.core.anonymous import anonymous_name
    from surgitwin.scene.arrays import ArrayData

    still = Scene()
    nodes = []
    for node in scene:
        if isinstance(node, LabelLayerNode):
            labels = ArrayData(node.labels.id, node.labels.shape, node.labels.dtype, data=node.labels.frozen())
            node = node.model_copy(update={"labels": labels})
        elif isinstance(node, VolumeNode) and not identity:
            node = node.model_copy(update={"name": anonymous_name(node.name, node.identity)})
        nodes.append(node)
    still.load(nodes)
    return still
