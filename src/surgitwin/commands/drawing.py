"""Edit a segment by hand: brush strokes, outlines in a slice, scissors. Headless too, from places in LPS mm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr, field_validator

from surgitwin.commands.base import Arg, Bench, Document, Work
from surgitwin.commands.labels import pick_volume
from surgitwin.commands.painting import Painted, start_marking, start_painting
from surgitwin.commands.placement import crop_of
from surgitwin.commands.points import numbers_as_text, places
from surgitwin.commands.ruled import RuledCommand
from surgitwin.commands.segmenting import segment_named, segments_of_volume
from surgitwin.core.errors import BadInput
from surgitwin.core.geometry import Box, Geometry
from surgitwin.core.progress import Context
from surgitwin.core.text import tr
from surgitwin.scene.nodes import SegmentNode, VolumeNode
from surgitwin.scene.scene import Scene

if TYPE_CHECKING:
    from surgitwin.segmentation.outlines import Lens, Outline, SliceLens
    from surgitwin.segmentation.rules import RuledGrid

View = Literal["axial", "coronal", "sagittal"]
AXES: dict[str, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
Way = Literal["outline", "live-wire", "level"]


class HandEdit(RuledCommand):
    """What edits by hand have in common. The places of the mouse do not go into the case's log."""

    unlogged: ClassVar[frozenset[str]] = frozenset({"points", "outline"})

    segment: Annotated[str, Arg(tr("the segment to edit; a new name makes one"), positional=True)] = Field(
        min_length=1, max_length=200
    )
    onto: Annotated[str | None, Arg(tr("the image to work on; without it the first"))] = None
    erase: Annotated[bool, Arg(tr("take voxels away instead of adding them"))] = False
    _marked: tuple[Box, NDArray[np.bool_]] | None = PrivateAttr(default=None)

    def take_marked(self, box: Box, mask: NDArray[np.bool_]) -> None:
        """Hand over the voxels that were worked out while the hand moved; they are not worked out again."""
        self._marked = (box, mask)

    def start(self, bench: Bench) -> Work[Any]:
        volume = pick_volume(bench.scene, self.onto)
        box, mask = self._marked or self.voxels(bench.scene, volume)
        if box.empty or not mask.any():
            raise BadInput(tr("The stroke lies outside of the image “{name}”.").format(name=volume.name))
        rules = self.edit_rules(bench.scene, volume)
        title = tr("{tool}: {{name}}").format(tool=self.title) if not self.erase else ""
        return start_painting(bench, volume, self.segment, Painted(box, mask, self.erase), rules, title)

    def voxels(self, scene: Scene, volume: VolumeNode) -> tuple[Box, NDArray[np.bool_]]:
        """What the hand marked."""
        raise NotImplementedError


class PaintStroke(HandEdit):
    """Paint with a brush, or erase."""

    name: ClassVar[str] = "paint"
    title: ClassVar[str] = tr("Paint")
    summary: ClassVar[str] = tr("Paint voxels of a segment with a brush along points, or erase them.")

    points: Annotated[tuple[str, ...], Arg(tr("where the brush was: x,y,z in LPS mm"), option="at")] = Field(
        min_length=1
    )
    radius_mm: Annotated[float, Arg(tr("radius of the brush"), unit="mm")] = Field(default=5.0, gt=0, le=500)
    shape: Annotated[Literal["sphere", "disk"], Arg(tr("a ball, or a disk in one slice"))] = "sphere"
    view: Annotated[View, Arg(tr("the view whose slice a disk lies in"))] = "axial"

    _points = field_validator("points", mode="before")(numbers_as_text)

    def voxels(self, scene: Scene, volume: VolumeNode) -> tuple[Box, NDArray[np.bool_]]:
        from surgitwin.segmentation.strokes import stroke

        at = places(self.points, 3, tr("The place"))
        return stroke(volume.geometry, at, self.radius_mm, self.shape, AXES[self.view])


class DrawOutline(HandEdit):
    """Fill an outline drawn in a slice."""

    name: ClassVar[str] = "draw"
    title: ClassVar[str] = tr("Draw")
    summary: ClassVar[str] = tr("Fill an outline in one slice: drawn, along edges between clicks, or of one value.")

    outline: Annotated[tuple[str, ...], Arg(tr("its corners, or the clicks: x,y,z in LPS mm"))] = Field(min_length=1)
    view: Annotated[View, Arg(tr("the view it is drawn in"))] = "axial"
    way: Annotated[
        Way, Arg(tr("straight between the corners, along edges between clicks, or the contour of the value at a point"))
    ] = "outline"

    _points = field_validator("outline", mode="before")(numbers_as_text)

    def voxels(self, scene: Scene, volume: VolumeNode) -> tuple[Box, NDArray[np.bool_]]:
        from surgitwin.segmentation.outlines import Outline
        from surgitwin.segmentation.scissors import fill_outline

        clicks = places(self.outline, 3, tr("The corner"))
        corners = outline_mm(volume, self.view, self.way, clicks)
        lens = slice_lens(volume.geometry, self.view, float(clicks[0][AXES[self.view]]))
        return fill_outline(volume.geometry, lens, Outline(np.delete(corners, lens.axis, axis=1)))


def slice_lens(geometry: Geometry, view: str, position_mm: float) -> SliceLens:
    """The one slice of a view at a coordinate."""
    from surgitwin.segmentation.outlines import SliceLens
    from surgitwin.segmentation.strokes import slice_spacing_mm

    axis = AXES[view]
    return SliceLens(axis, position_mm, slice_spacing_mm(geometry, axis))


def outline_mm(volume: VolumeNode, view: str, way: Way, clicks: NDArray[np.float64]) -> NDArray[np.float64]:
    """The corners of the outline that clicks in a slice stand for; (n, 3) LPS mm."""
    if way == "outline":
        return clicks
    from surgitwin.segmentation.edges import level_outline, wire_outline

    sliced = SlicePlane.of(volume, view, float(clicks[0][AXES[view]]))
    at = sliced.pixels_of(clicks)
    if way == "level":
        return sliced.points_of(level_outline(sliced.pixels, (float(at[0, 0]), float(at[0, 1]))))
    clicked = [(float(row), float(column)) for row, column in at]
    return sliced.points_of(wire_outline(sliced.pixels, sliced.spacing_mm, clicked))


@dataclass(frozen=True, eq=False)
class SlicePlane:
    """The pixels of one slice, [row, column], and where they lie."""

    pixels: NDArray[Any]
    view: str
    origin: tuple[float, float, float]
    spacing: tuple[float, float]
    position_mm: float

    @staticmethod
    def of(volume: VolumeNode, view: str, position_mm: float) -> SlicePlane:
        from surgitwin.render.slicing import Orientation, Slicer

        slicer = Slicer(volume.voxels.read(), volume.geometry, Orientation(view))
        grid = slicer.grid
        pixels = slicer.slice(grid.index_of(position_mm))
        if pixels is None:
            raise BadInput(tr("The point lies outside of the image “{name}”.").format(name=volume.name))
        return SlicePlane(pixels, view, grid.origin, (grid.spacing[0], grid.spacing[1]), position_mm)

    @property
    def spacing_mm(self) -> tuple[float, float]:
        """Of rows and of columns."""
        return self.spacing[1], self.spacing[0]

    def pixels_of(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fractional (row, column) of LPS points."""
        from surgitwin.render.slicing import Orientation

        plane = Orientation(self.view).to_view(points_mm)[:, :2]
        columns = (plane - np.asarray(self.origin[:2])) / np.asarray(self.spacing)
        return np.asarray(columns[:, ::-1])

    def points_of(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """LPS points of fractional (row, column)."""
        from surgitwin.render.slicing import Orientation

        plane = pixels[:, ::-1] * np.asarray(self.spacing) + np.asarray(self.origin[:2])
        depth = np.full((len(plane), 1), self.position_mm)
        return np.asarray(Orientation(self.view).to_lps(np.concatenate([plane, depth], axis=1)))


class CutWithScissors(RuledCommand):
    """Cut a segment along an outline drawn over a view."""

    name: ClassVar[str] = "scissors"
    title: ClassVar[str] = tr("Scissors")
    summary: ClassVar[str] = tr("Cut a segment along an outline over a view, in slices or in 3D.")
    unlogged: ClassVar[frozenset[str]] = frozenset({"outline", "camera"})

    segment: Annotated[str, Arg(tr("the segment to cut"), positional=True)]
    outline: Annotated[tuple[str, ...], Arg(tr("corners: x,y,z in LPS mm in a slice, x,y in pixels in 3D"))] = Field(
        min_length=3
    )
    view: Annotated[Literal["axial", "coronal", "sagittal", "3d"], Arg(tr("the view it is drawn over"))] = "axial"
    side: Annotated[Literal["inside", "outside"], Arg(tr("the side of the outline that is meant"))] = "inside"
    mode: Annotated[Literal["cut", "keep"], Arg(tr("take that side away, or keep only that"))] = "cut"
    depth_mm: Annotated[
        float | None, Arg(tr("in slices: cut so thick around the slice; without it through all"), unit="mm")
    ] = Field(default=None, gt=0)
    camera: Annotated[
        tuple[float, ...], Arg(tr("for 3D: the 16 numbers, row by row, from LPS mm to clip coordinates"))
    ] = ()
    size_px: Annotated[tuple[float, float] | None, Arg(tr("for 3D: width and height of the view"), unit="px")] = None
    onto: Annotated[str | None, Arg(tr("the image to work on; without it the first"))] = None

    _points = field_validator("outline", mode="before")(numbers_as_text)

    def start(self, bench: Bench) -> Work[Any]:
        scene = bench.scene
        volume = pick_volume(scene, self.onto)
        node = segment_named(segments_of_volume(scene, volume), self.segment)
        if node is None:
            message = tr("There is no segment “{name}” on the image “{image}” to cut.")
            raise BadInput(message.format(name=self.segment, image=volume.name))
        lens, outline = self._lens_and_outline(volume.geometry)
        rules = self.edit_rules(scene, volume)
        inside_goes = (self.side == "inside") == (self.mode == "cut")
        revision = node.revision

        def mark(grid: RuledGrid, ctx: Context) -> Painted:
            return _cut_away(grid.layer(node.layer).labels, node, volume.geometry, lens, outline, inside_goes, ctx)

        work = start_marking(bench, volume, node.id, mark, rules, tr("Scissors: {name}"))

        def commit(found: Any) -> Document:
            if node.id not in scene or scene.expect(node.id, SegmentNode).revision != revision:
                raise BadInput(tr("“{name}” was edited while this ran. Please cut again.").format(name=node.name))
            return work.commit(found)

        return Work(work.compute, commit)

    def _lens_and_outline(self, geometry: Geometry) -> tuple[Lens, Outline]:
        from surgitwin.segmentation.outlines import CameraLens, Outline, SliceLens

        if self.view == "3d":
            if len(self.camera) != 16 or self.size_px is None:
                raise BadInput(tr("Scissors in 3D need --camera with 16 numbers and --size-px with two."))
            lens = CameraLens(np.asarray(self.camera).reshape(4, 4), self.size_px)
            return lens, Outline(places(self.outline, 2, tr("The corner")))
        corners = places(self.outline, 3, tr("The corner"))
        axis = AXES[self.view]
        return SliceLens(axis, float(corners[0, axis]), self.depth_mm), Outline(np.delete(corners, axis, axis=1))


def _cut_away(
    labels: NDArray[Any],
    node: SegmentNode,
    geometry: Geometry,
    lens: Lens,
    outline: Outline,
    inside_goes: bool,
    ctx: Context,
) -> Painted:
    from surgitwin.segmentation.scissors import inside_outline

    mask, box = crop_of(labels, node.value)
    if box.empty:
        raise BadInput(tr("The segment “{name}” is empty; there is nothing to cut.").format(name=node.name))
    inside = inside_outline(mask, box, geometry, lens, outline, ctx)
    gone = inside if inside_goes else mask & ~inside
    if not gone.any():
        raise BadInput(tr("The cut meets nothing of “{name}”.").format(name=node.name))
    part = Box.of_mask(gone)
    return Painted(part.moved(box.start), np.ascontiguousarray(gone[part.slices]), erase=True)
